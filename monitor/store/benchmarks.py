"""Evaluations of checkpoints on benchmarks in the store: claimed, filled item by item, and ended with their scores.

Called through `results`. Until an evaluation is over nothing of it is read as a figure, so that none is half there.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from monitor.errors import NotFound
from monitor.store.batches import append, as_json
from monitor.store.database import Connection, naive, transaction
from monitor.store.jobs import LEASE, Id, Moment, Words

ORIGINS = ("import", "job", "claim")
"""Read from the files of a harness, evaluated by us, or published by somebody without a run that we know of."""

INTERRUPTED = "its process ended before it did; what it has by then is kept"
TEXT_BYTES = 16_384
"""Longer questions, targets and answers are cut."""

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
Short = Annotated[str, msgspec.Meta(max_length=512)]
Hash = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{16}$")]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
Step = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class ClaimRun(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A process wants to write an evaluation; `named` is what the harness calls the checkpoint."""

    run: Id
    benchmark: Name
    checkpoint: Name
    named: Name
    protocol: dict[str, str]
    origin: Literal["import", "job", "claim"]
    source: Annotated[str, msgspec.Meta(max_length=4096)]
    source_sha256: Short
    owner: Id
    model: Name | None = None
    step: Step | None = None
    revision: Short | None = None
    evaluated_at: Moment | None = None
    notes: list[Words] = []
    sure: bool = False  # somebody said which checkpoint it is, or the fleet file did
    total: Count = 0
    job_run: Id | None = None


