"""Canaries: where they ran, which items passed, failed or flipped, and how the pass rate moved."""

from typing import Annotated

import numpy as np
import pyarrow as pa
from pydantic import Field

from monitor.errors import NotFound
from monitor.queries.canary_replays import Baseline, Item, baseline, first_start, items_of, planned_pairs
from monitor.queries.registry import Ask, Moment, Rows, query
from monitor.stats.intervals import wilson_arrays
from monitor.stats.sequences import mean_sequence

CanaryId = Annotated[str, Field(min_length=1, max_length=128, description="id of a canary of the fleet file")]
DeploymentId = Annotated[str, Field(min_length=1, max_length=128, description="a deployment that it runs on")]
ItemId = Annotated[str, Field(min_length=1, max_length=128, description="an item of the suite")]
Tag = Annotated[str, Field(max_length=128, description="only items with this tag; empty: all")]


@query
def canary_deployments(ask: Ask) -> pa.Table:
    """Each canary on each deployment that it runs on or ran on: its newest replay, its state, and when it was learned.

    `state` is the worst of the signals of the newest judged run: ok, warn, alert, or no_data, which is also that of a
    deployment that a canary does not run on any more (`planned` is false). Counts are of the newest
    run; `flips_bad` and `flips_good` count items that passed in one of the last two replays and failed in the other.
    `accepted_...` is the newest time somebody accepted what it answers as the baseline, who, and why.
    """
    pairs = planned_pairs(ask)
    newest = "kind = 'replay' qualify row_number() over (partition by canary, deployment order by started_at desc) <= 2"
    return ask.sql(
        """
        with planned as (
            select unnest($canaries::varchar[]) as canary, unnest($deployments::varchar[]) as deployment
        ),
        ran as (
            select *, row_number() over (partition by canary, deployment order by started_at desc, run) as age
            from canary_runs
            where kind = 'replay'
            qualify age <= 2
        ),
        learned as (
            select canary, deployment, checkpoint, max(started_at) as learned_at
            from canary_runs
            where kind = 'learn' and state = 'done'
            group by all
        ),
        latest as (
            select canary, deployment, arg_max(run, judged_at) as run from canary_signals group by all
        ),
        judged as (
            select canary, deployment,
                case max(case state when 'alert' then 3 when 'warn' then 2 when 'ok' then 1 else 0 end)
                    when 3 then 'alert' when 2 then 'warn' when 1 then 'ok' else 'no_data' end as state,
                list(distinct channel order by channel) filter (state in ('warn', 'alert')) as channels
            from canary_signals semi join latest using (run)
            group by canary, deployment
        ),
        outcomes as (
            select r.canary, r.deployment, item, item_hash, max(outcome) filter (age = 1) as new,
                max(outcome) filter (age = 2) as old
            from canary_results join ran r using (run)
            where ts >= $oldest
            group by all
        ),
        flips as (
            select canary, deployment, count(*) filter (old = 'pass' and new = 'fail') as flips_bad,
                count(*) filter (old = 'fail' and new = 'pass') as flips_good
            from outcomes
            group by all
        ),
        accepted as (
            select canary, deployment, since as accepted_at, by_whom as accepted_by, reason as accepted_reason
            from canary_baselines
            qualify row_number() over (partition by canary, deployment order by since desc) = 1
        ),
        pairs as (select canary, deployment from planned union select canary, deployment from canary_runs)
        select p.canary, p.deployment, l.suite, l.version, l.checkpoint,
            if(w.canary is null, 'no_data', coalesce(j.state, 'no_data')) as state,
            coalesce(j.channels, []) as channels, l.run, l.state as run_state, l.started_at, l.ended_at, l.total,
            l.passed, l.failed, l.errors, l.problem, coalesce(f.flips_bad, 0) as flips_bad,
            coalesce(f.flips_good, 0) as flips_good, d.learned_at, b.accepted_at, b.accepted_by, b.accepted_reason,
            w.canary is not null as planned
        from pairs p
            left join planned w on w.canary = p.canary and w.deployment = p.deployment
            left join ran l on l.canary = p.canary and l.deployment = p.deployment and l.age = 1
            left join judged j on j.canary = p.canary and j.deployment = p.deployment
            left join flips f on f.canary = p.canary and f.deployment = p.deployment
            left join learned d
                on d.canary = p.canary and d.deployment = p.deployment and d.checkpoint = l.checkpoint
            left join accepted b on b.canary = p.canary and b.deployment = p.deployment
        order by p.canary, p.deployment
        """,
        canaries=[canary for canary, _ in pairs],
        deployments=[name for _, name in pairs],
        oldest=first_start(ask, newest),
    )


