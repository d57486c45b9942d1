"""Runs of jobs in the store: claimed before they act, and kept alive by their beats. Called through `results`.

A run that is claimed belongs to one process until it ends or stops beating for `LEASE`; then it may be taken over.
"""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec

from monitor.errors import NotFound
from monitor.store.database import Connection, naive, transaction

LEASE = timedelta(seconds=90)
LOG_BYTES = 16_384
KEPT = 1000
WAITING, RUNNING, SKIPPED = "waiting", "running", "skipped"
STATES = (WAITING, RUNNING, "done", "failed", SKIPPED, "interrupted")
OVER = ("done", "failed", SKIPPED)
"""States of runs that nobody takes up again; an interrupted one goes on when its slot is tried again."""

AGAIN_WITHIN = timedelta(hours=1)
"""A run that somebody asked for and that was interrupted is taken up again if that is not longer ago."""

TRIGGERS = ("schedule", "page", "command")

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Words = Annotated[str, msgspec.Meta(max_length=4096)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
Whole = Annotated[int, msgspec.Meta(ge=0)]


class Claim(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A process wants to run a job for a slot. `overlap`: while another run of the job goes on."""

    run: Id
    job: Id
    slot: Moment
    trigger: Literal["schedule", "page", "command"]
    owner: Id
    asked_by: Id = "schedule"
    overlap: Literal["skip", "wait"] = "skip"


class AskFor(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Somebody wants a job to run now; the scheduler takes it up."""

    run: Id
    job: Id
    asked_by: Id


class Take(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A scheduler takes up the oldest run that was asked for, of the jobs that it knows."""

    owner: Id
    jobs: list[Id]


class Planned(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A job as a scheduler runs it."""

    job: Id
    about: str
    cron: str | None = None
    every_s: int | None = None
    jitter_s: int = 0
    grace_s: int = 3600
    overlap: Literal["skip", "wait"] = "skip"


class Table(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Every job of a scheduler that is alive."""

    owner: Id
    jobs: list[Planned]


class Beat(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A run goes on; how far it is."""

    run: Id
    owner: Id
    total: Whole = 0
    done: Whole = 0
    failed: Whole = 0
    log: Annotated[str, msgspec.Meta(max_length=LOG_BYTES)] = ""


class End(Beat, kw_only=True):
    """A run is over."""

    state: Literal["done", "failed", "interrupted"]
    problem: Words | None = None


def claim(con: Connection, body: Claim, now: datetime) -> dict[str, Any]:
    """Returns `claimed`, and where it is not, who or what stands in the way (`held_by`, `state`).

    Another run of the job that is alive stands in the way of a new slot; one that is lost is told so.
    """
    at, slot = naive(now), naive(body.slot)
    known = _do(con, "select state, claimed_by, beat_at from job_runs where run = $run", run=body.run)
    if known:
        state, owner, beat = known[0]
        if state in OVER or (state in (RUNNING, WAITING) and owner != body.owner and beat > at - LEASE):
            return {"claimed": False, "state": state, "held_by": owner}
        _take(con, body.run, body.owner, at)
        return {"claimed": True, "state": RUNNING, "held_by": body.owner, "resumed": state == RUNNING}
    _do(
        con,
        """
        update job_runs
        set state = 'interrupted', ended_at = beat_at, problem = 'its process ended before it did'
        where job = $job and state = 'running' and beat_at <= $lost and trigger <> 'page'
        """,
        job=body.job,
        lost=at - LEASE,
    )
    other = _do(
        con,
        "select claimed_by from job_runs where job = $job and state = 'running' and beat_at > $fresh",
        job=body.job,
        fresh=at - LEASE,
    )
    if other and body.overlap == "wait":
        return {"claimed": False, "state": WAITING, "held_by": other[0][0]}
    state = SKIPPED if other else RUNNING
    _insert(con, body.run, body.job, slot, body.trigger, body.asked_by, state, at, owner=body.owner)
    if other:
        problem = f"skipped: the run before it still goes on ({other[0][0]})"
        _do(con, "update job_runs set ended_at = $at, problem = $p where run = $run", at=at, p=problem, run=body.run)
    return {"claimed": not other, "state": state, "held_by": other[0][0] if other else body.owner, "resumed": False}


def ask_for(con: Connection, body: AskFor, now: datetime) -> dict[str, Any]:
    """A run that waits for a scheduler; where the job waits already, that one is told. Raises NotFound for no job."""
    if not _do(con, "select 1 from jobs where job = $job", job=body.job):
        known = ", ".join(name for (name,) in _do(con, "select job from jobs order by job"))
        raise NotFound(f"there is no job {body.job!r}; jobs are {known or 'none, as no scheduler has run yet'}")
    return {"run": wait_for(con, body.run, body.job, body.asked_by, now), "state": WAITING}


def wait_for(con: Connection, run: str, job: str, asked_by: str, now: datetime) -> str:
    """Have a job run as soon as a scheduler looks, which may know it as idle so far; returns the run that waits."""
    waiting = _do(con, "select run from job_runs where job = $job and state = 'waiting'", job=job)
    if waiting:
        return str(waiting[0][0])
    _insert(con, run, job, naive(now), "page", asked_by, WAITING, naive(now), owner=None)
    return run


def take(con: Connection, body: Take, now: datetime) -> dict[str, Any]:
    """The run that was taken up, or nulls."""
    waiting = _do(
        con,
        """
        select run, job, slot
        from job_runs w
        where list_contains($jobs::varchar[], job) and trigger = 'page' and (
                state = 'waiting'
                or (state = 'running' and beat_at <= $lost)
                or (state = 'interrupted' and asked_at > $recent)
            )
            and not exists (
                select 1 from job_runs r where r.job = w.job and r.state = 'running' and r.beat_at > $lost
            )
        order by asked_at
        limit 1
        """,
        jobs=body.jobs,
        lost=naive(now) - LEASE,
        recent=naive(now) - AGAIN_WITHIN,
    )
    if not waiting:
        return {"run": None, "job": None, "slot": None}
    run, job, slot = waiting[0]
    _take(con, run, body.owner, naive(now))
    return {"run": run, "job": job, "slot": slot.isoformat() + "Z"}


def know_jobs(con: Connection, body: Table, now: datetime) -> dict[str, Any]:
    """Keep the table of jobs, and that a scheduler is there."""
    with transaction(con):
        con.execute("delete from jobs")
        for one in body.jobs:
            _do(
                con,
                """
                insert into jobs
                values ($job, $about, $cron, $every_s, $jitter_s, $grace_s, $overlap, $owner, $at)
                """,
                **msgspec.structs.asdict(one),
                owner=body.owner,
                at=naive(now),
            )
    return {"jobs": len(body.jobs)}


def beat(con: Connection, body: Beat, now: datetime) -> dict[str, Any]:
    """Raises NotFound for a run that belongs to another process by now."""
    changed = _do(
        con,
        """
        update job_runs
        set beat_at = $at, total = $total, done = $done, failed = $failed, log = $log
        where run = $run and claimed_by = $owner and state = 'running'
        returning 1
        """,
        at=naive(now),
        run=body.run,
        owner=body.owner,
        total=body.total,
        done=body.done,
        failed=body.failed,
        log=body.log,
    )
    if not changed:
        raise NotFound(f"run {body.run!r} is not run by {body.owner}; another process has taken it over, or it is over")
    return {"run": body.run, "state": RUNNING}


def end(con: Connection, body: End, now: datetime) -> dict[str, Any]:
    """Write how it ended. Raises NotFound like `beat`."""
    beat(con, body, now)
    _do(
        con,
        "update job_runs set state = $state, ended_at = $at, problem = $problem where run = $run",
        state=body.state,
        at=naive(now),
        problem=body.problem,
        run=body.run,
    )
    _forget_old(con, body.run)
    return {"run": body.run, "state": body.state}


def _forget_old(con: Connection, run: str) -> None:
    """Of each job, the newest `KEPT` runs stay."""
    _do(
        con,
        """
        delete from job_runs
        where run in (
            select run from job_runs
            where job = (select job from job_runs where run = $run) and state not in ('running', 'waiting')
            order by asked_at desc
            offset $kept
        )
        """,
        run=run,
        kept=KEPT,
    )


def _insert(
    con: Connection,
    run: str,
    job: str,
    slot: datetime,
    trigger: str,
    asked_by: str,
    state: str,
    at: datetime,
    owner: str | None,
) -> None:
    _do(
        con,
        """
        insert into job_runs (
            run, job, slot, trigger, asked_by, state, claimed_by, asked_at, started_at, beat_at, total, done, failed,
            log
        )
        values (
            $run, $job, $slot, $trigger, $asked_by, $state, $owner, $at,
            case when $state = 'running' then $at::timestamp end, $at, 0, 0, 0, ''
        )
        """,
        run=run,
        job=job,
        slot=slot,
        trigger=trigger,
        asked_by=asked_by,
        state=state,
        owner=owner,
        at=at,
    )


def _take(con: Connection, run: str, owner: str, at: datetime) -> None:
    _do(
        con,
        """
        update job_runs
        set state = 'running', claimed_by = $owner, started_at = coalesce(started_at, $at), beat_at = $at,
            ended_at = null, problem = null
        where run = $run
        """,
        run=run,
        owner=owner,
        at=at,
    )


def _do(con: Connection, sql: str, **values: Any) -> list[tuple[Any, ...]]:
    return con.execute(sql, values).fetchall()
