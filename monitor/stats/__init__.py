"""The arithmetic behind every number that is shown: pure functions on numbers and numpy arrays, no I/O, no clock.

intervals    intervals of one rate or share, and of the difference of two shares
histogram    the latency grid: bucket numbers, quantiles with intervals, shares under a threshold
difference   intervals of other differences, of a mean, and the verdict in words
paired       shares on the same items: interval of the difference, and the test of whether there is one
signed_rank  the typical ratio of latencies on the same items
knee         the concurrency from which on more of it buys waiting
burn_rules   how fast an error budget is spent, and the table of rules
burn         the state of a deployment at every minute: ok, warn, alert, no_data
burn_reason  the sentence that says why
band         the reference band, and where a value lies
worddiff     which words of two answers are the same
points       points and boxes that an answer names, and how sure the model was of each
choices      how probable each answer of a closed question was

The queries call these; docs/statistics.md says what each of them promises. Only numpy and scipy.special are
imported: scipy.stats would add half a second and 50 MB to each process.
"""
