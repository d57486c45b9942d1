"""Wasserstein distance in standard deviations of the reference: how far values have to be carried, on average.

From the values themselves where both profiles know them, else from counts and sums of the bins, in the tails, too. The
latter is right where the two distribution functions do not cross within a bin, and can only be too small.
"""

import math

import numpy as np

from monitor.drift import tails
from monitor.drift.methods import ks
from monitor.drift.methods.divergence import Z
from monitor.drift.methods.found import NOTHING, Found
from monitor.drift.profile import Floats, Ints, Numeric
from monitor.drift.shares import same_edges


def compare(reference: Numeric, window: Numeric) -> Found:
    """The distance with an interval by the delta method; the test is Kolmogorov's, on the same values.

    The distance is the difference of the means of a function that rises where the window lies further right and falls
    where it lies further left, so its variance is that of two means. Chance alone makes it too large by up to
    `expected`: the lower end is lowered by that. With heavy tails the interval is too narrow. A reference without any
    spread is measured by the spread of both sides.

    Sources: Vallender (1974), Calculation of the Wasserstein distance between probability distributions on the line,
    Theory of Probability and its Applications 18:784; del Barrio, Giné and Matrán (1999), Annals of Probability
    27:1009.

    >>> from monitor.drift.profile import profile_numbers
    >>> cuts = np.arange(10.0)
    >>> found = compare(profile_numbers(np.arange(10.0), cuts), profile_numbers(np.arange(4.0, 14.0), cuts))
    >>> round(found.effect, 4)  # scipy.stats.wasserstein_distance is 4, the standard deviation 2.87
    1.3926
    """
    n, m = reference.n, window.n
    if not n or not m:
        return NOTHING
    value = effect(reference, window)
    if not math.isfinite(value):
        return NOTHING
    with np.errstate(over="ignore", invalid="ignore"):
        at, ours, theirs = _masses(reference, window)
        widths = np.diff(at) / _unit(reference, window)
        below, under = np.cumsum(ours)[:-1], np.cumsum(theirs)[:-1]
        carried = np.concatenate([[0.0], np.cumsum(np.sign(under - below) * widths)])
        half = Z * math.sqrt(_variance(carried, ours) / n + _variance(carried, theirs) / m)
        both = np.clip((below * n + under * m) / (n + m), 0.0, 1.0)
        expected = math.sqrt(2 / math.pi / tails.effective(n, m)) * float((np.sqrt(both * (1 - both)) * widths).sum())
    low, high = max(value - half - expected, 0.0), value + half
    p = tails.kolmogorov(ks.effect(reference, window), n, m)
    return Found(
        value, low if math.isfinite(high) else math.nan, high if math.isfinite(high) else math.nan, p, expected
    )


def effect(reference: Numeric, window: Numeric) -> float:
    """The distance alone."""
    if not reference.n or not window.n:
        return math.nan
    with np.errstate(over="ignore", invalid="ignore"):
        if reference.points is None or window.points is None:
            carried = _areas(reference, window)
        else:
            at, ours, theirs = _masses(reference, window)
            carried = np.cumsum(theirs - ours)[:-1] * np.diff(at)
        value = float(np.abs(carried).sum()) / _unit(reference, window)
    return value if math.isfinite(value) else math.nan


def _areas(reference: Numeric, window: Numeric) -> Floats:
    """The area between the two distribution functions in each bin, by parts: from the cuts and the sums of the bins."""
    same_edges(reference, window)
    apart = np.cumsum(window.counts / window.n - reference.counts / reference.n)[:-1]
    ends = reference.edges * apart
    sums: Floats = window.sums / window.n - reference.sums / reference.n
    areas: Floats = np.append(ends, 0.0) - np.concatenate([[0.0], ends]) - sums
    return areas


def smallest(reference: Numeric, window: Numeric, level: float) -> float:
    """The distance of two normal distributions whose Kolmogorov distance has this chance."""
    return ks.shift(ks.smallest(reference, window, level))


def _masses(reference: Numeric, window: Numeric) -> tuple[Floats, Floats, Floats]:
    """Where values lie, rising, with the share of either side there."""
    ours, theirs = ks.points(reference), ks.points(window)
    if ours is None or theirs is None:
        same_edges(reference, window)
        ours, theirs = _bins(reference), _bins(window)
    at = np.concatenate([ours[0], theirs[0]])
    order = np.argsort(at, kind="stable")
    none = np.zeros(max(ours[0].size, theirs[0].size))
    left = np.concatenate([ours[1] / reference.n, none[: theirs[0].size]])
    right = np.concatenate([none[: ours[0].size], theirs[1] / window.n])
    return at[order], left[order], right[order]


def _bins(profile: Numeric) -> tuple[Floats, Ints]:
    filled = profile.counts > 0
    return profile.means[filled], profile.counts[filled]


def _unit(reference: Numeric, window: Numeric) -> float:
    if reference.sd > 0:
        return reference.sd
    apart = float(reference.sums.sum()) / reference.n - float(window.sums.sum()) / window.n
    return math.sqrt(window.sd**2 / 2 + apart**2 / 4) or 1.0


def _variance(values: Floats, shares: Floats) -> float:
    mean = float((values * shares).sum())
    return float(((values - mean) ** 2 * shares).sum())