@query
def canary_runs(
    ask: Ask, *, canary: str = "", deployment: str = "", start: Moment | None = None, limit: Rows = 200
) -> pa.Table:
    """Replays and learning runs, newest first: counts, budget taken, state, and why some items were not asked."""
    return ask.sql(
        """
        select r.*, case when done > errors then passed / (done - errors) end as pass_rate,
            epoch(coalesce(ended_at, beat_at) - started_at) as seconds
        from canary_runs r
        where ($canary = '' or canary = $canary) and ($deployment = '' or deployment = $deployment)
            and ($start::timestamp is null or started_at >= $start)
        order by started_at desc, run
        limit $limit
        """,
        canary=canary,
        deployment=deployment,
        start=start,
        limit=limit,
    )


@query
def canary_matrix(ask: Ask, *, canary: CanaryId, deployment: DeploymentId, tag: Tag = "", runs: Rows = 30) -> pa.Table:
    """Items by runs: one row for each item of the newest version and each of the newest runs, both in their order.

    `cell` is pass, fail, flaky (repeats of one run part), error, unknown or no_data; `flip` says bad or good where it
    differs from the cell before. Results of another content of the item are no_data: its history began anew.
    """
    at = baseline(ask, canary, deployment)
    items = [item for item in items_of(ask, at) if not tag or tag in item.tags]
    return ask.sql(
        """
        with shown as (
            select run, kind, started_at, checkpoint
            from canary_runs
            where canary = $canary and deployment = $deployment and (done > 0 or state <> 'running')
            order by started_at desc, run
            limit $runs
        ),
        listed as (
            select unnest($items::varchar[]) as item, unnest($hashes::varchar[]) as item_hash,
                unnest($tags::varchar[][]) as tags, unnest($places::integer[]) as place
        ),
        found as (
            select run, item, item_hash, count(*) as n, count(*) filter (outcome = 'pass') as passes,
                count(*) filter (outcome = 'fail') as fails, count(*) filter (outcome = 'unknown') as unknown,
                max(error_type) as error_type, median(latency_ms) as latency_ms
            from canary_results join shown using (run)
            group by all
        ),
        cells as (
            select place, l.item, tags, run, kind, started_at, checkpoint, coalesce(n, 0) as n,
                coalesce(passes, 0) as passes, error_type, latency_ms,
                case when n is null then 'no_data' when passes > 0 and fails > 0 then 'flaky'
                    when passes > 0 then 'pass' when fails > 0 then 'fail' when unknown > 0 then 'unknown'
                    else 'error' end as cell
            from listed l cross join shown
                left join found using (run, item, item_hash)
        ),
        known as (
            select *, last_value(case when cell in ('pass', 'fail') then cell end ignore nulls) over (
                partition by item order by started_at, run rows between unbounded preceding and 1 preceding
            ) as before
            from cells
        )
        select place, item, tags, run, kind, started_at, checkpoint, n, passes, cell, error_type, latency_ms,
            case when cell = 'fail' and before = 'pass' then 'bad'
                when cell = 'pass' and before = 'fail' then 'good' end as flip
        from known
        order by place, started_at, run
        """,
        canary=canary,
        deployment=deployment,
        runs=runs,
        items=[item.id for item in items],
        hashes=[item.hash for item in items],
        tags=[list(item[2]) for item in items],
        places=list(range(len(items))),
    )


