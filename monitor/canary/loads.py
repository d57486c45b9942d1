"""Latency of whole replays: how slow one is beside others of the same items, and which items are.

`monitor/canary/signals.py` calls it. Latencies of one replay move together with the load of the machine, and they
depend on the concurrency; so a replay counts as one value, and is compared with others at the same concurrency only.
Load follows the day, too: replays of an unchanged deployment can be exchanged for those around the same time of other
days, not for those of other hours.
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

DAY_S = 86_400

PART_S = 3 * 3600
"""Replays within one such part of the day are compared with each other. It divides the day."""

DAYS = 2
"""What is usual at a time of day is known from so many different days of the reference."""

Floats = NDArray[np.float64]


def comparable(replays: Replays, window: int, fewest: int) -> tuple[NDArray[np.int64], int]:
    """The rows that are compared, oldest first, and how many of them are the reference.

    The reference is what was learned at the concurrency of the newest row, and all replays before the newest `window`.
    Where that is less than `fewest`, the first replays join it.
    """
    rows = np.flatnonzero(~np.isnan(replays.latency_ms).all(axis=1))
    if replays.concurrency and rows.size:
        rows = rows[np.array(replays.concurrency)[rows] == replays.concurrency[rows[-1]]]
    learned = int((rows < replays.learned).sum())
    later = rows.size - learned
    return rows, learned + max(later - window, min(later, fewest - learned), 0)


def parts_of_day(times: Floats, reference: int) -> NDArray[np.int64]:
    """The part of the day of each row, 0 around the newest; -1 where the reference has fewer than DAYS days of it.

    It goes by times only, whatever was measured: within a part, rows of unchanged deployments stay exchangeable.

    >>> hours = np.array([4.0, 28, 34, 40, 52, 58])  # 04:00 of two days, 10:00, 16:00; then 04:00 and 10:00
    >>> parts_of_day(hours * 3600, reference=4).tolist()
    [6, 6, -1, -1, 6, -1]
    """
    since = times - times[-1:] + PART_S / 2
    part, day = (since % DAY_S // PART_S).astype(np.int64), since // DAY_S
    known = [one for one in np.unique(part) if np.unique(day[:reference][part[:reference] == one]).size >= DAYS]
    return np.where(np.isin(part, known), part, -1)


def usual(loads: Floats, parts: NDArray[np.int64], reference: int) -> Floats:
    """For each row the median of the reference in its part of the day; 0 where that is not known."""
    middle = np.zeros(loads.size)
    for part in np.unique(parts[parts >= 0]):
        at = parts == part
        middle[at] = _median(loads[None, :reference][:, at[:reference]])[0]
    return np.nan_to_num(middle)


def load(log_latency: Floats) -> Floats:
    """One value for each row: the median of its items, each beside its own median; NaN where nothing is known.

    >>> load(np.log([[10, 100, 50], [20, 200, 80], [10, 100, 50]])).round(2).tolist()
    [0.0, 0.69, 0.0]
    """
    return _median(log_latency - _median(log_latency.T)[None, :])


def slow_by_part(loads: Floats, parts: NDArray[np.int64], times: float) -> NDArray[np.int64]:
    """`slow` among the rows of each part of the day: a column for each part, -1 in the rows of the others.

    >>> night_and_day = np.log([1.0, 2.0, 1.0, 2.0, 2.0, 2.0])
    >>> slow_by_part(night_and_day, np.array([0, 1, 0, 1, 0, 1]), times=1.25).T.tolist()
    [[0, -1, 0, -1, 1, -1], [-1, 0, -1, 0, -1, 0]]
    """
    apart = np.unique(parts[parts >= 0])
    marks = np.full((loads.size, apart.size), -1)
    for column, part in enumerate(apart):
        marks[:, column] = slow(np.where(parts == part, loads, np.nan), times)
    return marks


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
