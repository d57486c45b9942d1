"""A classifier two-sample test: can it tell reference and window apart in the half that it has not learned from?

The classifier is linear discriminant analysis with shrinkage: it finds shifts of the mean, in any direction.
"""

import math

import numpy as np
from scipy import special

from monitor.drift.methods.found import NOTHING, Found
from monitor.drift.methods.mmd import SEED, sample
from monitor.drift.profile import Floats
from monitor.stats.intervals import clopper_pearson

MOST = 5000
LEAST = 10
SHRINKAGE = 0.1


def compare(reference: Floats, window: Floats) -> Found:
    """How far the held-out accuracy is above guessing: 0 is guessing, 1 is always right. The test is binomial.

    Both are arrays (n, d); as many of either are drawn with a fixed seed.

    Source: Lopez-Paz and Oquab (2017), Revisiting classifier two-sample tests, ICLR.

    >>> rng = np.random.default_rng(1)
    >>> found = compare(rng.normal(size=(400, 8)), rng.normal(size=(400, 8)) + 0.5)
    >>> 0.3 < found.effect < 0.7, found.p < 1e-6
    (True, True)
    """
    right, asked = _asked(reference, window)
    if not asked:
        return NOTHING
    low, high = clopper_pearson(right, asked)
    p = float(special.bdtrc(right - 1, asked, 0.5)) if right else 1.0
    return Found(_above(right / asked), _above(low), _above(high), p, math.sqrt(1 / (2 * math.pi * asked)))


def effect(reference: Floats, window: Floats) -> float:
    """The accuracy above guessing alone."""
    right, asked = _asked(reference, window)
    return _above(right / asked) if asked else math.nan


def smallest(reference: Floats, window: Floats, level: float) -> float:
    """The accuracy above guessing whose chance is `level`."""
    asked = 2 * (min(len(reference), len(window), MOST) // 2)
    return float(special.ndtri(1 - level)) / math.sqrt(asked) if asked >= LEAST else math.nan


def _above(accuracy: float) -> float:
    return max(0.0, 2 * accuracy - 1)


def _asked(reference: Floats, window: Floats) -> tuple[int, int]:
    """How many held-out vectors were told right, and how many there were."""
    ours, theirs = sample(reference, MOST), sample(window, MOST)
    n = min(len(ours), len(theirs))
    if n < LEAST:
        return 0, 0
    rng = np.random.default_rng(SEED)
    ours, theirs = rng.permutation(ours)[:n], rng.permutation(theirs)[:n]
    half = n // 2
    direction, middle = _learned(ours[:half], theirs[:half])
    right = int((ours[half:] @ direction < middle).sum()) + int((theirs[half:] @ direction > middle).sum())
    return right, 2 * (n - half)


def _learned(ours: Floats, theirs: Floats) -> tuple[Floats, float]:
    """The direction that parts both best, and the point in the middle of it."""
    first, second = ours.mean(axis=0), theirs.mean(axis=0)
    centred = np.concatenate([ours - first, theirs - second])
    spread = centred.T @ centred / len(centred)
    level = float(np.trace(spread)) / len(spread) or 1.0
    shrunk = (1 - SHRINKAGE) * spread + SHRINKAGE * level * np.eye(len(spread))
    direction: Floats = np.linalg.solve(shrunk, second - first)
    return direction, float(direction @ (first + second)) / 2
