"""Population stability index: a divergence that counts changes of rare cells heavily; 0.1 is some, 0.25 is much.

Cells are groups of bins with equal shares of the reference, or the most frequent names. Every count is raised by half
a value: an empty cell would make the index infinite, and a tiny share in its place would call 100 rows a drift.
"""

import math

import numpy as np

from monitor.drift import tails
from monitor.drift.methods.divergence import interval
from monitor.drift.methods.found import NOTHING, Found
from monitor.drift.profile import Floats, Ints, Profile
from monitor.drift.shares import Table, table

NAMES = 20
"""More names than these are put together, the rarest first."""

SMOOTHING = 0.5


def compare(reference: Profile, window: Profile) -> Found:
    """The index with its interval; the test is the chi-squared one on the same cells.

    Sources: Siddiqi (2006), Credit risk scorecards; Yurdakul (2018), Statistical properties of population stability
    index, for what is to be expected without a change: (cells - 1) (1 / n + 1 / m).

    >>> from monitor.drift.profile import profile_names
    >>> found = compare(profile_names(["a"] * 500 + ["b"] * 500), profile_names(["a"] * 700 + ["b"] * 300))
    >>> round(found.effect, 3), round(found.low, 3), round(found.high, 3)
    (0.169, 0.095, 0.239)
    """
    cells = _cells(reference, window)
    if cells is None:
        return NOTHING
    p, q = _smoothed(cells.reference), _smoothed(cells.window)
    log = np.log(p / q)
    value = float(((p - q) * log).sum())
    slopes = (log - q / p, -log - p / q)
    low, high, expected = interval(value, slopes, (p, q), (reference.n, window.n), 1.0)
    return Found(value, low, high, cells.p, expected)


def effect(reference: Profile, window: Profile) -> float:
    """The index alone."""
    cells = _cells(reference, window)
    return math.nan if cells is None else index(cells.reference, cells.window)


def index(reference: Ints, window: Ints) -> float:
    """The index of two lists of counts of the same cells.

    >>> round(index(np.array([50, 50]), np.array([50, 0])), 3)
    2.262
    """
    p, q = _smoothed(reference), _smoothed(window)
    return float(((p - q) * np.log(p / q)).sum())


def smallest(reference: Profile, window: Profile, level: float) -> float:
    """The chi-squared statistic by the effective size, which the index is near equality."""
    cells = _cells(reference, window)
    if cells is None:
        return math.nan
    return tails.homogeneity_smallest(level, cells.window.size, reference.n, window.n)


def _cells(reference: Profile, window: Profile) -> Table | None:
    cells = table(reference, window)
    if cells is None or cells.window.size <= NAMES:
        return cells
    falling = np.argsort(-(cells.reference + cells.window), kind="stable")  # by either side alone would take sides
    starts = np.arange(NAMES)
    pooled = [np.add.reduceat(counts[falling], starts) for counts in (cells.reference, cells.window)]
    return Table(pooled[0], pooled[1], cells.names, cells.starts)


def _smoothed(counts: Ints) -> Floats:
    shares: Floats = (counts + SMOOTHING) / (counts.sum() + SMOOTHING * counts.size)
    return shares
