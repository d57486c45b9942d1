"""What goes wrong in the demo, and exactly when: the planted truth that detectors and tests are held against.

`traffic` makes these incidents happen; `python -m monitor demo` writes them beside the data, and the tests read that.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from monitor.demo.shifts import Shift, shifts
from monitor.errors import BadInput

SWITCHED_TO = "shapes-vlm-step-00900"
"""The checkpoint that is served during the latency regression."""

KINDS = ("latency_regression", "error_burst", "slow_leak", "quiet_outage")
LEAK = timedelta(hours=72)
OUTAGE_AT = (13, 10)
"""Hour and minute (UTC) of a working day, where silence can have no other reason."""


@dataclass(frozen=True, slots=True)
class Incident:
    """One planted incident, from `start` up to and without `end`; an end after the demo's `now` has not come yet."""

    kind: str  # of KINDS
    deployment: str
    start: datetime
    end: datetime
    signal: str  # column of the query golden_signals that shows it
    magnitude: float
    measure: str  # what the magnitude is
    state: str  # the worst state that the SLO of the demo's fleet file gives it
    sees: str  # what a detector must see
    checkpoint: str | None = None  # served during the incident, where that is its cause
    error_types: tuple[str, ...] = ()

    def __str__(self) -> str:
        return (
            f"{self.start:%Y-%m-%d %H:%M} to {self.end:%Y-%m-%d %H:%M} UTC, {self.deployment}, {self.kind}: {self.sees}"
        )


@dataclass(frozen=True, slots=True)
class Truth:
    """What was loaded: the same `now`, `days` and `seed` make the same events again."""

    now: datetime
    days: int
    seed: int
    incidents: tuple[Incident, ...]
    shifts: tuple[Shift, ...] = ()  # none in a demo that was loaded before there were any


def anchor(now: datetime) -> datetime:
    """`now` floored to the hour, in UTC: every time of the story hangs on it."""
    if now.tzinfo is None:
        raise ValueError(f"{now} has no time zone: pass an aware datetime")
    return now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def incidents(now: datetime, days: int = 14) -> tuple[Incident, ...]:
    """The incidents that touch the `days` before `now`, in order of their start."""
    hour = anchor(now)
    story = (
        _leak(hour - timedelta(hours=300)),
        _regression(hour - timedelta(hours=144)),
        _outage(hour),
        _leak(hour - timedelta(hours=60)),
        _burst(hour - timedelta(hours=9) + timedelta(minutes=10)),
    )
    return tuple(sorted((i for i in story if i.end > now - timedelta(days=days)), key=lambda i: i.start))


def _leak(start: datetime) -> Incident:
    return Incident(
        kind="slow_leak",
        deployment="vision-edge",
        start=start,
        end=start + LEAK,
        signal="p95_ms",
        magnitude=2.1,
        measure="p95_ms of the last six hours before the restart, as a ratio to the day before the leak",
        state="alert",
        sees="queue time and latency creep up for three days, without errors and at the same traffic, until a restart",
    )


def _regression(start: datetime) -> Incident:
    return Incident(
        kind="latency_regression",
        deployment="vision-prod",
        start=start,
        end=start + timedelta(hours=20),
        signal="p95_ms",
        magnitude=1.8,
        measure="p95_ms as a ratio to the same hours of the days around",
        state="alert",
        sees="the p95 is 1.8 times as high from the switch of the checkpoint until the switch back",
        checkpoint=SWITCHED_TO,
    )


def _outage(hour: datetime) -> Incident:
    latest = hour - timedelta(hours=36)
    start = latest.replace(hour=OUTAGE_AT[0], minute=OUTAGE_AT[1])
    while start > latest or start.weekday() >= 5:
        start -= timedelta(days=1)
    return Incident(
        kind="quiet_outage",
        deployment="vision-prod",
        start=start,
        end=start + timedelta(minutes=50),
        signal="n",
        magnitude=0.0,
        measure="requests during the incident",
        state="no_data",
        sees="not one request in the busiest time of a working day, and no error that would say why",
    )


def _burst(start: datetime) -> Incident:
    return Incident(
        kind="error_burst",
        deployment="text-prod",
        start=start,
        end=start + timedelta(minutes=25),
        signal="error_rate",
        magnitude=0.3,
        measure="share of requests that fail",
        state="alert",
        sees="three requests in ten fail, with two kinds of error that are rare at other times",
        error_types=("UpstreamTimeout", "CUDAOutOfMemory"),
    )


def write_truth(path: Path, now: datetime, days: int = 14, seed: int = 7) -> Truth:
    """Write the truth about a demo as JSON (to a temporary file first), and return it."""
    since = now - timedelta(days=days)
    told = tuple(shift for shift in shifts(anchor(now)) if shift.end > since)
    truth = Truth(now.astimezone(UTC), days, seed, incidents(now, days), told)
    unfinished = path.with_name(f"{path.name}.part")
    unfinished.write_bytes(msgspec.json.format(msgspec.json.encode(truth)) + b"\n")
    unfinished.replace(path)
    return truth


def read_truth(path: Path) -> Truth:
    """The truth as `write_truth` left it."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Truth)
    except FileNotFoundError:
        raise BadInput(f"{path} is not there; `python -m monitor demo` writes it") from None
    except msgspec.MsgspecError as error:
        raise BadInput(f"{path} is not the truth of a demo: {error}; `python -m monitor demo` writes it anew") from None
