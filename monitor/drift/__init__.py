"""Has what comes in or goes out changed? Profiles of features, methods that compare two of them, and the judgement.

profile   what is kept of a feature's values in an hour; profiles merge
shares    two profiles as one table of counts
tails     the exact and the asymptotic tests behind the p-values
methods   one way to compare per file; `methods.table` lists them
judging   which features of a window have moved, with control of false discoveries
slices    which part of the traffic a shift comes from

`jobs/drift.py` and `monitor/datasets` call these. No I/O, no clock; scipy.stats is not imported.
"""
