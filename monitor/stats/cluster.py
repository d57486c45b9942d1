"""Items that belong together, such as questions about one image: their groups, standard error, interval and t-test.

The scores of benchmarks and the comparisons of checkpoints take them from here. The t-test is the one that lmms-eval
prints, with groups; verdicts come from `signflip` and `paired`, which need no normal distribution.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from monitor.stats.intervals import CONFIDENCE, UNKNOWN, Interval, standard_score, wilson, wilson_arrays

LEAST_GROUPS = 10
"""Fewer groups (an item without one is one by itself) say too little of how groups vary: no verdict, no chance."""

Floats = NDArray[np.float64]
Places = NDArray[np.int64]


class PairedT(NamedTuple):
    """Mean of first - second, its standard error and interval, the two-sided p-value, and the number of groups."""

    difference: float
    stderr: float
    interval: Interval
    p_value: float
    n_groups: int


def group_places(groups: Iterable[object] | None, n: int) -> Places:
    """The number of the group of each of n items, from 0, in the order of their first item; None is one by itself.

    >>> group_places(["a", None, "b", None, "a"], 5).tolist()
    [0, 1, 2, 3, 0]
    """
    if groups is None:
        return np.arange(n)
    if isinstance(groups, np.ndarray) and groups.dtype.kind == "i" and groups.shape == (n,):
        return np.unique(groups, return_inverse=True)[1]  # places already: many pairs of columns share them
    known: dict[object, int] = {}
    alone = object()
    names = [(alone, i) if name is None or name != name else name for i, name in enumerate(groups)]
    if len(names) != n:
        raise ValueError(f"{len(names)} groups of {n} items: name one for each item, None where it is by itself")
    return np.array([known.setdefault(name, len(known)) for name in names], dtype=np.int64)


def clustered_stderr(values: ArrayLike, groups: Iterable[object] | None = None) -> float:
    """Standard error of the mean where items of one group vary together; NaN for fewer than 2 groups.

    Its square is s^2 / n, with the sample variance s^2, plus the sum over all pairs of different items of one group of
    (x_i - mean)(x_j - mean) / n^2. Without groups it is the usual one. It is too small for few groups:
    take it with t of the groups less 1.

    Source: Miller (2024), Adding error bars to evals, arXiv:2411.00640, equation 4; lmms-eval prints it as
    "stderr_clustered".

    >>> round(clustered_stderr([1, 0, 1, 1, 0, 0]), 4), round(clustered_stderr([1, 1, 1, 0, 0, 0], "aaabbb"), 4)
    (0.2236, 0.3651)
    """
    x = np.asarray(values, dtype=float)
    places = group_places(groups, x.size)
    if not x.size or not places.any():
        return math.nan
    apart = x - x.mean()
    together = np.bincount(places, apart)
    own = float((apart**2).sum())
    return math.sqrt(own / (x.size - 1) / x.size + (float((together**2).sum()) - own) / x.size**2)


def clustered_wilson(passed: ArrayLike, groups: Iterable[object] | None = None) -> Interval:
    """Wilson's interval at 95 % of a share of passes (0 or 1), with as many items as those in groups are worth.

    Items are worth p (1 - p) / stderr^2 by the clustered standard error, at most n, times (z / t)^2 for few groups,
    with t of the groups less 1; where all items are alike, as many as there are groups. NaN for a single group.

    Sources: Korn and Graubard (1998), Confidence intervals for proportions with small expected number of positive
    counts estimated from survey data, Survey Methodology 24:193; for Wilson's interval, Dean and Pagano (2015),
    Evaluating confidence interval methods for binomial proportions in clustered surveys, Journal of Survey Statistics
    and Methodology 3:484.

    >>> [round(end, 3) for end in clustered_wilson([1, 1, 1, 0] * 10)]
    [0.598, 0.858]
    >>> [round(end, 3) for end in clustered_wilson([1] * 15 + [0] * 5 + [1] * 15 + [0] * 5, "abcdefgh" * 5)]
    [0.565, 0.874]
    """
    x = np.asarray(passed, dtype=float)
    if not np.isin(x, (0.0, 1.0)).all():
        raise ValueError("passes are 0 or 1: take the bootstrap for graded scores")
    places = group_places(groups, x.size)
    n_groups = int(places.max()) + 1 if x.size else 0
    if n_groups == x.size:
        return wilson(int(x.sum()), x.size)
    if n_groups < 2:
        return UNKNOWN
    share = float(x.mean())
    worth = float(n_groups)
    if 0 < share < 1:
        stderr = clustered_stderr(x, places)
        worth = share * (1 - share) / stderr**2 if stderr > 0 else math.inf
        t = float(special.stdtrit(n_groups - 1, (1 + CONFIDENCE) / 2))
        worth = min(worth, x.size) * (standard_score(CONFIDENCE) / t) ** 2
    low, high = wilson_arrays([share * worth], [worth])
    return Interval(float(low[0]), float(high[0]))


def paired_t(
    first: ArrayLike, second: ArrayLike, groups: Iterable[object] | None = None, confidence: float = CONFIDENCE
) -> PairedT:
    """Student's paired t-test of first - second, item by item, with the clustered standard error.

    Degrees of freedom are the groups less 1; without groups, the items less 1. Where all differences are equal the
    p-value is 0, or 1 if they are 0. NaN for fewer than 2 groups.

    Sources: Student (1908), The probable error of a mean, Biometrika 6; Miller (2024), section 4.2.

    >>> found = paired_t([0.9, 0.8, 0.7, 0.9], [0.7, 0.8, 0.6, 0.6])
    >>> round(found.difference, 3), round(found.stderr, 3), round(found.p_value, 3)
    (0.15, 0.065, 0.103)
    """
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"{a.size} and {b.size} numbers: pass two lists of the same length, one number for each item")
    places = group_places(groups, a.size)
    n_groups = int(places.max()) + 1 if a.size else 0
    difference = float((a - b).mean()) if a.size else math.nan
    if n_groups < 2:
        return PairedT(difference, math.nan, UNKNOWN, math.nan, n_groups)
    stderr = clustered_stderr(a - b, places)
    half = float(special.stdtrit(n_groups - 1, (1 + confidence) / 2)) * stderr
    t = math.inf if stderr == 0 else abs(difference) / stderr
    p_value = 1.0 if difference == 0 else 2 * float(special.stdtr(n_groups - 1, -t))
    return PairedT(difference, stderr, Interval(difference - half, difference + half), p_value, n_groups)
