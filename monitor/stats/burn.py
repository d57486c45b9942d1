"""The state of a deployment at every minute, from its counts per minute and its SLO.

The queries `fleet` and `state_timeline` call it. A rule of BURN_RULES holds while the share of bad requests is above
its limit over the long window, with at least `min_bad_events` of them, and the short window does not show that the
trouble is over. It shows that when its share is below the limit beyond chance (a one-sided score test, Wilson 1927).
Where it has too few requests to show anything, it reaches back until it has enough, at most as far as the long window.
That is what keeps a deployment with little traffic from flapping; with normal traffic it is the rule of the workbook.

The state of a minute depends on the three days before it and on nothing else, so every view of it agrees.

Give a grid that begins three days before the first minute of interest: windows see nothing before its start.
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from monitor.records import STATES, Slo
from monitor.stats import burn_reason
from monitor.stats.burn_rules import BURN_RULES, DAY, MINUTE, BurnRule, bad_share_limit, budget_left, burn_rate

__all__ = [
    "BURN_RULES",
    "BurnRule",
    "Run",
    "StateSeries",
    "budget_left",
    "burn_over",
    "burn_rate",
    "reason_at",
    "runs",
    "state_series",
    "state_since",
]

NO_DATA_GAPS = 20  # silence of so many mean gaps between requests is no_data ...
LONGEST_SILENCE_S = DAY  # ... and at the latest this one, unless the SLO allows more
CHANCE_Z = 1.645  # a short window below the limit by chance: one time in twenty

Minutes = NDArray[np.datetime64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class StateSeries:
    """State and rule of every minute, with the cumulated counts that its reasons are read from."""

    minutes: Minutes  # datetime64[m], start of each minute; the state is the one at its end
    states: NDArray[np.str_]  # of STATES
    fired: Ints  # position in BURN_RULES, -1 for none
    fired_objective: Ints  # position in `totals`, -1 for none
    totals: dict[str, tuple[Ints, Ints]]  # objective -> cumulated (bad, n), each one longer than the grid
    silence_s: Ints  # since the last request; -1 before the first
    silence_limit_s: NDArray[np.float64]
    slo: Slo
    now: datetime


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of time in one state."""

    state: str
    from_ts: datetime
    to_ts: datetime
    reason: str


def state_series(
    minutes: NDArray[Any],
    n: NDArray[Any],
    bad_availability: NDArray[Any],
    n_latency: NDArray[Any],
    bad_latency: NDArray[Any],
    slo: Slo,
    now: datetime,
) -> StateSeries:
    """State at the end of each minute that began before `now`, from counts on a regular grid (0 where nothing came).

    The latency objective counts only requests whose latency is known; without any it is not evaluated, which is not
    the same as met.
    """
    _check_grid(minutes, n, bad_availability, n_latency, bad_latency)
    grid = minutes.astype("datetime64[m]")
    known = int(np.searchsorted(grid, _naive(now, "us"), side="left"))
    totals = {"availability": (_cumulated(bad_availability[:known]), _cumulated(n[:known]))}
    if slo.latency_ms is not None:
        totals["latency"] = (_cumulated(bad_latency[:known]), _cumulated(n_latency[:known]))
    fired, objective = _fired(totals, slo)
    silence_s, limit_s = _silence(n[:known], slo)
    severities = np.array([STATES.index(rule.severity) for rule in BURN_RULES] + [STATES.index("ok")])
    codes = np.where((silence_s < 0) | (silence_s > limit_s), STATES.index("no_data"), severities[fired])
    return StateSeries(grid[:known], np.array(STATES)[codes], fired, objective, totals, silence_s, limit_s, slo, now)


def state_since(series: StateSeries) -> datetime | None:
    """Start of the current run of the state (the start of the grid if it never changed); None for an empty series."""
    if not series.states.size:
        return None
    changes = np.flatnonzero(series.states[1:] != series.states[:-1])
    return _aware(series.minutes[changes[-1] + 1 if changes.size else 0])


