"""Golden signals: latency, traffic, errors and tokens over time, with the reference band and the deploy markers."""

from datetime import datetime, timedelta
from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from monitor.queries.registry import ALL, Ask, By, Moment, Names, Reference, Rows, Source, query
from monitor.queries.window import floor, resolution
from monitor.stats.band import band
from monitor.stats.intervals import wilson_arrays

Resolution = Annotated[
    int, Field(description="seconds per bucket: 60, 300, 3600 or 86400; 0: what fits window and traffic")
]
MOST_KEYS = 50
FEW = 20  # fewer values than this bound no p95
LEAST_BUCKETS = 6
REFERENCE_SHIFT = {"day": timedelta(days=1), "week": timedelta(days=7)}

_SIGNALS = """
with cells as (
    select *
    from rollups
    where grain_s = $grain and by_what = $by and source = $source and bucket >= $start and bucket < $end
        and (len($keys) = 0 or list_contains($keys::varchar[], key))
),
busiest as (select key from cells group by key order by sum(n) desc limit $most),
shown as (select key from busiest union select unnest($keys::varchar[])),
grid as (select unnest(generate_series($start::timestamp, $last::timestamp, to_seconds($grain))) as bucket)
select bucket, key, $grain::integer as resolution_s,
    greatest(1, least($grain, epoch($now::timestamp - bucket))) as covered_s,
    coalesce(n, 0) as n, coalesce(errors, 0) as errors, coalesce(slow, 0) as slow,
    coalesce(n_latency, 0) as n_latency, p50_ms, p95_ms, p99_ms,
    coalesce(n_ttft, 0) as n_ttft, ttft_p50_ms, ttft_p95_ms, coalesce(n_queue, 0) as n_queue, queue_p95_ms,
    coalesce(n_tokens, 0) as n_tokens, tokens_in, tokens_out, cost_usd
from grid cross join shown left join cells using (bucket, key)
order by key, bucket
"""


@query
def golden_signals(
    ask: Ask,
    *,
    start: Moment,
    end: Moment,
    by: By = "deployment",
    keys: Names = ALL,
    source: Source = "production",
    resolution_s: Resolution = 0,
) -> pa.Table:
    """Traffic, errors, latency, time to first token and tokens per time bucket and group.

    Percentiles are exact and of successful requests (per day: from histograms, error at most 0.54 %); milliseconds.
    Rates are per second of the bucket that has passed; shares lie between 0 and 1 with Wilson's 95 % interval.
    A bucket without requests has n = 0 and null percentiles. The asked groups, or the 50 with most requests.
    """
    grain = _fitting(ask, start, end, by, keys, source, resolution_s)
    return _signals(ask, start, end, by, keys, source, grain)


def _fitting(ask: Ask, start: datetime, end: datetime, by: str, keys: list[str], source: str, asked: int) -> int:
    """The resolution that fits window and traffic: with so few requests a bucket that most had no p95, coarser."""
    grain = resolution(start, end, asked)
    if asked or grain >= 3600:
        return grain
    there = ask.sql(
        """
        select
            (select median(case when n_latency > 0 then n_latency else n end)
            from rollups
            where grain_s = 3600 and by_what = $by and source = $source and bucket >= $start and bucket < $end
                and (len($keys) = 0 or list_contains($keys::varchar[], key))) as hourly,
            exists(
                from rollups where grain_s = $grain and bucket >= $start and bucket < $end
            ) as fine
        """,
        by=by,
        source=source,
        keys=keys,
        start=floor(start, 3600),
        end=end,
        grain=grain,
    ).to_pylist()[0]
    if there["hourly"] is None:
        return grain
    if not there["fine"]:  # by age
        return 3600
    for coarser in (300, 3600):
        few = there["hourly"] * grain / 3600 < FEW
        if few and coarser > grain and (end - start).total_seconds() >= LEAST_BUCKETS * coarser:
            grain = coarser
    return grain


def _signals(ask: Ask, start: Moment, end: Moment, by: str, keys: list[str], source: str, grain: int) -> pa.Table:
    first = floor(start, grain)
    table = ask.sql(
        _SIGNALS,
        grain=grain,
        by=by,
        source=source,
        keys=keys,
        start=first,
        end=end,
        last=floor(end - timedelta(microseconds=1), grain),
        now=ask.now,
        most=MOST_KEYS,
    )
    n, errors = table["n"].to_numpy(), table["errors"].to_numpy()
    low, high = wilson_arrays(errors, n)
    covered = table["covered_s"].to_numpy()
    with np.errstate(invalid="ignore"):
        share = errors / np.where(n == 0, np.nan, n)
    table = table.append_column("error_rate", _nullable(share))
    table = table.append_column("error_rate_low", _nullable(low))
    table = table.append_column("error_rate_high", _nullable(high))
    table = table.append_column("rate_per_s", pa.array(n / covered))
    tokens = pc.divide(pc.cast(table["tokens_out"], pa.float64()), pa.array(covered, pa.float64()))
    return table.append_column("tokens_out_per_s", tokens)


