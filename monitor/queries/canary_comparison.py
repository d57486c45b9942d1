"""Two deployments on the same items of a suite: who is better, by how much, and how sure that is."""

import math
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from monitor.errors import BadInput
from monitor.queries.canaries import CanaryId, DeploymentId, Tag
from monitor.queries.canary_replays import baseline, first_start
from monitor.queries.figures import figure, finite
from monitor.queries.registry import Ask, Rows, query
from monitor.stats.bootstrap import paired_bootstrap
from monitor.stats.difference import verdict
from monitor.stats.intervals import UNKNOWN, wilson
from monitor.stats.paired import mcnemar_exact, paired_difference
from monitor.stats.power import items_needed, smallest_drop
from monitor.stats.signed_rank import paired_ratio

LEAST_PAIRS = 10
"""Fewer pairs than this show nothing about the pass rate."""


@query
def canary_comparison(
    ask: Ask, *, canary: CanaryId, a: DeploymentId, b: DeploymentId, tag: Tag = "", runs: Rows = 1
) -> pa.Table:
    """Deployment b against a on the items that both answered in their newest replays: one row.

    An item passed or failed: the difference b - a has Tango's interval, and McNemar's exact test says whether there is
    one. With `runs` above 1 an item passed if most of its newest replays did (half of them is not most), so counts,
    difference and `p_value` are of these majorities; they say nothing about how sure each was. Items that share an
    image are not independent: `boot_low` and `boot_high` resample the `n_groups` groups, weighted as the suite says,
    with the share of passes of each item. Where a group has more than one item, the verdict is a difference only if
    this interval shows the same one, since Tango and McNemar count each item of a group as evidence of its own. The
    ratio of latencies is by Hodges and Lehmann. `smallest_drop` is what this many independent items show with 80 %
    power, `items_for_3_points` how many a difference of 3 points takes. The verdict is `not_enough_data` below 10
    pairs.
    """
    pairs = _pairs(ask, canary, a, b, tag, runs)
    row = {"canary": canary, "a": a, "b": b, "tag": tag} | _compared(pairs)
    return pa.Table.from_pylist([row], schema=pa.schema([(name, _kind(name)) for name in row]))


@query
def canary_parted(
    ask: Ask, *, canary: CanaryId, a: DeploymentId, b: DeploymentId, tag: Tag = "", limit: Rows = 200
) -> pa.Table:
    """The items that only one of two deployments passed in its newest replay, with what both answered.

    `better` names the one that passed. Items that answer otherwise but pass or fail alike are listed behind them.
    """
    _check(ask, canary, a, b)
    return ask.sql(
        f"""
        with answers as ({_ANSWERS})
        select item, tags, one.outcome as outcome_a, other.outcome as outcome_b, one.answer as answer_a,
            other.answer as answer_b, one.latency_ms as latency_a_ms, other.latency_ms as latency_b_ms,
            one.run as run_a, other.run as run_b,
            case when one.outcome = 'pass' and other.outcome = 'fail' then $a
                when other.outcome = 'pass' and one.outcome = 'fail' then $b end as better
        from answers one join answers other using (item, item_hash, tags)
        where one.deployment = $a and other.deployment = $b
            and ($tag = '' or list_contains(tags, $tag))
            and (one.outcome <> other.outcome or one.variant is distinct from other.variant)
        order by better is null, better, item
        limit $limit
        """,
        canary=canary,
        a=a,
        b=b,
        tag=tag,
        runs=1,
        oldest=_oldest(ask, canary, a, b, 1),
        limit=limit,
    )


_ANSWERS = """
            select c.deployment, r.run, r.item, r.item_hash, r.outcome, r.answer, r.variant, r.latency_ms,
                from_json(i.definition->'tags', '["varchar"]') as tags, (i.definition->>'weight')::double as weight,
                i.definition->>'group' as grouped
            from (
                select run, suite, deployment
                from canary_runs
                where canary = $canary and deployment in ($a, $b) and kind = 'replay' and state <> 'running'
                qualify row_number() over (partition by deployment order by started_at desc, run) <= $runs
            ) c
                join canary_results r using (run)
                join canary_items i on i.suite = c.suite and i.item = r.item and i.item_hash = r.item_hash
            where r.ts >= $oldest
"""
"""The answers of the newest replays of both; the runs are chosen first, as there are few of them."""


def _oldest(ask: Ask, canary: str, a: str, b: str, runs: int) -> datetime:
    newest = "qualify row_number() over (partition by deployment order by started_at desc, run) <= $runs"
    which = f"canary = $canary and deployment in ($a, $b) and kind = 'replay' and state <> 'running' {newest}"
    return first_start(ask, which, canary=canary, a=a, b=b, runs=runs)


