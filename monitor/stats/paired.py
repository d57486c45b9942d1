"""Two shares on the same items: the interval of their difference, and the test of whether there is one.

The query `probe_comparison` calls them: two checkpoints answer the same items, each answer is right or wrong. What both
get right or both get wrong says nothing about the difference; the items on which they part do.
"""

import math
from collections.abc import Callable

from scipy import special

from monitor.stats.intervals import CONFIDENCE, UNKNOWN, Interval, standard_score

_HALVINGS = 60
"""Steps of the search for an end: after them it is known to the last digit of a number."""


def paired_difference(only_first: int, only_second: int, n: int, confidence: float = CONFIDENCE) -> Interval:
    """Interval of the share of the first minus the share of the second, over the same n items: for b - a, pass b first.

    `only_first` counts the items that only the first gets right. The interval leaves out 0 exactly when McNemar's
    test without correction shows a difference. NaN for n = 0.

    Source: Tango (1998), Equivalence test and confidence interval for the difference in proportions for the
    paired-sample design, Statistics in Medicine 17:891.

    >>> [round(end, 3) for end in paired_difference(1, 7, 21)]
    [-0.517, -0.026]
    >>> [round(end, 3) for end in paired_difference(0, 0, 20)]
    [-0.161, 0.161]
    """
    _check_counts(only_first, only_second, n)
    if n == 0:
        return UNKNOWN
    z, middle = standard_score(confidence), (only_first - only_second) / n

    def score(difference: float) -> float:
        return _score(only_first, only_second, n, difference)

    return Interval(_crossing(score, z, -1.0, middle), _crossing(score, -z, middle, 1.0))


def mcnemar_midp(only_first: int, only_second: int) -> float:
    """Two-sided p-value of "the two shares are equal": McNemar's exact test with mid-p; 1 where they never part.

    Source: Fagerland, Lydersen and Laake (2013), The McNemar test for binary matched-pairs data: mid-p and asymptotic
    are better than exact conditional, BMC Medical Research Methodology 13:91.

    >>> round(mcnemar_midp(1, 7), 4)
    0.0391
    """
    _check_counts(only_first, only_second, only_first + only_second)
    n, fewer = only_first + only_second, min(only_first, only_second)
    below = float(special.bdtr(fewer - 1, n, 0.5)) if fewer else 0.0
    return min(1.0, below + float(special.bdtr(fewer, n, 0.5)))


def mcnemar_exact(only_first: int, only_second: int) -> float:
    """Two-sided p-value of "the two shares are equal": McNemar's exact test, never too small; 1 where they never part.

    Source: McNemar (1947), Note on the sampling error of the difference between correlated proportions, Psychometrika
    12:153, with the binomial distribution in place of the normal one.

    >>> round(mcnemar_exact(1, 7), 4)
    0.0703
    """
    _check_counts(only_first, only_second, only_first + only_second)
    n = only_first + only_second
    return min(1.0, 2 * float(special.bdtr(min(only_first, only_second), n, 0.5)))


def _score(only_first: int, only_second: int, n: int, difference: float) -> float:
    """How many standard deviations the counts lie above what this difference predicts; falls as it grows."""
    b = (2 * n - only_first + only_second) * difference - only_first - only_second
    c = -only_second * difference * (1 - difference)
    share = (math.sqrt(max(b * b - 8 * n * c, 0.0)) - b) / (4 * n)  # likeliest share of "only second"
    variance = n * (2 * share + difference * (1 - difference))
    above = only_first - only_second - n * difference
    if variance > 0:
        return above / math.sqrt(variance)
    return math.copysign(math.inf, above) if above else 0.0


def _crossing(score: Callable[[float], float], level: float, low: float, high: float) -> float:
    """Where a falling function passes a level."""
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if score(middle) > level else (low, middle)
    return (low + high) / 2


def _check_counts(only_first: int, only_second: int, n: int) -> None:
    if min(only_first, only_second) < 0 or only_first + only_second > n:
        raise ValueError(
            f"only_first is {only_first}, only_second is {only_second}, n is {n}: both are at least 0 and together at "
            "most n; count them over the same items"
        )
