"""Full reports of Evidently: which were asked for, what one would compare, and the rows that it is made of."""

from datetime import datetime
from typing import Annotated, Any, Literal

import pyarrow as pa
from pydantic import Field

from monitor.errors import BadInput
from monitor.queries.drift_cells import Deployment
from monitor.queries.drift_reading import DeploymentOrAll, Meant, ReferenceId, meant
from monitor.queries.registry import Ask, Moment, Rows, Source, query
from monitor.store.archive import raw_relation
from monitor.store.jobs import LEASE
from monitor.store.reports import MOST_SAMPLE

Sample = Annotated[int, Field(ge=100, le=MOST_SAMPLE, description="most rows of a side")]
Seed = Annotated[int, Field(ge=0, le=2**31, description="another one chooses other rows; the same one always the same")]
TEXT = 1000
"""Characters of a text that a report reads."""

SIDES = pa.schema(
    [
        ("side", pa.string()),
        ("deployment", pa.string()),
        ("start", pa.timestamp("us")),
        ("end", pa.timestamp("us")),
        ("reference", pa.string()),
        ("name", pa.string()),
        ("n", pa.int64()),
    ]
)


@query
def drift_reports(
    ask: Ask,
    *,
    deployment: DeploymentOrAll = "",
    id: Annotated[str, Field(max_length=64, description="only this one; empty: all")] = "",  # noqa: A002
    state: Literal["", "waiting", "running", "lost", "done", "failed"] = "",
    limit: Rows = 100,
) -> pa.Table:
    """Reports that were asked for, newest first: what they compare, how far they are, and what came of them.

    `state` is waiting, running (at `step` read, describe, compare, render or keep, the number `steps_done` of `steps`),
    done, failed (with `problem`), or lost where the process that made it is gone: the job takes it up again.
    `n_window` and `n_reference` are the rows that were chosen by the hash of their event id, of `of_window` and
    `of_reference`. `summary` is JSON: `columns`, `drifted`, the list `features` with method, score and threshold, and
    why features were `left_out`.
    """
    return ask.sql(
        """
        with told as (
            select r.* exclude (state, claimed_by, attempts),
                case
                    when r.state = 'running' and not exists (
                        select 1
                        from job_runs j
                        where j.run = r.run and j.state = 'running' and j.beat_at > $lost
                    ) then 'lost'
                    else r.state
                end as state,
                epoch(coalesce(r.ended_at, $now) - r.started_at) as seconds
            from drift_reports r
            where ($deployment = '' or deployment = $deployment) and ($id = '' or id = $id)
        )
        select *
        from told
        where $state = '' or state = $state
        order by asked_at desc, id
        limit $limit
        """,
        deployment=deployment,
        id=id,
        state=state,
        limit=limit,
        now=ask.now,
        lost=ask.now - LEASE,
    )


@query
def drift_report_sides(
    ask: Ask,
    *,
    deployment: Deployment,
    source: Source = "production",
    start: Moment,
    end: Moment,
    reference: ReferenceId = "",
    reference_start: Moment | None = None,
    reference_end: Moment | None = None,
    reference_deployment: Annotated[str, Field(max_length=256, description="empty: the same deployment")] = "",
) -> pa.Table:
    """What a report would compare: the window and the reference, each with its number of described predictions.

    Without `reference_start` the reference is the one in force, or the one with the id `reference`.
    """
    window: dict[str, Any] = {"side": "window", "deployment": deployment, "start": start, "end": end}
    if (reference_start is None) != (reference_end is None):
        raise BadInput("give both reference_start and reference_end, or neither for the reference in force")
    if reference_start is not None and reference_end is not None:
        if reference_start >= reference_end:
            raise BadInput(
                f"reference_start {reference_start.isoformat()} is not before reference_end {reference_end.isoformat()}"
            )
        against = {"start": reference_start, "end": reference_end, "name": "a window"}
        against |= {"deployment": reference_deployment or deployment}
    else:
        against = _standing(meant(ask, source, deployment, reference), start)
    rows = [window, against | {"side": "reference"}]
    told = [row | {name: row[name].replace(tzinfo=None) for name in ("start", "end")} for row in rows]
    return pa.Table.from_pylist([row | {"n": _described(ask, source, row)} for row in told], SIDES)


@query
def drift_report_rows(
    ask: Ask,
    *,
    deployment: Deployment,
    source: Source = "production",
    start: Moment,
    end: Moment,
    sample: Sample = 20_000,
    seed: Seed = 0,
    texts: Annotated[bool, Field(description="with prompts and answers, cut at 1,000 characters")] = False,
) -> pa.Table:
    """A sample of described predictions with all their features, chosen by the hash of their event ids.

    `of_rows` is how many there are in the window. The rows come in the order of the hash, so that any first part of
    them is such a sample, too.
    """
    raw = raw_relation(ask.con, start.replace(tzinfo=None), end.replace(tzinfo=None))
    said = f", left(p.input_text, {TEXT}) as input_text, left(p.output_text, {TEXT}) as output_text"
    joined = f"""
        left join (
            select ts, event_id, input_text, output_text
            from {raw}
            where source = $source and deployment = $deployment and ts >= $start and ts < $end
        ) p using (ts, event_id)
        """
    return ask.sql(
        f"""
        with described as (
            select ts, event_id
            from features
            where source = $source and deployment = $deployment and ts >= $start and ts < $end
        ),
        chosen as (
            select ts, event_id, hash(event_id, $seed::bigint) as place
            from described
            order by place, ts, event_id
            limit $sample
        )
        select f.* exclude (source, deployment, image, prompt_vector, image_vector),
            (select count(*) from described) as of_rows {said if texts else ""}
        from chosen c join features f using (ts, event_id) {joined if texts else ""}
        where f.source = $source and f.deployment = $deployment and f.ts >= $start and f.ts < $end
        order by place, f.ts, f.event_id
        limit $sample
        """,
        deployment=deployment,
        source=source,
        start=start,
        end=end,
        sample=sample,
        seed=seed,
    )


def _standing(one: Meant, start: datetime) -> dict[str, Any]:
    """The window that a reference is, for one that begins at `start`."""
    window = one.window(start.replace(tzinfo=None))
    if window is None:
        raise BadInput(
            f"the reference {one.name!r} is a data set, whose rows are not in the store: "
            "give reference_start and reference_end"
        )
    return {"deployment": one.source_of, "start": window[0], "end": window[1], "reference": one.id, "name": one.name}


def _described(ask: Ask, source: str, side: dict[str, object]) -> int:
    found = ask.con.execute(
        """
        select count(*)
        from features
        where source = $source and deployment = $deployment and ts >= $start and ts < $end
        """,
        {"source": source} | {name: side[name] for name in ("deployment", "start", "end")},
    ).fetchall()
    return int(found[0][0])
