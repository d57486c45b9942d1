"""Two checkpoints on the items that both were asked: by how much they differ, and on which items."""

from collections.abc import Sequence
from typing import Annotated, Any

import pyarrow as pa
from pydantic import Field

from monitor.benchmarks.comparing import Comparison, compare, corrected
from monitor.benchmarks.protocol import apart
from monitor.errors import BadInput, NotFound
from monitor.queries.benchmark_reading import (
    NOTHING,
    BenchmarkId,
    Category,
    CheckpointId,
    Figure,
    Ignore,
    Metric,
    figures,
    items_of,
    newest,
    ranked,
)
from monitor.queries.figures import finite
from monitor.queries.registry import ALL, Ask, Names, Rows, query
from monitor.records import Benchmark
from monitor.stats.difference import mover_difference, verdict

Margin = Annotated[float, Field(ge=0, lt=1, description="a share; 0: as the fleet file says for each benchmark")]

COMPARISON = pa.schema(
    [
        *((name, pa.string()) for name in ("benchmark", "metric", "category", "group", "verdict", "method")),
        ("why", pa.list_(pa.string())),
        *((name, pa.int64()) for name in ("n", "n_groups", "n_a", "n_b", "only_a", "only_b")),
        *((name, pa.float64()) for name in ("mean_a", "mean_b", "difference", "low", "high")),
        *((name, pa.float64()) for name in ("p_value", "p_adjusted", "margin")),
        ("higher_is_better", pa.bool_()),
        ("better", pa.string()),
        ("non_inferior", pa.bool_()),
        ("items_needed", pa.int64()),
        ("smallest", pa.float64()),
        *((name, pa.string()) for name in ("run_a", "run_b")),
        ("most", pa.float64()),
    ]
)


@query
def benchmark_comparison(
    ask: Ask,
    *,
    a: CheckpointId,
    b: CheckpointId,
    benchmarks: Names = ALL,
    metric: Metric = "",
    categories: bool = False,
    margin: Margin = 0.0,
    ignore: Ignore = NOTHING,
) -> pa.Table:
    """b - a on each benchmark that both have: one row for each, and with `categories` one for each category.

    Shares of what could be had, on the same items: Tango's interval and McNemar's exact test for passes, by groups a
    bootstrap and sign flips (`method`). `verdict` takes the p-value adjusted for all benchmarks (Holm), those of
    categories for all categories; `better` names the checkpoint. `non_inferior`: b loses less than the margin, with
    97.5 %. `items_needed` more items would show a difference such as the one seen. Where the protocols differ the
    verdict is `not_comparable` and `why` names what differs; where items are missing it rests on both intervals as if
    the two were independent (`unpaired`), or is `not_enough_data`.
    """
    if a == b:
        raise BadInput(f"a and b are both {a!r}; name two checkpoints")
    found = newest(
        ranked(figures(ask, benchmarks=benchmarks, metric=metric, checkpoints=[a, b], category=None, ignore=ignore))
    )
    for one in (a, b):
        if not any(figure.checkpoint == one for figure in found):
            raise NotFound(f"{one!r} has no figures; the query benchmark_scores lists which checkpoints have some")
    rows: list[dict[str, Any]] = []
    for name in sorted({one.benchmark for one in found}):
        rows += _of_benchmark(ask, [one for one in found if one.benchmark == name], a, b, margin, categories, ignore)
    for whole in (True, False):
        _adjust([row for row in rows if (row["category"] == "") == whole and row["compared"] is not None])
    for row in rows:
        _fill(row, a, b)
    return pa.Table.from_pylist(rows, schema=COMPARISON)


@query
def benchmark_flips(
    ask: Ask,
    *,
    a: CheckpointId,
    b: CheckpointId,
    benchmark: BenchmarkId,
    metric: Metric = "",
    category: Category = "",
    ignore: Ignore = NOTHING,
    limit: Rows = 500,
) -> pa.Table:
    """The items on which two checkpoints differ, with question, target, images (by SHA-256) and both answers.

    `better` names the checkpoint that gets more of the item (the higher share); the largest differences come first.
    """
    found = newest(ranked(figures(ask, benchmarks=[benchmark], metric=metric, checkpoints=[a, b], ignore=ignore)))
    pair = _pair(found, a, b)
    if pair is None:
        raise NotFound(f"{a!r} and {b!r} have no evaluations of {benchmark!r} that may be compared")
    first, second = pair
    return ask.sql(
        """
        select item, categories, grouped, question, target, media, x.scores[$metric] as share_a,
            y.scores[$metric] as share_b, x.answer as answer_a, y.answer as answer_b, x.failed as failed_a,
            y.failed as failed_b,
            case when (x.scores[$metric] > y.scores[$metric]) = $higher then $a else $b end as better
        from benchmark_results x
            join benchmark_results y using (item, item_hash)
            join benchmark_items i using (item, item_hash)
        where x.run = $run_a and y.run = $run_b and i.benchmark = $benchmark
            and x.scores[$metric] <> y.scores[$metric]
            and ($category = '' or list_contains(categories, $category))
        order by abs(share_a - share_b) desc, better, item
        limit $limit
        """,
        a=a,
        b=b,
        run_a=first.run,
        run_b=second.run,
        metric=first.metric,
        higher=first.higher_is_better,
        benchmark=benchmark,
        category=category,
        limit=limit,
    )


