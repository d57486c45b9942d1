"""Two checkpoints on the same items of a benchmark: the difference, its interval, the test, and what it would take.

The queries of the Benchmarks page call it for each benchmark and category, and `corrected` for all that are read at
once. What may be compared at all is decided before (`protocol`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from monitor.errors import BadInput
from monitor.stats.bootstrap import paired_bootstrap
from monitor.stats.cluster import clustered_stderr, group_places
from monitor.stats.difference import verdict
from monitor.stats.holm import holm
from monitor.stats.intervals import UNKNOWN, Interval, standard_score
from monitor.stats.paired import mcnemar_exact, paired_difference
from monitor.stats.power import items_needed, smallest_drop
from monitor.stats.signflip import sign_flip

LEAST_PAIRS = 10
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
    97.5 % (one-sided); None where there is no verdict. `items_needed` are the items to add so that a true difference as
    large as the one seen is shown with 80 % power, 0 where one is shown, None where none was seen. `smallest` is the
    difference that these items show with 80 % power, None if not known.
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
    method: str  # "mcnemar" or "sign_flip"
    verdict: str
    non_inferior: bool | None
    margin: float
    items_needed: int | None
    smallest: float | None


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
    p_value = p_of(second - first, None if plain else places)
    said = _verdict(n_groups, interval, p_value)
    worst = interval.low if higher_is_better else -interval.high
    difference = float((second - first).mean()) if n else math.nan
    missing, smallest = _power(second - first, places, plain, shown=said.startswith("b_"))
    return Comparison(
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
        non_inferior=None if said == "not_enough_data" else worst > -margin,
        margin=margin,
        items_needed=missing,
        smallest=smallest,
    )


def corrected(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """The same with p-values adjusted for all that have a verdict (Holm): a difference needs the adjusted one, too.

    Intervals stay those of each comparison by itself.
    """
    adjusted = holm([math.nan if each.verdict == "not_enough_data" else each.p_value for each in comparisons])
    return [
        replace(
            each,
            p_adjusted=float(p),
            verdict="no_difference_shown" if each.verdict.startswith("b_") and not p < LEVEL else each.verdict,
        )
        for each, p in zip(comparisons, adjusted, strict=True)
    ]


def p_of(differences: Floats, places: Places | None) -> float:
    """The p-value of paired differences: McNemar's exact test where they are -1, 0 and 1 without groups."""
    if not differences.size:
        return math.nan
    if places is None and np.isin(differences, (-1.0, 0.0, 1.0)).all():
        return mcnemar_exact(int((differences > 0).sum()), int((differences < 0).sum()))
    return sign_flip(differences, places)


def _resampled(first: Floats, second: Floats, places: Places, n_groups: int) -> Interval:
    """BCa over groups. Where no group varies it would collapse: then Tango's, each group counted as one item."""
    if n_groups < 2:
        return UNKNOWN
    apart = second - first
    bounded = min(first.min(), second.min()) >= 0 and max(first.max(), second.max()) <= 1
    if bounded and abs(apart[0]) in (0.0, 1.0) and (apart == apart[0]).all():
        return paired_difference(n_groups if apart[0] > 0 else 0, n_groups if apart[0] < 0 else 0, n_groups)
    if not apart.any():
        return UNKNOWN
    return paired_bootstrap(second, first, places)[1]


def _verdict(n_groups: int, interval: Interval, p_value: float) -> str:
    if n_groups < LEAST_PAIRS:
        return "not_enough_data"
    said = verdict(*interval)
    return "no_difference_shown" if said.startswith("b_") and p_value >= LEVEL else said


def _power(apart: Floats, places: Places, plain: bool, shown: bool) -> tuple[int | None, float | None]:
    """Items to add until the difference seen would be shown, and the smallest difference that these items show."""
    n = apart.size
    if n < 2 or not apart.any():
        return None, None
    drop = abs(float(apart.mean()))
    if plain:
        discordance = float((apart != 0).mean())
        needed = items_needed(drop, discordance, POWER, LEVEL) if drop > 0 else None
        smallest = smallest_drop(n, discordance, POWER, LEVEL)
    else:
        reach = (standard_score(1 - LEVEL) + standard_score(2 * POWER - 1)) * clustered_stderr(apart, places)
        needed = math.ceil(n * (reach / drop) ** 2) if drop > 1e-12 else None
        smallest = reach if reach > 0 else math.nan
    missing = 0 if shown else None if needed is None else max(needed - n, 1)
    return missing, None if math.isnan(smallest) else smallest


def _check(first: Floats, second: Floats, margin: float) -> None:
    if first.ndim != 1 or first.shape != second.shape:
        raise ValueError(f"{first.size} and {second.size} scores: pass one of each for every item that both answered")
    if not (np.isfinite(first) & np.isfinite(second)).all():
        raise ValueError("a score is not finite: leave out the items of which one side is not known")
    if not (0 <= margin < math.inf):
        raise BadInput(f"margin is {margin:g}: expected a share of at least 0, such as 0.02 for two points")
