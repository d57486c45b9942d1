"""Runs of probes in the store, and logged requests that can be asked again. Called by `monitor/probe`.

What is written runs in the writing thread (`StoreOwner.run`), what is read on a cursor.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from monitor.store.archive import raw_relation
from monitor.store.database import Connection, naive

RUNNING = "running"
STATES = (RUNNING, "done", "cancelled", "failed", "interrupted")
INTERRUPTED = "the api was stopped while it ran; the answers that it had by then are kept"


@dataclass(frozen=True, slots=True)
class Run:
    """A run at one moment. `spec` is what was asked for, `result` what it came to (both become JSON)."""

    run: str
    kind: str
    name: str
    visitor: str
    targets: tuple[str, ...]
    total: int
    from_request: str | None
    started_at: datetime
    spec: Any
    state: str = RUNNING
    ended_at: datetime | None = None
    done: int = 0
    failed: int = 0
    result: Any = None
    problem: str | None = None


def add_run(con: Connection, run: Run) -> None:
    """A run that has just begun."""
    con.execute(
        """
        insert into probe_runs (
            run, kind, name, visitor, state, started_at, updated_at, targets, total, done, failed, from_request, spec,
            result
        )
        values (
            $run, $kind, $name, $visitor, $state, $at, $at, $targets, $total, 0, 0, $from_request, $spec, $result
        )
        """,
        {
            "run": run.run,
            "kind": run.kind,
            "name": run.name,
            "visitor": run.visitor,
            "state": run.state,
            "at": naive(run.started_at),
            "targets": list(run.targets),
            "total": run.total,
            "from_request": run.from_request,
            "spec": _json(run.spec),
            "result": _json(run.result),
        },
    )


def update_run(con: Connection, run: Run, now: datetime) -> None:
    """How far it is, and how it ended."""
    con.execute(
        """
        update probe_runs
        set state = $state, ended_at = $ended_at, updated_at = $now, total = $total, done = $done, failed = $failed,
            result = $result, problem = $problem
        where run = $run
        """,
        {
            "run": run.run,
            "state": run.state,
            "ended_at": naive(run.ended_at) if run.ended_at else None,
            "now": naive(now),
            "total": run.total,
            "done": run.done,
            "failed": run.failed,
            "result": _json(run.result),
            "problem": run.problem,
        },
    )


def state_of(con: Connection, run: str) -> str | None:
    """The state of a run, None when there is no such run."""
    rows = con.execute("select state from probe_runs where run = $run", {"run": run}).fetchall()
    return str(rows[0][0]) if rows else None


def interrupt_runs(con: Connection, now: datetime) -> None:
    """Whatever is running when an owner starts belonged to one that is gone."""
    if not con.execute("select 1 from probe_runs where state = $running limit 1", {"running": RUNNING}).fetchall():
        return  # nothing is written, so that a store on a full disk can be opened
    con.execute(
        """
        update probe_runs
        set state = 'interrupted', ended_at = $now, updated_at = $now, problem = $problem
        where state = $running
        """,
        {"now": naive(now), "problem": INTERRUPTED, "running": RUNNING},
    )


def forget_runs(con: Connection, before: datetime) -> int:
    """Delete runs that ended before `before` (naive UTC), whose answers are gone; returns how many."""
    return len(
        con.execute("delete from probe_runs where ended_at < $before returning 1", {"before": before}).fetchall()
    )


# -- logged requests


@dataclass(frozen=True, slots=True)
class Drawn:
    """A logged request that was drawn: what a question is made of. `attrs` is JSON text."""

    event_id: str
    input_text: str | None
    media: tuple[str | None, ...]
    label: str | None
    attrs: str | None
    cut: tuple[str, ...]


_FILTERS = {
    "deployments": "list_contains($deployments::varchar[], deployment)",
    "checkpoints": "list_contains($checkpoints::varchar[], checkpoint)",
    "status": "status = $status",
}


def sample_requests(
    con: Connection, start: datetime, end: datetime, source: str, n: int, seed: int, filters: dict[str, Any]
) -> tuple[int, list[Drawn]]:
    """How many requests of [start, end) match, and `n` of them, each as likely as any other.

    The order of hashes of seed and id decides, so that the same seed draws the same ones while they are kept. Filters
    (deployments, checkpoints, status) that are empty are left out.
    """
    values = {name: value for name, value in filters.items() if value}
    clauses = "".join(f"\n    and {_FILTERS[name]}" for name in values)
    bounds = {"start": naive(start), "end": naive(end)}
    window: dict[str, Any] = {**bounds, "source": source, **values}
    raw = raw_relation(con, **bounds)
    where = f"where ts >= $start and ts < $end and source = $source{clauses}"
    matching = con.execute(f"select count(*) from {raw} {where}", window).fetchall()[0][0]
    chosen: Sequence[tuple[Any, ...]] = con.execute(
        f"select event_id, ts from {raw} {where} order by md5($seed || ':' || event_id), ts limit $n",
        window | {"seed": str(seed), "n": n},
    ).fetchall()
    rows = con.execute(
        f"""
        select event_id, input_text, list_transform(coalesce(media, []), lambda one: one.sha256), label, attrs::varchar,
            coalesce(cut, [])
        from {raw} semi join (
            select unnest($ids::varchar[]) as event_id, unnest($times::timestamp[]) as ts
        ) using (event_id, ts)
        where ts >= $start and ts < $end
        order by ts, event_id
        """,
        {
            "ids": [row[0] for row in chosen],
            "times": [row[1] for row in chosen],
            **bounds,
        },
    ).fetchall()
    drawn = {row[0]: Drawn(row[0], row[1], tuple(row[2]), row[3], row[4], tuple(row[5])) for row in rows}
    return int(matching), [*drawn.values()]


def _json(value: Any) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()
