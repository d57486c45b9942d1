"""Two checkpoints on the same items of a benchmark: the difference, its interval, the test, and what it would take.

The queries of the Benchmarks page call it for each benchmark and category (`compare_errors` where only standard errors
are known), and `corrected` for all that are read at once. What may be compared at all is decided before (`protocol`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from monitor.errors import BadInput
from monitor.stats.bootstrap import paired_bootstrap
from monitor.stats.cluster import LEAST_GROUPS, clustered_stderr, group_places
from monitor.stats.difference import verdict
from monitor.stats.holm import holm
from monitor.stats.intervals import CONFIDENCE, UNKNOWN, Interval, standard_score, wilson
from monitor.stats.paired import mcnemar_exact, paired_difference
from monitor.stats.power import items_needed, smallest_drop
from monitor.stats.signflip import sign_flip

LEAST_PAIRS = LEAST_GROUPS
"""Fewer groups (an item without one is one by itself) give no verdict."""

LEVEL = 0.05
POWER = 0.8

Floats = NDArray[np.float64]
Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Comparison:
    """b - a on the items that both answered, in shares, with its interval at 95 %.

    `only_a` and `only_b` count the items that just one passes (None for graded scores). `verdict` is one of
    `monitor.stats.difference.VERDICTS`, for the numbers as they are, whatever direction is better; `p_adjusted` is the
    p-value that it rests on, another one after `corrected`. `non_inferior`: b is worse than a by less than `margin`, at
    97.5 % (one-sided); None where there is no verdict or no interval. `items_needed` are the items to add so that a
    true difference as large as the one seen is shown with 80 % power: 0 exactly where one is shown, None where none was
    seen or there is no verdict. `smallest` is the difference that these items show with 80 % power, None if not known.
    `stderr` is that of the difference, clustered. Without items (`unpaired`) `n` is 0.
    """

    n: int
    n_groups: int
    only_a: int | None
    only_b: int | None
    mean_a: float
    mean_b: float
    difference: float
    low: float
    high: float
    p_value: float
    p_adjusted: float
    method: str  # "mcnemar", "sign_flip" or "unpaired"
    verdict: str
    non_inferior: bool | None
    margin: float
    items_needed: int | None
    smallest: float | None
    stderr: float = math.nan


def compare(
    a: ArrayLike,
    b: ArrayLike,
    groups: Sequence[str | None] | None = None,
    margin: float = 0.0,
    higher_is_better: bool = True,
) -> Comparison:
    """What the same items, in the same order, show about two checkpoints; NaN where there are no items.

    Passes (0 or 1) without a shared group: Tango's interval and McNemar's exact test. Otherwise whole groups are
    resampled (BCa) and their signs flipped. A difference is said only where interval and test agree.
    """
    first, second = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    _check(first, second, margin)
    places = group_places(groups, first.size)
    n, n_groups = first.size, int(places.max()) + 1 if first.size else 0
    passes = bool(np.isin(first, (0.0, 1.0)).all() and np.isin(second, (0.0, 1.0)).all())
    only_a, only_b = int((first > second).sum()), int((second > first).sum())
    plain = passes and n_groups == n
    interval = paired_difference(only_b, only_a, n) if plain else _resampled(first, second, places, n_groups)
    p_value = _p_of(second - first, None if plain else places)
    said = _verdict(n_groups, interval, p_value)
    worst = interval.low if higher_is_better else -interval.high
    difference = float((second - first).mean()) if n else math.nan
    found = Comparison(
        n=n,
        n_groups=n_groups,
        only_a=only_a if passes else None,
        only_b=only_b if passes else None,
        mean_a=float(first.mean()) if n else math.nan,
        mean_b=float(second.mean()) if n else math.nan,
        difference=difference,
        low=interval.low,
        high=interval.high,
        p_value=p_value,
        p_adjusted=p_value,
        method="mcnemar" if plain else "sign_flip",
        verdict=said,
        non_inferior=None if said == "not_enough_data" or math.isnan(worst) else worst > -margin,
        margin=margin,
        items_needed=None,
        smallest=None,
        stderr=clustered_stderr(second - first, places) if _varies(second - first, places) else math.nan,
    )
    return _with_power(found, LEVEL)


def compare_errors(
    mean_a: float, stderr_a: float, mean_b: float, stderr_b: float, margin: float = 0.0, higher_is_better: bool = True
) -> Comparison:
    """The same from two scores and their standard errors, as if they had been asked different items (z-test).

    A standard error that is not known (NaN), or 0, gives no verdict. It finds less than the same items would show.

    >>> compare_errors(0.70, 0.02, 0.80, 0.02).verdict, compare_errors(0.70, 0.02, 0.74, 0.02).verdict
    ('b_higher', 'no_difference_shown')
    """
    _check_margin(margin)
    difference = mean_b - mean_a
    known = all(0 < each < math.inf for each in (stderr_a, stderr_b)) and math.isfinite(difference)
    stderr = math.hypot(stderr_a, stderr_b) if known else math.nan
    half = standard_score(CONFIDENCE) * stderr
    interval = Interval(difference - half, difference + half)
    worst = interval.low if higher_is_better else -interval.high
    p_value = 2 * float(special.ndtr(-abs(difference) / stderr)) if known else math.nan
    found = Comparison(
        n=0,
        n_groups=0,
        only_a=None,
        only_b=None,
        mean_a=mean_a,
        mean_b=mean_b,
        difference=difference,
        low=interval.low,
        high=interval.high,
        p_value=p_value,
        p_adjusted=p_value,
        method="unpaired",
        verdict=verdict(*interval),
        non_inferior=worst > -margin if known else None,
        margin=margin,
        items_needed=None,
        smallest=None,
        stderr=stderr,
    )
    return _with_power(found, LEVEL)


def corrected(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """The same with p-values adjusted for all that have a verdict (Holm): a difference needs the adjusted one, too.

    What it takes is said for the level at which the next of those not shown would be. Intervals stay those of each
    comparison by itself.
    """
    adjusted = holm([math.nan if each.verdict == "not_enough_data" else each.p_value for each in comparisons])
    level = LEVEL / max(int((adjusted >= LEVEL).sum()), 1)
    return [
        _with_power(replace(each, p_adjusted=float(p), verdict=_agreed(each.verdict, float(p))), level)
        for each, p in zip(comparisons, adjusted, strict=True)
    ]


def _p_of(differences: Floats, places: Places | None) -> float:
    """The p-value of paired differences: McNemar's exact test where they are -1, 0 and 1 without groups."""
    if not differences.size:
        return math.nan
    if places is None and np.isin(differences, (-1.0, 0.0, 1.0)).all():
        return mcnemar_exact(int((differences > 0).sum()), int((differences < 0).sum()))
    return sign_flip(differences, places)