@query
def reference_band(
    ask: Ask,
    *,
    start: Moment,
    end: Moment,
    by: By = "deployment",
    keys: Names = ALL,
    source: Source = "production",
    offset: Reference = "week",
    resolution_s: Resolution = 0,
) -> pa.Table:
    """The same window one day or one week earlier, as a band around each bucket of the asked window.

    The band of a bucket reaches from the smallest to the largest value of the seven buckets around it back then.
    """
    grain, shift = _fitting(ask, start, end, by, keys, source, resolution_s), REFERENCE_SHIFT[offset]
    around = timedelta(seconds=3 * grain)
    earlier = _signals(ask, start - shift - around, end - shift + around, by, keys, source, grain)
    shifted = pc.add(earlier["bucket"], pa.scalar(shift, pa.duration("us")))
    inside = pc.and_(
        pc.greater_equal(shifted, pa.scalar(floor(start, grain).replace(tzinfo=None), pa.timestamp("us"))),
        pc.less(shifted, pa.scalar(end.replace(tzinfo=None), pa.timestamp("us"))),
    )
    groups = pc.count_distinct(earlier["key"]).as_py()
    columns = {"bucket": shifted, "key": earlier["key"]}
    for name, column in BANDS.items():
        low, high = _bands(earlier[column].to_numpy(zero_copy_only=False).astype(float), groups)
        columns |= {f"{name}_low": _nullable(low), f"{name}_high": _nullable(high)}
    return pa.table(columns | {"n": earlier["n"]}).filter(inside)


BANDS = {"rate": "rate_per_s", "error_rate": "error_rate", "p50": "p50_ms", "p95": "p95_ms", "p99": "p99_ms"}


def _bands(values: np.ndarray, groups: int) -> tuple[np.ndarray, np.ndarray]:
    """The bands of several groups with equally many buckets each, one after the other, in one go."""
    if not groups:
        return values, values
    apart = np.pad(values.reshape(groups, -1), ((0, 0), (0, 3)), constant_values=np.nan)  # no neighbours across groups
    low, high = (side.reshape(apart.shape)[:, :-3].ravel() for side in band(apart.ravel()))
    return low, high


@query
def errors_over_time(
    ask: Ask,
    *,
    start: Moment,
    end: Moment,
    deployments: Names = ALL,
    source: Source = "production",
    resolution_s: Resolution = 0,
) -> pa.Table:
    """Failed requests per time bucket and error type; `unknown` where an error came without a type."""
    grain = _fitting(ask, start, end, "deployment", deployments, source, resolution_s)
    return ask.sql(
        """
        select bucket, error_type, sum(n)::bigint as n
        from counts
        where grain_s = $grain and bucket >= $start and bucket < $end and source = $source and error_type <> ''
            and (len($deployments) = 0 or list_contains($deployments::varchar[], deployment))
        group by all
        order by bucket, error_type
        limit 20000
        """,
        grain=grain,
        start=floor(start, grain),
        end=end,
        source=source,
        deployments=deployments,
    )


@query
def top_errors(
    ask: Ask, *, start: Moment, end: Moment, deployments: Names = ALL, source: Source = "production", limit: Rows = 20
) -> pa.Table:
    """The most frequent error types per deployment: count, share of its requests, and the newest example."""
    grain = _fitting(ask, start, end, "deployment", deployments, source, 0)
    table = ask.sql(
        """
        with inside as (
            select *
            from counts
            where grain_s = $grain and bucket >= $start and bucket < $end and source = $source
                and (len($deployments) = 0 or list_contains($deployments::varchar[], deployment))
        ),
        totals as (select deployment, sum(n)::bigint as total from inside group by deployment)
        select deployment, error_type, sum(n)::bigint as n, any_value(total) as total,
            min(first_ts) as first_seen, max(last_ts) as last_seen,
            arg_max(last_id, last_ts) as example_id, max(last_ts) as example_ts,
            arg_max(last_message, last_ts) as example_message
        from inside join totals using (deployment)
        where error_type <> ''
        group by deployment, error_type
        order by n desc, deployment, error_type
        limit $limit
        """,
        grain=grain,
        start=floor(start, grain),
        end=end,
        source=source,
        deployments=deployments,
        limit=limit,
    )
    n, total = table["n"].to_numpy(), table["total"].to_numpy()
    low, high = wilson_arrays(n, total)
    table = table.append_column("share", pa.array(n / total, pa.float64()))
    return table.append_column("share_low", _nullable(low)).append_column("share_high", _nullable(high))


@query
def deploy_markers(
    ask: Ask, *, start: Moment, end: Moment, deployments: Names = ALL, source: Source = "production"
) -> pa.Table:
    """When a deployment began to answer with another checkpoint: one row per change, to the first request of it."""
    return ask.sql(
        """
        with hours as (
            select deployment, checkpoint, bucket, min(first_ts) as first_ts
            from counts
            where grain_s = 3600 and bucket >= $from and bucket < $end and source = $source and checkpoint <> ''
                and (len($deployments) = 0 or list_contains($deployments::varchar[], deployment))
            group by all
        ),
        active as (
            select deployment, bucket, list(checkpoint order by first_ts) as checkpoints
            from hours
            group by all
        ),
        before as (
            select *, lag(checkpoints) over (partition by deployment order by bucket) as earlier
            from active
        )
        select first_ts as ts, deployment, checkpoint, earlier[-1] as previous_checkpoint
        from hours join before using (deployment, bucket)
        where earlier is not null and not list_contains(earlier, checkpoint) and first_ts >= $start
        order by ts
        limit 1000
        """,
        start=start,
        end=end,
        # the checkpoint before the window is found if it answered in the fortnight before
        **{"from": floor(start, 3600) - timedelta(days=14)},
        source=source,
        deployments=deployments,
    )


def _nullable(values: np.ndarray) -> pa.Array:
    """Floats with null for NaN: not known is not a number."""
    return pa.array(values, pa.float64(), from_pandas=True)
