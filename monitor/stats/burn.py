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
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class StateSeries:
    """State and rule of every minute, with the cumulated counts that its reasons are read from."""

    minutes: Minutes  # datetime64[m], start of each minute; the state is the one at its end
    codes: NDArray[np.int8]  # positions in STATES: numbers are compared many times faster than texts
    fired: Ints  # position in BURN_RULES, -1 for none
    fired_objective: Ints  # position in `totals`, -1 for none
    totals: dict[str, tuple[Ints, Ints]]  # objective -> cumulated (bad, n), each one longer than the grid
    silence_s: Ints  # since the last request; -1 before the first
    silence_limit_s: Floats  # where it outlasted `no_data_after_s`; else that
    slo: Slo
    now: datetime

    @property
    def states(self) -> NDArray[np.str_]:
        """The state of every minute, one of STATES."""
        return np.array(STATES)[self.codes]


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
    known = _begun(grid, now)
    totals = {"availability": (_cumulated(bad_availability[:known]), _cumulated(n[:known]))}
    if slo.latency_ms is not None:
        totals["latency"] = (_cumulated(bad_latency[:known]), _cumulated(n_latency[:known]))
    fired, objective = _fired(totals, slo)
    silence_s, limit_s = _silence(totals["availability"][1], slo)
    severities = np.array([STATES.index(rule.severity) for rule in BURN_RULES] + [STATES.index("ok")], dtype=np.int8)
    codes = severities[fired]
    codes[(silence_s < 0) | (silence_s > limit_s)] = STATES.index("no_data")
    return StateSeries(grid[:known], codes, fired, objective, totals, silence_s, limit_s, slo, now)


def state_since(series: StateSeries) -> datetime | None:
    """Start of the current run of the state (the start of the grid if it never changed); None for an empty series."""
    if not series.codes.size:
        return None
    changes = np.flatnonzero(series.codes[1:] != series.codes[:-1])
    return _aware(series.minutes[changes[-1] + 1 if changes.size else 0])


def runs(series: StateSeries, start: datetime | None = None) -> list[Run]:
    """Stretches of the same state in order of time, from `start` (default: the whole grid) until `now`.

    The reason of a warn or alert is the one it began with, that of an ok counts its whole run.
    """
    size = series.codes.size
    first = 0 if start is None else int(np.searchsorted(series.minutes, _naive(start, "m"), side="left"))
    if first >= size:
        return []
    begins = np.r_[0, np.flatnonzero(series.codes[1:] != series.codes[:-1]) + 1]
    ends = np.r_[begins[1:], size]
    last_ts = min(series.now, _aware(series.minutes[-1] + 1))
    return [
        Run(
            state=STATES[series.codes[begin]],
            from_ts=_aware(series.minutes[max(begin, first)]),
            to_ts=last_ts if end == size else _aware(series.minutes[end]),
            reason=_run_reason(series, int(max(begin, first)), int(begin), int(end)),
        )
        for begin, end in zip(begins, ends, strict=True)
        if end > first
    ]


def reason_at(series: StateSeries, position: int = -1) -> str:
    """The sentence that says why the state at this minute (default: the last one) is what it is."""
    i = range(series.codes.size)[position]
    if STATES[series.codes[i]] == "no_data":
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
    if objective not in series.totals or not series.codes.size:
        return math.nan
    i = range(series.codes.size)[position]
    return burn_rate(*_counts(series, objective, seconds, i), burn_reason.target_of(objective, series.slo))


def _run_reason(series: StateSeries, shown_from: int, begin: int, end: int) -> str:
    state = STATES[series.codes[begin]]
    if state != "ok":
        return reason_at(series, end - 1 if state == "no_data" else begin)
    seconds = (end - shown_from) * MINUTE
    seen = {objective: (seconds, *_counts(series, objective, seconds, end - 1)) for objective in series.totals}
    return burn_reason.ok_run(seen, series.slo)


def _fired(totals: dict[str, tuple[Ints, Ints]], slo: Slo) -> tuple[Ints, Ints]:
    """For each minute the first rule of the table that holds, and its objective; -1 for none."""
    size = totals["availability"][0].size - 1
    fired, objective = np.full(size, -1), np.full(size, -1)
    exact = {name: (bad.astype(float), n.astype(float)) for name, (bad, n) in totals.items()}  # far below 2^53
    for number, rule in enumerate(BURN_RULES):
        for position, (name, (bad, n)) in enumerate(exact.items()):
            if name in rule.objectives:
                limit = bad_share_limit(rule, burn_reason.target_of(name, slo))
                held = _held(rule, limit, bad, n, slo.min_bad_events)
                new = held[fired[held] < 0]
                fired[new], objective[new] = number, position
    return fired, objective


