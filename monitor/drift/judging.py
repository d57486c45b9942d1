"""Which features of a window have moved against the reference, with control of false discoveries over all of them.

`jobs/drift.py` and `monitor/datasets` call `judge` for the features of a window, and `null_band` once per reference.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from monitor.drift.methods.table import METHODS, Found, Method
from monitor.drift.profile import Category, Numeric, Profile, merge, without
from monitor.drift.shares import moved_most
from monitor.errors import BadInput
from monitor.stats.bh import benjamini_hochberg

FAULTS = ("missing", "unseen")
"""Methods that every rule uses beside its own."""

DIRECTION = "ks"
"""What `projections` compares along each direction of a vector."""

QUIET = 0.25
"""A part with less of the usual number of values is left out of the band: its effect is mostly noise."""

LEAST_PARTS = 4


@dataclass(frozen=True, slots=True)
class Rule:
    """Which methods judge, and when they call a drift.

    `threshold` is for all features (None: that of the method), `thresholds` by feature name, or by "missing" and
    "unseen"; `fdr` is the expected share of false calls among all calls.
    """

    numbers: str = "ks"
    categories: str = "tv"
    threshold: float | None = None
    thresholds: Mapping[str, float] = field(default_factory=dict)
    fdr: float = 0.01


@dataclass(frozen=True, slots=True)
class Pair:
    """A feature in the reference and in the window; a vector is a tuple of numbers, one for each fixed direction.

    `band` is the largest effect between one such window of the reference and the rest of it (NaN: not known).
    """

    feature: str
    reference: Profile | tuple[Numeric, ...]
    window: Profile | tuple[Numeric, ...]
    band: float


@dataclass(frozen=True, slots=True)
class Judged:
    """What is known of a feature in a window; `state` is "moved", "steady", "too_few" or "no_data".

    effect, low, high, p, q and expected are of `method`; q is adjusted over all tests of all features. `called_by`
    names what called it: the method, "missing", "unseen". `smallest` is the smallest effect that would have been
    called with so few values, wherever it lies: above the threshold, "steady" cannot be said. n_reference and n_window
    count values that are there; missing and unseen are shares. `moved_at` is the bin or name that moved most, with
    its shares. `effects` has the effect of every method that fits.
    """

    feature: str
    kind: str
    method: str
    effect: float
    low: float
    high: float
    p: float
    q: float
    expected: float
    band: float
    threshold: float
    n_reference: int
    n_window: int
    missing_reference: float
    missing_window: float
    unseen: float
    state: str
    called_by: tuple[str, ...]
    smallest: float
    moved_at: str
    moved_reference: float
    moved_window: float
    effects: dict[str, float]


def judge(pairs: Sequence[Pair], rule: Rule) -> list[Judged]:
    """What has moved, one for each pair, in their order.

    A drift is called where the effect is at least the threshold, q is at most the rule's `fdr`, and the effect is above
    the band, where that is known.

    >>> from monitor.drift.profile import profile_names
    >>> pair = Pair("answer", profile_names(["yes"] * 500 + ["no"] * 500), profile_names(["yes"] * 300), math.nan)
    >>> [(one.state, one.called_by, one.moved_at) for one in judge([pair], Rule())]
    [('moved', ('tv',), 'yes')]
    """
    tests = [_tests(pair, _method(pair.reference, rule)) for pair in pairs]
    p_values = [found.p for each in tests for found in each.values()]
    q_values = iter(benjamini_hochberg(p_values).tolist())
    adjusted = [{name: next(q_values) for name in each} for each in tests]
    level = rule.fdr / max(1, sum(not math.isnan(p) for p in p_values))
    return [_judged(pair, rule, found, q, level) for pair, found, q in zip(pairs, tests, adjusted, strict=True)]


def strength(one: Judged) -> float:
    """How far a feature is beyond what calls it: the largest of its effects by their thresholds; 0 where none is known.

    Effects of methods with other scales, of missing values and of unseen names come into one order by it.
    """
    shares = [
        one.effect / one.threshold,
        abs(one.missing_window - one.missing_reference) / METHODS["missing"].threshold,
        one.unseen / METHODS["unseen"].threshold,
    ]
    counted = [shares[0]] + [shares[at] for at, name in ((1, "missing"), (2, "unseen")) if name in one.called_by]
    return max((share for share in counted if math.isfinite(share)), default=0.0)


def null_band(parts: Sequence[Profile | tuple[Numeric, ...]], rule: Rule) -> float:
    """The largest effect between one part and all others together; NaN for fewer than 4 parts with values. Parts that
    have less than a quarter of the usual number are left out.

    A window that differs no more from the reference than the hours or days of the reference do among themselves has
    not moved: traffic has its rhythm.
    """
    whole = [part for part in parts if not isinstance(part, tuple)]
    if len(whole) < len(parts):
        vectors = [part for part in parts if isinstance(part, tuple)]
        bands = [_band(direction, METHODS[DIRECTION]) for direction in zip(*vectors, strict=True)]
        return max((band for band in bands if not math.isnan(band)), default=math.nan)
    return _band(whole, _method(parts[0], rule)) if parts else math.nan


def _band(parts: Sequence[Profile], method: Method) -> float:
    usual = float(np.median([part.n for part in parts if part.n] or [0]))
    filled = [part for part in parts if part.n and part.n >= QUIET * usual]
    if len(filled) < LEAST_PARTS:
        return math.nan
    total = merge(filled)
    effects = [method.effect(without(total, part), part) for part in filled]
    return max((effect for effect in effects if not math.isnan(effect)), default=math.nan)


def _method(side: Profile | tuple[Numeric, ...], rule: Rule) -> Method:
    kind = _kind(side)
    name = {"number": rule.numbers, "category": rule.categories, "vector": "projections"}[kind]
    fitting = [method.name for method in METHODS.values() if kind in method.kinds and method.name not in FAULTS]
    if name not in fitting:
        raise BadInput(f"method {name!r} for a {kind}: expected one of {', '.join(fitting)}; change the rule")
    return METHODS[name]


def _kind(side: Profile | tuple[Numeric, ...]) -> str:
    return "vector" if isinstance(side, tuple) else "number" if isinstance(side, Numeric) else "category"


def _tests(pair: Pair, method: Method) -> dict[str, Found]:
    """What the method of the feature, `missing` and, for names, `unseen` find."""
    found = {method.name: method.compare(pair.reference, pair.window)}
    ours, theirs = _first(pair.reference), _first(pair.window)
    found["missing"] = METHODS["missing"].compare(ours, theirs)
    if isinstance(ours, Category):
        found["unseen"] = METHODS["unseen"].compare(ours, theirs)
    return found


def _first(side: Profile | tuple[Numeric, ...]) -> Profile:
    """The profile that says how many values there are: all directions of a vector have as many."""
    return side[0] if isinstance(side, tuple) else side


def _judged(pair: Pair, rule: Rule, found: dict[str, Found], q: dict[str, float], level: float) -> Judged:
    method = _method(pair.reference, rule)
    main = found[method.name]
    ours, theirs = _first(pair.reference), _first(pair.window)
    threshold = rule.thresholds.get(pair.feature, method.threshold if rule.threshold is None else rule.threshold)
    limits = {name: rule.thresholds.get(name, METHODS[name].threshold) for name in FAULTS} | {method.name: threshold}
    called = tuple(
        name
        for name, each in found.items()
        if each.effect >= limits[name]
        and q[name] <= rule.fdr
        and not (name == method.name and each.effect <= pair.band)
    )
    smallest = method.smallest(pair.reference, pair.window, level)
    at, before, now = ("", math.nan, math.nan) if isinstance(pair.reference, tuple) else moved_most(ours, theirs)
    return Judged(
        feature=pair.feature,
        kind=_kind(pair.reference),
        method=method.name,
        effect=main.effect,
        low=main.low,
        high=main.high,
        p=main.p,
        q=q[method.name],
        expected=main.expected,
        band=pair.band,
        threshold=threshold,
        n_reference=ours.n,
        n_window=theirs.n,
        missing_reference=_missing(ours),
        missing_window=_missing(theirs),
        unseen=found["unseen"].effect if "unseen" in found else math.nan,
        state=_state(called, main, q[method.name] <= rule.fdr, smallest > threshold),
        called_by=called,
        smallest=smallest,
        moved_at=at,
        moved_reference=before,
        moved_window=now,
        effects=_effects(pair, found),
    )


def _missing(side: Profile) -> float:
    return side.missing / (side.n + side.missing) if side.n + side.missing else math.nan


def _state(called: tuple[str, ...], main: Found, significant: bool, blind: bool) -> str:
    if called:
        return "moved"
    if math.isnan(main.effect):
        return "no_data"
    return "too_few" if blind and not significant else "steady"


def _effects(pair: Pair, found: dict[str, Found]) -> dict[str, float]:
    """The effect of every method that fits; vectors are only known by their directions."""
    effects = {name: each.effect for name, each in found.items()}
    kind = _kind(pair.reference)
    for name, method in METHODS.items():
        if kind in method.kinds and kind != "vector" and name not in effects:
            effects[name] = method.effect(pair.reference, pair.window)
    return effects
