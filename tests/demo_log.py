"""What a demo says, as columns per deployment, for the tests of its incidents."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.demo.deployments import PROFILES
from monitor.demo.generator import generate
from monitor.demo.incidents import Incident, incidents
from monitor.fleet import load_fleet
from monitor.stats.burn import StateSeries, state_series

NOW = datetime(2026, 11, 18, 9, 37, 12, 345_678, tzinfo=UTC)  # a Wednesday
WEEKEND_NIGHT = datetime(2026, 11, 22, 2, 5, tzinfo=UTC)
DAYS = 14
DAY_S = 86400
FLEET = load_fleet(Path(__file__).parent.parent / "monitor/demo/fleet.toml")


@dataclass(frozen=True)
class Log:
    """The requests of one deployment in order of time."""

    ts: NDArray[np.float64]  # seconds since the epoch
    latency_ms: NDArray[np.float64]
    queue_ms: NDArray[np.float64]
    error_type: NDArray[np.str_]  # empty for none
    checkpoint: NDArray[np.str_]

    @property
    def failed(self) -> NDArray[np.bool_]:
        failed: NDArray[np.bool_] = self.error_type != ""
        return failed

    def during(self, start: datetime, end: datetime) -> NDArray[np.bool_]:
        return (self.ts >= start.timestamp()) & (self.ts < end.timestamp())

    def p95(self, start: datetime, end: datetime) -> float:
        return self._p95(self.latency_ms, start, end)

    def queue_p95(self, start: datetime, end: datetime) -> float:
        return self._p95(self.queue_ms, start, end)

    def _p95(self, values: NDArray[np.float64], start: datetime, end: datetime) -> float:
        return float(np.quantile(values[self.during(start, end) & ~self.failed], 0.95))


Logs = dict[str, Log]


@cache
def logs_of(now: datetime, seed: int = 7) -> Logs:
    rows: dict[str, list[tuple[Any, ...]]] = {profile.id: [] for profile in PROFILES}
    for event in chain.from_iterable(generate(now, days=DAYS, seed=seed)):
        rows[event["deployment"]].append(
            (event["ts"][:-1], event["latency_ms"], event["queue_ms"], event["error_type"] or "", event["checkpoint"])
        )
    return {deployment: _log(found) for deployment, found in rows.items()}


def _log(rows: list[tuple[Any, ...]]) -> Log:
    ts, latency_ms, queue_ms, error_type, checkpoint = zip(*rows, strict=True)
    seconds = np.array(ts, dtype="datetime64[ms]").astype(np.int64) / 1000
    return Log(seconds, np.array(latency_ms), np.array(queue_ms), np.array(error_type), np.array(checkpoint))


def planted(kind: str) -> list[Incident]:
    return [incident for incident in incidents(NOW) if incident.kind == kind]


def one(kind: str) -> Incident:
    [incident] = planted(kind)
    return incident


def leak_still_going_on() -> Incident:
    [leak] = [incident for incident in planted("slow_leak") if incident.end > NOW]
    return leak


def states(log: Log, deployment: str, now: datetime) -> StateSeries:
    """What the fleet page computes, from the events themselves."""
    first = now - timedelta(days=DAYS)
    slo = FLEET.deployments[deployment].slo
    assert slo.latency_ms is not None
    minute = ((log.ts - first.timestamp()) // 60).astype(int)
    size = DAYS * 1440
    slow = ~log.failed & (log.latency_ms > slo.latency_ms)
    n, errors, answered, late = (
        np.bincount(minute[which], minlength=size)[:size] for which in (minute >= 0, log.failed, ~log.failed, slow)
    )
    grid = np.datetime64(first.replace(tzinfo=None), "m") + np.arange(size)
    return state_series(grid, n, errors, answered, late, slo, now)