def runs(series: StateSeries, start: datetime | None = None) -> list[Run]:
    """Stretches of the same state in order of time, from `start` (default: the whole grid) until `now`.

    The reason of a warn or alert is the one it began with, that of an ok counts its whole run.
    """
    size = series.states.size
    first = 0 if start is None else int(np.searchsorted(series.minutes, _naive(start, "m"), side="left"))
    if first >= size:
        return []
    begins = np.r_[0, np.flatnonzero(series.states[1:] != series.states[:-1]) + 1]
    ends = np.r_[begins[1:], size]
    last_ts = min(series.now, _aware(series.minutes[-1] + 1))
    return [
        Run(
            state=str(series.states[begin]),
            from_ts=_aware(series.minutes[max(begin, first)]),
            to_ts=last_ts if end == size else _aware(series.minutes[end]),
            reason=_run_reason(series, int(max(begin, first)), int(begin), int(end)),
        )
        for begin, end in zip(begins, ends, strict=True)
        if end > first
    ]


def reason_at(series: StateSeries, position: int = -1) -> str:
    """The sentence that says why the state at this minute (default: the last one) is what it is."""
    i = range(series.states.size)[position]
    if series.states[i] == "no_data":
        return burn_reason.no_data(int(series.silence_s[i]), float(series.silence_limit_s[i]), i + 1)
    if series.fired[i] >= 0:
        rule = BURN_RULES[series.fired[i]]
        objective = list(series.totals)[series.fired_objective[i]]
        return burn_reason.fired(rule, objective, *_counts(series, objective, rule.long_s, i), series.slo)
    windows = {
        objective: [(seconds, *_counts(series, objective, seconds, i)) for seconds in burn_reason.WINDOWS_S]
        for objective in series.totals
    }
    return burn_reason.ok(windows, series.slo)


def burn_over(series: StateSeries, seconds: int, objective: str = "availability", position: int = -1) -> float:
    """Burn rate over the last `seconds` before this minute's end; NaN without requests or without such an objective."""
    if objective not in series.totals or not series.states.size:
        return math.nan
    i = range(series.states.size)[position]
    return burn_rate(*_counts(series, objective, seconds, i), burn_reason.target_of(objective, series.slo))


def _run_reason(series: StateSeries, shown_from: int, begin: int, end: int) -> str:
    state = series.states[begin]
    if state != "ok":
        return reason_at(series, end - 1 if state == "no_data" else begin)
    seconds = (end - shown_from) * MINUTE
    seen = {objective: (seconds, *_counts(series, objective, seconds, end - 1)) for objective in series.totals}
    return burn_reason.ok_run(seen, series.slo)


def _fired(totals: dict[str, tuple[Ints, Ints]], slo: Slo) -> tuple[Ints, Ints]:
    """For each minute the first rule of the table that holds, and its objective; -1 for none."""
    size = totals["availability"][0].size - 1
    fired, objective = np.full(size, -1), np.full(size, -1)
    for number, rule in enumerate(BURN_RULES):
        for position, (name, (bad, n)) in enumerate(totals.items()):
            if name in rule.objectives:
                limit = bad_share_limit(rule, burn_reason.target_of(name, slo))
                new = (fired < 0) & _holds(rule, limit, bad, n, slo.min_bad_events)
                fired[new], objective[new] = number, position
    return fired, objective


