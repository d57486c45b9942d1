"""Which of several candidates differ on the same items: all pairs at once, so that hardly ever any of them is wrong.

The ranking of checkpoints calls it. Tests of single pairs, corrected for their number, show nothing any more where
there are many candidates: 33 of them make 528 pairs, and most of these move together.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from monitor.stats.cluster import group_places
from monitor.stats.signflip import sign_flip

MOST_GROUPS = 1000
"""More groups than this are put together at random into so many, and keep one sign."""

COUNTED = 13
"""Of up to this many groups all ways to flip them are gone through."""

_WORK = 200_000_000  # pairs times random ways to flip
_WAYS = (1_000, 10_000)
_STEPS = 3
_AT_ONCE = 1_000
_ROUNDING = 1e-4  # ways are kept in 32 bits; what is as large but for this counts as as large

Floats = NDArray[np.float64]
Pairs = NDArray[np.bool_]


def shown_lower(values: ArrayLike, groups: Iterable[object] | None = None, level: float = 0.05, seed: int = 0) -> Pairs:
    """[i, j]: the mean of candidate i is shown to be below that of j; `values` is (items, candidates).

    The signs of the differences between all candidates are flipped together, group by group. A pair is shown where its
    difference, in units of the root of the sum of its squares (which no flip changes), is as large as the largest of
    any pair in less than `level` of the ways to flip. Those shown are then left out, and the others meet the largest of
    what is left, three times at most. Of two candidates it is `sign_flip`.

    The chance that any pair without a true difference is shown is at most `level`: exactly so where turning all
    differences of a group around is as likely as what was seen, otherwise for some 30 groups and more.

    All ways for up to 13 groups, else 10,000 at random; fewer for more than 200 candidates, 1,000 at least.

    Sources: Westfall and Young (1993), Resampling-based multiple testing (the largest of all); Romano and Wolf (2005),
    Exact and approximate stepdown methods for multiple hypothesis testing, JASA 100:94; for sums of many groups that
    are not symmetric, Chernozhukov, Chetverikov and Kato (2013), Gaussian approximations and multiplier bootstrap for
    maxima of sums of high-dimensional random vectors, Annals of Statistics 41:2786.

    >>> shown_lower([[1, 0, 1], [1, 0, 1], [1, 0, 0], [1, 1, 1]] * 10).astype(int).tolist()
    [[0, 0, 0], [1, 0, 1], [1, 0, 0]]
    """
    x = np.asarray(values, dtype=float)
    if x.ndim != 2 or not np.isfinite(x).all():
        raise ValueError(f"values of the shape {x.shape}: expected finite numbers (items, candidates)")
    places, k = group_places(groups, len(x)), x.shape[1]
    if k == 2:
        shown = np.full((2, 2), len(x) > 0 and sign_flip(x[:, 1] - x[:, 0], places) < level)
    else:
        rng = np.random.default_rng(seed)
        shown = _stepwise(_sums(x, places, rng), level, rng)
    totals = x.sum(axis=0)
    lower: Pairs = shown & (totals[:, None] < totals[None, :])
    return lower


def _sums(x: Floats, places: NDArray[np.int64], rng: np.random.Generator) -> Floats:
    """What each group adds to each candidate's lead over the mean of all; groups without a difference are left out."""
    apart = x - x.mean(axis=1, keepdims=True)
    if places.size and places.max() >= MOST_GROUPS:
        n_groups = int(places.max()) + 1
        places = rng.permutation(n_groups)[places] % MOST_GROUPS
    sums = np.column_stack([np.bincount(places, column) for column in apart.T])
    kept: Floats = sums[np.abs(sums).max(axis=1) > 1e-12 * np.abs(x).max(initial=0.0)]
    return kept


def _stepwise(sums: Floats, level: float, rng: np.random.Generator) -> Pairs:
    """[i, j] and [j, i]: these two are shown to differ."""
    k = sums.shape[1]
    scale = _scale(sums)
    totals = sums.sum(axis=0)
    seen = np.abs(totals[:, None] - totals[None, :]) * scale * (1 - _ROUNDING)
    ways, counted = _flipped(sums, k * (k - 1) // 2, rng)
    n, itself = ways.shape[1], 0 if counted else 1
    left = np.triu(scale > 0)
    shown = np.zeros((k, k), dtype=bool)
    for _ in range(_STEPS):
        largest = np.sort(_largest(ways, np.where(left, scale, 0.0).astype(np.float32)))
        as_large = n - np.searchsorted(largest, seen.astype(np.float32))
        new = left & ((as_large + itself) / (n + itself) < level)
        if not new.any():
            break
        shown |= new
        left &= ~new
    both: Pairs = shown | shown.T
    return both


def _scale(sums: Floats) -> Floats:
    """1 / root of the sum of squares of the difference of each pair, 0 where it has none."""
    squares = np.array([((sums - column[:, None]) ** 2).sum(axis=0) for column in sums.T])
    least = (1e-9 * np.abs(sums).max(initial=0.0)) ** 2
    scale: Floats = np.where(squares > least, 1 / np.sqrt(np.maximum(squares, least) + (squares <= least)), 0.0)
    return scale


def _flipped(sums: Floats, pairs: int, rng: np.random.Generator) -> tuple[NDArray[np.float32], bool]:
    """The totals of each candidate for each way to flip the groups (candidates, ways), and whether these are all."""
    m = len(sums)
    if m <= COUNTED:
        every = np.arange(1 << m) >> np.arange(m)[:, None] & 1
        return (sums.T @ (2.0 * every - 1.0)).astype(np.float32), True
    n = int(np.clip(_WORK // max(pairs, 1), *_WAYS))
    ways = np.empty((sums.shape[1], n), dtype=np.float32)
    for begin in range(0, n, _AT_ONCE):
        rows = min(_AT_ONCE, n - begin)
        bits = np.unpackbits(rng.integers(0, 256, (rows, -(-m // 8)), dtype=np.uint8), axis=1)[:, :m]
        ways[:, begin : begin + rows] = sums.T @ (2.0 * bits.T - 1.0)
    return ways, False


def _largest(ways: NDArray[np.float32], scale: NDArray[np.float32]) -> NDArray[np.float32]:
    """For each way to flip the largest difference of those pairs (above the diagonal) that have a scale."""
    largest = np.zeros(ways.shape[1], dtype=np.float32)
    for begin in range(0, ways.shape[1], _AT_ONCE):
        part, top = ways[:, begin : begin + _AT_ONCE], largest[begin : begin + _AT_ONCE]
        for i, row in enumerate(scale):
            others = np.flatnonzero(row)
            if others.size:
                apart = part[others]
                apart -= part[i]
                np.abs(apart, out=apart)
                apart *= row[others, None]
                np.maximum(top, apart.max(axis=0), out=top)
    return largest
