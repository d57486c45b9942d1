"""Latency of whole replays: how slow one is beside others of the same items, and which items are.

`monitor/canary/signals.py` calls it. Latencies of one replay move together with the load of the machine, and they
depend on the concurrency; so a replay counts as one value, and is compared with others at the same concurrency only.
"""

import math

import numpy as np
from numpy.typing import NDArray

from monitor.canary.noise import Replays

SLOWER = (1.25, 1.5, 2.0)
"""A replay is slow if it takes so many times as long as fast ones; which of these parts best depends on the noise."""

CLOCK_MS = 0.001
"""Shorter times are none that a clock shows, and 0 has no logarithm."""

FAST = 0.1
"""Fast replays: the quantile of all of them that others are compared with. A longer slow time does not move it."""

Floats = NDArray[np.float64]


def comparable(replays: Replays, window: int, fewest: int) -> tuple[NDArray[np.int64], int]:
    """The rows that are compared, oldest first, and how many of them are the reference.

    The reference is what was learned at the concurrency of the newest row, and all replays before the newest `window`:
    latency follows the hours of the day, which learning within some minutes cannot show. Where that is less than
    `fewest`, the first replays join it.
    """
    rows = np.flatnonzero(~np.isnan(replays.latency_ms).all(axis=1))
    if replays.concurrency and rows.size:
        rows = rows[np.array(replays.concurrency)[rows] == replays.concurrency[rows[-1]]]
    learned = int((rows < replays.learned).sum())
    later = rows.size - learned
    return rows, learned + max(later - window, min(later, fewest - learned), 0)


def load(log_latency: Floats) -> Floats:
    """One value for each row: the median of its items, each beside its own median; NaN where nothing is known.

    >>> load(np.log([[10, 100, 50], [20, 200, 80], [10, 100, 50]])).round(2).tolist()
    [0.0, 0.69, 0.0]
    """
    return _median(log_latency - _median(log_latency.T)[None, :])


def slow(loads: Floats, times: float) -> NDArray[np.int64]:
    """1 where a replay takes more than so many times as long as fast ones, 0 where not, -1 where that is not known.

    >>> slow(np.log([1.0, 1.1, 1.0, 1.9]), times=1.25).tolist()
    [0, 0, 0, 1]
    """
    known = ~np.isnan(loads)
    if not known.any():
        return np.full(loads.size, -1)
    fast = float(np.quantile(loads[known], FAST, method="lower"))
    return np.where(known, (np.where(known, loads, fast) > fast + math.log(times)).astype(np.int64), -1)


def ratio(loads: Floats, first: int, reference: int) -> float | None:
    """How many times as long the replays from row `first` on take as those of the reference."""
    after, before = _median(loads[None, first:])[0], _median(loads[None, :reference])[0]
    return None if np.isnan(after) or np.isnan(before) else math.exp(float(after - before))


def grown(log_latency: Floats, first: int, reference: int) -> Floats:
    """Logarithm of the ratio of each item's medians: from row `first` on against the reference; -inf if not known."""
    change = _median(log_latency[first:].T) - _median(log_latency[:reference].T)
    return np.where(np.isnan(change), -np.inf, change)


def _median(values: Floats) -> Floats:
    """The median of each row without what is not known; NaN where nothing is."""
    if not np.isnan(values).any() and values.size:
        return np.asarray(np.median(values, axis=1))  # ten times as fast
    middle = np.full(values.shape[0], np.nan)
    known = ~np.isnan(values).all(axis=1)
    if known.any():
        middle[known] = np.nanmedian(values[known], axis=1)
    return middle
