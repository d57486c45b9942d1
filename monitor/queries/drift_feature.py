"""One feature opened: its distribution beside that of the reference, the part that moved over time, and examples."""

from datetime import timedelta
from typing import Annotated, Any, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field

from monitor.drift.profile import Category, Numeric, Profile
from monitor.drift.region import moved_to
from monitor.errors import BadInput, NotFound
from monitor.queries.drift_bins import cuts_of, in_bins
from monitor.queries.drift_cells import Deployment, Grain
from monitor.queries.drift_quality import condition
from monitor.queries.drift_reading import FeatureName, ReferenceId, cells, column, meant, merged, whole
from monitor.queries.registry import Ask, Moment, Rows, Source, query
from monitor.stats.intervals import wilson
from monitor.store.archive import raw_relation

Bins = Annotated[int, Field(ge=2, le=64, description="most bins of numbers, or names")]
PREVIEW = 300
BINS = pa.schema(
    [
        ("name", pa.string()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("n_reference", pa.int64()),
        ("n_window", pa.int64()),
        ("share_reference", pa.float64()),
        ("share_window", pa.float64()),
        ("window_low", pa.float64()),
        ("window_high", pa.float64()),
        ("moved", pa.bool_()),
    ]
)


@query
def drift_feature(
    ask: Ask,
    *,
    deployment: Deployment,
    feature: FeatureName,
    source: Source = "production",
    reference: ReferenceId = "",
    start: Moment,
    end: Moment,
    bins: Bins = 20,
) -> pa.Table:
    """The distribution of a feature in a window beside that of the reference, as shares of predictions with a value.

    Numbers come in bins from above `low` up to `high` (`name` is the value where a bin is one), categories by name,
    others as '(others)'. `window_low` and
    `window_high` are the interval of the window's share at 95 %. `moved` is where the window has more than the
    reference: the side of the point at which the shares up to it differ most, or the names that rose. The last row,
    '(missing)', has shares of all predictions.
    """
    from_, to = start.replace(tzinfo=None), end.replace(tzinfo=None)
    one = meant(ask, source, deployment, reference)
    before = whole(ask, one, from_, [feature]).get(feature)
    now = merged(cells(ask, one, deployment, from_, to, [feature])).get(feature)
    if before is None and now is None:
        raise NotFound(
            f"{deployment} has no feature {feature!r} between {start:%Y-%m-%d %H:%M} and {end:%Y-%m-%d %H:%M} UTC; "
            "the query drift_ranking lists those of a window"
        )
    rows = _names(before, now, bins) if isinstance(before or now, Category) else _numbers(before, now, bins)
    return pa.Table.from_pylist([*rows, _missing(before, now)], BINS)


@query
def drift_feature_history(
    ask: Ask,
    *,
    deployment: Deployment,
    feature: FeatureName,
    source: Source = "production",
    reference: ReferenceId = "",
    grain: Grain = "hour",
    start: Moment,
    end: Moment,
    part_start: Moment | None = None,
    part_end: Moment | None = None,
) -> pa.Table:
    """The share of predictions in the part of a feature's values that moved, hour by hour or day by day.

    The part is where the feature moved to from `part_start` to `part_end`, or in the whole window from `start` to
    `end`; `mean` is that of numbers. `share_reference` is the share in the reference.
    """
    from_, to = start.replace(tzinfo=None), end.replace(tzinfo=None)
    if (part_start is None) != (part_end is None):
        raise BadInput("give both part_start and part_end, or neither for the whole window")
    part = (part_start or start).replace(tzinfo=None), (part_end or end).replace(tzinfo=None)
    one = meant(ask, source, deployment, reference)
    before = whole(ask, one, part[0], [feature]).get(feature)
    found = cells(ask, one, deployment, from_, to, [feature])
    moved = found if part == (from_, to) else cells(ask, one, deployment, *part, [feature])
    now = merged(moved).get(feature)
    region = moved_to(before, now) if before is not None and now is not None else None
    rows: list[dict[str, Any]] = []
    for bucket, group in _grouped(found, grain):
        profile = merged(group)[feature]
        k, n = _inside(profile, region)
        low, high = wilson(k, n)
        rows.append(
            {"bucket": bucket, "n": n, "share": k / n if n else None, "low": low if n else None}
            | {"high": high if n else None, "missing": profile.missing}
            | {"mean": float(profile.sums.sum()) / profile.n if isinstance(profile, Numeric) and profile.n else None}
            | {"share_reference": region.share_reference if region else None}
        )
    schema = pa.schema(
        [
            ("bucket", pa.timestamp("us")),
            ("n", pa.int64()),
            ("missing", pa.int64()),
            *((name, pa.float64()) for name in ("share", "low", "high", "mean", "share_reference")),
        ]
    )
    return pa.Table.from_pylist(rows, schema)


@query
def drift_examples(
    ask: Ask,
    *,
    deployment: Deployment,
    feature: FeatureName,
    source: Source = "production",
    reference: ReferenceId = "",
    start: Moment,
    end: Moment,
    of: Literal["window", "reference"] = "window",
    different: Annotated[bool, Field(description="of equal images or prompts only one")] = True,
    limit: Rows = 24,
) -> pa.Table:
    """Predictions that show a drift: those of the window where a feature moved to, furthest first; or of the reference.

    Those of the reference are chosen at random among all that it has, always the same. Texts are cut to 300 characters.
    """
    from_, to = start.replace(tzinfo=None), end.replace(tzinfo=None)
    one = meant(ask, source, deployment, reference)
    before = whole(ask, one, from_, [feature]).get(feature)
    now = merged(cells(ask, one, deployment, from_, to, [feature])).get(feature)
    region = moved_to(before, now) if before is not None and now is not None else None
    if region is None:
        raise NotFound(f"{deployment} has no predictions with {feature!r} in the window or in its reference")
    number = isinstance(now, Numeric)
    value = column(feature, number=number)
    window, whose, inside, order = (from_, to), deployment, condition(feature, region, number=number), "hash(event_id)"
    if of == "reference":
        window, whose, inside = one.window(from_) or (from_, from_), one.source_of, "true"
    elif number and not region.missing:
        order = f"{value} {'desc' if region.low is not None else 'asc'}, hash(event_id)"
    raw = raw_relation(ask.con, *window)
    apart = (
        "qualify row_number() over (partition by coalesce(image, prompt_key) order by rank) = 1" if different else ""
    )
    return ask.sql(
        f"""
        with chosen as (
            select f.ts, f.event_id, f.image, {value}::varchar as value, f.wrong, f.disliked, f.outcome,
                row_number() over (order by {order}) as rank
            from features f
            where f.source = $source and f.deployment = $deployment and f.ts >= $start and f.ts < $end and {inside}
            order by rank
            limit 2000
        ),
        told as (
            select c.*, left(p.input_text, {PREVIEW}) as input_preview,
                left(p.output_text, {PREVIEW}) as output_preview, p.label, hash(p.input_text)::varchar as prompt_key
            from chosen c join {raw} p on p.ts = c.ts and p.event_id = c.event_id
            where p.source = $source and p.deployment = $deployment and p.ts >= $start and p.ts < $end
            {apart}
        )
        select ts, event_id, value, image, input_preview, output_preview, label, wrong, disliked, outcome
        from told
        order by rank
        limit $limit
        """,
        source=source,
        deployment=whose,
        start=window[0],
        end=window[1],
        limit=limit,
    )


def _missing(before: Profile | None, now: Profile | None) -> dict[str, Any]:
    counts = [(one.missing, one.n + one.missing) if one is not None else (0, 0) for one in (before, now)]
    return {"name": "(missing)"} | _shares(counts[0], counts[1], moved=False)


def _shares(before: tuple[int, int], now: tuple[int, int], *, moved: bool) -> dict[str, Any]:
    low, high = wilson(*now)
    return {
        "n_reference": before[0],
        "n_window": now[0],
        "share_reference": before[0] / before[1] if before[1] else None,
        "share_window": now[0] / now[1] if now[1] else None,
        "window_low": low if now[1] else None,
        "window_high": high if now[1] else None,
        "moved": moved,
    }


def _names(before: Profile | None, now: Profile | None, most: int) -> list[dict[str, Any]]:
    sides = [_counted(one) for one in (before, now)]
    totals = [one.n if one is not None else 0 for one in (before, now)]
    region = moved_to(before, now) if before is not None and now is not None else None
    every = sorted(
        sides[0].keys() | sides[1].keys(),
        key=lambda name: (
            -sum(side.get(name, 0) / max(1, total) for side, total in zip(sides, totals, strict=True)),
            name,
        ),
    )
    shown = every[: most - 1] if len(every) > most else every
    rows = [
        {"name": name}
        | _shares(
            (sides[0].get(name, 0), totals[0]),
            (sides[1].get(name, 0), totals[1]),
            moved=bool(region and name in region.names),
        )
        for name in shown
    ]
    rest = [total - sum(side.get(name, 0) for name in shown) for side, total in zip(sides, totals, strict=True)]
    if any(rest):
        rows.append({"name": "(others)"} | _shares((rest[0], totals[0]), (rest[1], totals[1]), moved=False))
    return rows


def _counted(one: Profile | None) -> dict[str, int]:
    if not isinstance(one, Category):
        return {}
    return {name: int(n) for name, n in zip(one.names, one.counts, strict=True)}


def _numbers(before: Profile | None, now: Profile | None, most: int) -> list[dict[str, Any]]:
    sides = [one if isinstance(one, Numeric) and one.n else None for one in (before, now)]
    known = [one for one in sides if one is not None]
    if not known:
        return []
    region = moved_to(known[0], known[1]) if len(known) == 2 else None
    cuts, exact = cuts_of(known, most, region)
    counts = [in_bins(one, cuts) if one is not None else np.zeros(len(cuts) + 1, np.int64) for one in sides]
    totals = [one.n if one is not None else 0 for one in sides]
    low, high = min(one.low for one in known), max(one.high for one in known)
    ends = [low, *cuts.tolist(), high]
    rows = []
    for at in range(len(cuts) + 1):
        if not (counts[0][at] or counts[1][at]):
            continue
        inside = region is not None and region.holds(ends[at], ends[at + 1]) and ends[at + 1] != region.low
        shares = _shares((int(counts[0][at]), totals[0]), (int(counts[1][at]), totals[1]), moved=inside)
        name = f"{ends[at + 1]:g}" if exact else None
        rows.append({"name": name, "low": ends[at], "high": ends[at + 1]} | shares)
    return rows


def _grouped(found: list[tuple[Any, str, Profile]], grain: Grain) -> list[tuple[Any, list[tuple[Any, str, Profile]]]]:
    groups: dict[Any, list[tuple[Any, str, Profile]]] = {}
    for row in found:
        bucket = row[0] if grain == "hour" else row[0] - timedelta(hours=row[0].hour)
        groups.setdefault(bucket, []).append(row)
    return sorted(groups.items())


def _inside(profile: Profile, region: Any) -> tuple[int, int]:
    """How many values of a profile lie in a region, and of how many predictions."""
    if region is None:
        return 0, 0
    if region.missing:
        return profile.missing, profile.n + profile.missing
    if isinstance(profile, Category):
        return sum(_counted(profile).get(name, 0) for name in region.names), profile.n
    cut = region.low if region.low is not None else region.high
    if cut is None:
        return profile.n, profile.n
    if profile.points is not None and profile.point_counts is not None:
        below = int(profile.point_counts[profile.points <= cut].sum())
    else:
        below = int(profile.counts[: np.searchsorted(profile.edges, cut) + 1].sum())
    return (below if region.high is not None else profile.n - below), profile.n
