"""The Benchmarks page: which checkpoint is best and how sure that is, one benchmark, two checkpoints, evaluations."""
