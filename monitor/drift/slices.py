"""Which slices of the traffic (a client, a language, a size of images) a shift comes from.

`jobs/drift.py` calls it for the features that moved most. A slice explains the part of the effect that is gone when the
slice is left out of both sides: because what is inside it has changed, or because there is more or less of it now.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from monitor.drift.profile import Floats, Ints
from monitor.drift.shares import number
from monitor.stats.holm import holm

LEVEL = 0.01
"""The chance to name any slice where none explains anything."""

LEAST_ROWS = 10
"""Smaller slices are not looked at, nor those without which so few rows are left."""

LEAST = 0.1
"""Slices that explain less are not named."""

NO_ERROR = 1e-9
MISSING = "(missing)"
Z = 1.959963984540054
SEED = 5

Names = Sequence[str | None]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Slice:
    """A slice that explains a part of the effect; `low` to `high` is the 95 % interval of `explains`.

    Effects are differences of the share of values on the side of the split to which values moved (for numbers: above or
    below the point that differs most, for names: those that are more frequent now): inside the slice, and without it.
    """

    dimension: str
    value: str
    n_reference: int
    n_window: int
    share_reference: float
    share_window: float
    effect_inside: float
    effect_without: float
    explains: float
    low: float
    high: float


def slices(
    target_reference: Floats | Names,
    target_window: Floats | Names,
    dimensions_reference: Mapping[str, Names],
    dimensions_window: Mapping[str, Names],
    *,
    most: int = 10,
) -> list[Slice]:
    """The slices that explain most of the shift of a feature, at most `most`, the first explains most.

    To which side values moved is told by one random half of the rows for the other half, and the other way around, so
    that what was chosen for its size is not measured by itself. Named are slices that explain more than nothing by a
    one-sided test, with Holm's correction over all slices of all dimensions: noise is named in one case of a hundred.
    Rows whose target is missing do not count. Dimensions that are numbers are cut with `cut` before.

    >>> rng = np.random.default_rng(1)
    >>> client = rng.choice(["web", "mobile"], 4000).tolist()
    >>> before, now = rng.normal(size=4000), rng.normal(size=4000) - 2.0 * (np.array(client) == "mobile")
    >>> [(one.dimension, one.value) for one in slices(before, now, {"client": client}, {"client": client})]
    [('client', 'mobile')]
    """
    moved, rows = _moved(target_reference, target_window)
    n = len(target_reference)
    sides = (np.flatnonzero(rows[:n]), np.flatnonzero(rows[n:]) + n)
    if any(side.size < 4 * LEAST_ROWS for side in sides):
        return []
    found, p_values = [], []
    for name in sorted(dimensions_reference.keys() & dimensions_window.keys()):
        codes, values = _coded(dimensions_reference[name], dimensions_window[name])
        counted = [np.bincount(codes[side], minlength=len(values)) for side in sides]
        judged = _Judgement.of([_cells(codes[side], moved[side], len(values)) for side in sides])
        for at in np.flatnonzero(judged.told):
            found.append(_slice(name, values[at], counted, judged, int(at)))
            p_values.append(float(judged.p[at]))
    adjusted = holm(p_values)
    named = [one for one, p in zip(found, adjusted, strict=True) if p <= LEVEL and one.explains >= LEAST]
    return sorted(named, key=lambda one: -one.explains)[:most]


def cut(reference: Floats, window: Floats) -> tuple[list[str | None], list[str | None]]:
    """Numbers as names: the quarters of the reference; what is not finite is missing.

    >>> cut(np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.0, 9.0, np.nan]))[1]
    ['up to 1', 'above 3', None]
    """
    known = np.sort(reference[np.isfinite(reference)])
    if not known.size:
        return [None] * len(reference), [None] * len(window)
    cuts = np.unique(known[[-(-quarter * known.size // 4) - 1 for quarter in (1, 2, 3)]])
    said = [number(each) for each in cuts.tolist()]
    names = [f"up to {said[0]}", *(f"{a} to {b}" for a, b in pairwise(said)), f"above {said[-1]}"]
    labels = np.array([*names, None], dtype=object)

    def named(values: Floats) -> list[str | None]:
        where = np.where(np.isfinite(values), np.searchsorted(cuts, values, side="left"), len(names))
        found: list[str | None] = labels[where].tolist()
        return found

    return named(reference), named(window)


def _moved(reference: Floats | Names, window: Floats | Names) -> tuple[Mask, Mask]:
    """Of all rows: whether the value lies on the side that grew, as the other half tells, and whether it is there."""
    first = np.arange(len(reference) + len(window)) < len(reference)
    half = np.random.default_rng(SEED).random(first.size) < 0.5
    if isinstance(reference, np.ndarray) and isinstance(window, np.ndarray):
        numbers = np.concatenate([reference, window]).astype(np.float64)
        rows = np.isfinite(numbers)
        told = [_beyond(numbers, rows & by & first, rows & by & ~first) for by in (half, ~half)]
        return np.where(half, told[1], told[0]), rows
    codes, values = _coded(cast(Names, reference), cast(Names, window))
    rows = codes != values.index(MISSING) if MISSING in values else np.ones(codes.size, dtype=bool)
    told = [_grown(codes, rows & by & first, rows & by & ~first) for by in (half, ~half)]
    return np.where(half, told[1], told[0]), rows


def _grown(codes: Ints, reference: Mask, window: Mask) -> Mask:
    """Whether names are more frequent in the window."""
    if not reference.any() or not window.any():
        return np.zeros(codes.size, dtype=bool)
    size = int(codes.max()) + 1
    shares = [np.bincount(codes[side], minlength=size) / np.count_nonzero(side) for side in (reference, window)]
    more: Mask = (shares[1] > shares[0])[codes]
    return more


def _beyond(values: Floats, reference: Mask, window: Mask) -> Mask:
    """Whether values lie on the side of the point of Kolmogorov's distance that has grown."""
    if not reference.any() or not window.any():
        return np.zeros(values.size, dtype=bool)
    ordered = [np.sort(values[side]) for side in (reference, window)]
    points = np.sort(np.concatenate(ordered))
    below = [np.searchsorted(side, points, side="right") / side.size for side in ordered]
    gaps = below[1] - below[0]
    at = int(np.abs(gaps).argmax())
    low: Mask = values <= points[at]
    return low if gaps[at] > 0 else ~low


