"""How often canaries cry wolf and how soon they find a change, beside the plain ways to judge them, by simulation.

`python -m bench.canary_stats` prints the table of docs/statistics.md: 90 days of hourly looks at deployments on which
nothing changes, then changes of many kinds. Seeds are fixed. It takes some minutes on one core.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from bench import canary_worlds as worlds
from bench.canary_worlds import LEARNED, Rng, World
from bench.result import Result
from monitor.canary.noise import Replays
from monitor.canary.signals import LOOK_LEVEL, WARN_LEVEL, WINDOW, Signal, decide, signals
from monitor.stats.intervals import clopper_pearson

DAYS = 90
LOOKS = 24 * DAYS
FLEET = 60
"""Signals that are judged together: those of one deployment, and others on which nothing happens."""

SEEN = 120
"""Replays after learning that a look reads."""

DROP = 0.05
"""The fixed threshold: so far below the pass rate of the reference."""

P = 0.05

METHODS = ("canaries", "5 points below", "McNemar p < 0.05", "Fisher p < 0.05")

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table: what was simulated, and what came out for each of METHODS; `-` where it does not apply."""

    what: str
    found: tuple[str, ...]


def look(replays: Replays, upto: int) -> list[Signal]:
    """The signals that are seen when so many replays have come after learning."""
    rows = np.concatenate([np.arange(LEARNED), np.arange(LEARNED + max(0, upto - SEEN), LEARNED + upto)])
    return signals(
        replace(
            replays,
            runs=tuple(replays.runs[row] for row in rows),
            passed=replays.passed[rows],
            variant=replays.variant[rows],
            logprob=replays.logprob[rows],
            latency_ms=replays.latency_ms[rows],
            times=tuple(replays.times[row] for row in rows),
        )
    )


def states(found: Sequence[Signal], channels: Sequence[str]) -> list[str]:
    """The states of the signals of these channels, judged together with the rest of a quiet fleet."""
    judged = [signal for signal in found if signal.channel in channels]
    quiet = replace(found[0], log_e=0.0, log_e_confirmed=0.0, n_recent=1)
    return decide([*judged, *[quiet] * (FLEET - len(judged))])[: len(judged)]


def plain(replays: Replays) -> dict[str, Flags]:
    """Whether each of the plain methods raises an alarm, after each replay that came after learning."""
    before, after = replays.passed[:LEARNED], replays.passed[LEARNED:]
    usual = before.mean(axis=0) >= 0.5
    lost, won = (usual & (after == 0)).sum(axis=1), (~usual & (after == 1)).sum(axis=1)
    mcnemar = 2 * stats.binom.cdf(np.minimum(lost, won), lost + won, 0.5)
    recent = np.array([after[max(0, row - WINDOW + 1) : row + 1].sum() for row in range(len(after))])
    size = np.minimum(np.arange(1, len(after) + 1), WINDOW) * after.shape[1]
    fisher = stats.hypergeom.cdf(recent, before.size + size, before.sum() + recent, size)
    return {
        METHODS[1]: after.mean(axis=1) < before.mean() - DROP,
        METHODS[2]: (mcnemar < P) & (lost > won),
        METHODS[3]: fisher < P,
    }


def quiet_looks(rng: Rng, deployments: int, count: int) -> Iterator[tuple[Replays, list[list[Signal]]]]:
    """Deployments on which nothing changes, with the signals of every look."""
    for _ in range(deployments):
        replays = worlds.replays(rng, [(worlds.world(rng), LEARNED + count)])
        yield replays, [look(replays, upto) for upto in range(1, count + 1)]


def false_alarms(rng: Rng, deployments: int = 5, count: int = LOOKS) -> list[Line]:
    """How often alarms come where nothing has changed, and the size of the e-values behind them."""
    alarms: dict[str, list[Flags]] = {name: [] for name in (*METHODS, "warn")}
    e_values = []
    for replays, looks in quiet_looks(rng, deployments, count):
        said = [states(found, ("quality", "behaviour", "latency")) for found in looks]
        alarms[METHODS[0]].append(np.array(["alert" in each for each in said]))
        alarms["warn"].append(np.array(["warn" in each or "alert" in each for each in said]))
        for name, flags in plain(replays).items():
            alarms[name].append(flags)
        e_values.append([[signal.e_value for signal in found] for found in looks])
    values = np.concatenate(e_values)
    rates = [_share(np.concatenate(alarms[name])) for name in METHODS]
    ever = [_share(np.array([flags.any() for flags in alarms[name]])) for name in METHODS]
    none = ("-",) * (len(METHODS) - 1)
    return [
        Line(f"looks with an alarm (canaries: at most {100 * LOOK_LEVEL:g} %)", tuple(rates)),
        Line(
            f"looks with a warning (canaries: at most {100 * WARN_LEVEL:g} %)",
            (_share(np.concatenate(alarms["warn"])), *none),
        ),
        Line(f"deployments with an alarm in {DAYS} days", tuple(ever)),
        *[
            Line(f"{channel}: mean e-value (at most 1); looks with one of 20 or more (at most 5 %)", (text, *none))
            for channel, text in zip(("quality", "behaviour", "latency"), _sizes(values), strict=True)
        ],
    ]


