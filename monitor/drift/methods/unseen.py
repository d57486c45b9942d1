"""The share of values whose names the reference has never seen: one-sided, names that vanish do not count.

A reference of many rare names has not seen them all. What it has missed is about the share of names that it has seen
once; only more than that is a change.
"""

import math

import numpy as np

from monitor.drift import tails
from monitor.drift.methods.found import NOTHING, Found
from monitor.drift.profile import Category
from monitor.stats.intervals import wilson


def compare(reference: Category, window: Category) -> Found:
    """The share with Wilson's interval; the test holds it against names seen once (Fisher's exact, one-sided).

    Source: Good (1953), The population frequencies of species and the estimation of population parameters,
    Biometrika 40:237.

    >>> from monitor.drift.profile import profile_names
    >>> found = compare(profile_names(["a", "b"] * 50), profile_names(["a"] * 45 + ["c"] * 5))
    >>> round(found.effect, 3), found.p < 0.01
    (0.1, True)
    """
    n, m = reference.n, window.n
    if not n or not m:
        return NOTHING
    new, hidden = _new(reference, window)
    once = min(n, int(np.count_nonzero(reference.counts == 1)) + reference.other + hidden)
    p = tails.more(once, n, new, m) if once + new else math.nan
    low, high = wilson(new, m)
    excused = (reference.other + hidden) / n
    share, low, high = (max(0.0, each - excused) for each in (new / m, low, high))
    return Found(share, low, high, p, max(0.0, once / n - excused))


def effect(reference: Category, window: Category) -> float:
    """The share alone."""
    if not reference.n or not window.n:
        return math.nan
    new, hidden = _new(reference, window)
    return max(0.0, new / window.n - (reference.other + hidden) / reference.n)


def smallest(reference: Category, window: Category, level: float) -> float:
    """Not known: it depends on how many names were seen once."""
    return math.nan


def _new(reference: Category, window: Category) -> tuple[int, int]:
    """Values of the window without a kept name of the reference; values of the reference that may be among them."""
    known = set(reference.names)
    seen = sum(count for name, count in zip(window.names, window.counts.tolist(), strict=True) if name in known)
    hidden = 0
    if window.other:
        named = set(window.names)
        hidden = sum(
            count for name, count in zip(reference.names, reference.counts.tolist(), strict=True) if name not in named
        )
    return window.n - seen, hidden
