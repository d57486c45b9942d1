"""Traffic minute by minute, for the tests of the state of a deployment."""

from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from monitor.records import Slo
from monitor.stats.burn import StateSeries, state_series

START = datetime(2026, 3, 1, tzinfo=UTC)
DAY = 1440  # minutes
Counts = NDArray[np.int64]


def at(minute: float) -> datetime:
    return START + timedelta(minutes=minute)


def every(gap: int, size: int) -> Counts:
    """One request every `gap` minutes."""
    return np.where(np.arange(size) % gap == 0, 1, 0)


def steady(per_minute: int, size: int) -> Counts:
    return np.full(size, per_minute)


def failing(n: Counts, share: float, begin: int, end: int) -> Counts:
    """That share of the requests from minute `begin` to `end`, spread evenly."""
    known = np.cumsum(np.where((np.arange(n.size) >= begin) & (np.arange(n.size) < end), n, 0))
    total = np.concatenate(([0], np.floor(known * share + 1e-9).astype(np.int64)))
    return total[1:] - total[:-1]


def series(
    n: Counts,
    bad: Counts,
    slo: Slo | None = None,
    latency: tuple[Counts, Counts] | None = None,
    now: datetime | None = None,
) -> StateSeries:
    minutes = np.datetime64(START.replace(tzinfo=None), "m") + np.arange(n.size)
    n_latency, slow = latency or (np.zeros_like(n), np.zeros_like(n))
    return state_series(minutes, n, bad, n_latency, slow, slo or Slo(), now or at(n.size))


def states_after(found: StateSeries, minute: int) -> set[str]:
    return {str(state) for state in found.states[minute:]}


def first(found: StateSeries, state: str) -> int:
    return int(np.flatnonzero(found.states == state)[0])
