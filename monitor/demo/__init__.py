"""14 days of generated traffic with planted incidents, labelled `demo`; `python -m monitor demo` and the tests load it.

`deployments` says who answers, `rhythm` when requests come, `recorded` what the checkpoints really answered,
`timing` how long they take, `failures` how they fail, `incidents` what goes wrong and when,
`traffic` makes one hour of it,
`events` writes that as events, and `generator` gives them all in batches.
"""