def _of_benchmark(
    ask: Ask, found: Sequence[Figure], a: str, b: str, margin: float, categories: bool, ignore: Sequence[str]
) -> list[dict[str, Any]]:
    """The row of a benchmark and those of its categories; none where only one of the two has figures."""
    whole = [one for one in found if not one.category]
    sides = [[one for one in whole if one.checkpoint == each] for each in (a, b)]
    if not all(sides):
        return []
    asked = margin or ask.fleet.benchmarks.get(whole[0].benchmark, Benchmark(whole[0].benchmark)).margin
    pair = _pair(whole, a, b)
    if pair is None:
        first, second = (side[-1] for side in sides)
        why = apart(first.protocol, second.protocol, ignore) or ["metric: " + f"{first.metric} or {second.metric}"]
        return [_row(first, second, asked) | {"verdict": "not_comparable", "why": why}]
    rows = [_compared(ask, *pair, asked)]
    names = {one.category for one in found if one.category and one.run == pair[0].run} if categories else set()
    for name in sorted(names):
        within = _pair([one for one in found if one.category == name and one.metric == pair[0].metric], a, b)
        if within:
            rows.append(_compared(ask, *within, asked))
    return rows


def _pair(found: Sequence[Figure], a: str, b: str) -> tuple[Figure, Figure] | None:
    """The newest of both in one group and of one metric; in the group whose older one is newest."""
    pairs = [
        (one, other)
        for one in found
        for other in found
        if (one.checkpoint, other.checkpoint) == (a, b) and (one.group, one.metric) == (other.group, other.metric)
    ]
    return max(pairs, key=lambda pair: min(pair[0].when, pair[1].when)) if pairs else None


def _compared(ask: Ask, first: Figure, second: Figure, margin: float) -> dict[str, Any]:
    row = _row(first, second, margin)
    if first.n_items and second.n_items:
        both = [first.run, second.run]
        items = items_of(ask, both, first.benchmark, first.metric, first.category).common([0, 1])
        if items.n:
            found = compare(items.shares[:, 0], items.shares[:, 1], items.groups, margin, first.higher_is_better)
            return row | {"compared": found}
    return row | _unpaired(first, second, margin)


def _unpaired(first: Figure, second: Figure, margin: float) -> dict[str, Any]:
    """From both figures and their intervals, as if they were independent."""
    most = first.most or 1.0
    ends = [end if end is None else end / most for end in (second.low, second.high, first.low, first.high)]
    means = {"mean_a": first.value / most, "mean_b": second.value / most}
    difference = means["mean_b"] - means["mean_a"]
    why = ["items: the two have none in common, so each counts with its own interval"]
    if None in ends or first.most != second.most:
        why = ["items: the two have none in common, and one has no interval"]
        return means | {"difference": difference, "verdict": "not_enough_data", "why": why}
    low_b, high_b, low_a, high_a = (float(end) for end in ends if end is not None)
    interval = mover_difference(means["mean_b"], low_b, high_b, means["mean_a"], low_a, high_a)
    worst = interval.low if first.higher_is_better else -interval.high
    return means | {
        "difference": difference,
        "low": finite(interval.low),
        "high": finite(interval.high),
        "method": "unpaired",
        "verdict": verdict(*interval),
        "non_inferior": worst > -margin,
        "why": why,
    }


def _row(first: Figure, second: Figure, margin: float) -> dict[str, Any]:
    return {
        "benchmark": first.benchmark,
        "metric": first.metric,
        "category": first.category,
        "group": first.group if first.group == second.group else None,
        "why": [],
        "n": 0,
        "n_a": first.n,
        "n_b": second.n,
        "margin": margin,
        "higher_is_better": first.higher_is_better,
        "run_a": first.run,
        "run_b": second.run,
        "most": first.most,
        "compared": None,
    }


def _adjust(rows: Sequence[dict[str, Any]]) -> None:
    for row, one in zip(rows, corrected([row["compared"] for row in rows]), strict=True):
        row["compared"] = one


def _fill(row: dict[str, Any], a: str, b: str) -> None:
    """The columns of a comparison on the same items, and who is better."""
    one: Comparison | None = row.pop("compared")
    if one is not None:
        names = ("n", "n_groups", "only_a", "only_b", "method", "verdict", "non_inferior", "items_needed")
        row |= {name: getattr(one, name) for name in names}
        numbers = ("mean_a", "mean_b", "difference", "low", "high", "p_value", "p_adjusted", "smallest")
        row |= {name: finite(getattr(one, name)) for name in numbers}
    if row["verdict"] in ("b_higher", "b_lower"):
        row["better"] = b if (row["verdict"] == "b_higher") == row["higher_is_better"] else a
