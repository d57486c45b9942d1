"""The chi-squared test of homogeneity, with Cramér's V as effect: 0.1 is a small, 0.3 a medium, 0.5 a large difference.

V of both sides weighed alike: with a million rows on one side and a thousand on the other, the usual V of a complete
change would be near 0. Of names, or of groups of bins.
"""

import math

from monitor.drift import tails
from monitor.drift.methods.divergence import divided, interval
from monitor.drift.methods.found import NOTHING, Found
from monitor.drift.profile import Floats, Profile
from monitor.drift.shares import table


def compare(reference: Profile, window: Profile) -> Found:
    """V with its interval, and the chi-squared test.

    Sources: Pearson (1900), Philosophical Magazine 50:157; Cramér (1946), Mathematical methods of statistics, 21.9.

    >>> from monitor.drift.profile import profile_names
    >>> found = compare(profile_names(["a"] * 50 + ["b"] * 50), profile_names(["a"] * 80 + ["b"] * 20))
    >>> round(found.effect, 4)  # scipy.stats.contingency.association
    0.3145
    """
    cells = table(reference, window)
    if cells is None:
        return NOTHING
    p, q = cells.reference / reference.n, cells.window / window.n
    value = squared(p, q)
    gaps = divided(p - q, p + q)
    slopes = (gaps - gaps * gaps / 2, -gaps - gaps * gaps / 2)
    low, high, expected = interval(value, slopes, (p, q), (reference.n, window.n), 0.25)
    p_value = cells.p
    return Found(math.sqrt(value), math.sqrt(low), math.sqrt(min(high, 1.0)), p_value, math.sqrt(min(expected, 1.0)))


def effect(reference: Profile, window: Profile) -> float:
    """V alone."""
    cells = table(reference, window)
    return math.nan if cells is None else math.sqrt(squared(cells.reference / reference.n, cells.window / window.n))


def squared(p: Floats, q: Floats) -> float:
    """The square of V, of two lists of shares of the same cells."""
    return min(1.0, float(divided((p - q) ** 2, p + q).sum()) / 2)


def smallest(reference: Profile, window: Profile, level: float) -> float:
    """V of a chi-squared statistic of this chance."""
    cells = table(reference, window)
    if cells is None:
        return math.nan
    return math.sqrt(tails.homogeneity_smallest(level, cells.window.size, reference.n, window.n) / 4)
