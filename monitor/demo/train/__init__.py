"""Makes the small checkpoints: `python -m monitor.demo.train`.

`recipe` says how much of what, `rows` packs questions behind their images, `muon` and `fit` train, `evaluate` asks the
saved checkpoints held-out questions, `card` writes the model cards.
"""
