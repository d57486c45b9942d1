"""A mean, or the difference of two on the same items, by resampling: for scores that are no plain right or wrong.

The comparison of two runs, deployments or checkpoints calls it. Items that share an image are right or wrong together,
so whole groups of them are drawn, not items.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from monitor.stats.intervals import CONFIDENCE, UNKNOWN, Interval
from monitor.stats.resample import resampled_means

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
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError(f"{a.size} and {b.size} numbers: pass one of each for every item")
    return mean_bootstrap(a - b, groups, weights, seed, n, confidence)


def mean_bootstrap(
    values: ArrayLike,
    groups: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    seed: int = 0,
    n: int = 2000,
    confidence: float = CONFIDENCE,
) -> tuple[float, Interval]:
    """The weighted mean of the items and its BCa interval, with all that `paired_bootstrap` says of groups and weights.

    >>> mean, (low, high) = mean_bootstrap([0.9, 0.4, 1.0, 0.7, 0.6, 0.8, 0.0, 0.9] * 5)
    >>> round(mean, 4), round(low, 2), round(high, 2)
    (0.6625, 0.55, 0.75)
    """
    x = np.asarray(values, dtype=float)
    w = np.ones(x.shape) if weights is None else np.asarray(weights, dtype=float)
    _check(x, w)
    if not x.size:
        return math.nan, UNKNOWN
    places = np.arange(x.size) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    if places.shape != x.shape:
        raise ValueError(f"{places.size} groups of {x.size} items: name one for each item")
    sums: Floats = np.bincount(places, w * x).astype(float)
    sizes: Floats = np.bincount(places, w).astype(float)
    mean = float(sums.sum() / sizes.sum())
    if sums.size < 2:
        return mean, UNKNOWN
    resampled = resampled_means(sums[:, None], sizes, np.random.default_rng(seed), n)[:, 0]
    return mean, _bca(resampled, mean, _left_out(sums, sizes), confidence)


def mean_expanded(values: ArrayLike, confidence: float = CONFIDENCE) -> Interval:
    """What `mean_bootstrap` comes to for many items without groups, in a thousandth of the time and without chance.

    The quantiles of the resampled mean by Cornish and Fisher's expansion, its bias correction being its acceleration;
    from 100 items on it is as good as 2,000 resamples.

    Source: Hall (1992), The Bootstrap and Edgeworth Expansion, 3.10.

    >>> [round(end, 3) for end in mean_expanded([0.9, 0.4, 1.0, 0.7, 0.6, 0.8, 0.0, 0.9] * 20)]
    [0.612, 0.707]
    """
    x = np.asarray(values, dtype=float)
    apart = x - x.mean()
    squares = float((apart**2).sum())
    if not squares:
        return Interval(float(x.mean()), float(x.mean()))
    acceleration = float((apart**3).sum()) / (6 * squares**1.5)
    z = acceleration + special.ndtri([(1 - confidence) / 2, (1 + confidence) / 2])
    at = acceleration + z / (1 - acceleration * z)
    low, high = x.mean() + math.sqrt(squares) / x.size * (at + acceleration * (at**2 - 1))
    return Interval(float(low), float(high))


def _left_out(sums: Floats, sizes: Floats) -> Floats:
    """The mean without each group in turn."""
    values: Floats = (sums.sum() - sums) / (sizes.sum() - sizes)
    return values


def _bca(resampled: Floats, mean: float, left_out: Floats, confidence: float) -> Interval:
    same = np.abs(resampled - mean) <= 1e-12 * np.abs(resampled).max()
    below = np.mean((resampled < mean) & ~same) + np.mean(same) / 2
    if not 0 < below < 1:
        return Interval(mean, mean)
    bias = special.ndtri(below)
    pulls = left_out.mean() - left_out
    spread = float((pulls**2).sum())
    acceleration = float((pulls**3).sum()) / (6 * spread**1.5) if spread > 0 else 0.0
    z = bias + special.ndtri([(1 - confidence) / 2, (1 + confidence) / 2])
    low, high = np.quantile(resampled, special.ndtr(bias + z / (1 - acceleration * z)))
    return Interval(float(low), float(high))


def _check(x: Floats, w: Floats) -> None:
    if x.ndim != 1 or x.shape != w.shape:
        raise ValueError(f"{x.size} numbers, {w.size} weights: pass one of each for every item")
    if not np.isfinite(x).all():
        raise ValueError("a number is not finite: leave out the items of which one side is not known")
    if not ((w > 0) & np.isfinite(w)).all():
        raise ValueError(f"weight {w[~((w > 0) & np.isfinite(w))][0]:g}: expected finite weights above 0")
