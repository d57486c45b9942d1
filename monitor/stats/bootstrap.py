"""The difference of two means on the same items, by resampling: for scores that are no plain right or wrong.

The comparison of two runs or deployments calls it. Items that share an image are right or wrong together, so whole
groups of them are drawn, not items.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from monitor.stats.intervals import CONFIDENCE, UNKNOWN, Interval

Floats = NDArray[np.float64]


def paired_bootstrap(
    first: ArrayLike,
    second: ArrayLike,
    groups: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    seed: int = 0,
    n: int = 2000,
    confidence: float = CONFIDENCE,
) -> tuple[float, Interval]:
    """The weighted mean of first - second, item by item, and its interval: for b - a, pass b first.

    `groups` names the group of each item; without it each is one by itself. The interval is BCa (bias corrected and
    accelerated). NaN without items; one group alone has no interval, and few groups a narrow one: 20 are a fair number.
    Where all differences are equal so are both ends, for nothing that was seen varies; of right and wrong answers
    `paired_difference` then says more.

    Sources: Efron (1987), Better bootstrap confidence intervals, JASA 82; Davison and Hinkley (1997), Bootstrap Methods
    and their Application, 3.8 (groups).

    >>> difference, (low, high) = paired_bootstrap([1, 1, 0, 1, 1, 1, 1, 0] * 5, [1, 0, 0, 1, 0, 1, 1, 0] * 5)
    >>> round(difference, 3), round(low, 3), round(high, 3)
    (0.25, 0.125, 0.4)
    """
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    w = np.ones(a.shape) if weights is None else np.asarray(weights, dtype=float)
    _check(a, b, w)
    if not a.size:
        return math.nan, UNKNOWN
    places = np.arange(a.size) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    if places.shape != a.shape:
        raise ValueError(f"{places.size} groups of {a.size} items: name one for each item")
    sums: Floats = np.bincount(places, w * (a - b)).astype(float)
    sizes: Floats = np.bincount(places, w).astype(float)
    difference = float(sums.sum() / sizes.sum())
    if sums.size < 2:
        return difference, UNKNOWN
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(sums.size, np.full(sums.size, 1 / sums.size), size=n)
    return difference, _bca((drawn @ sums) / (drawn @ sizes), difference, _left_out(sums, sizes), confidence)


def _left_out(sums: Floats, sizes: Floats) -> Floats:
    """The difference without each group in turn."""
    values: Floats = (sums.sum() - sums) / (sizes.sum() - sizes)
    return values


def _bca(resampled: Floats, difference: float, left_out: Floats, confidence: float) -> Interval:
    below = np.mean(resampled < difference) + np.mean(resampled == difference) / 2
    if not 0 < below < 1:
        return Interval(difference, difference)
    bias = special.ndtri(below)
    pulls = left_out.mean() - left_out
    spread = float((pulls**2).sum())
    acceleration = float((pulls**3).sum()) / (6 * spread**1.5) if spread > 0 else 0.0
    z = bias + special.ndtri([(1 - confidence) / 2, (1 + confidence) / 2])
    low, high = np.quantile(resampled, special.ndtr(bias + z / (1 - acceleration * z)))
    return Interval(float(low), float(high))


def _check(a: Floats, b: Floats, w: Floats) -> None:
    if a.ndim != 1 or not a.shape == b.shape == w.shape:
        raise ValueError(f"{a.size} and {b.size} numbers, {w.size} weights: pass one of each for every item")
    if not (np.isfinite(a) & np.isfinite(b)).all():
        raise ValueError("a number is not finite: leave out the items of which one side is not known")
    if not ((w > 0) & np.isfinite(w)).all():
        raise ValueError(f"weight {w[~((w > 0) & np.isfinite(w))][0]:g}: expected finite weights above 0")