def _holds(rule: BurnRule, limit: float, bad: Ints, n: Ints, min_bad: int) -> NDArray[np.bool_]:
    """Whether the rule holds at the end of each minute; `bad` and `n` are cumulated from 0."""
    end = np.arange(1, bad.size)
    long_start = np.maximum(end - rule.long_s // MINUTE, 0)
    bad_long = bad[end] - bad[long_start]
    holds: NDArray[np.bool_] = (bad_long >= max(min_bad, 1)) & _above(bad_long, n[end] - n[long_start], limit)
    # the short window is looked at only where the long one holds, which is seldom: this is most of a fleet's time
    long_holds = np.flatnonzero(holds)
    if long_holds.size:
        end, long_start = end[long_holds], long_start[long_holds]
        needed = math.ceil(CHANCE_Z**2 / limit) if limit > 0 else int(n[-1]) + 1
        enough = np.searchsorted(n, n[end] - needed, side="right") - 1
        short_start = np.maximum(np.minimum(end - rule.short_s // MINUTE, enough), long_start)
        holds[long_holds] = _not_below(bad[end] - bad[short_start], n[end] - n[short_start], limit)
    return holds


def _above(bad: Ints, n: Ints, limit: float) -> NDArray[np.bool_]:
    above: NDArray[np.bool_] = bad > limit * n if limit < 1 else (bad == n) & (n > 0)
    return above


def _not_below(bad: Ints, n: Ints, limit: float) -> NDArray[np.bool_]:
    """Whether the share may still be above the limit: not significantly below, and not 0 of 0."""
    if limit >= 1:
        return _above(bad, n, limit)
    maybe: NDArray[np.bool_] = bad > limit * n - CHANCE_Z * np.sqrt(limit * (1 - limit) * n)
    return maybe


def _silence(n: NDArray[Any], slo: Slo) -> tuple[Ints, NDArray[np.float64]]:
    """Seconds since the last request (-1 before the first), and how many are allowed, at the end of each minute.

    Allowed is NO_DATA_GAPS times the mean gap in the day before the last request, up to LONGEST_SILENCE_S, and at least
    `no_data_after_s`. After one single request the gap is not known: then it is the longest.
    """
    busy = np.flatnonzero(n)
    size = n.size
    if not busy.size:
        return np.full(size, -1), np.full(size, float(slo.no_data_after_s))
    requests = np.r_[0, np.cumsum(n[busy])]
    first = np.searchsorted(busy, busy - DAY // MINUTE, side="right")
    gaps = requests[1:] - requests[first] - 1
    span_s = np.maximum(busy - busy[first], 1) * MINUTE
    allowed = np.where(gaps > 0, NO_DATA_GAPS * span_s / np.maximum(gaps, 1), np.inf)
    allowed = np.maximum(np.minimum(allowed, LONGEST_SILENCE_S), slo.no_data_after_s)
    last = np.searchsorted(busy, np.arange(size), side="right") - 1
    return np.where(last < 0, -1, (np.arange(size) - busy[last]) * MINUTE), allowed[np.maximum(last, 0)]


def _counts(series: StateSeries, objective: str, seconds: int, i: int) -> tuple[int, int]:
    bad, n = series.totals[objective]
    start = max(i + 1 - seconds // MINUTE, 0)
    return int(bad[i + 1] - bad[start]), int(n[i + 1] - n[start])


def _cumulated(counts: NDArray[Any]) -> Ints:
    return np.concatenate(([0], np.cumsum(counts, dtype=np.int64)))


def _check_grid(minutes: NDArray[Any], *counts: NDArray[Any]) -> None:
    if any(c.shape != minutes.shape for c in counts):
        raise ValueError(
            f"{minutes.size} minutes, counts of {[c.size for c in counts]}: give one count for each minute, 0 if none"
        )
    if minutes.size > 1 and (np.diff(minutes.astype("datetime64[m]")) != np.timedelta64(1, "m")).any():
        raise ValueError(
            "the minutes are not a regular grid: give every minute once and in order, with 0 where nothing came"
        )
    for bad, n in zip(counts[1::2], counts[0::2], strict=True):
        if ((bad < 0) | (bad > n)).any():
            raise ValueError("a minute has more bad requests than requests: count both over the same rows")


def _naive(moment: datetime, unit: Literal["m", "us"]) -> np.datetime64:
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone: pass an aware datetime")
    return np.datetime64(moment.astimezone(UTC).replace(tzinfo=None), unit)


def _aware(minute: Any) -> datetime:
    moment: datetime = minute.astype("datetime64[s]").astype(datetime)
    return moment.replace(tzinfo=UTC)
