"""Confidence intervals of one share or rate and of the difference of two shares.

The queries call them for every rate that is shown.
An interval of nothing (n = 0) is NaN on both sides: not known, never 0.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

CONFIDENCE = 0.95


class Interval(NamedTuple):
    """Both ends of an interval; NaN means not known, an infinite end means that the data give no bound on that side."""

    low: float
    high: float


UNKNOWN = Interval(math.nan, math.nan)


def wilson(k: int, n: int, confidence: float = CONFIDENCE) -> Interval:
    """Score interval of a share, k of n.

    Source: Wilson (1927), Probable inference, the law of succession, and statistical inference, JASA 22.

    >>> [round(end, 4) for end in wilson(15, 148)]  # Newcombe (1998), Statistics in Medicine 17:857, table I
    [0.0624, 0.1605]
    >>> [round(end, 4) for end in wilson(0, 20)]
    [0.0, 0.1611]
    """
    if not 0 <= k <= n:
        raise _wrong_counts(k, n)
    z = standard_score(confidence)
    if n == 0:
        return UNKNOWN
    centre, half = _wilson(k / n, n, z, math.sqrt)
    return Interval(0.0 if k == 0 else centre - half, 1.0 if k == n else centre + half)


def wilson_arrays(
    k: ArrayLike, n: ArrayLike, confidence: float = CONFIDENCE
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Wilson intervals of many shares at once: arrays (low, high) of the common shape, NaN where n is 0.

    >>> low, high = wilson_arrays([0, 0], [0, 20])
    >>> high.round(4).tolist()
    [nan, 0.1611]
    """
    bad, total = np.broadcast_arrays(np.asarray(k, dtype=float), np.asarray(n, dtype=float))
    _check_counts(bad, total)
    z = standard_score(confidence)
    with np.errstate(invalid="ignore", divide="ignore"):
        centre, half = _wilson(bad / total, total, z, np.sqrt)
    # The formula gives exactly 0 and 1 at the ends, rounding does not.
    low = np.where(bad == 0, np.where(total > 0, 0.0, np.nan), centre - half)
    high = np.where(bad == total, np.where(total > 0, 1.0, np.nan), centre + half)
    return low, high


def clopper_pearson(k: int, n: int, confidence: float = CONFIDENCE) -> Interval:
    """Exact interval of a share, k of n: never covers the truth less often than it says, and is wide for it.

    Source: Clopper and Pearson (1934), The use of confidence or fiducial limits illustrated in the case of the
    binomial, Biometrika 26.

    >>> [round(end, 4) for end in clopper_pearson(12, 12)]
    [0.7354, 1.0]
    """
    if not 0 <= k <= n:
        raise _wrong_counts(k, n)
    tail = (1 - _checked(confidence)) / 2
    if n == 0:
        return UNKNOWN
    low = float(special.betaincinv(k, n - k + 1, tail)) if k else 0.0
    return Interval(low, float(special.betaincinv(k + 1, n - k, 1 - tail)) if k < n else 1.0)


def poisson_rate_interval(count: int, seconds: float, confidence: float = CONFIDENCE) -> Interval:
    """Exact interval of a rate per second, from a count of independent events in a time of `seconds`.

    Source: Garwood (1936), Fiducial limits for the Poisson distribution, Biometrika 28.

    >>> [round(end, 3) for end in poisson_rate_interval(10, 1)]
    [4.795, 18.39]
    >>> poisson_rate_interval(0, 60).low
    0.0
    """
    if count < 0 or seconds < 0:
        raise ValueError(
            f"count is {count} and seconds is {seconds}: both are at least 0; pass the length of the window"
        )
    if seconds == 0:
        return UNKNOWN
    tail = (1 - _checked(confidence)) / 2
    low = float(special.gammaincinv(count, tail)) if count else 0.0
    return Interval(low / seconds, float(special.gammaincinv(count + 1, 1 - tail)) / seconds)


def newcombe_difference(k1: int, n1: int, k2: int, n2: int, confidence: float = CONFIDENCE) -> Interval:
    """Interval of the difference of two independent shares, k1/n1 - k2/n2: for b - a, pass b first.

    Source: Newcombe (1998), Interval estimation for the difference between independent proportions,
    Statistics in Medicine 17:873, method 10 (hybrid score, no continuity correction).

    >>> [round(end, 4) for end in newcombe_difference(56, 70, 48, 80)]  # table II (a) of the paper
    [0.0524, 0.3339]
    """
    if n1 == 0 or n2 == 0:
        return UNKNOWN
    p1, p2 = k1 / n1, k2 / n2
    (low1, high1), (low2, high2) = wilson(k1, n1, confidence), wilson(k2, n2, confidence)
    low = p1 - p2 - math.hypot(p1 - low1, high2 - p2)
    high = p1 - p2 + math.hypot(high1 - p1, p2 - low2)
    return Interval(max(low, -1.0), min(high, 1.0))


def _wilson(p: Any, n: Any, z: float, root: Callable[[Any], Any]) -> tuple[Any, Any]:
    """Middle and half width, of numbers or of arrays: numpy takes ten times as long for a single number."""
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    return centre, z * root(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)


def standard_score(confidence: float) -> float:
    """How many standard deviations of a normal distribution enclose this share of it on both sides of its mean."""
    return float(special.ndtri((1 + _checked(confidence)) / 2))


def _checked(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}: it lies between 0 and 1, such as 0.95")
    return confidence


def _check_counts(k: NDArray[np.float64], n: NDArray[np.float64]) -> None:
    wrong = ~((k >= 0) & (k <= n))
    if wrong.any():
        raise _wrong_counts(k[wrong][0], n[wrong][0])


def _wrong_counts(k: float, n: float) -> ValueError:
    return ValueError(f"k is {k:g} of n {n:g}: expected 0 <= k <= n; count both over the same rows")
