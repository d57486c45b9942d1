"""How sure it is that a checkpoint is the best of several, if other items of the same kind had been asked.

The leaderboard and the best checkpoint of a benchmark, and of several with declared weights, call it. A chance of 90 %
is no test: of two equal checkpoints one has 90 % or more in one case of five. It knows nothing of how another training
run would have come out, and the mean of the best of many flatters it.
"""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from monitor.stats.cluster import LEAST_GROUPS, clustered_stderr, group_places
from monitor.stats.intervals import CONFIDENCE, UNKNOWN, Interval
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
    NaN for all below 10 groups, which resampled would look surer than they are.

    Source: Efron (1979), Bootstrap methods: another look at the jackknife, Annals of Statistics 7; as a probability,
    Rubin (1981), The Bayesian bootstrap, Annals of Statistics 9.

    >>> chance_of_best([[1, 0, 0], [1, 1, 1], [1, 0, 0], [0, 1, 1], [1, 0, 0], [1, 1, 1]] * 10).round(2).tolist()
    [1.0, 0.0, 0.0]
    """
    return chance_of_best_overall([Table(values, groups, weights)], [1.0], seed, n)


def chance_of_best_overall(
    tables: Sequence[Table | Errors], weights: Sequence[float], seed: int = 0, n: int = 4000
) -> Floats:
    """The same for the weighted sum of the means of several benchmarks, each of them resampled by itself; NaN where any
    with a weight has fewer than 10 groups.

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
    if any(weight > 0 and _too_few(table) for table, weight in zip(tables, share, strict=True)):
        return np.full(draws[0].shape[1], np.nan)
    return _shares(sum(draws[1:], draws[0]))


def overall_difference(
    tables: Sequence[Table], weights: Sequence[float], one: int, other: int
) -> tuple[float, Interval]:
    """The weighted mean over several benchmarks of one candidate minus another, and its interval at 95 %.

    Each benchmark has the clustered standard error of the differences on its own items; t with Satterthwaite's degrees
    of freedom, of which a benchmark has its groups less 1. Not known where a benchmark with a weight has fewer than 2
    groups, or groups that all have the same mean difference: that says nothing about other items.

    Source: Satterthwaite (1946), An approximate distribution of estimates of variance components, Biometrics Bulletin
    2:110.

    >>> one = Table([[1, 0], [1, 1], [0, 0], [1, 0], [1, 1], [0, 1]] * 5)
    >>> difference, interval = overall_difference([one, one], [3, 1], 0, 1)
    >>> round(difference, 3), [round(end, 3) for end in interval]
    (0.167, [-0.038, 0.371])
    """
    share = np.asarray(weights, dtype=float) / np.sum(weights)
    parts = [_difference(table, one, other) for table, weight in zip(tables, share, strict=True) if weight > 0]
    means, errors, freedom = (np.array(each, dtype=float) for each in zip(*parts, strict=True))
    used = share[share > 0]
    difference = float(used @ means)
    pieces = (used * errors) ** 2
    if not np.isfinite(pieces).all():
        return difference, UNKNOWN
    degrees = float(pieces.sum() ** 2 / (pieces**2 / freedom).sum())
    half = float(special.stdtrit(degrees, (1 + CONFIDENCE) / 2)) * math.sqrt(float(pieces.sum()))
    return difference, Interval(difference - half, difference + half)


def chance_from_errors(values: ArrayLike, stderrs: ArrayLike, seed: int = 0, n: int = 4000) -> Floats:
    """The same where there are only scores and their standard errors: independent normal numbers.

    It cannot know that all answered the same items. What is hard for one is hard for the others, which makes the error
    of a difference smaller than this takes it for: the chances are then nearer to each other than they should be.

    >>> chance_from_errors([0.8, 0.7], [0.03, 0.04]).round(2).tolist()  # of 4,000; exactly 0.977
    [0.97, 0.03]
    """
    return _shares(_draws(Errors(values, stderrs), np.random.default_rng(seed), n))


def _too_few(table: Table | Errors) -> bool:
    """Whether a bootstrap of its groups would be surer than it may be."""
    if isinstance(table, Errors):
        return False
    return int(group_places(table.groups, len(np.asarray(table.values))).max()) + 1 < LEAST_GROUPS


def _difference(table: Table, one: int, other: int) -> tuple[float, float, int]:
    """Mean of one minus other, its standard error (NaN where there is none) and its degrees of freedom."""
    x = np.asarray(table.values, dtype=float)
    w = np.ones(len(x)) if table.weights is None else np.asarray(table.weights, dtype=float)
    apart = x[:, one] - x[:, other]
    mean = float(w @ apart / w.sum())
    pulls = w / w.mean() * (apart - mean)  # of which the mean is 0, and the standard error that of the weighted mean
    places = group_places(table.groups, len(x))
    varies = bool(np.abs(np.bincount(places, pulls)).max() > 1e-9 * np.abs(x).max())
    return mean, clustered_stderr(pulls, places) if varies else math.nan, int(places.max())


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
