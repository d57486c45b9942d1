"""Probes: what can be asked, which runs there were, and what they were answered."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

import pyarrow as pa
from pydantic import Field

from monitor.errors import NotFound
from monitor.queries.registry import ALL, Ask, Names, Rows, query
from monitor.runtimes.targets import Target, targets
from monitor.store.archive import raw_relation

Run = Annotated[str, Field(min_length=1, max_length=128, description="id of the run")]
_AROUND = timedelta(minutes=1)
"""Answers are looked for so much before and after the run, too."""


@query
def probe_targets(ask: Ask) -> pa.Table:
    """What a probe can ask: deployments with a url or in the worker, and checkpoints with weights, one row each.

    `target` is the id that a probe is started with, `parent` the checkpoint that this one was trained from.
    """
    known = targets(ask.fleet)
    with_weights = {one.checkpoint.id for one in known.values() if one.deployment is None}
    text, whole = pa.string(), pa.int64()
    columns = {
        "target": text,
        "kind": text,
        "deployment": text,
        "checkpoint": text,
        "model": text,
        "step": whole,
        "parent": text,
        "environment": text,
        "runtime": text,
        "has_weights": pa.bool_(),
    }
    rows = [_target(one, one.checkpoint.id in with_weights) for one in known.values()]
    return pa.Table.from_pylist(rows, schema=pa.schema(columns))


def _target(target: Target, has_weights: bool) -> dict[str, Any]:
    return {
        "target": target.id,
        "kind": "deployment" if target.deployment else "checkpoint",
        "deployment": target.logged_as,
        "checkpoint": target.checkpoint.id,
        "model": target.checkpoint.model,
        "step": target.checkpoint.step,
        "parent": target.checkpoint.parent,
        "environment": target.deployment.environment if target.deployment else None,
        "runtime": target.runtime,
        "has_weights": has_weights,
    }


@query
def probe_runs(ask: Ask, *, kind: Literal["", "single", "batch", "load"] = "", limit: Rows = 100) -> pa.Table:
    """Runs of probes, newest first: what was asked of whom, by whom, and how far it came.

    `done` of `total` are answered, those that `failed` among them.
    """
    return ask.sql(
        """
        select run, kind, name, visitor, state, started_at, ended_at, updated_at, targets, total, done, failed,
            from_request, problem
        from probe_runs
        where kind = $kind or $kind = ''
        order by started_at desc, run desc
        limit $limit
        """,
        kind=kind,
        limit=limit,
    )


@query
def probe_run(ask: Ask, *, run: Run) -> pa.Table:
    """One run whole, with what was asked (`spec`) and what it came to (`result`, both JSON).

    `per_s` is the mean rate of answers up to now, `left_s` the seconds that the others take at this rate; null when
    that is not known, or the run is over.
    """
    table = ask.sql(
        """
        with known as (
            select *, epoch(coalesce(ended_at, updated_at) - started_at) as answering_s
            from probe_runs
            where run = $run
        )
        select * exclude (answering_s), epoch(coalesce(ended_at, greatest($now, started_at)) - started_at) as elapsed_s,
            case when done > 0 and answering_s > 0 then done / answering_s end as per_s,
            case when state = 'running' and total >= done then (total - done) / per_s end as left_s
        from known
        """,
        run=run,
        now=ask.now,
    )
    if table.num_rows == 0:
        raise NotFound(f"there is no probe run {run!r}; those there are come from the query probe_runs")
    return table


@query
def probe_items(ask: Ask, *, run: Run, only: Names = ALL, limit: Rows = 10_000) -> pa.Table:
    """The answers of a run, item by item in the order in which they were asked, of all targets or `only` of some.

    `right` compares the answer with the label, blanks apart; null where the request failed or has no label.
    """
    return ask.sql(
        f"""
        with answers as ({answers_of(ask, run)})
        select item, target, ts, event_id, deployment, checkpoint, model, environment, status, error_type,
            error_message, finish_reason, input_text, output_text, label, "right", latency_ms, ttft_ms, queue_ms,
            tokens_in, tokens_out, confidence, media, attrs, cut
        from answers
        where len($only) = 0 or list_contains($only::varchar[], target)
        order by min(ts) over (partition by item), item, target, ts, event_id
        limit $limit
        """,
        run=run,
        only=only,
        limit=limit,
    )


def answers_of(ask: Ask, run: str) -> str:
    """SQL for the predictions of a run, live and archived. Raises NotFound for a run that is not known."""
    found = ask.con.execute("select started_at, ended_at from probe_runs where run = $run", {"run": run}).fetchall()
    if not found:
        raise NotFound(f"there is no probe run {run!r}; those there are come from the query probe_runs")
    started, ended = found[0]
    start, end = started - _AROUND, (ended or _naive(ask.now)) + _AROUND
    return f"""
            select *, coalesce(attrs->>'$.item', event_id) as item, coalesce(attrs->>'$.target', deployment) as target,
                trim(regexp_replace(coalesce(output_text, ''), '\\s+', ' ', 'g')) as said,
                case when status = 'ok' then said = trim(regexp_replace(label, '\\s+', ' ', 'g')) end as "right"
            from {raw_relation(ask.con, start, end)}
            where ts >= '{start}' and ts < '{end}' and source = 'probe' and session_id = $run
            """


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)
