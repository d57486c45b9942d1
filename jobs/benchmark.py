"""Evaluates checkpoints on the suites of the fleet file: `python -m jobs.benchmark` does what is not done yet, once.

The scheduler runs the same as the job `benchmark-ID`. The exit code is for pipelines: 0 every checkpoint has a result,
2 a mistake in what was asked or configured, 3 something could not be asked.
"""

import sys
from datetime import UTC, datetime
from typing import Annotated

import typer

from jobs.evaluating import Asked, Tally, chosen_targets, evaluate, suite_of
from jobs.running import Job, Run, run_shown
from monitor.config import Settings, load_settings
from monitor.doors import OpenDoor, open_door
from monitor.errors import BadInput, WatchpointError
from monitor.fleet import load_fleet
from monitor.logs import set_up_logs
from monitor.records import Benchmark, Fleet

OK, MISTAKE, NOT_ASKED = 0, 2, 3


def benchmark_job(
    settings: Settings,
    fleet: Fleet,
    benchmark: Benchmark,
    asked: Asked | None = None,
    tallies: list[Tally] | None = None,
) -> Job:
    """The job of one benchmark of the fleet file. What came of each checkpoint is added to `tallies`."""

    def work(run: Run) -> str | None:
        found = evaluate(run, settings, fleet, benchmark, asked or Asked())
        if tallies is not None:
            tallies.extend(found)
        return "; ".join(one.words for one in found if one.problem) or None

    return Job(f"benchmark-{benchmark.id}", f"evaluate suite {benchmark.suite}", benchmark.schedule, work)


def evaluated(fleet: Fleet) -> dict[str, Benchmark]:
    """The benchmarks that we evaluate ourselves."""
    return {id_: one for id_, one in fleet.benchmarks.items() if one.suite is not None}


def main(
    benchmark: Annotated[str, typer.Option(help="id of a benchmark of the fleet file; default: all with a suite")] = "",
    checkpoint: Annotated[list[str], typer.Option(help="only this checkpoint; may be repeated")] = [],  # noqa: B006
    again: Annotated[bool, typer.Option("--again", help="also those that have a result")] = False,
    in_flight: Annotated[int, typer.Option(min=0, max=256, help="questions at once; 0: as the fleet file says")] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what would be asked, ask nothing")] = False,
) -> None:
    """Evaluate checkpoints that have no result yet, and say what came of it."""
    settings = load_settings()
    set_up_logs("warning", "benchmark")
    fleet = load_fleet(settings.fleet_file)
    chosen = _chosen(fleet, benchmark)
    for one in chosen:  # mistakes are told before anything is claimed
        suite, asked_of = suite_of(one, fleet), chosen_targets(one, fleet, checkpoint)
        if dry_run:
            for target in asked_of:
                print(f"{one.id} of {target.checkpoint.id}: {len(suite.items)} questions to {target.id}")
    if dry_run:
        return
    asked = Asked(tuple(checkpoint), in_flight or None, again)
    with open_door(settings) as door:
        codes = [_evaluate(settings, fleet, door, one, asked) for one in chosen]
    sys.exit(max(codes))


def _evaluate(settings: Settings, fleet: Fleet, door: OpenDoor, benchmark: Benchmark, asked: Asked) -> int:
    tallies: list[Tally] = []
    job, slot = benchmark_job(settings, fleet, benchmark, asked, tallies), datetime.now(UTC)
    state = run_shown(door, job, slot, f"benchmark {benchmark.id}")
    if state is None:
        print(f"{benchmark.id}: another process is at it")
    for tally in tallies:
        print(f"{benchmark.id}, {tally.words}")
    return OK if state == "done" else NOT_ASKED


def _chosen(fleet: Fleet, name: str) -> list[Benchmark]:
    known = evaluated(fleet)
    if not known:
        raise BadInput(
            f"{fleet.path or 'the fleet file'} has no benchmarks with a suite: add [benchmarks.ID] with suite"
        )
    if name and name not in known:
        raise BadInput(f"there is no benchmark {name!r} with a suite; the fleet file has {', '.join(known)}")
    return [known[name]] if name else [*known.values()]


if __name__ == "__main__":
    try:
        typer.run(main)
    except WatchpointError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(MISTAKE)
