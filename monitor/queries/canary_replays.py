"""The replays of a suite on a deployment as arrays, for the queries that judge them.

Only what is the same is put together: one checkpoint, items whose content is that of the newest version, and runs since
the baseline was last accepted. The reference is what was learned and the replays before the recent ones, without those
of an alarm: a change does not become normal by waiting, and one that comes back is found again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from monitor.canary.noise import Replays
from monitor.errors import NotFound
from monitor.queries.registry import Ask
from monitor.store.archive import EVER

WINDOW = 24
"""The newest replays are asked whether something changed before one of them."""

KEPT = 96
"""So many replays before the recent ones belong to the reference, besides what was learned."""


OUTCOMES = {"pass": 1, "fail": 0}


@dataclass(frozen=True, slots=True)
class Baseline:
    """Where the replays of a deployment stand: its newest run, and since when runs count."""

    run: str
    suite: str
    version: str
    checkpoint: str
    since: Any  # naive UTC, or None


def baseline(ask: Ask, canary: str, deployment: str) -> Baseline:
    """Raises NotFound where this canary never ran on this deployment."""
    found = ask.con.execute(
        """
        select run, suite, version, checkpoint,
            (select max(since) from canary_baselines where canary = $canary and deployment = $deployment)
        from canary_runs
        where canary = $canary and deployment = $deployment
        order by started_at desc, run
        limit 1
        """,
        {"canary": canary, "deployment": deployment},
    ).fetchall()
    if not found:
        raise NotFound(
            f"canary {canary!r} never ran on {deployment!r}; the query canary_deployments lists where canaries ran"
        )
    return Baseline(*found[0])


def items_of(ask: Ask, at: Baseline) -> list[tuple[str, str, tuple[str, ...], float, str | None]]:
    """Id, hash, tags, weight and group of the items of the newest version, in their order."""
    return [
        (row[0], row[1], tuple(row[2] or ()), float(row[3] or 1.0), row[4])
        for row in ask.con.execute(
            """
            with listed as (
                select unnest(from_json(items, '[{"item": "varchar", "item_hash": "varchar"}]'), recursive := true),
                    generate_subscripts(from_json(items, '[{"item": "varchar", "item_hash": "varchar"}]'), 1) as place
                from canary_suites
                where suite = $suite and version = $version
            )
            select item, item_hash, from_json(definition->'tags', '["varchar"]') as tags,
                (definition->>'weight')::double as weight, definition->>'group' as grouped
            from listed join canary_items using (item, item_hash)
            where suite = $suite
            order by place
            """,
            {"suite": at.suite, "version": at.version},
        ).fetchall()
    ]


def first_start(ask: Ask, which: str, **values: Any) -> datetime:
    """When the first of some runs began (naive UTC): results have no earlier time, so that older ones need no look."""
    found = ask.con.execute(f"select min(started_at) from (select * from canary_runs where {which})", values).fetchall()
    return found[0][0] or EVER


def replays(ask: Ask, canary: str, deployment: str) -> Replays:
    """Reference rows first, oldest first. Raises NotFound like `baseline`."""
    at = baseline(ask, canary, deployment)
    items = items_of(ask, at)
    runs = _runs(ask, canary, deployment, at)
    learned = [run for run, kind, _ in runs if kind == "learn"]
    replayed = [(run, started) for run, kind, started in runs if kind == "replay"]
    recent = replayed[-WINDOW:]
    alarms = _alarms(ask, canary, deployment)
    before = [
        (run, started)
        for run, started in replayed[: len(replayed) - len(recent)]
        if not any(first <= started <= last for first, last in alarms)
    ]
    reference = [*learned, *(run for run, _ in before[-KEPT:])]
    return _arrays(ask, items, reference, [run for run, _ in recent])


def _runs(ask: Ask, canary: str, deployment: str, at: Baseline) -> list[tuple[str, str, Any]]:
    """Runs that are over, oldest first: id, kind and start."""
    return ask.con.execute(
        """
        select run, kind, started_at
        from canary_runs
        where canary = $canary and deployment = $deployment and checkpoint = $checkpoint and state <> 'running'
            and ($since::timestamp is null or started_at >= $since)
        order by started_at, run
        """,
        {"canary": canary, "deployment": deployment, "checkpoint": at.checkpoint, "since": at.since},
    ).fetchall()


def _alarms(ask: Ask, canary: str, deployment: str) -> list[tuple[Any, Any]]:
    """From the start of the run that an alert names as its beginning to that of the run which raised it."""
    return ask.con.execute(
        """
        select min(first.started_at), last.started_at
        from canary_signals s
            join canary_runs first on first.run = s.since
            join canary_runs last on last.run = s.run
        where s.canary = $canary and s.deployment = $deployment and s.state = 'alert'
        group by last.started_at
        """,
        {"canary": canary, "deployment": deployment},
    ).fetchall()


def _arrays(ask: Ask, items: Sequence[tuple[Any, ...]], reference: list[str], recent: list[str]) -> Replays:
    """The results of these runs; each repeat of a run that learned is a row of its own."""
    order = {run: place for place, run in enumerate([*reference, *recent])}
    found = ask.con.execute(
        """
        select run, in_flight, repeat, item, item_hash, outcome, variant, logprob, latency_ms
        from canary_results
        where list_contains($runs::varchar[], run)
        """,
        {"runs": list(order)},
    ).fetchall()
    keys = sorted({(order[run], in_flight, repeat, run) for run, in_flight, repeat, *_ in found})
    row_of = {(run, in_flight, repeat): row for row, (_, in_flight, repeat, run) in enumerate(keys)}
    column_of = {(item[0], item[1]): column for column, item in enumerate(items)}
    shape = (len(keys), len(items))
    passed, variant = np.full(shape, -1, np.int8), np.full(shape, -1, np.int32)
    logprob, latency = np.full(shape, np.nan), np.full(shape, np.nan)
    codes: dict[str, int] = {}
    for run, in_flight, repeat, item, item_hash, outcome, text, mean_logprob, ms in found:
        if (item, item_hash) not in column_of:
            continue  # it is not in the suite any more, or was another question then
        at = row_of[run, in_flight, repeat], column_of[item, item_hash]
        passed[at] = OUTCOMES.get(outcome, -1)
        variant[at] = -1 if text is None else codes.setdefault(text, len(codes))
        logprob[at] = np.nan if mean_logprob is None else mean_logprob
        latency[at] = np.nan if ms is None else ms
    return Replays(
        runs=tuple(run for *_, run in keys),
        items=tuple(item[0] for item in items),
        tags=tuple(item[2] for item in items),
        weights=np.array([item[3] for item in items], dtype=np.float64),
        passed=passed,
        variant=variant,
        logprob=logprob,
        latency_ms=latency,
        learned=sum(place < len(reference) for place, *_ in keys),
        concurrency=tuple(in_flight for _, in_flight, *_ in keys),
    )
