"""The difference of the shares of missing values, of any feature."""

import math

from monitor.drift import tails
from monitor.drift.methods.found import NOTHING, Found
from monitor.drift.profile import Profile
from monitor.stats.intervals import newcombe_difference


def compare(reference: Profile, window: Profile) -> Found:
    """How far the shares are apart, with Newcombe's interval and Fisher's exact test (1934).

    Where nothing is missing on either side there is nothing to test.

    >>> from monitor.drift.profile import profile_names
    >>> found = compare(profile_names(["a"] * 100), profile_names(["a"] * 90 + [None] * 10))
    >>> round(found.effect, 3), found.p < 0.01
    (0.1, True)
    """
    n, m = reference.n + reference.missing, window.n + window.missing
    if not n or not m:
        return NOTHING
    before, now = reference.missing / n, window.missing / m
    low, high = newcombe_difference(window.missing, m, reference.missing, n)
    if now < before:
        low, high = -high, -low
    pooled = (reference.missing + window.missing) / (n + m)
    expected = math.sqrt(2 / math.pi * pooled * (1 - pooled) / tails.effective(n, m))
    p = tails.fisher(reference.missing, n, window.missing, m) if pooled else math.nan
    return Found(abs(now - before), max(low, 0.0), high, p, expected)


def effect(reference: Profile, window: Profile) -> float:
    """The difference alone."""
    n, m = reference.n + reference.missing, window.n + window.missing
    return abs(window.missing / m - reference.missing / n) if n and m else math.nan


def smallest(reference: Profile, window: Profile, level: float) -> float:
    """Not known: it depends on how many are missing."""
    return math.nan
