"""The `scheduler` process: runs the table of jobs on their schedule, and those that somebody asks for on the Jobs page.

Each also runs by itself, from cron or by hand as `python -m jobs.NAME`: a slot is claimed, so that it is done once.
"""

import os
import random
import signal
import threading
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

from jobs.running import Job, Run, carry_out, interrupt_all, owner_name, run_slot
from jobs.table import jobs_of
from monitor.config import Settings
from monitor.doors import open_door
from monitor.errors import WatchpointError
from monitor.fleet import load_fleet
from monitor.records import Schedule
from monitor.timetable import last_slot, next_slot, words_of

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 3
"""So often the scheduler looks for runs that were asked for."""

TELL_EVERY_S = 20
"""So often it says that it is there, and which jobs it runs."""

POOLS = {"default": 16, "own": 2}
"""Threads: jobs that wait for models must not keep the scheduler from saying that it is there."""


class Slots(BaseTrigger):  # type: ignore[misc]  # APScheduler ships no types
    """Fires at the slots of a schedule, later by up to its jitter."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime:
        """The first slot after the one that fired last; its jitter is less than the time to the next one."""
        slot = next_slot(self._schedule, max(previous, now) if previous else now)
        most = min(self._schedule.jitter_s, (next_slot(self._schedule, slot) - slot).total_seconds() - 1)
        return slot + timedelta(seconds=random.uniform(0, max(0.0, most)))


def run_scheduler(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT; one failing job never stops the rest. Raises ConfigError."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    jobs = jobs_of(settings, load_fleet(settings.fleet_file))
    scheduler = BackgroundScheduler(timezone="UTC", executors={name: _pool(n) for name, n in POOLS.items()})
    now = datetime.now(UTC)
    for job in jobs.values():
        scheduler.add_job(
            _due,
            Slots(job.schedule),
            (job, settings),
            id=job.name,
            coalesce=True,
            max_instances=2,  # what a second one may do while the first goes on is the job's rule of overlap
            misfire_grace_time=job.schedule.grace_s,
            next_run_time=_first(job, now),
        )

    def start(job: Job, run: str, slot: datetime) -> None:
        scheduler.add_job(_do_asked, args=(job, settings, run, slot), misfire_grace_time=None)

    own: dict[str, Any] = {"trigger": "interval", "executor": "own", "max_instances": 1}
    scheduler.add_job(_tell_table, args=(jobs, settings), seconds=TELL_EVERY_S, id="table", next_run_time=now, **own)
    scheduler.add_job(_asked_for, args=(jobs, settings, start), seconds=LOOK_EVERY_S, id="asked-for", **own)
    scheduler.start()
    log.info("scheduler is ready", jobs={job.name: words_of(job.schedule) for job in jobs.values()})
    stop.wait()
    interrupt_all()
    scheduler.shutdown(wait=False)
    log.info("scheduler stopped")
    os._exit(0)  # a run may wait for a model for minutes; it was told to be interrupted, and what it has is kept


def _pool(workers: int) -> dict[str, Any]:
    return {"type": "threadpool", "max_workers": workers}


def _first(job: Job, now: datetime) -> datetime:
    """A slot that was missed while nothing ran is made up for at once, if it is not too old."""
    slot = last_slot(job.schedule, now)
    missed = (now - slot).total_seconds() <= job.schedule.grace_s
    return now if missed else Slots(job.schedule).get_next_fire_time(None, now)


def _due(job: Job, settings: Settings) -> None:
    _guarded(job.name, lambda: _run_due(job, settings))


def _run_due(job: Job, settings: Settings) -> None:
    if job.idle():
        return
    with open_door(settings, may_own=False) as door:
        run_slot(door, job, last_slot(job.schedule, datetime.now(UTC)))


def _tell_table(jobs: dict[str, Job], settings: Settings) -> None:
    _guarded("table", lambda: _write_table(jobs, settings))


def _write_table(jobs: dict[str, Job], settings: Settings) -> None:
    planned = [{"job": job.name, "about": job.about, **asdict(job.schedule)} for job in jobs.values() if not job.idle()]
    with open_door(settings, may_own=False) as door:
        door.write("job-table", {"owner": owner_name(), "jobs": planned})


def _asked_for(jobs: dict[str, Job], settings: Settings, start: Callable[[Job, str, datetime], None]) -> None:
    _guarded("asked-for", lambda: _take_asked(jobs, settings, start))


def _take_asked(jobs: dict[str, Job], settings: Settings, start: Callable[[Job, str, datetime], None]) -> None:
    with open_door(settings, may_own=False) as door:
        taken: dict[str, Any] = door.write("job-take", {"owner": owner_name(), "jobs": [*jobs]})
    if taken["run"] is not None:
        start(jobs[taken["job"]], taken["run"], datetime.fromisoformat(taken["slot"]))


def _do_asked(job: Job, settings: Settings, run: str, slot: datetime) -> None:
    def work() -> None:
        with open_door(settings, may_own=False) as door:
            carry_out(job, Run(door, run, job.name, slot, "page", owner_name()))

    _guarded(job.name, work)


def _guarded(name: str, work: Any) -> None:
    try:
        work()
    except WatchpointError as error:
        log.error("job failed", job=name, error=str(error))
    except Exception:
        log.exception("job failed", job=name)
