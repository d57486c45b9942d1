"""Benchmarks: what an evaluation is, what makes two of them comparable, and what their numbers show.

evaluation   one checkpoint on one benchmark: scores, items, and how it was run
protocol     how a benchmark was run, and what keeps two scores apart
scoring      the interval of a score, or why there is none
comparing    two checkpoints on the same items
ranking      many checkpoints on the same items: places, with ties shown as ties
"""