def _held(rule: BurnRule, limit: float, bad: Floats, n: Floats, min_bad: int) -> Ints:
    """The minutes at whose end the rule holds; `bad` and `n` are cumulated from 0.

    They are counts as floats, which numpy compares with a share several times faster than integers.
    """
    long_m, short_m = rule.long_s // MINUTE, rule.short_s // MINUTE
    bad_long = _over(bad, long_m)
    end = np.flatnonzero((bad_long >= max(min_bad, 1)) & _above(bad_long, _over(n, long_m), limit)) + 1
    # the short window is looked at only where the long one holds, which is seldom: this is most of a fleet's time
    if not end.size:
        return end
    needed = math.ceil(CHANCE_Z**2 / limit) if limit > 0 else int(n[-1]) + 1
    enough = np.searchsorted(n, n[end] - needed, side="right") - 1
    short_start = np.maximum(np.minimum(end - short_m, enough), np.maximum(end - long_m, 0))
    return end[_not_below(bad[end] - bad[short_start], n[end] - n[short_start], limit)] - 1


def _over(cumulated: Floats, minutes: int) -> Floats:
    """The count of so many minutes up to the end of each minute."""
    counts = cumulated[1:].copy()
    counts[minutes:] -= cumulated[1:-minutes]
    return counts


def _above(bad: Floats, n: Floats, limit: float) -> NDArray[np.bool_]:
    above: NDArray[np.bool_] = bad > limit * n if limit < 1 else (bad == n) & (n > 0)
    return above


def _not_below(bad: Floats, n: Floats, limit: float) -> NDArray[np.bool_]:
    """Whether the share may still be above the limit: not significantly below, and not 0 of 0."""
    if limit >= 1:
        return _above(bad, n, limit)
    maybe: NDArray[np.bool_] = bad > limit * n - CHANCE_Z * np.sqrt(limit * (1 - limit) * n)
    return maybe


def _silence(n: Ints, slo: Slo) -> tuple[Ints, Floats]:
    """Seconds since the last request (-1 before the first), and how many are allowed, at the end of each minute.

    Allowed is NO_DATA_GAPS times the mean gap in the day before the last request, up to LONGEST_SILENCE_S, and at least
    `no_data_after_s`; where the next request came within that, only this is told. After one single request the gap is
    not known: then it is the longest. `n` is cumulated from 0.
    """
    minute = np.arange(n.size - 1)
    arrived = n[1:] > n[:-1]
    last = np.maximum.accumulate(np.where(arrived, minute, -1))
    busy = np.flatnonzero(arrived)
    quiet_s = (np.diff(busy, append=minute.size) - 1) * MINUTE
    end = busy[quiet_s > slo.no_data_after_s]
    before = n[np.maximum(end - DAY // MINUTE + 1, 0)]
    first = np.searchsorted(n, before, side="right") - 1  # the first minute with a request since a day before
    gaps, span_s = n[end + 1] - before - 1, np.maximum(end - first, 1) * MINUTE
    longest = np.where(gaps > 0, NO_DATA_GAPS * span_s / np.maximum(gaps, 1), np.inf)
    allowed = np.full(minute.size, float(slo.no_data_after_s))
    allowed[end] = np.maximum(np.minimum(longest, LONGEST_SILENCE_S), slo.no_data_after_s)
    return np.where(last < 0, -1, (minute - last) * MINUTE), allowed[last]


def _counts(series: StateSeries, objective: str, seconds: int, i: int) -> tuple[int, int]:
    bad, n = series.totals[objective]
    start = max(i + 1 - seconds // MINUTE, 0)
    return int(bad[i + 1] - bad[start]), int(n[i + 1] - n[start])


def _cumulated(counts: NDArray[Any]) -> Ints:
    total = np.zeros(counts.size + 1, dtype=np.int64)
    np.cumsum(counts, out=total[1:])
    return total


def _begun(grid: Minutes, now: datetime) -> int:
    """How many minutes of a regular grid began before `now`."""
    moment = _naive(now, "us")
    return int(np.clip(-((grid[0] - moment) // np.timedelta64(1, "m")), 0, grid.size)) if grid.size else 0


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
