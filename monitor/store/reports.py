"""Full reports of Evidently: who asked for which, and their files in data/reports. Called through `results`.

A report waits until the job `evidently` takes it up; one whose process is gone is taken up again, once. Its files are
written before its row says that it is done, and go with it.
"""

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from monitor.errors import BadInput, NotFound, Overloaded, StorageFull
from monitor.ids import run_id
from monitor.ingest.spool import write_durably
from monitor.store.database import Connection, naive, transaction
from monitor.store.jobs import LEASE, Id, Moment, Whole, Words, wait_for

FOLDER = "reports"
JOB = "evidently"
HTML, JSON = ".html", ".json"
MOST_SAMPLE = 100_000
MOST_WAITING = 20
MOST_BYTES = 20 * 1024 * 1024
"""Both files of a report together: as base64 in a body they stay under what the api takes."""

KEPT = 100
"""The newest reports that stay: half a gigabyte, as most of each is the script that draws it."""

ATTEMPTS = 2
RETRY_AFTER_S = 60
SAME = (
    *("source", "deployment", "preset", "features", "starts", "ends"),
    *("reference_deployment", "reference_starts", "reference_ends", "sample", "seed"),
)
"""What makes two reports the same one."""

COLUMNS = ("id", *SAME, "reference", "reference_name", "asked_by")

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class AskFor(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Somebody wants a report of a window against a reference."""

    source: Id
    deployment: Name
    preset: Literal["drift", "summary", "text", "all"] = "drift"
    features: Annotated[list[Name], msgspec.Meta(max_length=200)] = []
    starts: Moment
    ends: Moment
    reference: Id | None = None
    reference_name: Name = "a window"
    reference_deployment: Name
    reference_starts: Moment
    reference_ends: Moment
    sample: Annotated[int, msgspec.Meta(ge=100, le=MOST_SAMPLE)] = 20_000
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**31)] = 0
    asked_by: Id


class Take(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A run of the job takes up the oldest report that waits."""

    run: Id
    owner: Id


class Step(Take, kw_only=True):
    """A report goes on."""

    id: Id
    step: Id
    steps_done: Whole
    steps: Whole
    n_window: Whole | None = None
    n_reference: Whole | None = None
    of_window: Whole | None = None
    of_reference: Whole | None = None


class Done(Take, kw_only=True):
    """A report with its files."""

    id: Id
    html: bytes
    json: bytes
    summary: dict[str, Any]


class Failed(Take, kw_only=True):
    """A report that could not be made."""

    id: Id
    problem: Words


def ask_for(con: Connection, body: AskFor, now: datetime) -> dict[str, Any]:
    """A report that waits for the job; where the same one waits or is being made, that one is told.

    Raises Overloaded while many wait.
    """
    values = msgspec.structs.asdict(body)
    values |= {key: naive(value) for key, value in values.items() if isinstance(value, datetime)}
    same = _do(
        con,
        f"""
        select id, state
        from drift_reports
        where state in ('waiting', 'running') and ({", ".join(SAME)}) = ({", ".join(f"${name}" for name in SAME)})
        """,
        **{name: values[name] for name in SAME},
    )
    if same:
        return {"id": same[0][0], "state": same[0][1], "made": False}
    waiting = _do(con, "select count(*) from drift_reports where state = 'waiting'")[0][0]
    if waiting >= MOST_WAITING:
        raise Overloaded(f"{waiting} reports wait to be made, at most {MOST_WAITING} may; ask again", RETRY_AFTER_S)
    id_ = run_id("drift-report", now.isoformat(), *values.values())
    values |= {"id": id_}
    with transaction(con):
        _do(
            con,
            f"""
            insert into drift_reports ({", ".join(COLUMNS)}, state, steps_done, steps, asked_at, attempts)
            values ({", ".join(f"${name}" for name in COLUMNS)}, 'waiting', 0, 0, $now, 0)
            """,
            **values,
            now=naive(now),
        )
        wait_for(con, run_id(id_, "job"), JOB, body.asked_by, now)
    return {"id": id_, "state": "waiting", "made": True}


def take(con: Connection, body: Take, now: datetime) -> dict[str, Any]:
    """The report that was taken up, or a null `id`. One that has cost its process twice has failed."""
    while True:
        found = _do(
            con,
            f"""
            select {", ".join(COLUMNS)}, attempts
            from drift_reports r
            where state = 'waiting' or (
                state = 'running' and not exists (
                    select 1
                    from job_runs j
                    where j.run = r.run and j.state = 'running' and j.claimed_by = r.claimed_by and j.beat_at > $lost
                )
            )
            order by asked_at, id
            limit 1
            """,
            lost=naive(now) - LEASE,
        )
        if not found:
            return {"id": None}
        row = dict(zip((*COLUMNS, "attempts"), found[0], strict=True))
        attempts = row.pop("attempts")
        if attempts < ATTEMPTS:
            _do(
                con,
                """
                update drift_reports
                set state = 'running', run = $run, claimed_by = $owner, attempts = $attempts, step = 'read',
                    steps_done = 0, started_at = $now
                where id = $id
                """,
                id=row["id"],
                run=body.run,
                owner=body.owner,
                attempts=attempts + 1,
                now=naive(now),
            )
            return {key: f"{it.isoformat()}Z" if isinstance(it, datetime) else it for key, it in row.items()}
        problem = f"the process that made it ended {attempts} times before it did: ask for a smaller sample"
        _end(con, row["id"], "failed", now, problem=problem)


def step(con: Connection, body: Step, now: datetime) -> dict[str, Any]:
    """How far a report is. Raises NotFound for one that another process has taken up, or that is over."""
    _check_owner(con, body.id, body)
    _do(
        con,
        """
        update drift_reports
        set step = $step, steps_done = $steps_done, steps = $steps, n_window = coalesce($n_window, n_window),
            n_reference = coalesce($n_reference, n_reference), of_window = coalesce($of_window, of_window),
            of_reference = coalesce($of_reference, of_reference)
        where id = $id
        """,
        **{key: value for key, value in msgspec.structs.asdict(body).items() if key not in ("run", "owner")},
    )
    return {"id": body.id, "state": "running"}


def end(con: Connection, body: Done, now: datetime) -> dict[str, Any]:
    """Keep the files of a report. Raises BadInput for files that are too large, StorageFull, and like `step`."""
    _check_owner(con, body.id, body)
    size = len(body.html) + len(body.json)
    if size > MOST_BYTES:
        raise BadInput(
            f"the report has {size} bytes; kept are at most {MOST_BYTES}: ask for fewer features or another preset"
        )
    folder = folder_of(con)
    try:
        folder.mkdir(exist_ok=True)
        for kind, content in ((HTML, body.html), (JSON, body.json)):
            write_durably(folder / f"{body.id}{kind}", content)
    except OSError as error:
        raise StorageFull(f"the report could not be written: {error.strerror}; make space under {folder}") from None
    told = json.dumps(body.summary)
    _end(con, body.id, "done", now, html_bytes=len(body.html), json_bytes=len(body.json), summary=told)
    over = "select id from drift_reports where state in ('done', 'failed') order by asked_at desc offset $kept"
    old = _do(con, over, kept=KEPT)
    _forget(con, [id_ for (id_,) in old])
    return {"id": body.id, "state": "done", "bytes": size}


def fail(con: Connection, body: Failed, now: datetime) -> dict[str, Any]:
    """Write why a report could not be made. Raises NotFound like `step`."""
    _check_owner(con, body.id, body)
    _end(con, body.id, "failed", now, problem=body.problem)
    return {"id": body.id, "state": "failed"}


def forget_reports(con: Connection, before: datetime) -> None:
    """Reports leave by age, as what they are made of does (naive UTC), and files that no report has. By retention."""
    old = _do(con, "select id from drift_reports where asked_at < $before", before=before)
    _forget(con, [id_ for (id_,) in old])
    known = {id_ for (id_,) in _do(con, "select id from drift_reports")}
    for path in folder_of(con).glob("*.*"):
        if path.name.split(".", 1)[0] not in known:
            path.unlink(missing_ok=True)


def folder_of(con: Connection) -> Path:
    """Where the files lie: beside the store, wherever a restore has put that."""
    found = _do(con, "select path from duckdb_databases() where database_name = current_database()")
    return Path(found[0][0]).parent / FOLDER


def read_file(con: Connection, id_: str, kind: str) -> bytes:
    """A file of a report that is done. Raises NotFound, which says how far another one is."""
    found = _do(con, "select state, problem from drift_reports where id = $id", id=id_)
    if not found:
        raise NotFound(f"there is no report {id_[:80]!r}; the query drift_reports lists them")
    state, problem = found[0]
    if state != "done":
        raise NotFound(f"report {id_} has no file: it is {state}" + (f" ({problem})" if problem else ""))
    try:
        return (folder_of(con) / f"{id_}{kind}").read_bytes()
    except FileNotFoundError:
        raise NotFound(f"the file of report {id_} is gone; ask for the report again") from None


def _check_owner(con: Connection, id_: str, body: Take) -> None:
    whose = {"id": id_, "run": body.run, "owner": body.owner}
    sql = "select 1 from drift_reports where id = $id and run = $run and claimed_by = $owner and state = 'running'"
    if not _do(con, sql, **whose):
        raise NotFound(f"report {id_!r} is not made by {body.owner}: another process has taken it up, or it is over")


def _end(con: Connection, id_: str, state: str, now: datetime, **values: Any) -> None:
    changed = "".join(f", {name} = ${name}" for name in values)
    sql = f"update drift_reports set state = $state, ended_at = $now{changed} where id = $id"
    _do(con, sql, id=id_, state=state, now=naive(now), **values)


def _forget(con: Connection, ids: list[str]) -> None:
    if not ids:
        return
    _do(con, "delete from drift_reports where list_contains($ids::varchar[], id)", ids=ids)
    for id_ in ids:
        for kind in (HTML, JSON):
            (folder_of(con) / f"{id_}{kind}").unlink(missing_ok=True)


def _do(con: Connection, sql: str, **values: Any) -> list[tuple[Any, ...]]:
    return con.execute(sql, values).fetchall()
