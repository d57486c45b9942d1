"""How sure it is that a checkpoint is the best of several, if other items of the same kind had been asked.

The leaderboard and the best checkpoint of a benchmark, and of several with declared weights, call it. A chance of 90 %
is no test: of two equal checkpoints one has 90 % or more in one case of five. It knows nothing of how another training
run would have come out, and the mean of the best of many flatters it.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from monitor.stats.cluster import group_places
from monitor.stats.resample import resampled_means

Floats = NDArray[np.float64]


class Table(NamedTuple):
    """What each candidate (column) got for each item (row) of a benchmark, higher being better; None: no groups."""

    values: ArrayLike
    groups: Iterable[object] | None = None
    weights: ArrayLike | None = None


class Errors(NamedTuple):
    """Scores of the candidates on a benchmark of which only standard errors are known."""

    values: ArrayLike
    stderrs: ArrayLike


def chance_of_best(
    values: ArrayLike,
    groups: Iterable[object] | None = None,
    weights: ArrayLike | None = None,
    seed: int = 0,
    n: int = 4000,
) -> Floats:
    """For each candidate the share of resamples of the groups in which its weighted mean is the largest.

    `values` is (items, candidates), higher being better: pass it negated where lower is. Candidates that tie share the
    resample equally. All candidates answer the same resampled items, so that what they have in common cancels out.

    Source: Efron (1979), Bootstrap methods: another look at the jackknife, Annals of Statistics 7; as a probability,
    Rubin (1981), The Bayesian bootstrap, Annals of Statistics 9.

    >>> chance_of_best([[1, 0, 0], [1, 1, 1], [1, 0, 0], [0, 1, 1], [1, 0, 0], [1, 1, 1]] * 10).round(2).tolist()
    [1.0, 0.0, 0.0]
    """
    return chance_of_best_overall([Table(values, groups, weights)], [1.0], seed, n)


def chance_of_best_overall(
    tables: Sequence[Table | Errors], weights: Sequence[float], seed: int = 0, n: int = 4000
) -> Floats:
    """The same for the weighted sum of the means of several benchmarks, each of them resampled by itself.

    Every table has the same candidates in the same order, and means in units that may be added, such as shares.
    Benchmarks with some items in common are taken as if they had none.

    >>> math, charts = Table([[1, 0]] * 8 + [[0, 1]] * 2), Table([[0, 1]] * 6 + [[1, 0]] * 4)
    >>> [chance_of_best_overall([math, charts], w).round(1).tolist() for w in ([1.0, 0.0], [0.0, 1.0])]
    [[1.0, 0.0], [0.3, 0.7]]
    """
    if not tables or len(tables) != len(weights):
        raise ValueError(f"{len(tables)} benchmarks and {len(weights)} weights: pass one weight for each, at least one")
    share = np.asarray(weights, dtype=float)
    if not ((share >= 0) & np.isfinite(share)).all() or not share.any():
        raise ValueError(f"weights {list(weights)}: expected finite numbers of at least 0, not all of them 0")
    rng = np.random.default_rng(seed)
    draws = [weight * _draws(table, rng, n) for table, weight in zip(tables, share, strict=True)]
    if len({each.shape[1] for each in draws}) > 1:
        raise ValueError(f"{[each.shape[1] for each in draws]} candidates: every benchmark needs the same ones")
    return _shares(sum(draws[1:], draws[0]))


def chance_from_errors(values: ArrayLike, stderrs: ArrayLike, seed: int = 0, n: int = 4000) -> Floats:
    """The same where there are only scores and their standard errors: independent normal numbers.

    It cannot know that all answered the same items. What is hard for one is hard for the others, which makes the error
    of a difference smaller than this takes it for: the chances are then nearer to each other than they should be.

    >>> chance_from_errors([0.8, 0.7], [0.03, 0.04]).round(2).tolist()  # of 4,000; exactly 0.977
    [0.97, 0.03]
    """
    return _shares(_draws(Errors(values, stderrs), np.random.default_rng(seed), n))


def _draws(table: Table | Errors, rng: np.random.Generator, n: int) -> Floats:
    """n times the mean of each candidate (n, candidates)."""
    if isinstance(table, Errors):
        return _normal(np.asarray(table.values, dtype=float), np.asarray(table.stderrs, dtype=float), rng, n)
    x = np.asarray(table.values, dtype=float)
    if x.ndim != 2 or not x.size or not np.isfinite(x).all():
        raise ValueError(
            f"values of the shape {x.shape}: expected finite numbers (items, candidates), at least one of each; leave "
            "out the items that some candidate did not answer"
        )
    w = np.ones(len(x)) if table.weights is None else np.asarray(table.weights, dtype=float)
    if w.shape != (len(x),) or not ((w > 0) & np.isfinite(w)).all():
        raise ValueError(f"{w.size} weights of {len(x)} items: pass one finite weight above 0 for each")
    return resampled_means(*grouped(x, w, table.groups), rng, n)


def grouped(values: Floats, weights: Floats, groups: Iterable[object] | None) -> tuple[Floats, Floats]:
    """What the items of each group add up to (groups, candidates), and their weight (groups)."""
    places = group_places(groups, len(values))
    sums = np.column_stack([np.bincount(places, column * weights) for column in values.T])
    return sums.astype(float), np.bincount(places, weights).astype(float)


def _normal(values: Floats, stderrs: Floats, rng: np.random.Generator, n: int) -> Floats:
    if values.ndim != 1 or values.shape != stderrs.shape or not values.size:
        raise ValueError(f"{values.size} values and {stderrs.size} standard errors: pass one of each per candidate")
    if not (np.isfinite(values) & np.isfinite(stderrs) & (stderrs >= 0)).all():
        raise ValueError("values are finite and standard errors finite and at least 0: leave out what is not known")
    return rng.normal(values, stderrs, size=(n, values.size))


def _shares(draws: Floats) -> Floats:
    most = draws.max(axis=1, keepdims=True)
    top = draws >= most - 1e-9 * np.abs(draws).max()
    shares: Floats = (top / top.sum(axis=1, keepdims=True)).mean(axis=0)
    return shares