def _resampled(first: Floats, second: Floats, places: Places, n_groups: int) -> Interval:
    """BCa over groups, which would have no width where every group has the same mean difference d.

    Then, of scores in 0..1: a share u of groups at most may be otherwise (Wilson's upper end for none of those seen),
    and their difference anything from -1 to 1, so that the mean is (1 - u) d plus or minus u. For d = 0 it is Tango's
    interval. Not known on other scales.
    """
    if n_groups < 2:
        return UNKNOWN
    if _varies(second - first, places):
        return paired_bootstrap(second, first, places)[1]
    if min(first.min(), second.min()) < 0 or max(first.max(), second.max()) > 1:
        return UNKNOWN
    others, same = wilson(0, n_groups).high, float((second - first).mean())
    middle = (1 - others) * same
    return Interval(middle - others, middle + others)


def _varies(apart: Floats, places: Places) -> bool:
    """Whether the mean difference of any group is another one, by more than rounding."""
    if not apart.size:
        return False
    means = np.bincount(places, apart) / np.bincount(places)
    return bool(np.ptp(means) > 1e-9 * np.abs(apart).max())


def _verdict(n_groups: int, interval: Interval, p_value: float) -> str:
    if n_groups < LEAST_PAIRS:
        return "not_enough_data"
    return _agreed("no_difference_shown" if math.isnan(interval.low) else verdict(*interval), p_value)


def _agreed(said: str, p_value: float) -> str:
    """A difference is said only where the p-value shows it, too."""
    return "no_difference_shown" if said.startswith("b_") and not p_value < LEVEL else said


def _with_power(one: Comparison, level: float) -> Comparison:
    """With the items to add until the difference seen would be shown, and the smallest difference that these show.

    Passes: Connor's formula. Others: Miller (2024), section 5, with t of the groups less 1.
    """
    if one.verdict == "not_enough_data":
        return one
    drop, needed = abs(one.difference), math.nan
    if one.method == "mcnemar":
        smallest, needed = _power_of_passes(one, level)
    else:
        z = standard_score(1 - level) if not one.n else float(special.stdtrit(one.n_groups - 1, 1 - level / 2))
        smallest = (z + standard_score(2 * POWER - 1)) * one.stderr
        if one.n and drop > 1e-12:
            needed = one.n * (smallest / drop) ** 2
    missing = None if math.isnan(needed) else max(math.ceil(needed) - one.n, 1)
    return replace(
        one,
        items_needed=0 if one.verdict.startswith("b_") else missing,
        smallest=None if math.isnan(smallest) else smallest,
    )


def _power_of_passes(one: Comparison, level: float) -> tuple[float, float]:
    """The smallest difference that is shown, and the items that show the one seen; NaN where not known."""
    only = (one.only_a or 0) + (one.only_b or 0)
    if not only:
        return math.nan, math.nan
    smallest = smallest_drop(one.n, only / one.n, POWER, level)
    drop = abs(one.difference)
    return smallest, items_needed(drop, only / one.n, POWER, level) if drop > 0 else math.nan


def _check(first: Floats, second: Floats, margin: float) -> None:
    if first.ndim != 1 or first.shape != second.shape:
        raise ValueError(f"{first.size} and {second.size} scores: pass one of each for every item that both answered")
    if not (np.isfinite(first) & np.isfinite(second)).all():
        raise ValueError("a score is not finite: leave out the items of which one side is not known")
    _check_margin(margin)


def _check_margin(margin: float) -> None:
    if not (0 <= margin < math.inf):
        raise BadInput(f"margin is {margin:g}: expected a share of at least 0, such as 0.02 for two points")
