"""Intervals of differences other than shares, of a mean, and the verdict in words; the `compare` query calls them.

All differences are first minus second: for b - a, which `verdict` expects, pass b first.
"""

import math
from collections.abc import Sequence

from scipy import special

from monitor.stats.intervals import CONFIDENCE, UNKNOWN, Interval

VERDICTS = ("b_lower", "b_higher", "no_difference_shown", "not_enough_data")


def mover_difference(est1: float, low1: float, high1: float, est2: float, low2: float, high2: float) -> Interval:
    """Interval of est1 - est2 from the two independent estimates and their intervals of the same confidence.

    Works for quantiles and means alike; an end that either side leaves open stays open, an unknown number gives NaN.

    Source: Zou and Donner (2008), Construction of confidence limits about effect measures: a general approach,
    Statistics in Medicine 27:1693 (MOVER, the method of variance estimates recovery).

    >>> [round(end, 2) for end in mover_difference(10, 8, 13, 4, 3, 6)]
    [3.17, 9.16]
    """
    if any(map(math.isnan, (est1, low1, high1, est2, low2, high2))):
        return UNKNOWN
    difference = est1 - est2
    return Interval(
        difference - math.hypot(est1 - low1, high2 - est2),
        difference + math.hypot(high1 - est1, est2 - low2),
    )


def mover_sum(
    weights: Sequence[float], estimates: Sequence[float], intervals: Sequence[tuple[float, float]]
) -> Interval:
    """Interval of a sum of independent estimates with weights of at least 0, from their intervals of one confidence.

    An unknown end of any of them makes both ends unknown. Source: as of `mover_difference`.

    >>> [round(end, 3) for end in mover_sum([0.5, 0.5], [0.9, 0.8], [(0.85, 0.93), (0.76, 0.83)])]
    [0.818, 0.871]
    """
    below = [w * (estimate - low) for w, estimate, (low, _) in zip(weights, estimates, intervals, strict=True)]
    above = [w * (high - estimate) for w, estimate, (_, high) in zip(weights, estimates, intervals, strict=True)]
    if any(map(math.isnan, (*below, *above))):
        return UNKNOWN
    total = math.fsum(w * estimate for w, estimate in zip(weights, estimates, strict=True))
    return Interval(total - math.hypot(*below), total + math.hypot(*above))


def mean_interval(mean: float, sd: float, n: int, confidence: float = CONFIDENCE) -> Interval:
    """Student's t interval of a mean, from the mean, the sample standard deviation (n - 1) and n; NaN for n < 2.

    Source: Student (1908), The probable error of a mean, Biometrika 6.

    >>> [round(end, 2) for end in mean_interval(100, 15, 10)]
    [89.27, 110.73]
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}: it lies between 0 and 1, such as 0.95")
    if n < 2:
        return UNKNOWN
    half = float(special.stdtrit(n - 1, (1 + confidence) / 2)) * sd / math.sqrt(n)
    return Interval(mean - half, mean + half)


def verdict(low: float, high: float) -> str:
    """What the interval of b - a shows: one of VERDICTS.

    An interval that is unknown, or that contains 0 only because a side is open, is not enough data.

    >>> verdict(-3.0, -1.0), verdict(-1.0, 2.0), verdict(-1.0, math.inf)
    ('b_lower', 'no_difference_shown', 'not_enough_data')
    """
    if math.isnan(low) or math.isnan(high):
        return "not_enough_data"
    if high < 0:
        return "b_lower"
    if low > 0:
        return "b_higher"
    return "not_enough_data" if math.isinf(low) or math.isinf(high) else "no_difference_shown"
