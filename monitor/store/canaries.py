"""Suites, replays, results, baselines and signals of canaries in the store. Called through `results`."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec

from monitor.errors import NotFound
from monitor.store.batches import append, as_json
from monitor.store.database import Connection, naive, transaction
from monitor.store.jobs import LEASE, Id, Moment, Whole, Words

KINDS = ("learn", "replay")
SKEW = timedelta(hours=1)
"""So much the clock of a job may be behind that of the api: results are not looked for before."""

ENDED = ("done", "failed")
"""States of runs that nobody takes up again; an interrupted one goes on when its slot is tried again."""

INTERRUPTED = "its process ended before it did; the answers that it had by then are kept"
OUTCOMES = ("pass", "fail", "unknown", "error")
CHANNELS = ("quality", "behaviour", "latency")
ANSWER_BYTES = 16_384
"""Longer answers are cut in results; the prediction has all that the door keeps."""

Hash = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{16}$")]


class Definition(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """An item as the suite file defines it."""

    item: Id
    item_hash: Hash
    definition: dict[str, Any]


class SuiteVersion(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A suite as it is now; one that is known already changes nothing."""

    suite: Id
    version: Hash
    about: Words = ""
    items: list[Definition]


class Sweep(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Runs of a canary that no process runs any more are to be told so."""

    canary: Id


class ClaimRun(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A process wants to replay a suite on a deployment."""

    run: Id
    canary: Id
    suite: Id
    version: Hash
    deployment: Id
    checkpoint: Id
    slot: Moment
    kind: Literal["learn", "replay"]
    trigger: Literal["schedule", "page", "command"]
    owner: Id
    in_flight: Annotated[int, msgspec.Meta(ge=1)]
    total: Whole
    job_run: Id | None = None


class Result(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One answer of one item, or what came instead of it. Times in milliseconds."""

    item: Id
    item_hash: Hash
    in_flight: Annotated[int, msgspec.Meta(ge=1)]
    repeat: Whole
    ts: Moment
    event_id: Id | None = None
    outcome: Literal["pass", "fail", "unknown", "error"]
    checks: list[dict[str, Any]] = []
    answer: str | None = None
    variant: Hash | None = None
    logprob: float | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    latency_ms: float | None = None
    ttft_ms: float | None = None
    finish_reason: str | None = None
    served_as: str | None = None
    error_type: str | None = None
    error_message: str | None = None


class Results(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Results of a run that goes on, and what it has taken so far."""

    run: Id
    owner: Id
    results: list[Result]
    tokens: Whole = 0
    usd: float = 0.0


class EndRun(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A replay is over."""

    run: Id
    owner: Id
    state: Literal["done", "failed", "interrupted"]
    problem: Words | None = None


class Signal(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What one run says about one channel; `tag` is empty for the whole suite."""

    channel: Literal["quality", "behaviour", "latency"]
    tag: str
    state: Literal["ok", "warn", "alert", "no_data"]
    log_e: float
    log_e_confirmed: float
    n_reference: Whole
    n_recent: Whole
    n_items: Whole
    since: str | None = None
    effect: float | None = None
    items: list[str] = []


class Signals(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The signals of a run; told again they replace what was told before."""

    run: Id
    signals: list[Signal]


class Baseline(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What a deployment does from now on is what it is expected to do: the next run learns it anew."""

    canary: Id
    deployment: Id
    by: Id
    reason: Words = ""


def know_suite(con: Connection, body: SuiteVersion, now: datetime) -> dict[str, Any]:
    """Keep the definitions that are new; a version that is known changes nothing."""
    known = "select 1 from canary_suites where suite = $suite and version = $version"
    if con.execute(known, {"suite": body.suite, "version": body.version}).fetchall():
        return {"suite": body.suite, "version": body.version}
    with transaction(con):
        con.execute(
            "insert or ignore into canary_suites values ($suite, $version, $about, $items, $at)",
            {
                "suite": body.suite,
                "version": body.version,
                "about": body.about,
                "items": as_json([{"item": one.item, "item_hash": one.item_hash} for one in body.items]),
                "at": naive(now),
            },
        )
        rows = [
            {
                "suite": body.suite,
                "item": one.item,
                "item_hash": one.item_hash,
                "definition": as_json(one.definition),
                "first_seen": naive(now),
            }
            for one in body.items
        ]
        if rows:
            append(con, "canary_items", rows, "on conflict do update set definition = excluded.definition")
    return {"suite": body.suite, "version": body.version}


def sweep(con: Connection, body: Sweep, now: datetime) -> dict[str, Any]:
    """Runs without a beat, and those of a run of a job that is over, become interrupted: their answers count."""
    swept = con.execute(
        """
        update canary_runs
        set state = 'interrupted', ended_at = beat_at, problem = $problem
        where canary = $canary and state = 'running' and (
            beat_at <= $lost or job_run in (select run from job_runs where state not in ('running', 'waiting'))
        )
        returning run
        """,
        {"canary": body.canary, "lost": naive(now) - LEASE, "problem": INTERRUPTED},
    ).fetchall()
    return {"canary": body.canary, "interrupted": [run for (run,) in swept]}


def claim_run(con: Connection, body: ClaimRun, now: datetime) -> dict[str, Any]:
    """Returns `claimed`; for a run that is taken over, `done` lists [item, in_flight, repeat] that have an answer."""
    at = naive(now)
    known = con.execute(
        "select state, claimed_by, beat_at from canary_runs where run = $run", {"run": body.run}
    ).fetchall()
    if known:
        state, owner, beat = known[0]
        if state in ENDED or (state == "running" and owner != body.owner and beat > at - LEASE):
            return {"claimed": False, "state": state, "held_by": owner, "done": [], "tokens": 0, "usd": 0.0}
        con.execute(
            """
            update canary_runs
            set state = 'running', ended_at = null, problem = null, claimed_by = $owner, beat_at = $at,
                job_run = $job_run
            where run = $run
            """,
            {"owner": body.owner, "at": at, "run": body.run, "job_run": body.job_run},
        )
        (spent,) = con.execute("select tokens, usd from canary_runs where run = $run", {"run": body.run}).fetchall()
        taken = {"done": _done(con, body.run), "tokens": spent[0], "usd": spent[1]}
        return {"claimed": True, "state": "running", "held_by": body.owner, **taken}
    values = msgspec.structs.asdict(body) | {"slot": naive(body.slot), "at": at}
    con.execute(
        """
        insert into canary_runs (
            run, canary, suite, version, deployment, checkpoint, slot, kind, trigger, job_run, state, claimed_by,
            started_at, beat_at, in_flight, total, done, passed, failed, errors, tokens, usd
        )
        values (
            $run, $canary, $suite, $version, $deployment, $checkpoint, $slot, $kind, $trigger, $job_run, 'running',
            $owner, $at, $at, $in_flight, $total, 0, 0, 0, 0, 0, 0
        )
        """,
        values,
    )
    return {"claimed": True, "state": "running", "held_by": body.owner, "done": [], "tokens": 0, "usd": 0.0}


def add_results(con: Connection, body: Results, now: datetime) -> dict[str, Any]:
    """Write results of questions that have none yet. Raises NotFound when the run was taken over."""
    with transaction(con):
        _own(con, body.run, body.owner, now)
        if body.results:
            _insert(con, body.run, body.results)
        (started,) = con.execute("select started_at from canary_runs where run = $run", {"run": body.run}).fetchall()[0]
        con.execute(
            """
            update canary_runs
            set done = n, passed = good, failed = bad, errors = broken, tokens = $tokens, usd = $usd
            from (
                select count(*) as n, count(*) filter (outcome = 'pass') as good,
                    count(*) filter (outcome = 'fail') as bad,
                    count(*) filter (outcome in ('error', 'unknown')) as broken
                from canary_results
                where run = $run and ts >= $from
            )
            where run = $run
            """,
            {"run": body.run, "tokens": body.tokens, "usd": body.usd, "from": started - SKEW},
        )
    return {"run": body.run, "kept": len(body.results)}


def end_run(con: Connection, body: EndRun, now: datetime) -> dict[str, Any]:
    """Write how it ended. Raises NotFound when the run was taken over."""
    _own(con, body.run, body.owner, now)
    con.execute(
        "update canary_runs set state = $state, ended_at = $at, problem = $problem where run = $run",
        {"run": body.run, "state": body.state, "problem": body.problem, "at": naive(now)},
    )
    return {"run": body.run, "state": body.state}


def set_signals(con: Connection, body: Signals, now: datetime) -> dict[str, Any]:
    """Write the signals of a run. Raises NotFound for a run that is not known."""
    known = con.execute("select canary, deployment from canary_runs where run = $run", {"run": body.run}).fetchall()
    if not known:
        raise NotFound(f"there is no canary run {body.run!r}")
    canary, deployment = known[0]
    head = {"run": body.run, "canary": canary, "deployment": deployment, "judged_at": naive(now)}
    rows = [head | msgspec.structs.asdict(one) for one in body.signals]
    with transaction(con):
        con.execute("delete from canary_signals where run = $run", {"run": body.run})
        if rows:
            append(con, "canary_signals", rows)
    return {"run": body.run, "signals": len(rows)}


def accept(con: Connection, body: Baseline, now: datetime) -> dict[str, Any]:
    """A new baseline from now on."""
    con.execute(
        "insert into canary_baselines values ($canary, $deployment, $at, $by, $reason)",
        {
            "canary": body.canary,
            "deployment": body.deployment,
            "at": naive(now),
            "by": body.by,
            "reason": body.reason,
        },
    )
    return {"canary": body.canary, "deployment": body.deployment, "since": now.isoformat()}


def _own(con: Connection, run: str, owner: str, now: datetime) -> None:
    changed = con.execute(
        """
        update canary_runs set beat_at = $at
        where run = $run and claimed_by = $owner and state = 'running'
        returning 1
        """,
        {"at": naive(now), "run": run, "owner": owner},
    ).fetchall()
    if not changed:
        raise NotFound(f"canary run {run!r} is not run by {owner}; another process has taken it over, or it is over")


def _insert(con: Connection, run: str, results: list[Result]) -> None:
    rows = []
    for one in results:
        answer = None if one.answer is None else one.answer.encode()[:ANSWER_BYTES].decode("utf-8", "ignore")
        cut = answer != one.answer
        rows.append(
            {
                "run": run,
                **msgspec.structs.asdict(one),
                "ts": naive(one.ts),
                "checks": as_json(one.checks),
                "answer": answer,
                "cut": cut,
            }
        )
    append(con, "canary_results", rows)


def _done(con: Connection, run: str) -> list[list[Any]]:
    found = con.execute("select item, in_flight, repeat from canary_results where run = $run", {"run": run}).fetchall()
    return [list(row) for row in found]
