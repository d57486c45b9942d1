"""Where the bins of a distribution are cut when a reference and a window are shown beside each other.

Used by `monitor/queries/drift_feature.py`. The edges of a profile are quantiles of its reference: right for judging,
but all that lies below the lowest one is a single bin. Where the values themselves are known, cuts are chosen for
the eye.
"""

import math
from collections.abc import Sequence

import numpy as np

from monitor.drift.profile import Floats, Ints, Numeric
from monitor.drift.region import Region

SKEWED = 0.6
"""Where one of the equally wide bins would hold more of a side than this, bins hold equal shares instead."""

STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


def cuts_of(known: Sequence[Numeric], most: int, region: Region | None) -> tuple[Floats, bool]:
    """Cuts between at most so many bins, and whether each bin is a single value; where the region ends is a cut."""
    values = _points(known)
    if values is None:
        edges = known[0].edges
        step = max(1, -(-len(edges) // max(1, most - 2)))
        return _with(edges[step - 1 :: step] if step > 1 else edges, region), False
    if len(values) <= most:
        return values[:-1], True
    low, high = float(values[0]), float(values[-1])
    even: Floats = _even(low, high, most)
    if any(in_bins(one, even).max() > SKEWED * one.n for one in known):
        return _with(_balanced(known, values, most - 1), region), False
    return _with(even, region, (high - low) / most / 2), False


def in_bins(one: Numeric, cuts: Floats) -> Ints:
    """How many values lie up to the first cut, between two cuts, and above the last one."""
    if one.points is not None and one.point_counts is not None:
        up_to = np.concatenate([[0], np.cumsum(one.point_counts)])
        at = up_to[np.searchsorted(one.points, cuts, side="right")]
    else:
        at = np.cumsum(one.counts)[np.searchsorted(one.edges, cuts)]
    counts: Ints = np.diff(np.concatenate([[0], at, [one.n]])).astype(np.int64)
    return counts


def _points(known: Sequence[Numeric]) -> Floats | None:
    """All distinct values, if every side knows its own."""
    found = [one.points for one in known if one.points is not None]
    return np.unique(np.concatenate(found)) if len(found) == len(known) else None


def _even(low: float, high: float, most: int) -> Floats:
    """Multiples of a round step."""
    raw = (high - low) / most
    unit = 10.0 ** math.floor(math.log10(raw))
    step = next(unit * factor for factor in STEPS if unit * factor >= raw)
    cuts: Floats = np.arange(math.floor(low / step) + 1, math.ceil(high / step), dtype=np.float64) * step
    return cuts


def _balanced(known: Sequence[Numeric], values: Floats, most: int) -> Floats:
    """Cuts between which both sides together have about equal shares."""
    up_to = np.zeros(len(values), np.float64)
    for one in known:
        up_to += np.cumsum(in_bins(one, values))[:-1] / one.n / len(known)
    at = np.searchsorted(up_to, np.arange(1, most) / most)
    cuts: Floats = np.unique(values[np.minimum(at, len(values) - 2)])
    return cuts


def _with(cuts: Floats, region: Region | None, apart: float = 0.0) -> Floats:
    """The cuts with the end of a region among them, in place of those that are close to it."""
    end = None if region is None else region.low if region.low is not None else region.high
    if end is None:
        return cuts
    return np.union1d(cuts[np.abs(cuts - end) > apart], [end])
