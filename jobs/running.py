"""What every job shares: it is claimed before it acts, says how far it is, and leaves a row that says how it ended.

The scheduler runs jobs through here, and so does `python -m jobs.NAME`, from cron or by hand: whoever comes first does
the work of a slot, the others find it claimed.
"""

import os
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog

from monitor.config import Settings
from monitor.doors import OpenDoor, open_door
from monitor.errors import NotFound, WatchpointError
from monitor.ids import run_id
from monitor.logs import progress_bar, set_up_logs
from monitor.records import Schedule
from monitor.store.jobs import LEASE, LOG_BYTES

log = structlog.get_logger(__name__)

BEAT_S = 10.0
END_PAUSES_S = (1, 5, 30)
LOG_LINES = 200
PATIENCE_S = 600.0
"""A run that waits for the one before it gives up after so long."""

LOST_S = LEASE.total_seconds() + 10.0
"""A slot that another process runs is looked at for so long: that process may be gone, as after a restart."""

UNDER_WAY: "set[Run]" = set()
"""The runs of this process."""

Progress = Callable[[int, int], None]
"""Told how many are done, and of how many."""


def _nobody(done: int, total: int) -> None:
    """Nobody looks."""


class Run:
    """One run of a job, for the job itself: it says how far it is, and learns whether to go on."""

    def __init__(self, door: OpenDoor, id_: str, job: str, slot: datetime, trigger: str, owner: str = "") -> None:
        self.door, self.id, self.job, self.slot, self.trigger = door, id_, job, slot, trigger
        self.owner = owner or f"{owner_name()}-{run_id(time.time_ns(), id(self))[:6]}"
        self.on_progress: Progress = _nobody
        self.total = self.done = self.failed = 0
        self._lines: deque[str] = deque(maxlen=LOG_LINES)
        self._over = threading.Event()
        self.lost = False
        """Another process has taken the run over: it did not hear from this one."""

    def say(self, text: str, **values: Any) -> None:
        """A line of the run's log, for the page and the log of the process."""
        log.info(text, job=self.job, run=self.id, **values)
        told = "".join(f", {name} {value}" for name, value in values.items())
        self._lines.append(f"{datetime.now(UTC):%H:%M:%S} {text}{told}")

    def at(self, done: int, total: int, failed: int = 0) -> None:
        """How far it is; written with the next beat."""
        self.done, self.total, self.failed = done, total, failed
        self.on_progress(done, total)

    def beat(self) -> None:
        """Say that it goes on."""
        try:
            self.door.write("job-beat", self._state())
        except NotFound:
            self.lost = True
        except WatchpointError as error:
            log.warning("a job could not say that it goes on", job=self.job, error=str(error))

    def end(self, state: str, problem: str | None, pauses: Sequence[float] = ()) -> None:
        """Write how it ended; a store that cannot be written just now is tried again after these pauses (s)."""
        for pause in (0, *pauses):
            time.sleep(pause)
            try:
                if not self.lost:
                    body = self._state() | {"state": state, "problem": (problem or "")[:4000] or None}
                    self.door.write("job-end", body)
            except NotFound:
                self.lost = True
            except WatchpointError as error:
                log.warning("a job could not say how it ended", job=self.job, run=self.id, error=str(error))
                continue
            return

    def beats(self) -> None:
        """Beat until it is over; for a thread of its own."""
        while not self._over.wait(BEAT_S):
            self.beat()

    def stop_beating(self) -> None:
        self._over.set()

    def _state(self) -> dict[str, Any]:
        told = "\n".join(self._lines).encode()[-LOG_BYTES:].decode("utf-8", "ignore")
        counts = {"total": self.total, "done": self.done, "failed": self.failed}
        return {"run": self.id, "owner": self.owner, "log": told, **counts}


@dataclass(frozen=True, slots=True)
class Job:
    """A verb, and when it is due. `work` returns a problem in words where it did not do all it should."""

    name: str
    about: str
    schedule: Schedule
    work: Callable[[Run], str | None]
    idle: Callable[[], bool] = lambda: False
    """Whether there is nothing to do at all, so that no run needs to be written."""


def owner_name() -> str:
    """This process, for those who look who has claimed a run."""
    return f"{socket.gethostname()[:60]}-{os.getpid()}"


def run_slot(
    door: OpenDoor,
    job: Job,
    slot: datetime,
    *,
    trigger: str = "schedule",
    asked_by: str = "schedule",
    id_: str = "",
    on_progress: Progress = _nobody,
) -> str | None:
    """Run a job for a slot unless that is claimed; returns the state it ended in, None where others have it."""
    run = id_ or run_id(job.name, slot.isoformat())
    this = Run(door, run, job.name, slot, trigger)
    this.on_progress = on_progress
    claim = {
        "run": run,
        "job": job.name,
        "slot": slot.isoformat(),
        "trigger": trigger,
        "owner": this.owner,
        "asked_by": asked_by,
        "overlap": job.schedule.overlap,
    }
    began = time.monotonic()
    patience = {"waiting": PATIENCE_S, "running": LOST_S if trigger == "schedule" else 0.0}
    while not (answer := door.write("job-claim", claim))["claimed"]:
        if time.monotonic() - began >= patience.get(answer["state"], 0.0):
            log.debug("job not claimed", job=job.name, slot=slot.isoformat(), **answer)
            return None
        time.sleep(1.0)
    return carry_out(job, this)


def run_shown(door: OpenDoor, job: Job, slot: datetime, what: str, *of_it: str) -> str | None:
    """Run a slot for somebody who looks: with a progress bar that says `what`. `of_it` tells runs of a slot apart."""
    with progress_bar() as bar:
        task = bar.add_task(what, total=None)

        def show(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        id_ = run_id(job.name, slot.isoformat(), *of_it)
        return run_slot(door, job, slot, trigger="command", asked_by="command", id_=id_, on_progress=show)


def carry_out(job: Job, this: Run) -> str:
    """Do a run that is claimed; what goes wrong is written with it. Returns the state it ended in."""
    began = time.monotonic()
    beating = threading.Thread(target=this.beats, name=f"beat-{job.name}", daemon=True)
    beating.start()
    UNDER_WAY.add(this)
    state, problem = "failed", None
    try:
        problem = job.work(this)
        state = "failed" if problem else "done"
    except WatchpointError as error:
        problem = str(error)
    except Exception as error:
        log.exception("job failed", job=job.name)
        problem = f"it failed in an unexpected way ({type(error).__name__}): the log of the process has the details"
    finally:
        this.stop_beating()
        beating.join()
        UNDER_WAY.discard(this)
    seconds = round(time.monotonic() - began, 1)
    this.say(f"{state} after {seconds:g} s" + (f": {problem}" if problem else ""))
    this.end(state, problem, END_PAUSES_S)
    return state


def run_now(settings: Settings, job: Job) -> int:
    """Run a job once by command, with the running api or without one; returns the exit code."""
    set_up_logs(settings.log_level, job.name)
    try:
        with open_door(settings) as door:
            state = run_slot(door, job, datetime.now(UTC), trigger="command", asked_by="command")
    except WatchpointError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0 if state == "done" else 2


def interrupt_all() -> None:
    """This process stops: say so for its runs, so that the next one takes them up at once."""
    for run in [*UNDER_WAY]:
        run.stop_beating()
        run.end("interrupted", "its process was stopped")
        run.lost = True
