"""Replays suites of prompts on deployments: `python -m jobs.canary` runs what is due, or what is asked for, once.

From cron or a Kubernetes CronJob it does what the scheduler would do. The exit code is for pipelines: 0 all is as
before (or nothing is due), 1 a change was found, 2 a mistake in what was asked or configured, 3 something could not be
asked.
"""

import sys
from datetime import UTC, datetime
from typing import Annotated

import typer

from jobs.replaying import Asked, Tally, chosen_targets, lessons, replay_canary, suite_path
from jobs.running import Job, Run, run_shown
from monitor.canary.suites import load_suite
from monitor.config import Settings, load_settings
from monitor.doors import open_door
from monitor.errors import BadInput, WatchpointError
from monitor.fleet import load_fleet
from monitor.logs import set_up_logs
from monitor.records import Canary, Fleet
from monitor.timetable import last_slot, words_of

OK, CHANGED, MISTAKE, NOT_ASKED = 0, 1, 2, 3


def canary_job(
    settings: Settings, fleet: Fleet, canary: Canary, asked: Asked | None = None, tallies: list[Tally] | None = None
) -> Job:
    """The job of one canary of the fleet file. What came of each deployment is added to `tallies`."""

    def work(run: Run) -> str | None:
        found = replay_canary(run, settings, fleet, canary, asked or Asked())
        if tallies is not None:
            tallies.extend(found)
        return "; ".join(one.words for one in found if one.problem) or None

    return Job(f"canary-{canary.id}", f"replay suite {canary.suite}", canary.schedule, work)


def main(
    suite: Annotated[str, typer.Option(help="id of a canary of the fleet file; default: all of them")] = "",
    deployment: Annotated[list[str], typer.Option(help="only this deployment; may be repeated")] = [],  # noqa: B006
    now: Annotated[bool, typer.Option("--now", help="at once, whatever the schedule says")] = False,
    in_flight: Annotated[int, typer.Option(min=0, max=256, help="questions at once; 0: as the fleet file says")] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what would be asked, ask nothing")] = False,
    accept: Annotated[str, typer.Option(help="REASON: what is answered from now on is the new baseline")] = "",
) -> None:
    """Replay the suites that are due, or those that are named, and say what came of it."""
    settings = load_settings()
    set_up_logs("warning", "canary")
    fleet = load_fleet(settings.fleet_file)
    canaries = _chosen(fleet, suite)
    if dry_run:
        _say_plan(fleet, canaries, deployment)
        return
    for canary in canaries:  # mistakes are told before anything is claimed
        load_suite(suite_path(canary.suite, fleet))
        chosen_targets(canary, fleet, deployment)
    asked = Asked(tuple(deployment), in_flight or None)
    codes = {OK}
    with open_door(settings) as door:
        for canary in canaries:
            if accept:
                for one in chosen_targets(canary, fleet, deployment):
                    body = {"canary": canary.id, "deployment": one.id, "by": "command", "reason": accept}
                    door.write("canary-accept", body)
            moment = datetime.now(UTC)
            slot = moment if now or accept else last_slot(canary.schedule, moment)
            tallies: list[Tally] = []
            job = canary_job(settings, fleet, canary, asked, tallies)
            state = run_shown(door, job, slot, f"canary {canary.id}", *deployment)
            if state is None:
                print(f"{canary.id}: the slot of {slot:%Y-%m-%d %H:%M} UTC is done, or another process is at it")
            for tally in tallies:
                print(f"{canary.id}, {tally.words}")
            codes.add(_code(state, tallies, due=not (now or accept)))
    sys.exit(max(codes))


def _code(state: str | None, tallies: list[Tally], *, due: bool) -> int:
    """A slot that somebody else did is as well done, but who asks for one now wants it asked."""
    others = state is None or any(one.not_mine for one in tallies)
    if state == "failed" or any(one.errors for one in tallies) or (others and not due):
        return NOT_ASKED
    return CHANGED if any(one.alarms for one in tallies) else OK


def _chosen(fleet: Fleet, name: str) -> list[Canary]:
    if not fleet.canaries:
        raise BadInput(f"{fleet.path or 'the fleet file'} has no canaries: add [canaries.ID] with suite and every")
    if name and name not in fleet.canaries:
        raise BadInput(f"there is no canary {name!r}; the fleet file has {', '.join(fleet.canaries)}")
    return [fleet.canaries[name]] if name else [*fleet.canaries.values()]


def _say_plan(fleet: Fleet, canaries: list[Canary], only: list[str]) -> None:
    """What would be asked, a line for each deployment."""
    for canary in canaries:
        suite, passes = load_suite(suite_path(canary.suite, fleet)), len(lessons(canary))
        for one in chosen_targets(canary, fleet, only):
            n = len(suite.items)
            print(
                f"{canary.id} on {one.id}, {words_of(canary.schedule)}: suite {suite.id} {suite.version}, {n} "
                f"questions, {canary.in_flight} at once; {n * passes} more to learn what was not learned yet"
            )


if __name__ == "__main__":
    try:
        typer.run(main)
    except WatchpointError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(MISTAKE)
