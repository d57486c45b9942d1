"""How many times as long one takes as the other on the same items: the median of the paired ratios, with its interval.

The query `probe_comparison` calls it with latencies. Nothing is assumed about the shape of the latencies themselves.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from monitor.stats.intervals import CONFIDENCE, UNKNOWN, Interval, standard_score

EXACT = 60
"""Up to this many pairs the distribution of the signed ranks is counted; from there on the normal one is as good."""

_HALVINGS = 60

Floats = NDArray[np.float64]


def paired_ratio(first: ArrayLike, second: ArrayLike, confidence: float = CONFIDENCE) -> tuple[float, Interval]:
    """The typical ratio first / second of positive numbers that belong together, and its interval; for b / a, b first.

    It is the Hodges-Lehmann median of the logarithms of the ratios, as a factor. NaN without pairs; fewer than 6 pairs
    give no bound at 95 % (0 and infinity).

    >>> ratio, (low, high) = paired_ratio([22, 33, 41, 58, 60, 75, 88], [20, 30, 40, 50, 60, 70, 80])
    >>> round(ratio, 3), round(low, 3), round(high, 3)
    (1.086, 1.025, 1.13)
    """
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"{a.size} and {b.size} numbers: pass two lists of the same length, one number for each pair")
    wrong = ~((a > 0) & (b > 0) & np.isfinite(a) & np.isfinite(b))
    if wrong.any():
        raise ValueError(f"pair {a[wrong][0]:g} and {b[wrong][0]:g}: a ratio needs two finite numbers above 0")
    middle, (low, high) = pseudomedian(np.log(a) - np.log(b), confidence)
    return math.exp(middle), Interval(math.exp(low), math.exp(high))


def pseudomedian(differences: ArrayLike, confidence: float = CONFIDENCE) -> tuple[float, Interval]:
    """The Hodges-Lehmann median of paired differences and its interval: the Walsh averages that Wilcoxon's test allows.

    It is the median if the differences lie alike on both sides; of skewed ones it is the median of the mean of two.
    An end that too few differences leave open is infinite. It takes about 60 * n * log(n) steps, never n * n.

    Source: Hodges and Lehmann (1963), Estimates of location based on rank tests, Annals of Mathematical Statistics 34;
    Hollander, Wolfe and Chicken (2014), Nonparametric Statistical Methods, 3.2 and 3.3.

    >>> pseudomedian([1, 2, 3, 4, 5, 6])
    (3.5, Interval(low=1.0, high=6.0))
    """
    x = np.sort(np.asarray(differences, dtype=float))
    if not np.isfinite(x).all():
        raise ValueError("a difference is not finite: leave out the pairs of which one side is not known")
    n = x.size
    if n == 0:
        return math.nan, UNKNOWN
    averages = n * (n + 1) // 2
    middle = (_walsh_average(x, (averages + 1) // 2) + _walsh_average(x, averages // 2 + 1)) / 2
    rank = lowest_rank(n, confidence)
    if rank == 0:
        return middle, Interval(-math.inf, math.inf)
    return middle, Interval(_walsh_average(x, rank), _walsh_average(x, averages + 1 - rank))


def lowest_rank(n: int, confidence: float = CONFIDENCE) -> int:
    """Rank (from 1) of the Walsh average at the lower end of the interval from n differences; 0 where there is none.

    >>> lowest_rank(5), lowest_rank(6), lowest_rank(10)
    (0, 1, 9)
    """
    tail, z = (1 - confidence) / 2, standard_score(confidence)
    if n > EXACT:
        return max(0, math.floor(n * (n + 1) / 4 - z * math.sqrt(n * (n + 1) * (2 * n + 1) / 24)))
    chances = np.ones(1)  # chances[t]: that the ranks on the positive side add up to t
    for rank in range(1, n + 1):
        chances = np.concatenate([chances, np.zeros(rank)]) + np.concatenate([np.zeros(rank), chances])
        chances /= 2
    return int(np.searchsorted(np.cumsum(chances), tail, side="right"))


def _walsh_average(x: Floats, rank: int) -> float:
    """The average of that rank (from 1) among all averages of two of the sorted numbers, each with itself too."""
    low, high = float(x[0]), float(x[-1])
    if int(_partners(x, low).sum()) >= rank:
        return low
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        up_to = int(_partners(x, middle).sum())
        low, high = (low, middle) if up_to >= rank else (middle, high)
        if up_to == rank:
            break
    partners = _partners(x, high)
    first = np.flatnonzero(partners)
    return float((x[first] + x[first + partners[first] - 1]).max() / 2)  # the average itself, not the end of a search


def _partners(x: Floats, limit: float) -> NDArray[np.int64]:
    """For each number, with how many of those from itself on its average is at most the limit."""
    numbers: NDArray[np.int64] = np.searchsorted(x, 2 * limit - x, side="right") - np.arange(x.size)
    return np.maximum(numbers, 0)
