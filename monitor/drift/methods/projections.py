"""Kolmogorov-Smirnov along fixed random directions: vectors that are kept as profiles of their projections.

Needs no vectors, only 32 histograms an hour, and finds what moves along any of the directions.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

from monitor.drift import tails
from monitor.drift.methods import ks
from monitor.drift.methods.found import NOTHING, Found
from monitor.drift.profile import Numeric


def compare(reference: Sequence[Numeric], window: Sequence[Numeric]) -> Found:
    """The largest distance along any direction; p is that of the smallest, times their number (Bonferroni).

    Source: Cuesta-Albertos, Fraiman and Ransford (2007), A sharp form of the Cramér-Wold theorem, Journal of
    Theoretical Probability 20:201: two different distributions differ along almost every direction.

    >>> import numpy as np
    >>> from monitor.drift.profile import profile_numbers
    >>> cuts = np.arange(10.0)
    >>> one, two = (profile_numbers(np.arange(start, start + 10.0), cuts) for start in (0, 4))
    >>> round(compare([one, one], [one, two]).effect, 3)
    0.4
    """
    pairs = _pairs(reference, window)
    if not pairs:
        return NOTHING
    widest = max(pairs, key=lambda pair: ks.effect(*pair))
    found = ks.compare(*widest)
    smallest_p = min(ks.compare(*pair).p for pair in pairs) if _uneven(pairs) else found.p
    middle = tails.kolmogorov_smallest(1 - 0.5 ** (1 / len(pairs)), widest[0].n, widest[1].n)
    return replace(found, p=min(1.0, smallest_p * len(pairs)), expected=min(1.0, middle))


def effect(reference: Sequence[Numeric], window: Sequence[Numeric]) -> float:
    """The largest distance alone."""
    return max((ks.effect(*pair) for pair in _pairs(reference, window)), default=math.nan)


def smallest(reference: Sequence[Numeric], window: Sequence[Numeric], level: float) -> float:
    """The distance along one direction whose chance is `level` by their number."""
    pairs = _pairs(reference, window)
    return max((ks.smallest(*pair, level / len(pairs)) for pair in pairs), default=math.nan)


def _pairs(reference: Sequence[Numeric], window: Sequence[Numeric]) -> list[tuple[Numeric, Numeric]]:
    if len(reference) != len(window):
        raise ValueError(f"{len(reference)} directions against {len(window)}: project both onto the same ones")
    return [pair for pair in zip(reference, window, strict=True) if pair[0].n and pair[1].n]


def _uneven(pairs: Sequence[tuple[Numeric, Numeric]]) -> bool:
    return len({(ours.n, theirs.n) for ours, theirs in pairs}) > 1
