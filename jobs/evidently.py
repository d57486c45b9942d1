"""Makes the full reports of drift that were asked for, one after the other: `python -m jobs.evidently` once.

Pages ask for them; the scheduler takes them up within seconds. Evidently runs in a process of its own, with a bound of
time and of memory. A report that fails says why and does not stop the others.
"""

import sys
from functools import partial
from typing import Any

import structlog

from jobs.running import Job, Run, run_now
from monitor.config import Settings, load_settings
from monitor.doors import open_door
from monitor.errors import WatchpointError
from monitor.evidently.making import ALL_STEPS, made_of
from monitor.evidently.orders import KEEP
from monitor.records import Schedule
from monitor.store.reports import JOB

log = structlog.get_logger(__name__)


def evidently_job(settings: Settings) -> Job:
    """The job; there is nothing to do while no report waits."""
    return Job(
        JOB,
        "make the full reports of drift that were asked for",
        Schedule(every_s=60, grace_s=60),
        make_waiting,
        idle=lambda: not _waits(settings),
    )


def _waits(settings: Settings) -> bool:
    with open_door(settings, may_own=False) as door:
        return any(door.query("drift_reports", state=state, limit=1) for state in ("waiting", "lost"))


def make_waiting(run: Run) -> str | None:
    """Make reports until none waits."""
    who = {"run": run.id, "owner": run.owner}
    failed = made = 0
    while not run.lost and (spec := run.door.write("drift-report-take", who))["id"] is not None:
        made += 1
        failed += not _make(run, spec, who | {"id": spec["id"]})
    return f"{failed} of {made} reports could not be made" if failed else None


def _make(run: Run, spec: dict[str, Any], who: dict[str, str]) -> bool:
    """Make a report; False where it could not be."""
    name = {"report": spec["id"], "deployment": spec["deployment"]}
    try:
        report, counts = made_of(run.door, spec, partial(_tell, run, who))
        _tell(run, who, KEEP, counts)
        assert report.html is not None
        kept = run.door.write(
            "drift-report-end", who | {"html": report.html, "json": report.json, "summary": report.summary}
        )
        run.at(len(ALL_STEPS), len(ALL_STEPS), run.failed)
        run.say("made a report", **name, drifted=report.summary["drifted"], bytes=kept["bytes"])
    except WatchpointError as error:
        problem = str(error)
    except Exception as error:
        log.exception("a report failed", **name)
        problem = f"it failed in an unexpected way ({type(error).__name__}): the log of the scheduler has the details"
    else:
        return True
    run.at(run.done, run.total, run.failed + 1)
    run.say("a report could not be made", **name, problem=problem)
    try:
        run.door.write("drift-report-fail", who | {"problem": problem[:4000]})
    except WatchpointError as error:  # another process has taken it up, or the store cannot be written just now
        run.say("could not say so", **name, problem=str(error))
    return False


def _tell(run: Run, who: dict[str, str], step: str, counts: dict[str, int]) -> None:
    done = ALL_STEPS.index(step)
    run.at(done, len(ALL_STEPS), run.failed)
    run.say(step, report=who["id"])
    run.door.write("drift-report-step", who | {"step": step, "steps_done": done, "steps": len(ALL_STEPS)} | counts)


if __name__ == "__main__":
    settings = load_settings()
    sys.exit(run_now(settings, evidently_job(settings)))
