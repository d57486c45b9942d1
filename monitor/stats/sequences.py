"""A confidence sequence: an interval of a mean after each new value, right at all of them together.

The Canaries page draws it around the pass rate of the runs. An ordinary interval is right at one moment that was chosen
beforehand; whoever looks after each run will see it leave out the truth some day. This one may be looked at always.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from monitor.stats.intervals import CONFIDENCE

MOST = 0.5
"""The largest bet; the authors advise 1/2 or 3/4."""


def mean_sequence(values: ArrayLike, confidence: float = CONFIDENCE) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Arrays (low, high): after each of the values, numbers between 0 and 1, an interval of the mean behind them.

    With the stated confidence all of them hold, for as many values as ever come, whatever their distribution, if the
    mean given all values before stays the same. If it changes, each is for a mean of the means so far, in which the
    first values weigh most. The intervals are not cut with earlier ones: after a change nothing would be left.

    Source: Waudby-Smith and Ramdas (2023), Estimating means of bounded random variables by betting, JRSS B 86:1,
    theorem 2 (predictable plug-in empirical Bernstein).

    >>> low, high = mean_sequence([1, 1, 0, 1] * 50)
    >>> low[[0, 49, 199]].round(2).tolist(), high[[0, 49, 199]].round(2).tolist()
    ([0.0, 0.53, 0.64], [1.0, 0.98, 0.86])
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}: it lies between 0 and 1, such as 0.95")
    x = np.asarray(values, dtype=float)
    wrong = ~((x >= 0) & (x <= 1))
    if x.ndim != 1 or wrong.any():
        raise ValueError(f"value {x[wrong][0] if wrong.any() else x}: expected a list of numbers between 0 and 1")
    t, margin = np.arange(1, x.size + 1), math.log(2 / (1 - confidence))
    means = (0.5 + np.cumsum(x)) / (t + 1)
    variances = (0.25 + np.cumsum((x - means) ** 2)) / (t + 1)
    mean_before, variance_before = np.concatenate([[0.5], means])[:-1], np.concatenate([[0.25], variances])[:-1]
    bets = np.minimum(np.sqrt(2 * margin / (variance_before * t * np.log1p(t))), MOST)
    spent = np.cumsum((x - mean_before) ** 2 * (-np.log1p(-bets) - bets))
    total = np.cumsum(bets)
    centre, half = np.cumsum(bets * x) / total, (margin + spent) / total
    return np.maximum(centre - half, 0.0), np.minimum(centre + half, 1.0)
