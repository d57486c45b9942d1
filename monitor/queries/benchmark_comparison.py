"""Two checkpoints on the items that both were asked: by how much they differ, and on which items."""

from collections.abc import Sequence
from typing import Annotated, Any

import pyarrow as pa
from pydantic import Field

from monitor.benchmarks.comparing import Comparison, compare, compare_errors, corrected
from monitor.benchmarks.protocol import apart
from monitor.errors import BadInput, NotFound
from monitor.queries.benchmark_reading import (
    NOTHING,
    BenchmarkId,
    Category,
    CheckpointId,
    Figure,
    Ignore,
    Items,
    Metric,
    figures,
    items_of,
    newest,
    ranked,
)
from monitor.queries.figures import finite
from monitor.queries.registry import ALL, Ask, Names, Rows, query
from monitor.records import Benchmark

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
    verdict is `not_comparable` and `why` names what differs; where items are missing it rests on both standard errors
    as if the two were independent (`unpaired`), or is `not_enough_data`, and `why` says what is missing.
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
        select item, y.categories, y.grouped, question, target, media, x.scores[$metric] as share_a,
            y.scores[$metric] as share_b, x.answer as answer_a, y.answer as answer_b, x.failed as failed_a,
            y.failed as failed_b,
            case when (x.scores[$metric] > y.scores[$metric]) = $higher then $a else $b end as better
        from benchmark_results x
            join benchmark_results y using (item, item_hash)
            join benchmark_items i using (item, item_hash)
        where x.run = $run_a and y.run = $run_b and i.benchmark = $benchmark
            and x.scores[$metric] <> y.scores[$metric]
            and ($category = '' or list_contains(y.categories, $category))
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
        why = apart(first.protocol, second.protocol, ignore) or [_other_kind(first, second)]
        return [_row(first, second, asked) | {"verdict": "not_comparable", "why": why}]
    items = _shared(ask, *pair)
    rows = [_compared(*pair, items, asked)]
    names = {one.category for one in found if one.category and one.run == pair[0].run} if categories else set()
    for name in sorted(names):
        within = _pair([one for one in found if one.category == name and one.metric == pair[0].metric], a, b)
        if within:
            rows.append(_compared(*within, items.within(name) if items else None, asked))
    return rows


def _pair(found: Sequence[Figure], a: str, b: str) -> tuple[Figure, Figure] | None:
    """The newest of both in one group and of one metric; in the group whose older one is newest."""
    pairs = [
        (one, other)
        for one in found
        for other in found
        if (one.checkpoint, other.checkpoint) == (a, b) and _kind(one) == _kind(other)
    ]
    return max(pairs, key=lambda pair: min(pair[0].when, pair[1].when)) if pairs else None


def _other_kind(first: Figure, second: Figure) -> str:
    if first.metric != second.metric:
        return f"metric: {first.metric} or {second.metric}"
    return "scale: known of one and not of the other, or with another direction"


def _kind(one: Figure) -> tuple[str, str, bool, bool]:
    """Only the same may be compared; what has no known scale is another thing than what has one."""
    return one.group, one.metric, one.most is None, one.higher_is_better


def _shared(ask: Ask, first: Figure, second: Figure) -> Items | None:
    """The items that stand for both figures."""
    if not (first.has_items and second.has_items):
        return None
    return items_of(ask, [first.run, second.run], first.metric).common([0, 1])


def _compared(first: Figure, second: Figure, items: Items | None, margin: float) -> dict[str, Any]:
    row = _row(first, second, margin)
    if items is not None and items.n and first.by_items and second.by_items:
        a, b = items.shares.T
        return row | {"compared": compare(a, b, items.groups, margin, first.higher_is_better)}
    return row | _unpaired(first, second, items, margin)


def _unpaired(first: Figure, second: Figure, items: Items | None, margin: float) -> dict[str, Any]:
    """From both figures and their standard errors, as if they were independent."""
    means = [one.value if one.share is None else one.share for one in (first, second)]
    why = [_why_not_paired(first, second, items)]
    if not (first.error and second.error):
        told = [*why, "and one of them has no interval"]
        difference = {"mean_a": means[0], "mean_b": means[1], "difference": means[1] - means[0]}
        return difference | {"verdict": "not_enough_data", "why": told}
    errors = [float(one.error or 0) / (one.most or 1.0) for one in (first, second)]
    found = compare_errors(means[0], errors[0], means[1], errors[1], margin, first.higher_is_better)
    return {"compared": found, "why": why}


def _why_not_paired(first: Figure, second: Figure, items: Items | None) -> str:
    """Why the items are not compared, and what to do about it."""
    both = sorted({*first.item_metrics} & {*second.item_metrics} - {first.metric})
    if both and items is None:
        return f"{first.metric} is no mean of its items; metric={both[0]} is, and can be compared item by item"
    if first.has_items and second.has_items:
        return "the two have no items in common"
    return "not both have items that their score is the mean of"


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
