"""Which slices of the traffic a shift comes from: a client, a language, a kind of prompt, a size of images."""

from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from monitor.drift.profile import Floats
from monitor.drift.slices import cut, slices
from monitor.errors import NotFound
from monitor.features.table import FEATURES
from monitor.queries.drift_cells import Deployment
from monitor.queries.drift_reading import CARRIED, FeatureName, ReferenceId, column, meant
from monitor.queries.registry import Ask, Moment, Rows, Source, query

SAME = 0.8
"""A number whose rank correlation with the target is higher only says the same in other words."""

RANKED = 5_000
SAMPLE = 50_000
"""Predictions of each side that slices are looked for in, chosen by their ids: always the same."""

OURS = ("prompt_language", "prompt_script", "prompt_type", "prompt_words", "images", "image_width", "image_aspect")
"""Our features that are dimensions beside those that events carry; numbers are cut at quarters of the reference."""

MOST_CARRIED = 20
SCHEMA = pa.schema(
    [
        ("dimension", pa.string()),
        ("value", pa.string()),
        ("n_reference", pa.int64()),
        ("n_window", pa.int64()),
        *(
            (name, pa.float64())
            for name in (
                "share_reference",
                "share_window",
                "effect_inside",
                "effect_without",
                "explains",
                "low",
                "high",
            )
        ),
        ("sampled_reference", pa.int64()),
        ("sampled_window", pa.int64()),
    ]
)


@query
def drift_slices(
    ask: Ask,
    *,
    deployment: Deployment,
    feature: FeatureName,
    source: Source = "production",
    reference: ReferenceId = "",
    start: Moment,
    end: Moment,
    limit: Rows = 10,
) -> pa.Table:
    """The slices that explain most of the shift of a feature: without such a slice, so much of the effect is gone.

    `explains` is that share of the effect with its interval at 95 %, `effect_inside` and `effect_without` the effect
    within the slice and without it, `n` and shares those of the slice in at most 50,000 predictions of each side
    (`sampled_reference`, `sampled_window`). Only slices that explain something beyond chance are named, over all
    dimensions together: categories of the prompt and what events carry, but for numbers in nearly the same order.
    """
    one = meant(ask, source, deployment, reference)
    window = (start.replace(tzinfo=None), end.replace(tzinfo=None))
    before = one.window(window[0])
    if before is None:
        raise NotFound(f"the reference {one.name!r} is a data set, whose rows are not kept; slices need both sides")
    number = _is_number(ask, one.id, feature)
    dimensions = {name: FEATURES[name].kind == "number" for name in OURS if name != feature}
    dimensions |= _carried(ask, source, deployment, window, feature)
    sides = [
        _rows(ask, source, whose, of, feature, number, dimensions)
        for whose, of in ((one.source_of, before), (deployment, window))
    ]
    if not sides[0].num_rows:
        raise NotFound(
            f"no described prediction of the reference {one.name!r} is left ({before[0]:%Y-%m-%d} to "
            f"{before[1]:%Y-%m-%d}); raw predictions leave the store by age, and slices need both sides"
        )
    targets = [_target(side["target"], number) for side in sides]
    names: list[dict[str, Any]] = [{}, {}]
    for at, (name, is_number) in enumerate(dimensions.items()):
        values = [side[f"d{at}"] for side in sides]
        if not is_number:
            names[0][name], names[1][name] = (one.to_pylist() for one in values)
            continue
        numbers = [_numbers(one) for one in values]
        if not (number and same_order(targets[0], numbers[0])):
            names[0][name], names[1][name] = cut(*numbers)
    found = slices(targets[0], targets[1], names[0], names[1], most=limit)
    sampled = {"sampled_reference": sides[0].num_rows, "sampled_window": sides[1].num_rows}
    fields = [name for name in SCHEMA.names if name not in sampled]
    return pa.Table.from_pylist([{name: getattr(each, name) for name in fields} | sampled for each in found], SCHEMA)


def same_order(target: Floats, other: Floats) -> bool:
    """Whether two columns have nearly the same ranks, by Spearman's correlation of the rows that have both."""
    target, other = target[:RANKED], other[:RANKED]
    both = np.isfinite(target) & np.isfinite(other)
    if both.sum() < 3 or np.ptp(target[both]) == 0 or np.ptp(other[both]) == 0:
        return False
    first, second = (pd.Series(one[both]).rank() for one in (target, other))
    return abs(float(first.corr(second))) > SAME


def _rows(
    ask: Ask,
    source: str,
    deployment: str,
    window: tuple[datetime, datetime],
    feature: str,
    number: bool,
    dimensions: dict[str, bool],
) -> pa.Table:
    """The target and the dimensions d0, d1 ... of a sample."""
    columns = ", ".join(
        f"{column(name, number=is_number)} as d{at}" for at, (name, is_number) in enumerate(dimensions.items())
    )
    return ask.sql(
        f"""
        select {column(feature, number=number)} as target, {columns}
        from features
        where source = $source and deployment = $deployment and ts >= $start and ts < $end
        order by hash(event_id), ts
        limit $limit
        """,
        source=source,
        deployment=deployment,
        start=window[0],
        end=window[1],
        limit=SAMPLE,
    )


def _is_number(ask: Ask, reference: str, feature: str) -> bool:
    if feature in FEATURES:
        return FEATURES[feature].kind == "number"
    found = ask.con.execute(
        "select edges is not null from reference_features where reference = $reference and feature = $feature",
        {"reference": reference, "feature": feature},
    ).fetchall()
    return bool(found[0][0]) if found else not feature.endswith(" (text)")


def _carried(
    ask: Ask, source: str, deployment: str, window: tuple[datetime, datetime], feature: str
) -> dict[str, bool]:
    """The features that events carry in a window, but for the target itself; true for numbers."""
    rows = ask.con.execute(
        """
        select name, number, count(*) as n
        from (
            select unnest(map_keys(carried_str)) as name, false as number
            from features
            where source = $source and deployment = $deployment and ts >= $start and ts < $end
            union all
            select unnest(map_keys(carried_num)), true
            from features
            where source = $source and deployment = $deployment and ts >= $start and ts < $end
        )
        group by all
        order by n desc, name, number
        limit $most
        """,
        {"source": source, "deployment": deployment, "start": window[0], "end": window[1], "most": MOST_CARRIED},
    ).fetchall()
    return {CARRIED + name: number for name, number, _ in rows if CARRIED + name != feature}


def _target(values: pa.ChunkedArray, number: bool) -> Any:
    return _numbers(values) if number else values.to_pylist()


def _numbers(values: pa.ChunkedArray) -> Floats:
    found: Floats = values.cast(pa.float64()).to_numpy(zero_copy_only=False).astype(np.float64)
    return found
