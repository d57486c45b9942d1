"""Two targets of a run of probes, compared on the same items."""

import math
from collections.abc import Iterable
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
from pydantic import Field

from monitor.errors import NotFound
from monitor.queries.figures import figure, finite
from monitor.queries.probes import Run, answers_of
from monitor.queries.registry import Ask, query
from monitor.stats.difference import verdict
from monitor.stats.intervals import UNKNOWN, Interval, wilson
from monitor.stats.paired import mcnemar_midp, paired_difference
from monitor.stats.signed_rank import paired_ratio

TargetId = Annotated[str, Field(min_length=1, max_length=256, description="id of a target of this run")]

LEAST_PAIRS = 10
"""Fewer pairs than this show nothing about accuracy: the interval is wider than half of the whole range."""


@query
def probe_comparison(ask: Ask, *, run: Run, a: TargetId, b: TargetId) -> pa.Table:
    """Two targets of a run on the same items: agreement, accuracy, the paired difference b - a, and latency b / a.

    Items without an answer of both are left out and counted (`failed_a`, `failed_b`); accuracy is of items with a
    label. `only_a` and `only_b` count the items that only one got right. Shares by Wilson, their difference by Tango
    with McNemar's mid-p, the ratio of latencies by Hodges and Lehmann. A verdict is `not_enough_data` below 10 labelled
    pairs, and below 6 latencies.
    """
    _check_targets(ask, run, a, b)
    pairs = ask.sql(
        f"""
        with answers as ({answers_of(ask, run)}),
        last as (
            select *
            from answers
            qualify row_number() over (partition by item, target order by status = 'ok' desc, ts desc) = 1
        )
        select one.status = 'ok' as ok_a, other.status = 'ok' as ok_b, one.said is not distinct from other.said as same,
            one."right" as right_a, other."right" as right_b, one.latency_ms as ms_a, other.latency_ms as ms_b
        from last one join last other using (item)
        where one.target = $a and other.target = $b
        """,
        run=run,
        a=a,
        b=b,
    )
    row = {"run": run, "a": a, "b": b} | _compared(pairs.to_pylist())
    return pa.Table.from_pylist([row], schema=pa.schema([(name, _kind(name)) for name in row]))


def _check_targets(ask: Ask, run: str, *asked: str) -> None:
    known = ask.con.execute("select targets from probe_runs where run = $run", {"run": run}).fetchall()
    for one in asked:
        if known and one not in known[0][0]:
            raise NotFound(f"run {run!r} did not ask {one!r}; its targets are {', '.join(known[0][0])}")


def _compared(pairs: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures of one comparison, null where they are not known."""
    both = [pair for pair in pairs if pair["ok_a"] and pair["ok_b"]]
    same = sum(pair["same"] for pair in both)
    return {
        "n_items": len(pairs),
        "failed_a": sum(not pair["ok_a"] for pair in pairs),
        "failed_b": sum(not pair["ok_b"] for pair in pairs),
        "n_pairs": len(both),
        **_share("agreement", same, len(both)),
        **_accuracy([(pair["right_a"], pair["right_b"]) for pair in both if pair["right_a"] is not None]),
        **_latency([(pair["ms_a"], pair["ms_b"]) for pair in both]),
    }


def _accuracy(answers: list[tuple[bool, bool]]) -> dict[str, Any]:
    n = len(answers)
    both, only_a, only_b = (answers.count(pair) for pair in ((True, True), (True, False), (False, True)))
    interval = paired_difference(only_b, only_a, n)
    p_value = mcnemar_midp(only_b, only_a) if n else math.nan
    shown = verdict(*interval) if p_value < 0.05 else "no_difference_shown"
    return {
        "n_labelled": n,
        **_share("accuracy_a", both + only_a, n),
        **_share("accuracy_b", both + only_b, n),
        "both_right": both,
        "only_a": only_a,
        "only_b": only_b,
        "both_wrong": n - both - only_a - only_b,
        **figure("difference", (only_b - only_a) / n if n else math.nan, interval),
        "p_value": finite(p_value),
        "verdict": shown if n >= LEAST_PAIRS else "not_enough_data",
    }


def _latency(pairs: Iterable[tuple[float | None, float | None]]) -> dict[str, Any]:
    known = [(a, b) for a, b in pairs if a is not None and b is not None and a > 0 and b > 0]
    a, b = np.array(known, dtype=float).reshape(-1, 2).T
    ratio, interval = paired_ratio(b, a) if known else (math.nan, UNKNOWN)
    logs = [math.log(end) if end > 0 else -math.inf for end in interval] if known else UNKNOWN
    return {
        "n_latency": len(known),
        "median_a_ms": finite(float(np.median(a))) if known else None,
        "median_b_ms": finite(float(np.median(b))) if known else None,
        **figure("latency_ratio", ratio, Interval(interval.low or -math.inf, interval.high)),
        "latency_verdict": verdict(*logs),
    }


def _share(name: str, k: int, n: int) -> dict[str, Any]:
    return figure(name, k / n if n else math.nan, wilson(k, n))


def _kind(name: str) -> pa.DataType:
    if name in ("run", "a", "b") or name.endswith("verdict"):
        return pa.string()
    counted = ("n_items", "failed_a", "failed_b", "n_pairs", "n_labelled", "n_latency")
    return pa.int64() if name in (*counted, "both_right", "only_a", "only_b", "both_wrong") else pa.float64()