def _check(ask: Ask, canary: str, a: str, b: str) -> None:
    if a == b:
        raise BadInput(f"a and b are both {a!r}; name two deployments")
    for one in (a, b):
        baseline(ask, canary, one)


def _pairs(ask: Ask, canary: str, a: str, b: str, tag: str, runs: int) -> list[dict[str, Any]]:
    """One row for each item with the same content on both, with the share of its replays that passed."""
    _check(ask, canary, a, b)
    return list(
        ask.sql(
            f"""
            with answers as ({_ANSWERS}),
            shares as (
                select deployment, item, item_hash, any_value(weight) as weight, any_value(grouped) as grouped,
                    any_value(tags) as tags,
                    avg((outcome = 'pass')::integer) filter (outcome in ('pass', 'fail')) as share,
                    median(latency_ms) as ms
                from answers
                group by all
            )
            select item, one.weight, coalesce(one.grouped, item) as grouped, one.share as share_a,
                other.share as share_b, one.ms as ms_a, other.ms as ms_b
            from shares one join shares other using (item, item_hash)
            where one.deployment = $a and other.deployment = $b and ($tag = '' or list_contains(one.tags, $tag))
            order by item
            """,
            canary=canary,
            a=a,
            b=b,
            tag=tag,
            runs=runs,
            oldest=_oldest(ask, canary, a, b, runs),
        ).to_pylist()
    )


def _compared(pairs: list[dict[str, Any]]) -> dict[str, Any]:
    judged = [pair for pair in pairs if pair["share_a"] is not None and pair["share_b"] is not None]
    first, second = (np.array([pair[name] for pair in judged], dtype=float) for name in ("share_a", "share_b"))
    passed_a, passed_b = first > 0.5, second > 0.5  # with one replay the shares are 0 or 1
    n = len(judged)
    only_a, only_b = int((passed_a & ~passed_b).sum()), int((~passed_a & passed_b).sum())
    interval = paired_difference(only_b, only_a, n)
    p_value = mcnemar_exact(only_b, only_a) if n else math.nan
    mean, boot = _booted(judged, second, first)
    n_groups = len({pair["grouped"] for pair in judged})
    shown = verdict(*interval) if p_value < 0.05 else "no_difference_shown"
    if n_groups < n and shown != verdict(*boot):
        shown = "no_difference_shown"
    parted = (only_a + only_b) / n if n else math.nan
    return {
        "n_items": len(pairs),
        "n_pairs": n,
        "n_groups": n_groups,
        "both_pass": int((passed_a & passed_b).sum()),
        "only_a": only_a,
        "only_b": only_b,
        "both_fail": int((~passed_a & ~passed_b).sum()),
        **figure("pass_a", float(passed_a.mean()) if n else math.nan, wilson(int(passed_a.sum()), n)),
        **figure("pass_b", float(passed_b.mean()) if n else math.nan, wilson(int(passed_b.sum()), n)),
        **figure("difference", (only_b - only_a) / n if n else math.nan, interval),
        "p_value": finite(p_value),
        **figure("boot", mean, boot),
        "verdict": shown if n >= LEAST_PAIRS else "not_enough_data",
        "smallest_drop": finite(smallest_drop(n, max(parted, 1 / n))) if n else None,
        "items_for_3_points": items_needed(0.03, max(parted, 0.03)) if n else None,
        **_latency(pairs),
    }


def _booted(judged: list[dict[str, Any]], second: Any, first: Any) -> tuple[float, Any]:
    if len(judged) < LEAST_PAIRS:
        return math.nan, UNKNOWN
    return paired_bootstrap(
        second,
        first,
        groups=[pair["grouped"] for pair in judged],
        weights=np.array([pair["weight"] for pair in judged], dtype=float),
    )


def _latency(pairs: list[dict[str, Any]]) -> dict[str, Any]:
    known = [(pair["ms_a"], pair["ms_b"]) for pair in pairs if pair["ms_a"] and pair["ms_b"]]
    a, b = np.array(known, dtype=float).reshape(-1, 2).T
    ratio, interval = paired_ratio(b, a) if known else (math.nan, UNKNOWN)
    return {"n_latency": len(known), **figure("latency_ratio", ratio, interval)}


def _kind(name: str) -> pa.DataType:
    if name in ("canary", "a", "b", "tag", "verdict"):
        return pa.string()
    whole = (
        "n_items",
        "n_pairs",
        "n_groups",
        "both_pass",
        "only_a",
        "only_b",
        "both_fail",
        "items_for_3_points",
        "n_latency",
    )
    return pa.int64() if name in whole else pa.float64()