class Result(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What came of one item, with what was asked; `scores` by metric."""

    item: Name
    item_hash: Hash
    scores: dict[str, float]
    categories: list[Short] = []
    group: Short | None = None
    question: str | None = None
    target: str | None = None
    answer: str | None = None
    failed: str | None = None
    media: list[Short] = []
    latency_ms: float | None = None


class Results(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Items of an evaluation that goes on; none says only that it does."""

    run: Id
    owner: Id
    results: list[Result]


class Figure(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A score with its interval, in the unit of `value`; `how` says what the interval comes from, `reason` why none."""

    metric: Name
    value: float
    category: Short = ""
    most: float | None = None
    higher_is_better: bool = True
    headline: bool = False
    n: Count | None = None
    n_groups: Count | None = None
    stderr: float | None = None
    low: float | None = None
    high: float | None = None
    how: Literal["wilson", "bootstrap", "stderr", "none"] = "none"
    by_items: bool = False  # the items have this score as their mean
    reason: Words = ""


class EndRun(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """An evaluation is over."""

    run: Id
    owner: Id
    state: Literal["done", "failed", "skipped", "interrupted"]
    problem: Words | None = None
    scores: list[Figure] = []


class Forget(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """An evaluation was imported by mistake, or under a wrong name."""

    run: Id


def claim_run(con: Connection, body: ClaimRun, now: datetime) -> dict[str, Any]:
    """Returns `claimed`; for one that is taken up again, `done` lists the items that are answered.

    One that is done is not claimed again, but learns the checkpoint, step and model that are told now: importing twice
    changes nothing else. Runs of the benchmark that nobody has heard of for long are told to be interrupted.
    """
    at = naive(now)
    con.execute(
        """
        update benchmark_runs set state = 'interrupted', ended_at = beat_at, problem = $problem
        where benchmark = $benchmark and state = 'running' and beat_at <= $lost
        """,
        {"problem": INTERRUPTED, "benchmark": body.benchmark, "lost": at - LEASE},
    )
    known = con.execute("select state, claimed_by from benchmark_runs where run = $run", {"run": body.run}).fetchall()
    if known:
        state, owner = known[0]
        if state in ("done", "skipped") or (state == "failed" and body.origin != "job"):  # it failed at its harness
            _learn(con, body)
            return {"claimed": False, "state": state, "held_by": owner, "done": []}
        if state == "running" and owner != body.owner:
            return {"claimed": False, "state": state, "held_by": owner, "done": []}
        with transaction(con):
            con.execute("delete from benchmark_results where run = $run and failed is not null", {"run": body.run})
            if body.origin != "job":  # a file is read from its beginning
                con.execute("delete from benchmark_results where run = $run", {"run": body.run})
            con.execute("delete from benchmark_runs where run = $run", {"run": body.run})
            done = _done(con, body.run)
            _insert_run(con, body, at, done)
        return {"claimed": True, "state": "running", "held_by": body.owner, "done": done}
    _insert_run(con, body, at, [])
    return {"claimed": True, "state": "running", "held_by": body.owner, "done": []}


def add_results(con: Connection, body: Results, now: datetime) -> dict[str, Any]:
    """Write items of an evaluation that it does not have yet. Raises NotFound when it was taken over."""
    with transaction(con):
        benchmark = _own(con, body.run, body.owner, now)
        have = {*_done(con, body.run)} if body.results else set()
        fresh = {one.item: one for one in body.results if one.item not in have}.values()
        if fresh:
            append(con, "benchmark_results", [_result(body.run, one) for one in fresh], maps=("scores",))
            append(con, "benchmark_items", [_item(benchmark, one) for one in fresh], "on conflict do nothing")
            con.execute(
                "update benchmark_runs set done = done + $n, failed = failed + $failed where run = $run",
                {"run": body.run, "n": len(fresh), "failed": sum(one.failed is not None for one in fresh)},
            )
    return {"run": body.run, "kept": len(fresh)}


def end_run(con: Connection, body: EndRun, now: datetime) -> dict[str, Any]:
    """Write how it ended, with its scores. Raises NotFound when it was taken over."""
    with transaction(con):
        _own(con, body.run, body.owner, now)
        con.execute("delete from benchmark_scores where run = $run", {"run": body.run})
        if body.scores:
            append(con, "benchmark_scores", [{"run": body.run, **msgspec.structs.asdict(one)} for one in body.scores])
        con.execute(
            "update benchmark_runs set state = $state, problem = $problem, ended_at = $at where run = $run",
            {"run": body.run, "state": body.state, "problem": body.problem, "at": naive(now)},
        )
    return {"run": body.run, "state": body.state, "scores": len(body.scores)}


def forget(con: Connection, body: Forget, now: datetime) -> dict[str, Any]:
    """Delete an evaluation with its items, and the texts that no other one has. Raises NotFound if it is not known."""
    with transaction(con):
        gone = con.execute(
            "delete from benchmark_runs where run = $run returning benchmark", {"run": body.run}
        ).fetchall()
        if not gone:
            raise NotFound(f"there is no evaluation {body.run!r}; the query benchmark_runs lists them")
        for table in ("benchmark_scores", "benchmark_results"):
            con.execute(f"delete from {table} where run = $run", {"run": body.run})
        con.execute(
            """
            delete from benchmark_items
            where benchmark = $benchmark and (item, item_hash) not in (
                select (item, item_hash)
                from benchmark_results join benchmark_runs using (run)
                where benchmark = $benchmark
            )
            """,
            {"benchmark": gone[0][0]},
        )
    return {"run": body.run, "forgotten_at": now.isoformat()}


def _insert_run(con: Connection, body: ClaimRun, at: datetime, done: list[str]) -> None:
    row = msgspec.structs.asdict(body) | {
        "protocol": as_json(body.protocol),
        "evaluated_at": naive(body.evaluated_at) if body.evaluated_at else None,
        "claimed_by": body.owner,
        "state": "running",
        "started_at": at,
        "beat_at": at,
        "done": len(done),
        "failed": 0,
    }
    del row["owner"], row["sure"]
    append(con, "benchmark_runs", [row])


def _learn(con: Connection, body: ClaimRun) -> None:
    con.execute(
        """
        update benchmark_runs
        set step = coalesce($step, step), model = coalesce($model, model),
            checkpoint = if($sure, $checkpoint, checkpoint)
        where run = $run
        """,
        {"run": body.run, "step": body.step, "model": body.model, "sure": body.sure, "checkpoint": body.checkpoint},
    )


def _own(con: Connection, run: str, owner: str, now: datetime) -> str:
    """The benchmark of a run that goes on, which has just been heard of."""
    changed = con.execute(
        """
        update benchmark_runs set beat_at = $at
        where run = $run and claimed_by = $owner and state = 'running'
        returning benchmark
        """,
        {"at": naive(now), "run": run, "owner": owner},
    ).fetchall()
    if not changed:
        raise NotFound(f"evaluation {run!r} is not run by {owner}; another process has taken it over, or it is over")
    return str(changed[0][0])


def _done(con: Connection, run: str) -> list[str]:
    return [
        item for (item,) in con.execute("select item from benchmark_results where run = $run", {"run": run}).fetchall()
    ]


def _result(run: str, one: Result) -> dict[str, Any]:
    answer = _cut(one.answer)
    return {
        "run": run,
        "item": one.item,
        "item_hash": one.item_hash,
        "scores": one.scores,
        "categories": one.categories,
        "grouped": one.group,
        "answer": answer,
        "cut": answer != one.answer,
        "failed": one.failed,
        "latency_ms": one.latency_ms,
    }


def _item(benchmark: str, one: Result) -> dict[str, Any]:
    return {
        "benchmark": benchmark,
        "item": one.item,
        "item_hash": one.item_hash,
        "question": _cut(one.question),
        "target": _cut(one.target),
        "media": one.media,
    }


def _cut(text: str | None) -> str | None:
    return None if text is None else text.encode("utf-8", "replace")[:TEXT_BYTES].decode("utf-8", "ignore")
