"""Latencies counted on the base-2 exponential grid of OpenTelemetry, scale 6: what the counts alone can tell.

Bucket i holds the values in (b^i, b^(i+1)] with b = 2^(1/64). So a value is known to 0.54 %, buckets of several hours
or checkpoints add up without loss, and the counts export to OpenTelemetry and Prometheus as they are. The store fills
the buckets with the same formula in SQL; the queries read quantiles and shares with these functions.

Source: OpenTelemetry metrics data model, ExponentialHistogram. The rank rule is that of DDSketch: Masson, Rim and
Lee (2019), VLDB 12.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from monitor.stats.intervals import CONFIDENCE, UNKNOWN, Interval

SCALE = 6
ZERO = -32768
"""The bucket of zero."""

FIRST, LAST = ZERO + 1, 32767
"""The outermost buckets (a number has two bytes in the store); they take what lies beyond 2^-512 and 2^512."""

Indices = NDArray[np.int64]
Counts = NDArray[np.int64]
Floats = NDArray[np.float64]


def base(scale: int = SCALE) -> float:
    """Ratio of a bucket's upper to its lower bound."""
    return float(2.0 ** (2.0**-scale))


def relative_error(scale: int = SCALE) -> float:
    """Largest relative error of an estimate from this grid.

    >>> round(relative_error(), 5)
    0.00542
    """
    return (base(scale) - 1) / (base(scale) + 1)


def index(values: ArrayLike, scale: int = SCALE) -> Indices:
    """Bucket number of each value: ceil(log2(x) * 2^scale) - 1, ZERO for zero.

    >>> index([0, 1, 1.001, 1000]).tolist()
    [-32768, -1, 0, 637]
    """
    x = np.asarray(values, dtype=float)
    wrong = ~(np.isfinite(x) & (x >= 0))
    if wrong.any():
        raise ValueError(
            f"value {x[wrong][0]}: a histogram holds finite numbers of at least 0; leave out what is not known"
        )
    with np.errstate(divide="ignore"):
        numbers = np.ceil(np.log2(x) * 2.0**scale) - 1
    buckets: Indices = np.where(x > 0, np.clip(numbers, FIRST, LAST), ZERO).astype(np.int64)
    return buckets


def low(indices: ArrayLike, scale: int = SCALE) -> Floats:
    """Lower bound of each bucket (outside of it); 0 for ZERO."""
    i = np.asarray(indices, dtype=np.int64)
    return np.where(i == ZERO, 0.0, np.exp2(i / 2.0**scale))


def high(indices: ArrayLike, scale: int = SCALE) -> Floats:
    """Upper bound of each bucket (inside of it); 0 for ZERO.

    >>> bool(low(637) < 1000 <= high(637))
    True
    """
    i = np.asarray(indices, dtype=np.int64)
    return np.where(i == ZERO, 0.0, np.exp2((i + 1) / 2.0**scale))


def estimate(indices: ArrayLike, scale: int = SCALE) -> Floats:
    """The value whose relative distance to both bounds is the same: off by at most `relative_error(scale)`."""
    return high(indices, scale) * 2.0 / (base(scale) + 1.0)


def merged(indices: ArrayLike, counts: ArrayLike) -> tuple[Indices, Counts]:
    """Buckets in rising order, each once, without empty ones; the counts of equal buckets added up.

    >>> [part.tolist() for part in merged([7, 5, 7, 6], [1, 2, 3, 0])]
    [[5, 7], [2, 4]]
    """
    i = np.asarray(indices, dtype=np.int64).ravel()
    c = np.asarray(counts, dtype=np.int64).ravel()
    if i.shape != c.shape:
        raise ValueError(f"{i.size} bucket numbers and {c.size} counts: pass one count for each bucket")
    if (c < 0).any():
        raise ValueError(f"count {c.min()}: a bucket holds at least 0 values")
    if (c > 0).all() and (np.diff(i) > 0).all():
        return i, c  # they are so already, as the store gives them: mostly
    order = np.argsort(i[c > 0], kind="stable")
    i, c = i[c > 0][order], c[c > 0][order]
    starts = np.flatnonzero(np.diff(i, prepend=i[:1] - 1))
    return i[starts], np.add.reduceat(c, starts) if starts.size else c


def downscale(indices: ArrayLike, counts: ArrayLike, steps: int = 1) -> tuple[Indices, Counts]:
    """The same values on a grid that is `steps` scales coarser; exact, because 2^steps buckets become one.

    >>> [part.tolist() for part in downscale([4, 5, 6, ZERO], [1, 1, 1, 2])]
    [[-32768, 2, 3], [2, 2, 1]]
    """
    if steps < 0:
        raise ValueError(f"steps is {steps}: a grid cannot be made finer; expected 0 or more")
    i = np.asarray(indices, dtype=np.int64)
    return merged(np.where(i == ZERO, ZERO, i >> steps), counts)


