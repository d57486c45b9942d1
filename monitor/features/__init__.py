"""Descriptors of predictions, for drift: what a prompt, an answer and an image are like, in numbers and names.

`table.py` lists them; `describe.py` computes those of texts and requests, `images.py` those of pictures, and
`projections.py` what is kept of embeddings. Called by `jobs/drift.py`; `docs/drift-features.md` explains each.
"""
