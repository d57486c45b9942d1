"""Signals: has a deployment changed, by what, since when, and is that more than noise; for the canary job and its page.

`signals` turns the replays of one suite on one deployment into an e-value for each channel and tag, `decide` turns the
e-values of the whole fleet into states. docs/statistics.md says what they promise and what that assumes.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.canary import loads
from monitor.canary.fingerprint import behaviour
from monitor.canary.noise import Replays
from monitor.stats import ebh
from monitor.stats.evidence import more_often, never_before, over_guesses, over_items, over_starts

CHANNELS = ("quality", "behaviour", "latency")

WINDOW = 24
"""So many of the latest replays may have come after a change; whatever began before is seen in all of them."""

LOOK_LEVEL = 1e-4
"""Of the looks at an unchanged fleet, at most this share raises an alert: less than one in a year of hourly looks."""

WARN_LEVEL = 1e-2

MIN_REFERENCE = 6
"""Fewer reference rows cannot show how much a deployment varies by itself."""

FEWEST_ITEMS = 3
"""A tag with fewer items has no signals of its own."""

CONFIRMED = 2
"""Replays that an alert needs: what goes wrong once touches all items together, and shows nothing about the next."""

REST = math.log(20)
"""Evidence that has to be left for an alert, such as when the worst replay is left out."""

MOST_ITEMS = 10
"""Items that a signal names."""

FAILS = ((1000.0, 0.9), (1000.0, 0.2), (20.0, 0.5), (4.0, 0.9))
"""Guesses at a loss of quality: the odds of failing grow so many times, for such a share of the items."""

SHARES = (0.9, 0.3, 0.05)
"""Guesses at the share of the items that behave differently after a change."""

SLOW_ODDS = (1000.0, 20.0)
"""Guesses at how many times the odds of a slow replay grow."""

SOME = 1e-6
"""Log evidence below this is none: rounding leaves a little."""

LARGEST = 1e300

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Signal:
    """What one channel says about a suite on a deployment, or about the items with a tag."""

    channel: str
    tag: str  # "" is the whole suite
    e_value: float  # expected to be 1 at most where nothing has changed
    log_e: float
    log_e_confirmed: float  # the same from changes that at least CONFIRMED replays have shown
    n_reference: int
    n_recent: int
    n_items: int
    since: str | None  # run id of the first replay after the likeliest change; None without any evidence
    items: tuple[str, ...]  # those that tell most since then, strongest first
    effect: float | None
    """Since the change against the reference; quality: difference of the mean pass rates; behaviour: share of the items
    whose newest answer is none of the reference; latency: ratio of the medians."""


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows that a channel compares, oldest first; the others are compared with the first `reference` of them."""

    rows: NDArray[np.int64]
    reference: int

    @property
    def recent(self) -> int:
        return self.rows.size - self.reference


@dataclass(frozen=True, slots=True)
class _Channel:
    """The evidence of a channel for each start of a change, and what is told about it."""

    name: str
    used: _Rows
    log_e: Floats  # (starts, groups)
    left: Floats  # the same as far as it counts for an alert: without the replay that shows most, for instance
    strength: Callable[[int], Floats]  # of each item since that start: above 0 where it shows the change
    effect: Callable[[int, int], float | None]  # since that start, of that group


def signals(replays: Replays) -> list[Signal]:
    """The signals of every channel, each for the whole suite and then for each tag with enough items."""
    groups = _groups(replays)
    members = np.array([[name == "" or name in tags for name in groups] for tags in replays.tags], dtype=float)
    members = members.reshape(len(replays.items), len(groups))
    channels = (_quality(replays, members), _behaviour(replays, members), _latency(replays, members))
    return [signal for channel in channels for signal in _told(channel, replays, groups, members)]


def decide(signals_of_all: Sequence[Signal]) -> list[str]:
    """The state of each of the signals of a whole fleet at one look: ok, warn, alert or no_data.

    At most LOOK_LEVEL of the looks raise an alert where nothing has changed, and WARN_LEVEL of them a warning, however
    many signals there are and however they depend on each other.
    """
    states = ["no_data" if _silent(signal) else "ok" for signal in signals_of_all]
    judged = [place for place, state in enumerate(states) if state != "no_data"]
    warned = ebh.rejected([signals_of_all[place].log_e for place in judged], WARN_LEVEL)
    alerted = ebh.rejected([signals_of_all[place].log_e_confirmed for place in judged], LOOK_LEVEL)
    for place, warn, alert in zip(judged, warned, alerted, strict=True):
        states[place] = "alert" if alert else "warn" if warn else "ok"
    return states


def _silent(signal: Signal) -> bool:
    return signal.n_recent == 0 or signal.n_reference < MIN_REFERENCE


def _groups(replays: Replays) -> list[str]:
    counts = Counter(tag for tags in replays.tags for tag in set(tags) if tag)
    return ["", *sorted(tag for tag, items in counts.items() if items >= FEWEST_ITEMS)]


def _told(channel: _Channel, replays: Replays, groups: list[str], members: Floats) -> list[Signal]:
    used = channel.used
    evidence, starts = over_starts(channel.log_e)
    confirmed, _ = over_starts(channel.log_e, CONFIRMED)
    rest, _ = over_starts(channel.left)
    confirmed = np.where(rest < REST, np.minimum(confirmed, rest), confirmed)
    told = []
    for place, tag in enumerate(groups):
        log_e, start = float(evidence[place]), max(int(starts[place]), 0)
        found = used.recent > 0 and log_e > SOME
        told.append(
            Signal(
                channel=channel.name,
                tag=tag,
                e_value=min(math.exp(min(log_e, 700.0)), LARGEST),
                log_e=log_e,
                log_e_confirmed=float(confirmed[place]),
                n_reference=used.reference,
                n_recent=used.recent,
                n_items=int(members[:, place].sum()),
                since=replays.runs[used.rows[used.reference + start]] if found else None,
                items=_strongest(channel.strength(start), members[:, place], replays.items) if found else (),
                effect=channel.effect(start, place) if used.recent and used.reference else None,
            )
        )
    return told