def quantiles(indices: ArrayLike, counts: ArrayLike, qs: ArrayLike, scale: int = SCALE) -> Floats:
    """Estimate of each quantile in `qs`, from the bucket of the value of rank floor(q * (n - 1)); NaN if empty.

    Ranks count from 0: it is the value that numpy gives with method="lower". The estimate is off from it by at most
    `relative_error(scale)`, for every q.

    >>> quantiles(index([100, 200, 300]), [1, 1, 1], [0.5, 1]).round(0).tolist()
    [201.0, 300.0]
    """
    q = np.asarray(qs, dtype=float)
    if not ((q >= 0) & (q <= 1)).all():
        raise ValueError(f"quantiles {q.tolist()}: each lies between 0 and 1")
    i, c = merged(indices, counts)
    if not i.size:
        return np.full(q.shape, np.nan)
    cumulated = np.cumsum(c)
    return estimate(i[np.searchsorted(cumulated, q * (cumulated[-1] - 1), side="right")], scale)


def quantile_interval(
    indices: ArrayLike, counts: ArrayLike, q: float, confidence: float = CONFIDENCE, scale: int = SCALE
) -> Interval:
    """Distribution-free interval of quantile q, from order statistics, widened to the bounds of their buckets.

    Too few values give no bound on a side: `high` is then infinite (at 95 % an upper bound takes 368 values for p99,
    72 for p95, 6 for the median), and `low` is 0, because no latency is below. NaN on both sides without values.
    The estimate of `quantiles` always lies inside.

    Source: David and Nagaraja (2003), Order Statistics, 7.1; Hahn and Meeker (1991), Statistical Intervals, 5.2.

    >>> [round(end) for end in quantile_interval(index(range(1, 1001)), [1] * 1000, 0.5)]
    [464, 535]
    >>> quantile_interval(index([5.0] * 100), [1] * 100, 0.99).high
    inf
    """
    i, c = merged(indices, counts)
    if not i.size:
        return UNKNOWN
    cumulated = np.cumsum(c)
    n = int(cumulated[-1])
    lower, upper = order_statistic_ranks(n, q, confidence)
    if lower is not None:  # for high quantiles of two or three values, the rank of `quantiles` is below
        lower = min(lower, math.floor(q * (n - 1)) + 1)
    first = 0.0 if lower is None else float(low(i[np.searchsorted(cumulated, lower)], scale))
    last = math.inf if upper is None else float(high(i[np.searchsorted(cumulated, upper)], scale))
    return Interval(first, last)


def order_statistic_ranks(n: int, q: float, confidence: float = CONFIDENCE) -> tuple[int | None, int | None]:
    """Ranks (from 1) of the order statistics that enclose quantile q; None where n values give no bound.

    At most (1 - confidence) / 2 lies beyond each of them, exactly, by the binomial distribution.

    >>> order_statistic_ranks(100, 0.5)
    (40, 61)
    >>> order_statistic_ranks(367, 0.99)[1], order_statistic_ranks(368, 0.99)[1]
    (None, 368)
    """
    if not (0 < q < 1 and 0 < confidence < 1):
        raise ValueError(f"q is {q} and confidence is {confidence}: both lie between 0 and 1, without the ends")
    tail = (1 - confidence) / 2
    lower = _binomial_quantile(tail, n, q)
    upper = _binomial_quantile(1 - tail, n, q) + 1
    return lower or None, upper if upper <= n else None


def at_most(indices: ArrayLike, counts: ArrayLike, threshold: float, scale: int = SCALE) -> float:
    """Share of the values that are surely at most `threshold`; NaN if empty.

    Exact if the threshold is a bound of the grid; otherwise short of the truth by at most the share of one bucket.

    >>> at_most(index([100, 200, 300, 400]), [1, 1, 1, 1], 250)
    0.5
    """
    i, c = merged(indices, counts)
    return float(c[high(i, scale) <= threshold].sum() / c.sum()) if i.size else math.nan


def _binomial_quantile(p: float, n: int, q: float) -> int:
    """Smallest k with P(Binomial(n, q) <= k) >= p; the inverse in real numbers, put right by at most one step."""
    k = max(math.ceil(float(special.bdtrik(p, n, q))), 0)
    while k > 0 and float(special.bdtr(k - 1, n, q)) >= p:
        k -= 1
    while k < n and float(special.bdtr(k, n, q)) < p:
        k += 1
    return k
