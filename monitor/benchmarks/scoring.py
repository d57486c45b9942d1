"""The interval of one score: from its items, else from the standard error of its harness, else none and the reason.

The queries of the Benchmarks page call it for every score that is shown.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.benchmarks.evaluation import ItemResult, Score
from monitor.stats.bootstrap import mean_bootstrap
from monitor.stats.cluster import clustered_wilson, group_places
from monitor.stats.intervals import CONFIDENCE, UNKNOWN, Interval, standard_score

METHODS = ("wilson", "bootstrap", "stderr", "none")

ROUNDING = 0.0006
"""The mean of the items may be so far from the score, as a share of the most, by rounding in files."""

_WHY_NO_ITEMS = "the file has neither items nor a standard error"


@dataclass(frozen=True, slots=True)
class Scored:
    """A score with its interval at 95 %; `value`, `low` and `high` have the unit of the file, `share` is value / most.

    `low` and `high` are NaN where `how` is "none"; `reason` then says why, and is "" otherwise. `n` and `n_groups` are
    of the items that were used; without items `n` is what the file says, if it does.
    """

    value: float
    share: float | None
    low: float
    high: float
    n: int | None
    n_groups: int | None
    how: str
    reason: str = ""


def scored(score: Score, items: Sequence[ItemResult]) -> Scored:
    """The score with its interval; `items` are all of its evaluation, of which those of its category and metric count.

    Passes (0 or 1): Wilson's interval, with fewer items where they share a group. Graded items: BCa bootstrap over
    groups. The items must have the score as their mean; of others, such as F1, they say nothing about its error.
    """
    of_it = [
        item
        for item in items
        if score.metric in item.scores and (not score.category or score.category in item.categories)
    ]
    values = np.array([item.scores[score.metric] for item in of_it], dtype=float)
    share = score.value / score.most if score.most else None
    if not values.size:
        return _from_stderr(score, share, _WHY_NO_ITEMS)
    if not _is_mean(score, values):
        return _from_stderr(score, share, "the score is no mean of its items")
    places = group_places([item.group for item in of_it], len(of_it))
    n_groups = int(places.max()) + 1
    how, interval, reason = _from_items(values, places, n_groups)
    if how == "none":
        return Scored(score.value, share, math.nan, math.nan, values.size, n_groups, how, reason)
    low, high = (end * (score.most or 1.0) for end in interval)
    return Scored(score.value, share, low, high, values.size, n_groups, how)


def _is_mean(score: Score, values: NDArray[np.float64]) -> bool:
    mean = float(values.mean())
    if score.most:
        return abs(mean - score.value / score.most) <= ROUNDING
    return math.isclose(mean, score.value, rel_tol=ROUNDING, abs_tol=1e-9)


def _from_items(values: NDArray[np.float64], places: NDArray[np.int64], n_groups: int) -> tuple[str, Interval, str]:
    """How, the interval in shares, and why there is none."""
    if values.size == 1:
        return "none", UNKNOWN, "one item"
    if n_groups == 1:
        return "none", UNKNOWN, f"all {values.size} items belong to one group"
    if np.isin(values, (0.0, 1.0)).all():
        return "wilson", clustered_wilson(values, places), ""
    if (values == values[0]).all():
        return "none", UNKNOWN, f"all {values.size} items have the same graded score"
    interval = mean_bootstrap(values, places)[1]
    if interval.low == interval.high:
        return "none", UNKNOWN, f"all {n_groups} groups have the same mean score"
    return "bootstrap", interval, ""


def _from_stderr(score: Score, share: float | None, otherwise: str) -> Scored:
    """The score plus and minus 1.96 standard errors, cut at the ends of its scale where that is known."""
    stderr = score.stderr
    if stderr is not None and math.isfinite(stderr) and stderr > 0:
        half = standard_score(CONFIDENCE) * stderr
        low, high = score.value - half, score.value + half
        if score.most:
            low, high = max(low, 0.0), min(high, score.most)
        return Scored(score.value, share, low, high, score.n, None, "stderr")
    if stderr == 0:
        otherwise = "the standard error of the file is 0, which says nothing"
    return Scored(score.value, share, math.nan, math.nan, score.n, None, "none", otherwise)