def rhythm(rng: Rng, peak: float, deployments: int = 5, count: int = 24 * 14) -> Line:
    """How often latency alarms where an unchanged deployment is so many times slower at the busiest time of day."""
    flags = []
    for _ in range(deployments):
        replays = worlds.replays(rng, [(replace(worlds.world(rng), peak=peak), LEARNED + count)])
        looks = (states(look(replays, upto), ("latency",)) for upto in range(1, count + 1))
        flags += [said == ["alert"] for said in looks]
    return Line(f"looks with an alarm; latency follows the day, x {peak:g}", (_share(np.array(flags)), "-", "-", "-"))


def _sizes(values: NDArray[np.float64]) -> list[str]:
    return [f"{column.mean():.2f}; {100 * np.mean(column >= 20):.2f} %" for column in values.T]


def _share(flags: Flags) -> str:
    """A share with its Clopper-Pearson interval, as if each were independent of the others."""
    k, n = int(flags.sum()), flags.size
    low, high = (100 * end for end in clopper_pearson(k, n))
    return f"{100 * k / n:.3g} % of {n:,} ({low:.3g} to {high:.3g})"


@dataclass(frozen=True, slots=True)
class Case:
    """A change to find: what it does to a deployment, and how many replays came before it."""

    name: str
    change: Callable[[World], World]
    channels: tuple[str, ...] = ("quality",)
    before: int = 24
    peak: float = 1.0  # of the daily rhythm
    quality: bool = True  # whether the plain methods, which only know passes, could see it


def cases() -> list[Case]:
    """The changes of the table."""
    lost = [(3, 2), (5, 3), (10, 6), (20, 12)]
    return [
        *[Case(f"quality, {points} points: {n} items break", worlds.broken(n)) for points, n in lost],
        *[
            Case(f"quality, {points} points: every item fails more often", worlds.worse_all_over(points))
            for points in (3, 5, 10, 20)
        ],
        Case("behaviour: 6 items in other words", worlds.other_words(6), ("behaviour",), quality=False),
        Case("behaviour: 3 items in other words", worlds.other_words(3), ("behaviour",), quality=False),
        Case(
            "behaviour: log probabilities move by 10 %",
            worlds.other_weights(0.1, np.random.default_rng(43)),
            ("behaviour",),
            quality=False,
        ),
        *[
            Case(
                f"latency x {times:g}, {before} replays before{', daily x 2' if peak > 1 else ''}",
                worlds.slower(times),
                ("latency",),
                before,
                peak,
                quality=False,
            )
            for before, peak in ((96, 1.0), (168, 1.0), (168, 2.0))
            for times in (1.3, 2.0)
        ],
    ]


MOST = 48
"""Replays after a change, after which it counts as not found."""


def delay(case: Case, times: int = 15) -> Line:
    """The median number of replays until an alarm, with the least and the most; each case has the same seed."""
    rng = np.random.default_rng(42)
    waits: dict[str, list[int]] = {name: [] for name in METHODS}
    for _ in range(times):
        truth = replace(worlds.world(rng), peak=case.peak)
        replays = worlds.replays(rng, [(truth, LEARNED + case.before), (case.change(truth), MOST)])
        alarmed = partial(_alarmed, replays, case)
        waits[METHODS[0]].append(next((k for k in range(1, MOST + 1) if alarmed(k)), MOST + 1))
        if case.quality:
            for name, flags in plain(replays).items():
                waits[name].append(int(np.append(flags[case.before :], True).argmax()) + 1)
    return Line(f"replays until an alarm; {case.name}", tuple(_wait(waits[name]) for name in METHODS))


def _alarmed(replays: Replays, case: Case, after: int) -> bool:
    return "alert" in states(look(replays, case.before + after), case.channels)


def _wait(waits: Sequence[int]) -> str:
    if not waits:
        return "-"
    low, middle, high = (
        f"> {MOST}" if wait > MOST else f"{wait:g}" for wait in (min(waits), np.median(waits), max(waits))
    )
    return f"{middle} ({low} to {high})"


def lines(quick: bool = False) -> list[Line]:
    """All lines of the table; `quick` simulates too little to be shown."""
    found = false_alarms(np.random.default_rng(41), *((1, 48) if quick else ()))
    found += [rhythm(np.random.default_rng(44), peak, *((1, 48) if quick else ())) for peak in (1.5, 2.0, 3.0)]
    return found + [delay(case, 2 if quick else 15) for case in cases()]


def table(found: Sequence[Line]) -> str:
    """The lines as a Markdown table."""
    rows = [f"| {line.what} | {' | '.join(line.found)} |" for line in found]
    return "\n".join([f"| | {' | '.join(METHODS)} |", "| --- |" + " --- |" * len(METHODS), *rows])


def run(quick: bool, folder: Path) -> Result:
    """The simulation as a benchmark."""
    found = lines(quick)
    rows: list[dict[str, Any]] = [{"what": line.what, **dict(zip(METHODS, line.found, strict=True))} for line in found]
    return Result(rows, figures={"lines": [asdict(line) for line in found]})


if __name__ == "__main__":
    print(table(lines()))
