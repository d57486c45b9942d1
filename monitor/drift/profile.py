"""What is kept of a feature's values: counts and sums in bins, or counts of names. Hours merge into windows.

`jobs/drift.py` makes one per feature and hour, with the bin edges of the active reference; `monitor/drift/methods`
compare two. A profile outlives the rows that it was made of.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

BINS = 64
POINTS = 512
"""So many distinct numbers are kept one by one."""

MERGED_POINTS = 20_000
EXACT_NAMES = 1000
KEPT_NAMES = 256
"""Of more than EXACT_NAMES names, so many of the most frequent are kept."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Numeric:
    """Numbers: bin i holds edges[i-1] < x <= edges[i], the first and the last are open.

    `n` counts values that are there, `missing` the others. `sums` are per bin. `points` are the distinct values with
    their counts, where these are known; the profile is exact then. `spread` is the sum of squared distances from the
    mean. `low`, `high` are NaN without values.
    """

    edges: Floats
    n: int
    missing: int
    low: float
    high: float
    counts: Ints
    sums: Floats
    points: Floats | None
    point_counts: Ints | None
    spread: float

    @property
    def sd(self) -> float:
        """Standard deviation of the values themselves (not of what they are a sample of); NaN without values."""
        return math.sqrt(self.spread / self.n) if self.n else math.nan

    @property
    def means(self) -> Floats:
        """Mean of each bin, within `low` and `high`; NaN where a bin is empty."""
        with np.errstate(invalid="ignore", divide="ignore"):
            means: Floats = np.clip(self.sums / self.counts, self.low, self.high)
        return means


@dataclass(frozen=True, slots=True, eq=False)
class Category:
    """Names by falling count (ties by name); `other` counts the values whose names were not kept.

    `n` counts values that are there, `missing` the others.
    """

    n: int
    missing: int
    names: tuple[str, ...]
    counts: Ints
    other: int


Profile = Numeric | Category


def edges_of(values: Floats, bins: int = BINS) -> Floats:
    """Cuts between at most `bins` bins: quantiles of the finite values, or the distinct values where these are few.

    A value that makes up more than one bin gets a bin of its own, with a cut just below it.

    >>> edges_of(np.array([1.0, 1.0, 2.0, 5.0])).round(3).tolist()
    [1.0, 1.0, 2.0, 5.0]
    >>> edges_of(np.arange(1000.0), bins=4).tolist()
    [249.0, 499.0, 749.0]
    """
    return _cuts(np.sort(_finite(values)), bins)


