"""The intervals of scores: from their items, else from the standard error of the harness, else none and the reason.

Whoever writes an evaluation (imports, our own job) calls it once for all of its scores.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from monitor.benchmarks.evaluation import ItemResult, Score
from monitor.stats.bootstrap import mean_bootstrap, mean_expanded
from monitor.stats.cluster import clustered_wilson, group_places
from monitor.stats.intervals import CONFIDENCE, UNKNOWN, Interval, standard_score

METHODS = ("wilson", "bootstrap", "stderr", "none")

ROUNDING = 0.0006
"""The mean of the items may be so far from the score, as a share of the most, by rounding in files."""

MANY = 100
"""Of so many graded items without a shared group the bootstrap is reckoned, not drawn."""

Floats = NDArray[np.float64]
Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Scored:
    """A score with its interval at 95 %; `value`, `low` and `high` have the unit of the file, `share` is value / most.

    `low` and `high` are NaN where `how` is "none"; `reason` then says why, and is "" otherwise. `n` and `n_groups` are
    of the items that were used; without items `n` is what the file says, if it does. `by_items`: the items have the
    score as their mean, so that they stand for it in a ranking and in a comparison item by item.
    """

    value: float
    share: float | None
    low: float
    high: float
    n: int | None
    n_groups: int | None
    how: str
    reason: str = ""
    by_items: bool = False


def scored_all(scores: Sequence[Score], items: Sequence[ItemResult]) -> list[Scored]:
    """The scores of one evaluation with their intervals, in their order; `items` are all of it.

    Of each score the items of its category and metric count. Passes (0 or 1): Wilson's interval, with fewer items where
    they share a group. Graded items: BCa bootstrap over groups. The items must have the score as their mean; of others,
    such as F1 or a perplexity, they say nothing.
    """
    categories: dict[str, list[int]] = {"": list(range(len(items)))}
    for number, item in enumerate(items):
        for name in dict.fromkeys(item.categories):
            categories.setdefault(name, []).append(number)
    groups = group_places([item.group for item in items], len(items))

    @cache
    def values_of(metric: str) -> Floats:
        return np.array([item.scores.get(metric, math.nan) for item in items], dtype=float)

    return [_scored(score, categories.get(score.category, []), values_of, groups) for score in scores]


def _scored(score: Score, of_it: list[int], values_of: Callable[[str], Floats], groups: Places) -> Scored:
    if not groups.size:
        return _from_stderr(score, "the file has neither items nor a standard error")
    chosen = np.array(of_it, dtype=np.int64)
    values = values_of(score.metric)[chosen]
    known = ~np.isnan(values)
    chosen, values = chosen[known], values[known]
    if not values.size:
        return _from_stderr(score, f"{_whose(score)} have no {score.metric}, and the file has no standard error")
    if not _is_mean(score, values):
        return _from_stderr(score, "the score is no mean of its items, and the file has no standard error")
    places = group_places(groups[chosen], values.size)
    n_groups = int(places.max()) + 1
    how, interval, reason = _from_items(values, places, n_groups)
    low, high = (end * (score.most or 1.0) for end in interval)
    return Scored(score.value, _share(score), low, high, values.size, n_groups, how, reason, by_items=True)


def _whose(score: Score) -> str:
    return f"the items of {score.category}" if score.category else "the items"


def _share(score: Score) -> float | None:
    return score.value / score.most if score.most else None


def _is_mean(score: Score, values: Floats) -> bool:
    if np.isinf(values).any():
        return False
    mean = float(values.mean())
    if score.most:
        return abs(mean - score.value / score.most) <= ROUNDING
    return math.isclose(mean, score.value, rel_tol=ROUNDING, abs_tol=1e-9)


def _from_items(values: Floats, places: Places, n_groups: int) -> tuple[str, Interval, str]:
    """How, the interval in shares, and why there is none."""
    if values.size == 1:
        return "none", UNKNOWN, "one item"
    if n_groups == 1:
        return "none", UNKNOWN, f"all {values.size} items belong to one group"
    if np.isin(values, (0.0, 1.0)).all():
        return "wilson", clustered_wilson(values, places), ""
    if (values == values[0]).all():
        return "none", UNKNOWN, f"all {values.size} items have the same graded score"
    interval = of_graded(values, places)
    if math.isclose(interval.low, interval.high, rel_tol=1e-9, abs_tol=1e-12):
        return "none", UNKNOWN, f"all {n_groups} groups have the same mean score"
    return "bootstrap", interval, ""


def of_graded(values: Floats, places: Places) -> Interval:
    """The interval of the mean of graded items, in shares."""
    if values.size >= MANY and places.max() + 1 == values.size:
        return mean_expanded(values)
    return mean_bootstrap(values, places)[1]


def _from_stderr(score: Score, otherwise: str) -> Scored:
    """The score plus and minus 1.96 standard errors, cut at the ends of its scale where that is known."""
    stderr, share = score.stderr, _share(score)
    if stderr is not None and math.isfinite(stderr) and stderr > 0:
        half = standard_score(CONFIDENCE) * stderr
        low, high = score.value - half, score.value + half
        if score.most:
            low, high = max(low, 0.0), min(high, score.most)
        return Scored(score.value, share, low, high, score.n, None, "stderr")
    if stderr == 0:
        otherwise = "the standard error of the file is 0, which says nothing"
    return Scored(score.value, share, math.nan, math.nan, score.n, None, "none", otherwise)
