"""Kolmogorov-Smirnov: the largest difference of the shares of values up to any point.

From the values themselves where both profiles know them, else at the edges of the bins, which can only be less:
by at most what one bin holds, 1/64 of the reference.
"""

import math

import numpy as np
from scipy import special

from monitor.drift import tails
from monitor.drift.methods.found import NOTHING, Found
from monitor.drift.profile import Floats, Ints, Numeric
from monitor.drift.shares import same_edges
from monitor.stats.intervals import CONFIDENCE, newcombe_difference

MEAN = math.sqrt(math.pi / 2) * math.log(2)
"""Mean of Kolmogorov's distribution."""


def compare(reference: Numeric, window: Numeric) -> Found:
    """The distance with its interval, and Kolmogorov's test.

    The upper end is Newcombe's for the difference of the two shares at the point that differs most. That point is
    chosen by the values themselves, so the lower end leaves the room of Kolmogorov's distribution: it is above 0 where
    p is below 5 %.

    Source: Smirnov (1948), Table for estimating the goodness of fit of empirical distributions, Annals of Mathematical
    Statistics 19:279.

    >>> from monitor.drift.profile import profile_numbers
    >>> cuts = np.arange(10.0)
    >>> found = compare(profile_numbers(np.arange(10.0), cuts), profile_numbers(np.arange(4.0, 14.0), cuts))
    >>> round(found.effect, 3), round(found.p, 3)  # scipy.stats.ks_2samp
    (0.4, 0.418)
    """
    n, m = reference.n, window.n
    if not n or not m:
        return NOTHING
    below, under = _widest(reference, window)
    effect = abs(under / m - below / n)
    low = effect - tails.kolmogorov_smallest(1 - CONFIDENCE, n, m)
    high = _upper(under, m, below, n) if under / m > below / n else _upper(below, n, under, m)
    expected = min(1.0, MEAN / math.sqrt(tails.effective(n, m)))
    return Found(effect, max(low, 0.0), high, tails.kolmogorov(effect, n, m), expected)


def _upper(k: int, n: int, j: int, m: int) -> float:
    return newcombe_difference(k, n, j, m).high


def effect(reference: Numeric, window: Numeric) -> float:
    """The distance alone."""
    if not reference.n or not window.n:
        return math.nan
    below, under = _widest(reference, window)
    return abs(under / window.n - below / reference.n)


def smallest(reference: Numeric, window: Numeric, level: float) -> float:
    """The distance whose chance is `level`."""
    return tails.kolmogorov_smallest(level, reference.n, window.n) if reference.n and window.n else math.nan


def shift(distance: float) -> float:
    """How many standard deviations apart two normal distributions of this distance are.

    >>> round(shift(0.1), 3)
    0.251
    """
    return 2 * float(special.ndtri((1 + min(distance, 1.0)) / 2))


def _widest(reference: Numeric, window: Numeric) -> tuple[int, int]:
    """How many values of either lie up to the point at which their shares differ most."""
    ours, theirs = points(reference), points(window)
    if ours is None or theirs is None:
        same_edges(reference, window)
        below, under = np.cumsum(reference.counts), np.cumsum(window.counts)
    elif ours[0].size >= theirs[0].size:
        below, under = _at_steps(ours, theirs)
    else:
        under, below = _at_steps(theirs, ours)
    at = int(np.abs(under / window.n - below / reference.n).argmax())
    return int(below[at]), int(under[at])


def points(profile: Numeric) -> tuple[Floats, Ints] | None:
    """The distinct values with their counts, where these are known."""
    if profile.points is None or profile.point_counts is None:
        return None
    return profile.points, profile.point_counts


def _at_steps(many: tuple[Floats, Ints], few: tuple[Floats, Ints]) -> tuple[Ints, Ints]:
    """Values of both up to each point of the second, and just below it: there the difference is largest."""
    upto = np.concatenate([[0], np.cumsum(many[1])])
    steps = np.concatenate([[0], np.cumsum(few[1])])
    left, right = np.searchsorted(many[0], few[0], side="left"), np.searchsorted(many[0], few[0], side="right")
    return np.concatenate([upto[right], upto[left]]), np.concatenate([steps[1:], steps[:-1]])
