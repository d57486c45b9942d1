"""The replays of a suite on a deployment as arrays, for the queries that judge them.

Only what is the same is put together: one checkpoint, items whose content is that of the newest version, and runs since
the baseline was last accepted. The reference is what was learned and the replays before the recent ones, without those
of an alarm: a change does not become normal by waiting, and one that comes back is found again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np

from monitor.canary.noise import Replays
from monitor.errors import NotFound
from monitor.queries.registry import Ask
from monitor.runtimes.targets import planned_deployments
from monitor.store.archive import EVER
from monitor.store.canaries import SKEW

WINDOW = 24
"""The newest replays are asked whether something changed before one of them."""

KEPT = 7 * 24
"""So many replays before the recent ones belong to the reference, besides what was learned."""


Begun = tuple[str, datetime]
"""A run and when it began (naive UTC)."""


class Item(NamedTuple):
    """An item of the newest version of a suite."""

    id: str
    hash: str
    tags: tuple[str, ...]
    weight: float
    group: str | None


@dataclass(frozen=True, slots=True)
class Baseline:
    """Where the replays of a deployment stand: its newest run, and since when runs count."""

    run: str
    suite: str
    version: str
    checkpoint: str
    since: Any  # naive UTC, or None


def planned_pairs(ask: Ask) -> list[tuple[str, str]]:
    """Canary and deployment, of everything that the fleet file wants to be replayed."""
    fleet = ask.fleet
    return [(canary.id, name) for canary in fleet.canaries.values() for name in planned_deployments(canary, fleet)]


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


def items_of(ask: Ask, at: Baseline) -> list[Item]:
    """The items of the newest version, in their order."""
    return [
        Item(row[0], row[1], tuple(row[2] or ()), float(row[3] or 1.0), row[4])
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
    return found[0][0] - SKEW if found[0][0] else EVER


def replays(ask: Ask, canary: str, deployment: str) -> Replays:
    """Reference rows first, oldest first. Raises NotFound like `baseline`."""
    at = baseline(ask, canary, deployment)
    items = items_of(ask, at)
    runs = _runs(ask, canary, deployment, at)
    learned = [(run, started) for run, kind, started in runs if kind == "learn"]
    replayed = [(run, started) for run, kind, started in runs if kind == "replay"]
    recent, before = replayed[-WINDOW:], replayed[:-WINDOW]
    alarms = _alarms(ask, canary, deployment)
    quiet = [one for one in before if not any(first <= one[1] <= last for first, last in alarms)]
    return _arrays(ask, items, [*learned, *quiet[-KEPT:]], recent)


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
    """From the start of the run that an alert names as its beginning to that of the run which raised it.

    Not of latency: a machine that is slow by day has to be learned by day.
    """
    return ask.con.execute(
        """
        select min(first.started_at), last.started_at
        from canary_signals s
            join canary_runs first on first.run = s.since
            join canary_runs last on last.run = s.run
        where s.canary = $canary and s.deployment = $deployment and s.state = 'alert'
            and s.channel in ('quality', 'behaviour')
        group by last.started_at
        """,
        {"canary": canary, "deployment": deployment},
    ).fetchall()


def _arrays(
    ask: Ask, items: Sequence[Item], reference: list[tuple[str, Any]], recent: list[tuple[str, Any]]
) -> Replays:
    """The results of these runs; each repeat of a run that learned is a row of its own."""
    runs = [*reference, *recent]
    found = ask.con.execute(
        """
        with chosen as (select unnest($runs::varchar[]) as run, unnest($places::integer[]) as place),
        listed as (
            select unnest($items::varchar[]) as item, unnest($hashes::varchar[]) as item_hash,
                unnest($columns::integer[]) as item_no
        ),
        found as (
            select place, in_flight, repeat, item_no, variant, logprob, latency_ms,
                case outcome when 'pass' then 1 when 'fail' then 0 else -1 end as passed
            from canary_results join chosen using (run) join listed using (item, item_hash)
            where ts >= $oldest
        )
        select dense_rank() over (order by place, in_flight, repeat) - 1 as row_no, place, in_flight, item_no, passed,
            if(variant is null, -1, dense_rank() over (order by variant) - 1) as variant,
            coalesce(logprob, 'nan'::double) as logprob, coalesce(latency_ms, 'nan'::double) as latency_ms
        from found
        """,
        {
            "runs": [run for run, _ in runs],
            "places": list(range(len(runs))),
            "items": [item.id for item in items],
            "hashes": [item.hash for item in items],
            "columns": list(range(len(items))),
            "oldest": min((started for _, started in runs), default=EVER + SKEW) - SKEW,
        },
    ).fetchnumpy()
    rows, first = np.unique(found["row_no"], return_index=True)
    places = [int(place) for place in found["place"][first]]
    shape, at = (rows.size, len(items)), (found["row_no"], found["item_no"])
    passed, variant = np.full(shape, -1, np.int8), np.full(shape, -1, np.int32)
    logprob, latency = np.full(shape, np.nan), np.full(shape, np.nan)
    for into, name in ((passed, "passed"), (variant, "variant"), (logprob, "logprob"), (latency, "latency_ms")):
        into[at] = found[name]
    begun = [runs[place][1] for place in places]
    return Replays(
        runs=tuple(runs[place][0] for place in places),
        items=tuple(item.id for item in items),
        tags=tuple(item.tags for item in items),
        weights=np.array([item.weight for item in items], dtype=np.float64),
        passed=passed,
        variant=variant,
        logprob=logprob,
        latency_ms=latency,
        learned=sum(place < len(reference) for place in places),
        concurrency=tuple(map(int, found["in_flight"][first])),
        times=tuple((one - begun[0]).total_seconds() for one in begun),
    )
