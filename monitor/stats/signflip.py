"""Is the mean of paired differences 0? The test that flips the signs of whole groups, for scores of any kind.

Comparisons of checkpoints call it where items are graded or share an image; of plain right and wrong answers without
groups it is McNemar's exact test.
"""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from monitor.stats.cluster import group_places

COUNTED = 16
"""Up to this many groups that differ, all 2^16 ways to flip them are gone through."""

DRAWN = 512
"""Of this many groups, those that differ most, signs are drawn; the sum of all others is drawn as a normal number."""

_DENOMINATORS = 60
_REACH = 9.0  # standard deviations; beyond them lies less than 1e-17 (Hoeffding 1963)
_LOOK = 2000
_CLEAR = 0.1

_MOST_COSINES = 10_000_000

Floats = NDArray[np.float64]


def sign_flip(differences: ArrayLike, groups: Iterable[object] | None = None, seed: int = 0, n: int = 10_000) -> float:
    """Two-sided p-value of "the differences of a group are as likely the other way round": NaN without items.

    It is the share of all ways to flip whole groups in which the mean is at least as far from 0 as the one that was
    seen. Exact for up to 16 groups that differ, and for any number of them whose sums are whole multiples of 1, 1/2,
    ... or 1/60 (passes, tenths, thirds). Otherwise it is (count + 1) / (n + 1) from n random ways, which keeps what a
    p-value promises whatever n is; 2,000 will do where more than a tenth of them are as far out. Beyond 512 groups the
    sum of those that differ least is drawn from a normal distribution: each is then at most 1/512 of the sum of
    squares, and the share is off by less than 0.0002.

    Where the two are exchangeable in each group it is right for any number of groups. As a test of "the mean is 0" with
    skewed differences it needs some 30 groups, as the t-test does.

    Sources: Fisher (1935), The Design of Experiments, 21; Phipson and Smyth (2010), Permutation p-values should never
    be zero, Statistical Applications in Genetics and Molecular Biology 9:39 (the + 1).

    >>> round(sign_flip([1, 1, 1, 1, 1, 1, -1, 0, 0, 0]), 6)  # McNemar's exact test of 1 and 6
    0.125
    >>> round(sign_flip([0.3, 0.25, 0.5, 0.1, 0.4]), 6), round(sign_flip([0.3, 0.25, 0.5, 0.1, 0.4], "aabbb"), 6)
    (0.0625, 0.5)
    """
    x = np.asarray(differences, dtype=float)
    if x.ndim != 1 or not np.isfinite(x).all():
        raise ValueError("differences are one list of finite numbers: leave out the items of which one side is missing")
    if not x.size:
        return math.nan
    sums = np.bincount(group_places(groups, x.size), x)
    sums = sums[np.abs(sums) > 1e-12 * np.abs(x).max(initial=0.0)]
    if not sums.size:
        return 1.0
    steps = _whole(sums)
    if steps is not None:
        return _lattice(steps)
    if sums.size <= COUNTED:
        return _enumerated(sums)
    return _drawn(sums, np.random.default_rng(seed), n)


def _whole(sums: Floats) -> NDArray[np.int64] | None:
    """The sums counted in a step of which all are multiples; None if there is none, or they have too many steps."""
    for denominator in range(1, _DENOMINATORS + 1):
        scaled = sums * denominator
        steps = np.rint(scaled)
        if np.abs(scaled - steps).max() < 1e-7:
            break
    else:
        return None
    if _reach(steps) * np.unique(np.abs(steps)).size > _MOST_COSINES:
        return None
    whole = steps.astype(np.int64)
    return whole // math.gcd(*whole.tolist())


def _reach(steps: NDArray[Any]) -> float:
    """The largest sum that has to be told apart: further out than this, and than the one seen, lies nothing."""
    return max(abs(float(steps.sum())), _REACH * math.sqrt(float((steps.astype(float) ** 2).sum())))


def _lattice(steps: NDArray[np.int64]) -> float:
    """From the Fourier transform of the sum's distribution, which is a product of cosines."""
    sizes, counts = np.unique(np.abs(steps), return_counts=True)
    seen = abs(int(steps.sum()))
    length = 1 << math.ceil(2 * _reach(steps) + 1).bit_length()
    angles = np.arange(length // 2 + 1) * (2 * math.pi / length)
    transform = np.ones(angles.size)
    for size, count in zip(sizes, counts, strict=True):
        transform *= np.cos(angles * size) ** count
    shares = np.fft.irfft(transform, length)  # shares[t]: that the sum is t, shares[-t]: that it is -t
    least = 0.5 ** (steps.size - 1)  # all of them one way, or all the other; the sum below is right to 1e-15
    return float(np.clip(shares[seen : length - seen + 1].sum(), least, 1.0)) if seen else 1.0


def _enumerated(sums: Floats) -> float:
    totals = np.zeros(1)
    for each in np.abs(sums):
        totals = np.concatenate([totals - each, totals + each])
    return float(np.mean(np.abs(totals) >= _least(sums)))


def _drawn(sums: Floats, rng: np.random.Generator, n: int) -> float:
    falling = np.sort(np.abs(sums))[::-1]
    large, rest = falling[:DRAWN], falling[DRAWN:]
    spread, least, count = math.sqrt(float((rest**2).sum())), _least(sums), 0
    for begin in range(0, n, _LOOK):
        rows = min(_LOOK, n - begin)
        bits = np.unpackbits(rng.integers(0, 256, (rows, -(-large.size // 8)), dtype=np.uint8), axis=1)[:, : large.size]
        totals = 2 * (bits.astype(float) @ large) - large.sum() + spread * rng.standard_normal(rows)
        count += int((np.abs(totals) >= least).sum())
        if begin == 0 and count > _CLEAR * rows:
            return (count + 1) / (rows + 1)
    return (count + 1) / (n + 1)


def _least(sums: Floats) -> float:
    """What a sum has to reach to be as far from 0 as the one seen, rounding aside."""
    return abs(float(sums.sum())) - 1e-9 * float(np.abs(sums).sum())
