"""The tests behind the p-values of drift: how often chance alone would part two samples this far.

The methods beside this file call them. All take counts, none draws random numbers.
"""

import math
from functools import lru_cache

import numpy as np
from scipy import special

from monitor.drift.profile import Floats, Ints

EXACT_PAIRS = 2500
"""Up to so many pairs of values Kolmogorov's test is exact; above, the approximation is right within some percent down
to 1e-4, and too large below."""

ENOUGH = 5.0
"""The expected count that a cell of a chi-squared test needs (Cochran 1954, Biometrics 10:417)."""

_FAR, _TERMS = 12, 50
"""Terms of a tail that are summed: so many standard deviations, and at least so many."""


def effective(n: int, m: int) -> float:
    """The size that one sample would have with the noise of a difference of two: n m / (n + m)."""
    return n * m / (n + m)


def kolmogorov(d: float, n: int, m: int) -> float:
    """Chance that two samples of one continuous distribution have distribution functions at least d apart.

    For values that repeat it is too large, never too small.

    Sources: Hodges (1958), The significance probability of the Smirnov two-sample test, Arkiv för Matematik 3:469;
    Stephens (1970), Use of the Kolmogorov-Smirnov statistics without extensive tables, JRSS B 32:115, with half a step
    of the lattice as correction for continuity.

    >>> round(kolmogorov(0.45, 8, 10), 5)  # scipy.stats.ks_2samp, method exact
    0.24754
    """
    if n * m <= EXACT_PAIRS:
        return _exact(round(d * n * m), *sorted((n, m)))
    return float(special.kolmogorov(max(0.0, d - _half_step(n, m)) * _stretch(n, m)))


def kolmogorov_smallest(level: float, n: int, m: int) -> float:
    """The distance whose chance is `level`; above 1 where no distance is so unlikely.

    >>> round(kolmogorov_smallest(0.05, 10_000, 10_000), 4)
    0.0192
    """
    return float(special.kolmogi(level)) / _stretch(n, m) + _half_step(n, m)


def homogeneity(reference: Ints, window: Ints, *, cut_by_reference: bool = False) -> float:
    """Chance that two samples of one distribution differ this much in their counts: the chi-squared test.

    Two cells are tested by Fisher's exact test. Of more, those with an expected count below ENOUGH are put together.
    What is still too small then has a test of its own, Fisher's against all others, and the smaller of both p is
    doubled. Where the cells are quantiles of the reference, its counts are no chance: which cells are too small is told
    by them alone, and so is what is expected if the reference is the smaller side (Neyman's form).

    >>> round(homogeneity(np.array([10, 20, 30]), np.array([20, 20, 20])), 4)  # scipy.stats.chi2_contingency
    0.0695
    """
    n, m = int(reference.sum()), int(window.sum())
    if n == 0 or m == 0:
        return math.nan
    if reference.size == 2:
        return fisher(int(reference[0]), n, int(window[0]), m)
    pooled: Floats = (reference + window) / (n + m)
    small = (reference / n if cut_by_reference else pooled) * min(n, m) < ENOUGH
    if not small.any():
        return _chi_squared(reference, window, cut_by_reference)
    few_r, few_w = int(reference[small].sum()), int(window[small].sum())
    large_r, large_w = reference[~small], window[~small]
    if pooled[small].sum() * min(n, m) >= ENOUGH:
        return _chi_squared(np.append(large_r, few_r), np.append(large_w, few_w), cut_by_reference)
    rare = fisher(few_r, n, few_w, m)
    if large_r.size < 2:
        return rare
    return min(1.0, 2 * min(rare, _chi_squared(large_r, large_w, cut_by_reference)))


def homogeneity_smallest(level: float, cells: int, n: int, m: int) -> float:
    """The chi-squared statistic, by the effective size, whose chance is `level`.

    >>> round(homogeneity_smallest(0.05, 2, 100, 100), 4)  # 3.84 of 50
    0.0768
    """
    return float(special.chdtri(max(cells - 1, 1), level)) / effective(n, m)


def fisher(k: int, n: int, j: int, m: int) -> float:
    """Twice the chance of so different a split of the k + j hits over n and m values: Fisher's exact test, doubled.

    >>> round(fisher(1, 10, 6, 10), 4)
    0.0573
    """
    return min(1.0, 2 * min(more(k, n, j, m), more(j, m, k, n)))


def more(k: int, n: int, j: int, m: int) -> float:
    """Chance of at least j of the k + j hits among the m values, 1 where j is no more than expected.

    Source: Fisher (1934), Statistical Methods for Research Workers, 5th edition, 21.02.

    >>> round(more(1, 10, 6, 10), 4)
    0.0286
    """
    hits = k + j
    if j * (n + m) <= hits * m:
        return 1.0
    room = _FAR * math.sqrt(hits * m * n) / (n + m)
    each = np.arange(j, min(hits, m, j + int(room) + _TERMS) + 1, dtype=float)
    logs = _log_choose(m, each) + _log_choose(n, hits - each) - _log_choose(n + m, np.array([float(hits)]))
    return min(1.0, float(np.exp(logs).sum()))


def _log_choose(n: int, k: Floats) -> Floats:
    inside = np.clip(k, 0, n)
    return np.where((k >= 0) & (k <= n), -np.log(n + 1.0) - special.betaln(n - inside + 1, inside + 1), -np.inf)


def _chi_squared(reference: Ints, window: Ints, cut_by_reference: bool) -> float:
    n, m = int(reference.sum()), int(window.sum())
    if reference.size < 2 or n == 0 or m == 0:
        return 1.0
    expected: Floats = (reference + window) / (n + m)
    if cut_by_reference and n < m:
        expected = np.where(reference > 0, reference / n, expected)
    filled = expected > 0
    gaps = (reference / n - window / m)[filled]
    statistic = float((gaps * gaps / expected[filled]).sum()) * effective(n, m)
    return float(special.chdtrc(reference.size - 1, statistic))


def _stretch(n: int, m: int) -> float:
    root = math.sqrt(effective(n, m))
    return root + 0.12 + 0.11 / root


def _half_step(n: int, m: int) -> float:
    return 0.5 / math.lcm(n, m)


@lru_cache(maxsize=4096)
def _exact(steps: int, n: int, m: int) -> float:
    """The share of all orders of n and m values (n <= m) in which |i / n - j / m| reaches steps / (n m)."""
    stays = np.zeros(n + 1)
    stays[0] = 1.0
    rows = np.arange(n + 1)
    for total in range(1, n + m + 1):
        columns = total - rows
        moved = stays * np.clip(columns, 0, None) / total
        moved[1:] += stays[:-1] * rows[1:] / total
        stays = np.where((columns >= 0) & (columns <= m) & (np.abs(rows * m - columns * n) < steps), moved, 0.0)
    return min(1.0, max(0.0, 1.0 - float(stays[n])))