def _cuts(ordered: Floats, bins: int) -> Floats:
    if not ordered.size:
        return np.zeros(0)
    first = np.flatnonzero(_new(ordered))
    if first.size <= bins:
        cuts = ordered[first]
        if cuts.size <= bins - 2:
            cuts = np.concatenate([_below(cuts[:1]), cuts])
        return cuts[: bins - 1]
    ranks = -(-np.arange(1, bins) * ordered.size // bins) - 1
    cuts, times = np.unique(ordered[ranks], return_counts=True)
    return np.unique(np.concatenate([cuts, _below(cuts[times > 1])]))


def profile_numbers(values: Floats, edges: Floats) -> Numeric:
    """The profile of numbers; NaN and infinite ones count as missing.

    >>> found = profile_numbers(np.array([1.0, 2.0, 2.0, np.nan]), edges=np.array([1.5]))
    >>> found.n, found.missing, found.counts.tolist(), found.sums.tolist()
    (3, 1, [1, 2], [1.0, 4.0])
    """
    return _profile(np.sort(_finite(values)), int(np.size(values)), edges)


def profile_reference(values: Floats, bins: int = BINS) -> Numeric:
    """The profile of numbers with edges of their own, as of `edges_of`: sorted only once."""
    ordered = np.sort(_finite(values))
    return _profile(ordered, int(np.size(values)), _cuts(ordered, bins))


def _profile(ordered: Floats, rows: int, edges: Floats) -> Numeric:
    n = ordered.size
    starts = np.concatenate([[0], np.searchsorted(ordered, edges, side="right")])
    counts = np.diff(starts, append=n)
    sums = np.zeros(counts.size)
    filled = counts > 0
    with np.errstate(over="ignore", invalid="ignore"):
        if n:
            sums[filled] = np.add.reduceat(ordered, starts[filled])
        spread = float(ordered.var()) * n if n else 0.0
    points, point_counts = _points(ordered)
    low, high = (float(ordered[0]), float(ordered[-1])) if n else (math.nan, math.nan)
    return Numeric(edges, n, rows - n, low, high, counts.astype(np.int64), sums, points, point_counts, spread)


def profile_names(values: Sequence[str | None]) -> Category:
    """The profile of names; None counts as missing.

    >>> profile_names(["b", "a", "b", None]).names
    ('b', 'a')
    """
    counted = Counter(values)
    missing = counted.pop(None, 0)
    return _category(cast("Counter[str]", counted), missing, 0)


def category(names: Sequence[str], counts: Sequence[int], missing: int) -> Category:
    """The profile of names that are counted already, each once or several times."""
    counted: Counter[str] = Counter()
    for name, count in zip(names, counts, strict=True):
        counted[name] += int(count)
    return _category(counted, missing, 0)


def merge(profiles: Sequence[Profile]) -> Profile:
    """One profile of the values of all; they are of one kind, and numbers have the same edges.

    Points stay where all have them and there are at most MERGED_POINTS.
    """
    if not profiles:
        raise ValueError("no profile to merge: pass at least one")
    if len(profiles) == 1:
        return profiles[0]
    numbers = [each for each in profiles if isinstance(each, Numeric)]
    if len(numbers) == len(profiles):
        return _merge_numbers(numbers)
    names = [each for each in profiles if isinstance(each, Category)]
    if len(names) < len(profiles):
        raise ValueError(f"{len(numbers)} profiles of numbers and {len(names)} of names: merge one kind")
    counted: Counter[str] = Counter()
    for each in names:
        for name, count in zip(each.names, each.counts.tolist(), strict=True):
            counted[name] += count
    return _category(counted, sum(each.missing for each in names), sum(each.other for each in names))


def without(total: Profile, part: Profile) -> Profile:
    """What is left of a merged profile without one of the profiles it was merged of; the ends and sd stay as they were.

    >>> one, two = profile_names(["a", "b"]), profile_names(["a"])
    >>> without(merge([one, two]), two).counts.tolist()
    [1, 1]
    """
    n, missing = total.n - part.n, total.missing - part.missing
    if isinstance(total, Category) and isinstance(part, Category):
        left = dict(zip(total.names, total.counts.tolist(), strict=True))
        other = total.other - part.other
        for name, count in zip(part.names, part.counts.tolist(), strict=True):
            if name in left:
                left[name] -= count
            else:
                other -= count
        return Category(n, missing, total.names, np.array(list(left.values()), dtype=np.int64), other)
    if not isinstance(total, Numeric) or not isinstance(part, Numeric):
        raise ValueError("a profile of numbers and one of names: take away one of the same kind")
    counts, sums = total.counts - part.counts, total.sums - part.sums
    points, point_counts = total.points, None
    if points is not None and total.point_counts is not None and part.points is not None:
        point_counts = total.point_counts.copy()
        point_counts[np.searchsorted(points, part.points)] -= cast(Ints, part.point_counts)
    spread = total.spread * n / total.n if total.n else 0.0
    return Numeric(total.edges, n, missing, total.low, total.high, counts, sums, points, point_counts, spread)


def _merge_numbers(parts: Sequence[Numeric]) -> Numeric:
    edges = parts[0].edges
    if any(each.edges is not edges and not np.array_equal(each.edges, edges) for each in parts):
        raise ValueError("the profiles have different edges: make them with the edges of one reference")
    missing = sum(each.missing for each in parts)
    filled = [each for each in parts if each.n] or [parts[0]]
    counts = np.sum([each.counts for each in filled], axis=0)
    sums = np.sum([each.sums for each in filled], axis=0)
    n = sum(each.n for each in filled)
    points, point_counts = _merge_points(filled)
    low, high = min(each.low for each in filled), max(each.high for each in filled)
    return Numeric(edges, n, missing, low, high, counts, sums, points, point_counts, _merge_spread(filled))


def _merge_spread(parts: Iterable[Numeric]) -> float:
    """Source: Chan, Golub and LeVeque (1983), Algorithms for computing the sample variance, American Statistician."""
    n, mean, spread = 0, 0.0, 0.0
    for each in parts:
        if each.n:
            step = float(each.sums.sum()) / each.n - mean
            spread += each.spread + step * step * n * each.n / (n + each.n)
            mean += step * each.n / (n + each.n)
            n += each.n
    return spread


def _merge_points(parts: Sequence[Numeric]) -> tuple[Floats | None, Ints | None]:
    known = [(each.points, each.point_counts) for each in parts if each.points is not None]
    if len(known) < len(parts):
        return None, None
    values = np.concatenate([points for points, _ in known])
    weights = np.concatenate([cast(Ints, counts) for _, counts in known])
    points, where = np.unique(values, return_inverse=True)
    if points.size > MERGED_POINTS:
        return None, None
    return points, np.bincount(where, weights=weights, minlength=points.size).astype(np.int64)


def _points(ordered: Floats) -> tuple[Floats | None, Ints | None]:
    new = _new(ordered)
    if np.count_nonzero(new) > POINTS:
        return None, None
    first = np.flatnonzero(new)
    return ordered[first], np.diff(first, append=ordered.size).astype(np.int64)


def _new(ordered: Floats) -> NDArray[np.bool_]:
    """Where another value begins; a difference of very large ones would overflow."""
    new = np.empty(ordered.size, dtype=bool)
    new[:1] = True
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
    return new


def _category(counted: Counter[str], missing: int, other: int) -> Category:
    n = counted.total() + other
    falling = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    falling = [item for item in falling if item[1]]
    if len(falling) > EXACT_NAMES:
        other += sum(count for _, count in falling[KEPT_NAMES:])
        falling = falling[:KEPT_NAMES]
    counts = np.array([count for _, count in falling], dtype=np.int64)
    return Category(n, missing, tuple(name for name, _ in falling), counts, other)


def _finite(values: Floats) -> Floats:
    numbers = np.asarray(values, dtype=np.float64)
    there = np.isfinite(numbers)
    return numbers if there.all() else numbers[there]


def _below(values: Floats) -> Floats:
    below: Floats = np.nextafter(values, -np.inf)
    return below
