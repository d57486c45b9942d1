"""Jensen-Shannon distance with logarithms to base 2: 0 where the shares are equal, 1 where they have nothing in common.

Of names, or of groups of bins.
"""

import math

import numpy as np
from scipy import special

from monitor.drift import tails
from monitor.drift.methods.divergence import divided, interval
from monitor.drift.methods.found import NOTHING, Found
from monitor.drift.profile import Floats, Profile
from monitor.drift.shares import table

SCALE = 1 / (8 * math.log(2))
"""Near equality the divergence is this times the chi-squared statistic by the effective size."""


def compare(reference: Profile, window: Profile) -> Found:
    """The distance with its interval; the test is the chi-squared one on the same cells.

    Sources: Lin (1991), Divergence measures based on the Shannon entropy, IEEE Transactions on Information Theory
    37:145; Endres and Schindelin (2003), A new metric for probability distributions, ibid. 49:1858, for the root.

    >>> from monitor.drift.profile import profile_names
    >>> found = compare(profile_names(["a"] * 50 + ["b"] * 50), profile_names(["a"] * 80 + ["b"] * 20))
    >>> round(found.effect, 4)  # scipy.spatial.distance.jensenshannon, base 2
    0.2704
    """
    cells = table(reference, window)
    if cells is None:
        return NOTHING
    p, q = cells.reference / reference.n, cells.window / window.n
    value = divergence(p, q)
    slopes = (_slope(p, q), _slope(q, p))
    ends = interval(value, slopes, (p, q), (reference.n, window.n), SCALE)
    low, high, expected = (math.sqrt(min(end, 1.0)) for end in ends)
    return Found(math.sqrt(value), low, high, cells.p, expected)


def effect(reference: Profile, window: Profile) -> float:
    """The distance alone."""
    cells = table(reference, window)
    if cells is None:
        return math.nan
    return math.sqrt(divergence(cells.reference / reference.n, cells.window / window.n))


def divergence(p: Floats, q: Floats) -> float:
    """The square of the distance, of two lists of shares of the same cells.

    >>> divergence(np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    1.0
    """
    middle = (p + q) / 2
    nats = float(special.rel_entr(p, middle).sum() + special.rel_entr(q, middle).sum()) / 2
    return min(1.0, max(0.0, nats / math.log(2)))


def smallest(reference: Profile, window: Profile, level: float) -> float:
    """The distance that a chi-squared statistic of this chance has near equality."""
    cells = table(reference, window)
    if cells is None:
        return math.nan
    return math.sqrt(SCALE * tails.homogeneity_smallest(level, cells.window.size, reference.n, window.n))


def _slope(p: Floats, q: Floats) -> Floats:
    ratio = divided(2 * p, p + q)
    slope: Floats = 0.5 * np.log2(np.where(ratio > 0, ratio, 1.0))
    return slope
