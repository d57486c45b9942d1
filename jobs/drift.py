"""Drift: describes what comes in and goes out, profiles each hour, and judges hours and days against the reference.

The scheduler runs it every few minutes; `python -m jobs.drift` does it once, from cron or by hand, also for a range
that lies back. Doing it again changes nothing. The exit code is for pipelines: 0 nothing got worse, 1 something moved
and got worse, 2 a mistake in what was asked or configured, 3 not all could be done.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import structlog
import typer

from jobs.describing import Edges, Hour, describe_hour
from jobs.judging import DAY_S, HOUR_S, Grounds, judge_due
from jobs.references import Meaning, automatic, make
from jobs.running import Job, Run, run_shown
from monitor.config import load_settings
from monitor.doors import OpenDoor, open_door
from monitor.drift.judging import Rule
from monitor.errors import BadInput, WatchpointError
from monitor.features.table import VERSION
from monitor.fleet import load_fleet
from monitor.logs import set_up_logs
from monitor.queries.registry import parse_moment
from monitor.records import Fleet, Schedule
from monitor.store.profiles import read_edges

log = structlog.get_logger(__name__)

SOURCES = ("production", "demo")
"""Only what people asked counts; the demo stands in for it, and is labelled."""

AT_ONCE = 250
"""Hours that are described before what they complete is judged."""

OK, WORSE, MISTAKE, NOT_DONE = 0, 1, 2, 3


@dataclass(slots=True)
class Tally:
    """What a run did."""

    described: int = 0
    judged: int = 0
    alarms: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Range:
    """What a run is asked for; empty: all that is due."""

    deployment: str = ""
    start: datetime | None = None
    end: datetime | None = None

    def holds(self, deployment: str, moment: datetime | None = None) -> bool:
        """Whether a deployment, and an hour of it, is asked for."""
        if self.deployment and deployment != self.deployment:
            return False
        return moment is None or ((not self.start or moment >= self.start) and (not self.end or moment < self.end))


def drift_job(fleet: Fleet, asked: Range | None = None, tally: Tally | None = None) -> Job:
    """The job over all deployments. What it did is added to `tally`."""

    def work(run: Run) -> str | None:
        done = tally or Tally()
        for source in SOURCES:
            _keep_up(run, source, fleet, asked or Range(), done)
        run.say("drift", described=done.described, judged=done.judged, worse=done.alarms)
        return f"{done.failed} hours or deployments failed; the log has the reasons" if done.failed else None

    return Job("drift", "describe, profile and judge what comes in and goes out", Schedule(every_s=300), work)


def _keep_up(run: Run, source: str, fleet: Fleet, asked: Range, tally: Tally) -> None:
    """Make the references that are due, then describe and judge by turns until nothing is."""
    for wish in reversed(run.door.query("drift_wishes", source=source, waiting=True)):
        _grant(run, wish)
    for row in _deployments(run.door, source, asked):
        with _alone(run, row["deployment"], tally):
            meaning = automatic(source, row, datetime.now(UTC))
            if meaning:
                made = make(run.door, meaning)
                run.say("pinned a reference", deployment=row["deployment"], name=meaning.name, version=made["version"])
    seen: set[tuple[str, str, datetime]] = set()
    while True:
        described = _describe(run, source, asked, tally, seen)
        for row in _deployments(run.door, source, asked):
            with _alone(run, row["deployment"], tally):
                if row["reference"]:
                    _judge(run, source, row, _rule(run.door, fleet, row["deployment"]), tally)
        if not described:
            return


@contextmanager
def _alone(run: Run, deployment: str, tally: Tally) -> Iterator[None]:
    """What goes wrong with one deployment does not stop the others."""
    try:
        yield
    except (WatchpointError, ValueError) as error:
        tally.failed += 1
        log.exception("drift of a deployment failed", deployment=deployment)
        run.say("a deployment could not be judged", deployment=deployment, error=str(error))


def _grant(run: Run, wish: dict[str, Any]) -> None:
    """Make a reference that somebody asked for; where that cannot be done, the wish says why."""
    names = ("source", "deployment", "kind", "name", "other", "starts", "ends", "days", "reason")
    problem = None
    try:
        made = make(run.door, Meaning(**{name: wish[name] for name in names}, by=wish["by_whom"]))
        run.say("made a reference", deployment=wish["deployment"], name=wish["name"], version=made["version"])
    except BadInput as error:
        problem = str(error)
        run.say("a reference could not be made", deployment=wish["deployment"], problem=problem)
    run.door.write("drift-granted", {"wish": wish["id"], "problem": problem})


def _deployments(door: OpenDoor, source: str, asked: Range) -> list[dict[str, Any]]:
    rows = door.query("drift_deployments", source=source, version=VERSION)
    return [row for row in rows if asked.holds(row["deployment"])]


def _describe(run: Run, source: str, asked: Range, tally: Tally, seen: set[tuple[str, str, datetime]]) -> int:
    """Describe some hours that are due and were not tried in this run; returns how many were tried."""
    known: dict[str, tuple[Edges, frozenset[str]]] = {}
    tried = 0
    for row in _due(run.door, source, asked, seen):
        reference = row["reference"]
        if reference not in known:
            words = run.door.query("drift_words", reference=reference)
            edges = read_edges(run.door.table("drift_reference", reference=reference))
            known[reference] = edges, frozenset(one["word"] for one in words)
        hour = Hour(source, row["deployment"], row["hour"], reference, own=row["own"])
        try:
            describe_hour(run.door, hour, *known[reference])
            tally.described += 1
        except WatchpointError as error:  # one hour that fails does not stop the others
            tally.failed += 1
            run.say("an hour could not be described", deployment=hour.deployment, hour=hour.start, error=str(error))
        tried += 1
        run.at(run.done + 1, max(run.total, run.done + row["all_due"] - tried + 1), tally.failed)
    return tried


def _due(door: OpenDoor, source: str, asked: Range, seen: set[tuple[str, str, datetime]]) -> Iterator[dict[str, Any]]:
    """The next hours that are due; those of references belong to every range."""
    found = 0
    params = {"deployment": asked.deployment or None, "start": asked.start, "end": asked.end}
    window = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in params.items()}
    for row in door.query("drift_backlog", source=source, version=VERSION, limit=10_000, **_known(window)):
        key = (row["reference"], row["deployment"], row["hour"])
        if key in seen:
            continue
        seen.add(key)
        yield row
        found += 1
        if found >= AT_ONCE:
            return


def _known(params: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if value is not None}


def _judge(run: Run, source: str, row: dict[str, Any], rule: Rule, tally: Tally) -> None:
    """Judge what is due of a deployment, once what it is compared with is described as a whole."""
    if row["due_of_reference"] or (row["days"] and row["due"]):
        return
    grounds = Grounds(run.door, source, row, rule)
    if row["starts"] and row["kind"] != "dataset" and row["reference_n"] != row["whole_n"]:
        grounds.complete(row["starts"], row["ends"])
    for grain_s in (DAY_S, HOUR_S):
        judged, alarms = judge_due(run, grounds, grain_s)
        tally.judged += judged
        tally.alarms += alarms


def _rule(door: OpenDoor, fleet: Fleet, deployment: str) -> Rule:
    """What calls a drift: the fleet file, then what was saved for the deployment and its features."""
    saved = {row["feature"]: row["threshold"] for row in door.query("drift_thresholds", deployment=deployment)}
    general = saved.pop("", fleet.drift.threshold)
    return Rule(fleet.drift.numbers, fleet.drift.categories, general, saved, fleet.drift.fdr)


def main(
    deployment: Annotated[str, typer.Option(help="only this one")] = "",
    start: Annotated[str, typer.Option(help="RFC 3339, or relative such as -7d: only hours from here on")] = "",
    end: Annotated[str, typer.Option(help="only hours before this")] = "",
) -> None:
    """Describe and judge what is due, or what is due of a range, and say what came of it."""
    settings = load_settings()
    set_up_logs("warning", "drift")
    fleet = load_fleet(settings.fleet_file)
    now = datetime.now(UTC)
    moments = [parse_moment(name, text, now) if text else None for name, text in (("start", start), ("end", end))]
    tally = Tally()
    with open_door(settings) as door:
        job = drift_job(fleet, Range(deployment, *moments), tally)
        state = run_shown(door, job, now, "drift")
    print(
        f"described {tally.described} hours, judged {tally.judged} windows, of which {tally.alarms} moved and got worse"
    )
    if state != "done":
        print("not all could be done: the page Jobs has the reasons", file=sys.stderr)
        sys.exit(NOT_DONE)
    sys.exit(WORSE if tally.alarms else OK)


if __name__ == "__main__":
    try:
        typer.run(main)
    except WatchpointError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(MISTAKE)
