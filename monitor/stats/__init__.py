"""The arithmetic behind every number that is shown: pure functions on numbers and numpy arrays, no I/O, no clock.

intervals    intervals of one rate or share, and of the difference of two shares
sequences    an interval of a mean after each new value, right at all of them together
histogram    the latency grid: bucket numbers, quantiles with intervals, shares under a threshold
difference   intervals of other differences, of a mean, and the verdict in words
paired       shares on the same items: interval of the difference, and the test of whether there is one
bootstrap    means, and their differences on the same items, where some of them belong together
resample     the means of resampled groups, quickly
cluster      items that belong together: standard error, interval of a share, paired t-test
signflip     is the mean of paired differences 0? for scores of any kind, and groups
holm         many p-values at once
best         how sure it is that a checkpoint is the best of several
power        how many items it takes to see a drop
signed_rank  the typical ratio of latencies on the same items
knee         the concurrency from which on more of it buys waiting
burn_rules   how fast an error budget is spent, and the table of rules
burn         the state of a deployment at every minute: ok, warn, alert, no_data
burn_reason  the sentence that says why
band         the reference band, and where a value lies
evidence     replays before and after a moment: e-values against "nothing has changed"
ebh          which of many e-values to act on
bh           which of many p-values to act on
similarity   how alike two texts are
worddiff     which words of two answers are the same
points       points and boxes that an answer names, and how sure the model was of each
choices      how probable each answer of a closed question was

The queries call these; docs/statistics.md says what each of them promises. Only numpy and scipy.special are
imported: scipy.stats would add half a second and 50 MB to each process.
"""
