"""Maximum mean discrepancy of vectors: how far apart two samples lie, seen through a Gaussian kernel.

Finds any difference of two clouds of embeddings, of their shape, too. A bounded sample is compared.
"""

import math

import numpy as np

from monitor.drift.methods.divergence import Z
from monitor.drift.methods.found import NOTHING, Found
from monitor.drift.profile import Floats

MOST = 1000
"""So many vectors of either side are compared."""

TURNS = 999
SEED = 5
LEAST = 4


def compare(reference: Floats, window: Floats) -> Found:
    """The root of the unbiased squared discrepancy (0 where that is negative), tested by permutation.

    Both are arrays (n, d); rows that are not finite are left out. The width of the kernel is the median distance. The
    seed is fixed: the same vectors always give the same p.

    Source: Gretton, Borgwardt, Rasch, Schölkopf and Smola (2012), A kernel two-sample test, JMLR 13:723.

    >>> rng = np.random.default_rng(1)
    >>> found = compare(rng.normal(size=(200, 8)), rng.normal(size=(200, 8)) + 0.5)
    >>> round(found.p, 3), 0.2 < found.effect < 0.4
    (0.001, True)
    """
    ours, theirs = sample(reference), sample(window)
    n, m = len(ours), len(theirs)
    if n < LEAST or m < LEAST:
        return NOTHING
    kernel = _kernel(np.concatenate([ours, theirs]))
    value = float(_squared(kernel, np.arange(n + m)[:, None] < n)[0])
    rng = np.random.default_rng(SEED)
    turned = np.array([rng.permutation(n + m) < n for _ in range(TURNS)]).T
    chance = _squared(kernel, turned)
    p = (1 + int((chance >= value - 1e-12).sum())) / (TURNS + 1)
    half = Z * math.sqrt(_variance(kernel, n))
    low, high = (math.sqrt(max(0.0, end)) for end in (value - half, value + half))
    return Found(math.sqrt(max(0.0, value)), low, high, p, float(np.sqrt(np.clip(chance, 0, None)).mean()))


def effect(reference: Floats, window: Floats) -> float:
    """The discrepancy alone."""
    ours, theirs = sample(reference), sample(window)
    if len(ours) < LEAST or len(theirs) < LEAST:
        return math.nan
    first = np.arange(len(ours) + len(theirs))[:, None] < len(ours)
    return math.sqrt(max(0.0, float(_squared(_kernel(np.concatenate([ours, theirs])), first)[0])))


def smallest(reference: Floats, window: Floats, level: float) -> float:
    """Not known without knowing where the vectors lie."""
    return math.nan


def sample(vectors: Floats, most: int = MOST) -> Floats:
    """At most so many of the finite rows, drawn with a fixed seed."""
    rows = np.asarray(vectors, dtype=np.float64).reshape(len(vectors), math.prod(np.shape(vectors)[1:]))
    rows = rows[np.isfinite(rows).all(axis=1)]
    if len(rows) <= most:
        return rows
    return rows[np.sort(np.random.default_rng(SEED).choice(len(rows), most, replace=False))]


def _kernel(vectors: Floats) -> Floats:
    centred = vectors - vectors.mean(axis=0)
    squares = (centred * centred).sum(axis=1)
    distances = np.clip(squares[:, None] + squares[None, :] - 2 * centred @ centred.T, 0, None)
    middle = float(np.median(distances[np.triu_indices(len(vectors), 1)]))
    kernel: Floats = np.exp(-distances / (2 * middle)) if middle > 0 else (distances == 0).astype(float)
    np.fill_diagonal(kernel, 0.0)
    return kernel


def _squared(kernel: Floats, first: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Floats:
    """The unbiased squared discrepancy for each column of `first`, which says who belongs to the first sample."""
    one = first.astype(float)
    n = one[:, 0].sum()
    m = len(one) - n
    reached = kernel @ one
    inside = (one * reached).sum(axis=0)
    across = reached.sum(axis=0) - inside
    rest = kernel.sum() - inside - 2 * across
    squared: Floats = inside / (n * (n - 1)) + rest / (m * (m - 1)) - 2 * across / (n * m)
    return squared


def _variance(kernel: Floats, n: int) -> float:
    """Of the squared discrepancy where both differ: 4 times the variance of what each vector adds."""
    m = len(kernel) - n
    ours = kernel[:n, :n].sum(axis=1) / (n - 1) - kernel[:n, n:].mean(axis=1)
    theirs = kernel[n:, n:].sum(axis=1) / (m - 1) - kernel[n:, :n].mean(axis=1)
    return 4 * (float(ours.var()) / n + float(theirs.var()) / m)
