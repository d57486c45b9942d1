"""Benchmarks: which there are, their scores over steps and time, how each was run, and what came of each item."""

import json
from typing import Annotated, Any

import pyarrow as pa
from pydantic import Field

from monitor.benchmarks.protocol import apart
from monitor.harnesses.published import PUBLISHED
from monitor.queries.benchmark_reading import (
    NOTHING,
    BenchmarkId,
    Category,
    Figure,
    Ignore,
    Metric,
    ModelId,
    figures,
    main_group,
    newest,
    ranked,
)
from monitor.queries.registry import Ask, Rows, query
from monitor.records import Benchmark

Many = Annotated[int, Field(ge=1, le=100_000, description="most items")]

SCORES = pa.schema(
    [
        *((name, pa.string()) for name in ("benchmark", "metric", "category", "group", "checkpoint", "model")),
        ("step", pa.int64()),
        ("at", pa.timestamp("us")),
        ("value", pa.float64()),
        ("most", pa.float64()),
        ("share", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("higher_is_better", pa.bool_()),
        ("headline", pa.bool_()),
        ("n", pa.int64()),
        ("n_groups", pa.int64()),
        ("n_items", pa.int64()),
        ("how", pa.string()),
        ("reason", pa.string()),
        ("by_items", pa.bool_()),
        ("origin", pa.string()),
        ("is_newest", pa.bool_()),
        ("dated", pa.bool_()),
        ("run", pa.string()),
        ("protocol", pa.string()),
    ]
)


@query
def benchmarks(ask: Ask, *, model: ModelId = "") -> pa.Table:
    """Every benchmark: how many evaluations and checkpoints, how many groups that may be compared, and what counts.

    `metric` and `most` are those of the newest figure; `n_groups` counts protocols (see `benchmark_protocols`);
    `weight` and `margin` come from the fleet file; `evaluated` says whether we evaluate it ourselves.
    """
    counted = ask.sql(
        """
        select benchmark, count(*) as n_runs, count(*) filter (state = 'done') as n_done,
            count(*) filter (state = 'failed') as n_failed, count(*) filter (state = 'skipped') as n_skipped,
            count(*) filter (state in ('running', 'interrupted')) as n_open,
            count(distinct checkpoint) filter (state = 'done' and origin <> 'claim') as n_checkpoints,
            list(distinct model order by model) filter (model is not null) as models,
            max(coalesce(evaluated_at, started_at)) as newest_at, coalesce(max(done), 0) as n_items
        from benchmark_runs
        where $model = '' or model = $model
        group by benchmark
        order by benchmark
        """,
        model=model,
    ).to_pylist()
    found = figures(ask, model=model)
    rows = []
    for row in counted:
        of_it = [one for one in found if one.benchmark == row["benchmark"]]
        told = ask.fleet.benchmarks.get(row["benchmark"], Benchmark(row["benchmark"]))
        rows.append(
            row
            | {
                "metric": of_it[-1].metric if of_it else None,
                "most": of_it[-1].most if of_it else None,
                "higher_is_better": of_it[-1].higher_is_better if of_it else None,
                "n_groups": len({one.group for one in ranked(of_it)}),
                "weight": told.weight,
                "margin": told.margin,
                "evaluated": told.suite is not None,
            }
        )
    schema = pa.schema(
        [
            ("benchmark", pa.string()),
            *((name, pa.int64()) for name in ("n_runs", "n_done", "n_failed", "n_skipped", "n_open", "n_checkpoints")),
            ("models", pa.list_(pa.string())),
            ("newest_at", pa.timestamp("us")),
            ("n_items", pa.int64()),
            ("metric", pa.string()),
            ("most", pa.float64()),
            ("higher_is_better", pa.bool_()),
            ("n_groups", pa.int64()),
            ("weight", pa.float64()),
            ("margin", pa.float64()),
            ("evaluated", pa.bool_()),
        ]
    )
    return pa.Table.from_pylist(rows, schema=schema)


@query
def benchmark_runs(ask: Ask, *, benchmark: str = "", checkpoint: str = "", limit: Rows = 200) -> pa.Table:
    """Evaluations, newest first: state, what was wrong, how it was run, the file it came from and its SHA-256.

    `named` is what the harness calls the checkpoint; `failed` counts items without an answer; `notes` are oddities that
    the importer found.
    """
    return ask.sql(
        """
        select run, benchmark, checkpoint, named, model, step, revision, origin, state, problem, notes, evaluated_at,
            started_at, ended_at, source, source_sha256, total, done, failed, protocol::varchar as protocol
        from benchmark_runs
        where ($benchmark = '' or benchmark = $benchmark) and ($checkpoint = '' or checkpoint = $checkpoint)
        order by started_at desc, run
        limit $limit
        """,
        benchmark=benchmark,
        checkpoint=checkpoint,
        limit=limit,
    )


@query
def benchmark_scores(
    ask: Ask,
    *,
    benchmark: str = "",
    metric: Metric = "",
    category: Category = "",
    categories: bool = False,
    checkpoint: str = "",
    model: ModelId = "",
    ignore: Ignore = NOTHING,
) -> pa.Table:
    """Every score with its interval at 95 %, oldest first; scores of one `group` may be compared, others may not.

    `value`, `low` and `high` have the unit of the file, `share` is value / most. `how` says what the interval comes
    from (wilson, bootstrap, stderr), `reason` why there is none. `dated` is false where the files do not say when it
    was evaluated: `at` is then when it was written here. With `categories`, of all of them.
    """
    found = figures(
        ask,
        benchmarks=[benchmark] if benchmark else [],
        metric=metric,
        category=None if categories else category,
        model=model,
        checkpoints=[checkpoint] if checkpoint else [],
        ignore=ignore,
    )
    latest = {(one.run, one.metric, one.category) for one in newest(found)}
    rows = [score_row(one) | {"is_newest": (one.run, one.metric, one.category) in latest} for one in found]
    return pa.Table.from_pylist(rows, schema=SCORES)


def score_row(one: Figure) -> dict[str, Any]:
    """A figure as a row of SCORES."""
    names = {*SCORES.names} - {"at", "share", "is_newest", "dated", "protocol"}
    return {name: getattr(one, name) for name in names} | {
        "at": one.when,
        "share": one.share,
        "dated": one.at is not None,
        "protocol": json.dumps(one.protocol, sort_keys=True),
    }


@query
def benchmark_protocols(ask: Ask, *, benchmark: BenchmarkId, ignore: Ignore = NOTHING) -> pa.Table:
    """How a benchmark was run: a row for each group of evaluations that may be compared with each other.

    `apart` names what keeps the group apart from the main one, which has the most checkpoints.
    """
    found = ranked(figures(ask, benchmarks=[benchmark], ignore=ignore))
    main = main_group(found)
    first = {one.group: one for one in reversed(found)}
    rows: list[dict[str, Any]] = []
    for group, one in first.items():
        of_it = [other for other in found if other.group == group]
        rows.append(
            {
                "group": group,
                "is_main": group == main,
                "n_runs": len({other.run for other in of_it}),
                "n_checkpoints": len({other.checkpoint for other in of_it}),
                "newest_at": of_it[-1].when,
                "apart": apart(one.protocol, first[main].protocol, ignore) if main else [],
                "protocol": json.dumps(one.protocol, sort_keys=True),
            }
        )
    rows.sort(key=lambda row: (not row["is_main"], -row["n_checkpoints"], row["group"]))
    schema = pa.schema(
        [
            ("group", pa.string()),
            ("is_main", pa.bool_()),
            ("n_runs", pa.int64()),
            ("n_checkpoints", pa.int64()),
            ("newest_at", pa.timestamp("us")),
            ("apart", pa.list_(pa.string())),
            ("protocol", pa.string()),
        ]
    )
    return pa.Table.from_pylist(rows, schema=schema)


@query
def benchmark_items(ask: Ask, *, run: str, metric: Metric = "", failed: bool = False, limit: Many = 1000) -> pa.Table:
    """The items of one evaluation: question, target, answer, and what each counts (`share`); the worst first.

    With `failed`, only those without an answer. Texts were cut at 16 KiB (`cut`).
    """
    return ask.sql(
        """
        with chosen as (
            select coalesce(nullif($metric, ''), max(metric) filter (headline)) as metric
            from benchmark_scores where run = $run
        )
        select r.item, r.item_hash, coalesce(scores[metric], map_values(scores)[1]) as share, r.categories, r.grouped,
            question, target, answer, cut, r.failed, latency_ms, media
        from benchmark_results r
            join benchmark_runs b using (run)
            join benchmark_items i on i.benchmark = b.benchmark and i.item = r.item and i.item_hash = r.item_hash
            cross join chosen
        where run = $run and (not $failed or r.failed is not null)
        order by share, r.item
        limit $limit
        """,
        run=run,
        metric=metric,
        failed=failed,
        limit=limit,
    )


@query
def benchmark_published(ask: Ask, *, benchmark: str = "") -> pa.Table:
    """Figures that model cards publish, with their source: lines to look at beside ours, never part of a comparison."""
    rows = [
        {
            "model": one.model,
            "benchmark": one.benchmark,
            "metric": one.metric,
            "value": one.value,
            "most": one.most,
            "source": one.source,
            "url": one.url,
        }
        for one in PUBLISHED
        if not benchmark or one.benchmark == benchmark
    ]
    text, number = pa.string(), pa.float64()
    kinds = [("model", text), ("benchmark", text), ("metric", text), ("value", number), ("most", number)]
    return pa.Table.from_pylist(rows, schema=pa.schema([*kinds, ("source", text), ("url", text)]))
