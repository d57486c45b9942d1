"""The arithmetic behind every number that is shown: pure functions on numbers and numpy arrays, no I/O, no clock.

intervals    intervals of one rate or share, and of the difference of two shares
histogram    the latency grid: bucket numbers, quantiles with intervals, shares under a threshold
difference   intervals of other differences, of a mean, and the verdict in words
burn_rules   how fast an error budget is spent, and the table of rules
burn         the state of a deployment at every minute: ok, warn, alert, no_data
burn_reason  the sentence that says why
band         the reference band, and where a value lies

The queries call these; docs/statistics.md says what each of them promises. Only numpy and scipy.special are
imported: scipy.stats would add half a second and 50 MB to each process.
"""
