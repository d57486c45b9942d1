"""Several checkpoints on the same items of a benchmark: their places, with ties shown as ties.

The leaderboard of the Benchmarks page calls it.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from monitor.benchmarks.comparing import LEAST_PAIRS, LEVEL, p_of
from monitor.stats.best import chance_of_best
from monitor.stats.cluster import group_places
from monitor.stats.holm import holm


@dataclass(frozen=True, slots=True)
class Place:
    """Where one candidate (its column) stands: between which ranks, whether the best is shown to be better than it."""

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
    worse: with 95 % all these bounds hold at once (each pair tested as in `comparing`, Holm over all pairs). Fewer than
    10 groups show nothing: everyone is tied. Whoever is not shown to be worse than the one with the best mean is tied
    with it.

    Source: Mogstad, Romano, Shaikh and Wilhelm (2024), Inference for ranks with applications to mobility across
    neighbourhoods and academic achievement across countries, Review of Economic Studies 91:476, here with Holm's
    correction and paired tests in place of their resampled one.

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
    worse = (
        _shown_worse(x, places if n_groups < len(x) else None) if n_groups >= LEAST_PAIRS else np.zeros((k, k), bool)
    )
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


def _shown_worse(x: NDArray[np.float64], places: NDArray[np.int64] | None) -> NDArray[np.bool_]:
    """[i, j]: i is shown to be worse than j."""
    k = x.shape[1]
    pairs = list(combinations(range(k), 2))
    adjusted = holm([p_of(x[:, j] - x[:, i], places) for i, j in pairs])
    worse = np.zeros((k, k), dtype=bool)
    for (i, j), p in zip(pairs, adjusted, strict=True):
        if p < LEVEL:
            low, high = (i, j) if math.fsum(x[:, i] - x[:, j]) < 0 else (j, i)
            worse[low, high] = True
    return worse
