"""The data that `bench/drift_stats.py` judges: columns of many shapes, a daily rhythm, and scans of real digits."""

from collections.abc import Callable
from functools import cache

import numpy as np
from scipy import special
from sklearn.datasets import load_digits  # type: ignore[import-untyped]

from monitor.drift.methods.table import METHODS
from monitor.drift.profile import Floats, edges_of, profile_numbers

Rng = np.random.Generator
HOUR_ROWS = 500
NOISE = 6.0
"""Standard deviation of the noise on digits, whose pixels are 0 to 16."""


def _normal(rng: Rng, n: int) -> tuple[Floats, Floats]:
    return rng.normal(size=n), rng.normal(0.2, 1.1, size=n)


def _heavy(rng: Rng, n: int) -> tuple[Floats, Floats]:
    return rng.standard_t(3, size=n), 1.2 * rng.standard_t(3, size=n)


def _skewed(rng: Rng, n: int) -> tuple[Floats, Floats]:
    return rng.lognormal(size=n), rng.lognormal(0.1, 1, size=n)


def _discrete(rng: Rng, n: int) -> tuple[Floats, Floats]:
    return rng.poisson(3, size=n).astype(float), rng.poisson(3.3, size=n).astype(float)


def _constant(rng: Rng, n: int) -> tuple[Floats, Floats]:
    return np.full(n, 4.0), np.full(n, 4.0)


def _other_constant(rng: Rng, n: int) -> tuple[Floats, Floats]:
    return np.full(n, 4.0), np.full(n, 5.0)


def _missing(rng: Rng, n: int) -> tuple[Floats, Floats]:
    return tuple(np.where(rng.random(n) < 0.9, np.nan, each) for each in _normal(rng, n))  # type: ignore[return-value]


SHAPES: dict[str, Callable[[Rng, int], tuple[Floats, Floats]]] = {
    "normal": _normal,
    "heavy-tailed": _heavy,
    "skewed": _skewed,
    "discrete": _discrete,
    "constant": _constant,
    "two constants": _other_constant,
    "mostly missing": _missing,
    "tiny": _normal,
}


def side(rng: Rng, n: int, at: int) -> Floats:
    """The values of feature number `at`: of many shapes in turn, one in three with missing values."""
    names = ("normal", "heavy-tailed", "skewed", "discrete")
    values = SHAPES[names[at % 4]](rng, n)[0]
    return np.where(rng.random(n) < 0.1, np.nan, values) if at % 3 == 0 else values


def rhythm(rng: Rng, hour: int, peak: float) -> Floats:
    """The values of an hour, whose mean rises and falls with the time of day."""
    return rng.normal(peak * np.sin(hour / 24 * 2 * np.pi), 1, size=HOUR_ROWS)


@cache
def true_effects(shift: float) -> dict[str, float]:
    """The effects of a shift of a normal distribution, from four million quantiles of either side."""
    quantiles = special.ndtri((np.arange(4_000_000) + 0.5) / 4_000_000)
    edges = edges_of(quantiles)
    both = profile_numbers(quantiles, edges), profile_numbers(quantiles + shift, edges)
    return {name: method.effect(*both) for name, method in METHODS.items() if "number" in method.kinds}


def digits(rng: Rng, change: str) -> tuple[Floats, Floats]:
    """1,797 scans of 8 x 8 pixels that come with scikit-learn: a random half, and the other half after the change."""
    scans, classes = load_digits(return_X_y=True)
    order = rng.permutation(len(scans))
    first, second = np.array_split(order, 2)
    window = scans[second]
    if change == "half of the classes removed":
        window = window[classes[second] < 5]
    if change == "noise added":
        window = np.clip(np.rint(window + rng.normal(0, NOISE, size=window.shape)), 0, 16)
    return scans[first], window
