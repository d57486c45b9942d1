"""Total variation: the share of the values that would have to be others for both sides to be alike.

Of names, or of groups of bins.
"""

import math

import numpy as np

from monitor.drift import tails
from monitor.drift.methods.found import NOTHING, Found
from monitor.drift.profile import Profile
from monitor.drift.shares import table
from monitor.stats.intervals import newcombe_difference


def compare(reference: Profile, window: Profile) -> Found:
    """Half the sum of the differences of all shares.

    The interval is Newcombe's for the difference of the share of those names that are more frequent now. They are
    chosen by the values themselves, which makes the variation too large by up to `expected`: the lower end is lowered
    by that.

    Source: Levin, Peres and Wilmer (2009), Markov chains and mixing times, proposition 4.2.

    >>> from monitor.drift.profile import profile_names
    >>> found = compare(profile_names(["a"] * 50 + ["b"] * 50), profile_names(["a"] * 80 + ["b"] * 20))
    >>> round(found.effect, 3), round(found.low, 3), round(found.high, 3)
    (0.3, 0.115, 0.417)
    """
    cells = table(reference, window)
    if cells is None:
        return NOTHING
    gaps, n, m = cells.gaps, reference.n, window.n
    more = gaps > 0
    low, high = newcombe_difference(int(cells.window[more].sum()), m, int(cells.reference[more].sum()), n)
    pooled = (cells.reference + cells.window) / (n + m)
    expected = float(np.sqrt(pooled * (1 - pooled)).sum()) * math.sqrt((1 / n + 1 / m) / (2 * math.pi))
    p = cells.p
    return Found(float(np.abs(gaps).sum()) / 2, max(low - expected, 0.0), high, p, min(expected, 1.0))


def effect(reference: Profile, window: Profile) -> float:
    """The share alone."""
    cells = table(reference, window)
    return math.nan if cells is None else float(np.abs(cells.gaps).sum()) / 2


def smallest(reference: Profile, window: Profile, level: float) -> float:
    """A chi-squared statistic is at least 4 t^2 times the effective size for a variation of t (Cauchy-Schwarz)."""
    cells = table(reference, window)
    if cells is None:
        return math.nan
    return math.sqrt(tails.homogeneity_smallest(level, cells.window.size, reference.n, window.n) / 4)