def _coded(reference: Names, window: Names) -> tuple[Ints, list[str]]:
    """Numbers for names over both sides, and the names; None is one of them."""
    codes, values = pd.factorize(np.array([*reference, *window], dtype=object))
    names = [str(value) for value in values]
    if (codes < 0).any():
        codes = np.where(codes < 0, len(names), codes)
        names.append(MISSING)
    return codes.astype(np.int64), names


def _cells(codes: Ints, moved: Mask, size: int) -> tuple[Floats, Floats, float, float]:
    """Rows of each value of a dimension that moved, all of them, and both of all values together."""
    inside = np.bincount(codes, minlength=size).astype(float)
    hits = np.bincount(codes[moved], minlength=size).astype(float)
    return hits, inside, float(hits.sum()), float(inside.sum())


@dataclass(frozen=True, slots=True)
class _Judgement:
    """For each value of a dimension: what it explains of the effect, with standard error, and whether that is known."""

    explains: Floats
    error: Floats
    inside: Floats
    without: Floats
    told: Mask

    @property
    def p(self) -> Floats:
        """Chance of explaining as much where nothing is explained: one-sided."""
        chance: Floats = special.ndtr(-self.explains / self.error)
        return chance

    @classmethod
    def of(cls, sides: Sequence[tuple[Floats, Floats, float, float]]) -> "_Judgement":
        """From the cells of reference and window."""
        (hits_r, inside_r, all_r, n_r), (hits_w, inside_w, all_w, n_w) = sides
        effect = all_w / n_w - all_r / n_r
        room = math.sqrt(sum(share * (1 - share) / n for share, n in ((all_w / n_w, n_w), (all_r / n_r, n_r))))
        with np.errstate(invalid="ignore", divide="ignore"):
            without = (all_w - hits_w) / (n_w - inside_w) - (all_r - hits_r) / (n_r - inside_r)
            inside = hits_w / inside_w - hits_r / inside_r
            explains = 1 - without / effect if effect else np.full(without.size, np.nan)
            variances = [_variance(*side, left=1 - explains) for side in sides]
            # one that explains every row has no error at all, and is no less told for that
            error = np.maximum(np.sqrt(variances[0] + variances[1]) / abs(effect or np.nan), NO_ERROR)
        enough = (inside_r + inside_w >= LEAST_ROWS) & (n_r - inside_r >= LEAST_ROWS) & (n_w - inside_w >= LEAST_ROWS)
        told = enough & (effect > Z * room) & np.isfinite(explains) & (error > 0)
        return cls(explains, error, inside, without, told)


def _variance(hits: Floats, inside: Floats, all_hits: float, n: float, *, left: Floats) -> Floats:
    """Of one side's share without the slice less `left` times its share of all rows: that of its influence function.

    Source: Deville (1999), Variance estimation for complex statistics and estimators, Survey Methodology 25:193.
    """
    outside = n - inside
    share, rest = all_hits / n, (all_hits - hits) / outside
    total = np.zeros(hits.size)
    for moved in (0.0, 1.0):
        slice_rows = hits if moved else inside - hits
        other_rows = (all_hits if moved else n - all_hits) - slice_rows
        whole = left * (moved - share)
        total += slice_rows * whole**2 + other_rows * ((moved - rest) * n / outside - whole) ** 2
    return total / n**2


def _slice(dimension: str, value: str, counted: Sequence[Ints], judged: _Judgement, at: int) -> Slice:
    n_reference, n_window = (int(each[at]) for each in counted)
    explains, half = float(judged.explains[at]), Z * float(judged.error[at])
    ends = (min(1.0, max(0.0, each)) for each in (explains, explains - half, explains + half))
    return Slice(
        dimension,
        value,
        n_reference,
        n_window,
        n_reference / int(counted[0].sum()),
        n_window / int(counted[1].sum()),
        abs(float(judged.inside[at])),
        abs(float(judged.without[at])),
        *ends,
    )