@query
def canary_item(ask: Ask, *, canary: CanaryId, deployment: DeploymentId, item: ItemId, limit: Rows = 60) -> pa.Table:
    """The answers to one item, newest first, with what each check said; `last_good` marks the newest that passed.

    `definition` is the item as the suite had it then: messages (images by SHA-256), settings and checks.
    """
    at = baseline(ask, canary, deployment)
    table = ask.sql(
        """
        with answers as (
            select r.*, c.kind, c.checkpoint, c.slot, i.definition
            from canary_results r join canary_runs c using (run)
                join canary_items i on i.suite = c.suite and i.item = r.item and i.item_hash = r.item_hash
            where c.canary = $canary and c.deployment = $deployment and r.item = $item
        )
        select run, kind, checkpoint, slot, ts, event_id, in_flight, repeat, outcome, checks, answer, cut, variant,
            logprob, tokens_in, tokens_out, latency_ms, ttft_ms, finish_reason, served_as, error_type, error_message,
            item_hash, definition,
            outcome = 'pass' and row_number() over (partition by outcome order by ts desc, run) = 1 as last_good
        from answers
        order by ts desc, run, in_flight, repeat
        limit $limit
        """,
        canary=canary,
        deployment=deployment,
        item=item,
        limit=limit,
    )
    if table.num_rows == 0 and item not in {one.id for one in items_of(ask, at)}:
        raise NotFound(f"suite {at.suite!r} has no item {item!r}; the query canary_matrix lists its items")
    return table


@query
def canary_trend(
    ask: Ask,
    *,
    canary: CanaryId,
    deployment: DeploymentId,
    tag: Tag = "",
    start: Moment | None = None,
    runs: Rows = 500,
) -> pa.Table:
    """The pass rate of each of the newest runs, oldest first, with its n, its interval and a confidence sequence.

    The rate is of items that were answered and could be checked, each by the content it has now, weighted by the
    suite; `low` and `high` are Wilson's 95 % interval of the unweighted share of a replay. A learning run has none, as
    it asks each item several times. `mean_low` and `mean_high` bound the mean pass rate of the replays since the
    baseline of the newest run (of its checkpoint, since it was last accepted) with 95 % confidence at all of them
    together, so they may be looked at after every run. They are the same whatever part of the runs is asked for; runs
    before that and learning runs have none, nor have those after the first 10,000.
    """
    at = baseline(ask, canary, deployment)
    items = [item for item in items_of(ask, at) if not tag or tag in item.tags]
    table = _run_figures(ask, canary, deployment, items, start, runs)
    low, high = wilson_arrays(table["passes"].to_numpy(), table["n"].to_numpy())
    replay = np.array([kind == "replay" for kind in table["kind"].to_pylist()], dtype=bool)
    means = _means(ask, canary, deployment, at, items, tag)
    ends = np.array([means.get(run, (np.nan, np.nan)) for run in table["run"].to_pylist()]).reshape(-1, 2)
    columns = {
        "low": np.where(replay, low, np.nan),
        "high": np.where(replay, high, np.nan),
        "mean_low": ends[:, 0],
        "mean_high": ends[:, 1],
    }
    for name, values in columns.items():
        table = table.append_column(name, pa.array(values, from_pandas=True))
    return table


