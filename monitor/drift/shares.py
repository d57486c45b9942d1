"""Two profiles as one table of counts: names or bins side by side, for the methods that compare shares.

`monitor/drift/methods` call it, and `judging` for the name or bin that moved most.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from monitor.drift.profile import Category, Floats, Ints, Numeric, Profile
from monitor.drift.tails import homogeneity

GROUPS = 15
"""Numbers are compared in about so many groups of bins with equal shares of the reference: 64 bins have more noise."""

EACH = 6
"""Fewer groups where there are not so many values for each."""

OTHER = "(other)"
TINY = 1e-300


class Table(NamedTuple):
    """Counts of the same cells on both sides; a cell of numbers is the bins from `starts` to the next."""

    reference: Ints
    window: Ints
    names: tuple[str, ...]
    starts: Ints

    @property
    def gaps(self) -> Floats:
        """Share of the window less share of the reference, in each cell."""
        gaps: Floats = self.window / self.window.sum() - self.reference / self.reference.sum()
        return gaps

    @property
    def p(self) -> float:
        """Of the chi-squared test of homogeneity."""
        return homogeneity(self.reference, self.window, cut_by_reference=not self.names)


@lru_cache(maxsize=4)  # the methods ask for the same two in turn
def table(reference: Profile, window: Profile) -> Table | None:
    """The counts of both, or None where a side has no values."""
    if isinstance(reference, Numeric) and isinstance(window, Numeric):
        return _groups(reference, window) if reference.n and window.n else None
    if isinstance(reference, Category) and isinstance(window, Category):
        return _names(reference, window) if reference.n and window.n else None
    raise ValueError("one side has numbers and the other has names: profile both in the same way")


def _groups(reference: Numeric, window: Numeric) -> Table:
    same_edges(reference, window)
    groups = max(2, min(GROUPS, min(reference.n, window.n) // EACH))
    upto = np.ceil(np.cumsum(reference.counts) * (groups / reference.n) - 1e-9)
    starts = np.concatenate([[0], np.flatnonzero(upto[1:] != upto[:-1]) + 1])
    beyond = int(np.flatnonzero(reference.counts)[-1]) + 1
    if window.counts[beyond:].any():  # what the reference never reached is a group of its own
        starts = np.append(starts, beyond)
    return Table(np.add.reduceat(reference.counts, starts), np.add.reduceat(window.counts, starts), (), starts)


def _names(reference: Category, window: Category) -> Table:
    """A name that one side may have hidden among its others is counted as other on both sides."""
    ours = dict(zip(reference.names, reference.counts.tolist(), strict=True))
    theirs = dict(zip(window.names, window.counts.tolist(), strict=True))
    names = [name for name in ours if not window.other or name in theirs]
    names += [name for name in theirs if name not in ours and not reference.other]
    counts_r, counts_w = [ours.get(name, 0) for name in names], [theirs.get(name, 0) for name in names]
    rest_r, rest_w = reference.n - sum(counts_r), window.n - sum(counts_w)
    if rest_r or rest_w:
        names.append(OTHER)
        counts_r.append(rest_r)
        counts_w.append(rest_w)
    none = np.zeros(0, dtype=np.int64)
    return Table(np.array(counts_r, dtype=np.int64), np.array(counts_w, dtype=np.int64), tuple(names), none)


def moved_most(reference: Profile, window: Profile) -> tuple[str, float, float]:
    """The name, or bin in words, whose share differs most, with its share in reference and window; of two that differ
    as much, the one that grew.

    >>> from monitor.drift.profile import profile_names
    >>> moved_most(profile_names(["a"] * 3 + ["b"]), profile_names(["a", "b"]))
    ('b', 0.25, 0.5)
    """
    cells = table(reference, window)
    if cells is None:
        return "", math.nan, math.nan
    gaps = cells.gaps
    at = int((gaps if gaps.max() >= -gaps.min() - 1e-9 else -gaps).argmax())
    said = cells.names[at] if cells.names else _bin(reference, window, cells.starts, at)  # type: ignore[arg-type]
    return said, float(cells.reference[at] / reference.n), float(cells.window[at] / window.n)


def _bin(reference: Numeric, window: Numeric, starts: Ints, at: int) -> str:
    first = int(starts[at])
    last = int(starts[at + 1]) - 1 if at + 1 < starts.size else reference.edges.size
    low = reference.edges[first - 1] if first else -math.inf
    high = reference.edges[last] if last < reference.edges.size else math.inf
    if single := _single(reference, window, first, last):
        return single
    if math.isinf(low) and math.isinf(high):
        return "all values"
    if math.isinf(low):
        return f"up to {number(high)}"
    return f"above {number(low)}" if math.isinf(high) else f"{number(low)} to {number(high)}"


def _single(reference: Numeric, window: Numeric, first: int, last: int) -> str:
    """The one value that all values of these bins have, where their means are at a cut; empty else."""
    counts = reference.counts[first : last + 1] + window.counts[first : last + 1]
    filled = np.flatnonzero(counts) + first
    if filled.size != 1 or filled[0] >= reference.edges.size:
        return ""
    at = int(filled[0])
    cut = float(reference.edges[at])
    means = [float(side.sums[at] / side.counts[at]) for side in (reference, window) if side.counts[at]]
    return number(cut) if all(math.isclose(mean, cut, rel_tol=1e-9) for mean in means) else ""


def number(value: float) -> str:
    """Four significant digits; whole numbers below a million in full.

    >>> number(12345.0), number(0.123456), number(2.5e9)
    ('12345', '0.1235', '2.5e+09')
    """
    if abs(value) < TINY:  # the cut just below a 0
        value = 0.0
    return str(int(value)) if value == int(value) and abs(value) < 1e6 else f"{value:.4g}"


def same_edges(reference: Numeric, window: Numeric) -> None:
    """Bins can only be compared where they are the same."""
    if reference.edges is not window.edges and not np.array_equal(reference.edges, window.edges):
        raise ValueError("reference and window have different bin edges: profile both with those of the reference")