def _strongest(strength: Floats, member: Floats, items: tuple[str, ...]) -> tuple[str, ...]:
    order = np.argsort(-strength, kind="stable")
    return tuple(items[item] for item in order if member[item] and strength[item] > 0)[:MOST_ITEMS]


def _comparable(replays: Replays, known: NDArray[np.bool_]) -> _Rows:
    """The reference and the newest WINDOW rows, without those that hold nothing.

    Where the reference has enough rows at the concurrency of the newest row, only rows at that one are compared: the
    batch that an answer was computed in can change it.
    """
    rows = np.flatnonzero(known.any(axis=1))
    if replays.concurrency and rows.size and rows[-1] >= replays.learned:
        same = rows[np.array(replays.concurrency)[rows] == replays.concurrency[rows[-1]]]
        if (same < replays.learned).sum() >= MIN_REFERENCE:
            rows = same
    reference, recent = rows[rows < replays.learned], rows[rows >= replays.learned]
    return _Rows(np.concatenate([reference, recent[-WINDOW:]]), reference.size)


def _quality(replays: Replays, members: Floats) -> _Channel:
    known = replays.passed >= 0
    used = _comparable(replays, known)
    failed = np.where(known, 1 - replays.passed, -1)[used.rows]
    log_e, by_item = _failing(failed, used.reference, members)
    rest = failed.copy()
    if used.recent:
        rest[used.reference + (failed[used.reference :] == 1).sum(axis=1).argmax()] = -1

    def effect(start: int, group: int) -> float | None:
        before, after = _pass_rates(failed[: used.reference]), _pass_rates(failed[used.reference + start :])
        both = (members[:, group] > 0) & ~np.isnan(before) & ~np.isnan(after)
        return float(np.average((after - before)[both], weights=replays.weights[both])) if both.any() else None

    without, _ = _failing(rest, used.reference, members)
    return _Channel("quality", used, log_e, without, lambda start: by_item[start], effect)


def _failing(failed: NDArray[np.int64], reference: int, members: Floats) -> tuple[Floats, Floats]:
    """Log e-values of groups and of single items, for each start."""
    by_odds = {odds: more_often(failed, reference, odds) for odds, _ in FAILS}
    log_e = over_guesses([over_items(by_odds[odds], members, share) for odds, share in FAILS])
    return log_e, by_odds[FAILS[0][0]]


def _behaviour(replays: Replays, members: Floats) -> _Channel:
    used = _comparable(replays, replays.variant >= 0)
    codes = behaviour(replays.variant[used.rows], replays.logprob[used.rows])
    by_item = never_before(codes, used.reference)
    log_e = over_guesses([over_items(by_item, members, share) for share in SHARES])

    def effect(start: int, group: int) -> float | None:
        seen = (members[:, group] > 0) & (codes[-1] >= 0)
        new = (codes[: used.reference] != codes[-1]).all(axis=0)
        return float(new[seen].mean()) if seen.any() else None

    return _Channel("behaviour", used, log_e, log_e, lambda start: by_item[start], effect)


def _latency(replays: Replays, members: Floats) -> _Channel:
    """Items of a replay share the load of the machine, so each replay counts once, and is slow or not.

    Where the reference knows the time of day of any recent replay, each is compared around the same time of other days
    only. Until then it is compared with all, which can warn and not alert: it may be no more than the day's rhythm.
    """
    used = _Rows(*loads.comparable(replays, WINDOW, MIN_REFERENCE))
    latency = np.log(np.maximum(replays.latency_ms[used.rows], loads.CLOCK_MS))
    load = np.stack([loads.load(latency[:, member > 0]) for member in members.T], axis=1)
    times = np.array(replays.times, dtype=float)[used.rows] if replays.times else None
    parts = np.full(used.rows.size, -1) if times is None else loads.parts_of_day(times, used.reference)
    timed = bool((parts[used.reference :] >= 0).any())
    log_e = _slower(load, used.reference, parts if timed else np.zeros_like(parts))
    usual = np.stack([loads.usual(values, parts, used.reference) for values in load.T], axis=1)

    def effect(start: int, group: int) -> float | None:
        return loads.ratio((load - usual)[:, group], used.reference + start, used.reference)

    def strength(start: int) -> Floats:
        grown = loads.grown(latency - usual[:, :1], used.reference + start, used.reference)
        return grown - math.log(loads.SLOWER[0])

    return _Channel("latency", used, log_e, log_e if timed else np.zeros_like(log_e), strength, effect)


def _slower(load: Floats, reference: int, parts: NDArray[np.int64]) -> Floats:
    """Log e-values of groups for each start: the product over the parts of the day, each by itself."""
    slow = [[loads.slow_by_part(values, parts, times) for values in load.T] for times in loads.SLOWER]
    return over_guesses(
        [
            np.stack([more_often(marks, reference, odds).sum(axis=1) for marks in groups], axis=1)
            for groups in slow
            for odds in SLOW_ODDS
        ]
    )


def _pass_rates(failed: NDArray[np.int64]) -> Floats:
    """The pass rate of each item, NaN where it was never judged."""
    known = (failed >= 0).sum(axis=0)
    passed = (failed == 0).sum(axis=0)
    rates: Floats = np.divide(passed, known, out=np.full(known.shape, np.nan), where=known > 0)
    return rates