def _run_figures(
    ask: Ask, canary: str, deployment: str, items: list[Item], start: Moment | None, runs: int
) -> pa.Table:
    """Counts, weighted pass rate and latency of each of the newest runs, over these items."""
    return ask.sql(
        """
        with shown as materialized (
            select run, kind, started_at, checkpoint, in_flight
            from canary_runs
            where canary = $canary and deployment = $deployment and state <> 'running'
                and ($start::timestamp is null or started_at >= $start)
            order by started_at desc, run
            limit $runs
        ),
        listed as materialized (
            select unnest($items::varchar[]) as item, unnest($hashes::varchar[]) as item_hash,
                unnest($weights::double[]) as weight
        ),
        answers as materialized (
            select run, item, item_hash, outcome, latency_ms, ttft_ms
            from canary_results join (select run from shown) using (run)
            where ts >= $oldest
        ),
        figures as (
            select run,
                count(*) filter (outcome in ('pass', 'fail')) as n, count(*) filter (outcome = 'pass') as passes,
                count(*) filter (outcome not in ('pass', 'fail')) as errors,
                sum(weight) filter (outcome = 'pass') / nullif(sum(weight) filter (outcome in ('pass', 'fail')), 0)
                    as pass_rate,
                quantile_cont(latency_ms, [0.5, 0.95]) as latencies,
                median(ttft_ms) as ttft_ms
            from answers join listed using (item, item_hash)
            group by run
        )
        select run, kind, started_at, checkpoint, in_flight, n, passes, errors, pass_rate,
            latencies[1] as latency_ms, latencies[2] as latency_p95_ms, ttft_ms
        from figures join shown using (run)
        order by started_at, run
        """,
        canary=canary,
        deployment=deployment,
        start=start,
        runs=runs,
        oldest=first_start(
            ask,
            """canary = $canary and deployment = $deployment and state <> 'running'
            qualify row_number() over (order by started_at desc, run) <= $runs""",
            canary=canary,
            deployment=deployment,
            runs=runs,
        ),
        items=[item.id for item in items],
        hashes=[item.hash for item in items],
        weights=[item.weight for item in items],
    )


MOST_REPLAYS = 10_000
"""Replays that a confidence sequence goes on for: more than a year of hourly ones."""


def _means(
    ask: Ask, canary: str, deployment: str, at: Baseline, items: list[Item], tag: str
) -> dict[str, tuple[float, float]]:
    """The confidence sequence of the mean pass rate: its ends at each judged replay since the baseline.

    Where each item counts alike, the counts of a run of the newest version say as much as its results.
    """
    table = ask.sql(
        """
        with chosen as materialized (
            select run, started_at, passed, failed, $alike and version = $version as counted
            from canary_runs
            where canary = $canary and deployment = $deployment and checkpoint = $checkpoint and kind = 'replay'
                and state <> 'running' and ($since::timestamp is null or started_at >= $since)
            order by started_at, run
            limit $most
        ),
        listed as materialized (
            select unnest($items::varchar[]) as item, unnest($hashes::varchar[]) as item_hash,
                unnest($weights::double[]) as weight
        ),
        answers as materialized (
            select run, started_at, item, item_hash, outcome
            from canary_results join (from chosen where not counted) using (run)
            where outcome in ('pass', 'fail')
        )
        select run, started_at, sum(weight) filter (outcome = 'pass') as passed, sum(weight) as judged
        from answers join listed using (item, item_hash)
        group by run, started_at
        union all
        select run, started_at, passed, passed + failed from chosen where counted and passed + failed > 0
        order by started_at, run
        """,
        canary=canary,
        deployment=deployment,
        checkpoint=at.checkpoint,
        since=at.since,
        version=at.version,
        alike=not tag and len({item.weight for item in items}) == 1,
        most=MOST_REPLAYS,
        items=[item.id for item in items],
        hashes=[item.hash for item in items],
        weights=[item.weight for item in items],
    )
    rates = np.nan_to_num(table["passed"].to_numpy()) / table["judged"].to_numpy()
    return dict(zip(table["run"].to_pylist(), zip(*mean_sequence(np.minimum(rates, 1.0)), strict=True), strict=True))


@query
def canary_learned(ask: Ask, *, canary: CanaryId, deployment: DeploymentId, checkpoint: str) -> pa.Table:
    """How often each item was asked of this checkpoint, and answered, while it was learned, since its baseline.

    Runs that still go on do not count.
    """
    return ask.sql(
        """
        select item, item_hash, count(*) as asked, count(*) filter (outcome <> 'error') as answered
        from canary_results join canary_runs using (run)
        where canary = $canary and deployment = $deployment and checkpoint = $checkpoint and kind = 'learn'
            and state <> 'running'
            and started_at >= coalesce((
                select max(since) from canary_baselines where canary = $canary and deployment = $deployment
            ), started_at)
        group by all
        order by item, item_hash
        """,
        canary=canary,
        deployment=deployment,
        checkpoint=checkpoint,
    )
