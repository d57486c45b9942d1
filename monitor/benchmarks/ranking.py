"""Several checkpoints on the same items of a benchmark: their places, with ties shown as ties.

The leaderboard of the Benchmarks page calls it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from monitor.benchmarks.comparing import LEAST_PAIRS, LEVEL
from monitor.stats.allpairs import shown_lower
from monitor.stats.best import chance_of_best
from monitor.stats.cluster import group_places


@dataclass(frozen=True, slots=True)
class Place:
    """Where one candidate (its column) stands: between which ranks, whether the best is shown to be better than it.

    `chance_of_best` is NaN below 10 groups.
    """

    candidate: int
    mean: float
    rank_low: int
    rank_high: int
    tied_with_best: bool
    chance_of_best: float


def ranking(values: ArrayLike, groups: Iterable[object] | None = None) -> list[Place]:
    """The candidates, best mean first, from their scores (items, candidates), higher being better; pass a scale turned
    around where lower is.

    `rank_low` is 1 plus the number of those shown to be better, `rank_high` the number of all less those shown to be
    worse: with 95 % all these bounds hold at once (all pairs tested together, `monitor.stats.allpairs`). Fewer than 10
    groups show nothing: everyone is tied. Whoever is not shown to be worse than the one with the best mean is tied with
    it.

    Source: Mogstad, Romano, Shaikh and Wilhelm (2024), Inference for ranks with applications to mobility across
    neighbourhoods and academic achievement across countries, Review of Economic Studies 91:476, here with
    flipped signs of the differences on the same items in place of their bootstrap.

    >>> for place in ranking([[1, 0, 1], [1, 0, 1], [1, 0, 0], [1, 1, 1]] * 10):
    ...     print(place.candidate, place.mean, place.rank_low, place.rank_high, place.tied_with_best)
    0 1.0 1 1 True
    2 0.75 2 2 False
    1 0.25 3 3 False
    """
    x = np.asarray(values, dtype=float)
    places = group_places(groups, len(x))
    chances = chance_of_best(x, places)
    n_groups, k = int(places.max()) + 1, x.shape[1]
    worse = shown_lower(x, places, LEVEL) if n_groups >= LEAST_PAIRS else np.zeros((k, k), dtype=bool)
    means = x.mean(axis=0)
    order = np.argsort(-means, kind="stable")
    return [
        Place(
            candidate=int(each),
            mean=float(means[each]),
            rank_low=1 + int(worse[each].sum()),
            rank_high=k - int(worse[:, each].sum()),
            tied_with_best=not worse[each, order[0]],
            chance_of_best=float(chances[each]),
        )
        for each in order
    ]
