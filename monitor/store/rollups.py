"""Rollups: what pages read instead of raw rows. Called by the loader (marks) and by the store owner (recomputes).

Loading marks the buckets that it touched as dirty, open ones included; recomputing deletes and inserts a bucket from
raw rows in one transaction, so that late and repeated rows are right by construction. A day is made of its hours:
recomputing an hour marks its day.

- `rollups`: scalars with exact percentiles of successful requests, per 1 min, 5 min and 1 h; per day from histograms.
- `counts`: requests per error type, which add up over any grouping.
- `histograms`: latencies on OpenTelemetry's base-2 exponential grid at scale 6 (error of a quantile at most 0.54 %),
  per 5 min, 1 h and 1 day, which merge without loss over time and grouping.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitor.store.archive import EVER, FOREVER, raw_relation
from monitor.store.database import Connection, transaction


@dataclass(frozen=True, slots=True)
class Grain:
    """One resolution: how often an open bucket is refreshed, how much is recomputed at once, which tables it fills."""

    seconds: int
    refresh_s: float
    most_buckets: int
    histogram: bool


HOUR_S, DAY_S = 3600, 86400
GRAINS = (
    Grain(60, 2, 360, histogram=False),
    Grain(300, 10, 72, histogram=True),
    Grain(HOUR_S, 60, 6, histogram=True),
    Grain(DAY_S, 300, 7, histogram=True),
)

GROUPS = ("deployment", "model", "checkpoint", "environment")
HISTOGRAM_METRICS = ("latency_ms", "ttft_ms", "queue_ms")
GAP_BUCKETS = 16
ZERO = -32768
"""Index of the histogram bucket that holds zeros."""

_SETS = ", ".join(f"(bucket, source, {group})" for group in GROUPS) + ", (bucket, source)"
_BY = (
    "case "
    + " ".join(f"when grouping({group}) = 0 then '{group}'" for group in GROUPS)
    + " else 'all' end as by_what, "
    + f"case {' '.join(f'when grouping({group}) = 0 then {group}' for group in GROUPS)} else 'all' end as key"
)
_DIMENSIONS = "deployment, " + ", ".join(f"coalesce({group}, '') as {group}" for group in GROUPS[1:])

_FROM_RAW = """
insert into rollups
with requests as (
    select time_bucket(to_seconds($grain), ts) as bucket, source, {dimensions}, status,
        case when status = 'ok' then p.latency_ms end as latency, case when status = 'ok' then ttft_ms end as ttft,
        case when status = 'ok' then queue_ms end as queue, p.latency_ms > s.latency_ms as over_slo,
        tokens_in, tokens_out, cost_usd
    from {raw} p left join slos s using (deployment)
    where ts >= $from and ts < $to
)
select grain, bucket, source, by_what, key, n, errors, slow, n_latency, latency[1], latency[2], latency[3],
    n_ttft, ttft[1], ttft[2], n_queue, queue_p95, n_tokens, tokens_in, tokens_out, cost_usd
from (
    select $grain as grain, bucket, source, {by}, count(*) as n, count(*) filter (status = 'error') as errors,
        count(*) filter (status = 'ok' and over_slo) as slow,
        count(latency) as n_latency, quantile_cont(latency, [0.5, 0.95, 0.99]) as latency,
        count(ttft) as n_ttft, quantile_cont(ttft, [0.5, 0.95]) as ttft,
        count(queue) as n_queue, quantile_cont(queue, 0.95) as queue_p95,
        count(tokens_out) as n_tokens, sum(tokens_in) as tokens_in, sum(tokens_out) as tokens_out,
        sum(cost_usd) as cost_usd
    from requests
    group by grouping sets ({sets})
)
"""

_COUNTS = """
insert into counts
select grain, bucket, source, deployment, model, checkpoint, environment, error_type, n, first_ts, last_ts,
    last.id, left(last.message, 500)
from (
    select $grain as grain, time_bucket(to_seconds($grain), ts) as bucket, source, {dimensions},
        case when status = 'error' then coalesce(error_type, 'unknown') else '' end as error_type,
        count(*) as n, min(ts) as first_ts, max(ts) as last_ts,
        arg_max({{'id': event_id, 'message': error_message}}, ts) filter (status = 'error') as last
    from {raw}
    where ts >= $from and ts < $to
    group by all
)
"""

_HISTOGRAM = """
insert into histograms
select $grain, time_bucket(to_seconds($grain), ts), source, {dimensions}, metric,
    case when value > 0 then least(greatest(ceil(log2(value) * 64) - 1, {zero} + 1), 32767) else {zero} end::smallint,
    count(*)
from (
    select ts, source, {dimensions}, unnest({names}) as metric, unnest({values}) as value
    from {raw}
    where ts >= $from and ts < $to and status = 'ok'
)
where value is not null
group by all
"""

_DAY_HISTOGRAM = """
insert into histograms
select $grain, time_bucket(to_seconds($grain), bucket), source, deployment, model, checkpoint, environment,
    metric, idx, sum(n)
from histograms
where grain_s = 3600 and bucket >= $from and bucket < $to
group by all
"""

_DAY_COUNTS = """
insert into counts
select grain, bucket, source, deployment, model, checkpoint, environment, error_type, n, first_ts, last_ts,
    last.id, last.message
from (
    select $grain as grain, time_bucket(to_seconds($grain), bucket) as bucket, source,
        deployment, model, checkpoint, environment, error_type,
        sum(n) as n, min(first_ts) as first_ts, max(last_ts) as last_ts,
        arg_max({'id': last_id, 'message': last_message}, last_ts) as last
    from counts
    where grain_s = 3600 and bucket >= $from and bucket < $to
    group by all
)
"""

_DAY = """
insert into rollups
with cells as (
    select bucket, source, metric, {by}, idx, sum(n) as n
    from histograms
    where grain_s = $grain and bucket >= $from and bucket < $to
    group by grouping sets ({cell_sets})
),
ranked as (
    select *, sum(n) over (partition by bucket, source, metric, by_what, key order by idx) as up_to,
        sum(n) over (partition by bucket, source, metric, by_what, key) as total
    from cells
),
percentiles as (
    select bucket, source, metric, by_what, key, q,
        min(case when idx = {zero} then 0 else 2 * pow(2, (idx + 1) / 64) / (pow(2, 1 / 64) + 1) end) as value
    from ranked, (values (0.5), (0.95), (0.99)) as qs(q)
    where up_to > q * (total - 1)
    group by all
),
hours as (
    select time_bucket(to_seconds($grain), bucket) as bucket, source, by_what, key,
        sum(n) as n, sum(errors) as errors, sum(slow) as slow, sum(n_latency) as n_latency,
        sum(n_ttft) as n_ttft, sum(n_queue) as n_queue, sum(n_tokens) as n_tokens,
        sum(tokens_in) as tokens_in, sum(tokens_out) as tokens_out, sum(cost_usd) as cost_usd
    from rollups
    where grain_s = 3600 and bucket >= $from and bucket < $to
    group by all
)
select $grain, h.bucket, h.source, h.by_what, h.key, any_value(h.n), any_value(errors), any_value(slow),
    any_value(n_latency), max(value) filter (metric = 'latency_ms' and q = 0.5),
    max(value) filter (metric = 'latency_ms' and q = 0.95), max(value) filter (metric = 'latency_ms' and q = 0.99),
    any_value(n_ttft), max(value) filter (metric = 'ttft_ms' and q = 0.5),
    max(value) filter (metric = 'ttft_ms' and q = 0.95),
    any_value(n_queue), max(value) filter (metric = 'queue_ms' and q = 0.95),
    any_value(n_tokens), any_value(tokens_in), any_value(tokens_out), any_value(cost_usd)
from hours h left join percentiles p using (bucket, source, by_what, key)
group by h.bucket, h.source, h.by_what, h.key
"""


def dirty_runs(con: Connection, grain: Grain, before: datetime = FOREVER) -> Iterator[tuple[datetime, datetime]]:
    """Dirty buckets as runs [from, to) of near neighbours, newest first, each small enough to be recomputed in one go.

    A clean bucket inside a run is recomputed to the same values: cheaper than one more statement for each small gap.
    """
    buckets = con.execute(
        "select bucket from dirty where grain_s = $grain and bucket < $before order by bucket desc",
        {"grain": grain.seconds, "before": before},
    ).fetchall()
    width = timedelta(seconds=grain.seconds)
    first: datetime | None = None
    last = EVER
    for (bucket,) in buckets:
        if first is not None and first - bucket <= width * GAP_BUCKETS and last - bucket < width * grain.most_buckets:
            first = bucket
            continue
        if first is not None:
            yield first, last
        first, last = bucket, bucket + width
    if first is not None:
        yield first, last


def recompute(con: Connection, grain: Grain, start: datetime, end: datetime, counted_from: datetime) -> None:
    """Replace the buckets of one grain in [start, end) (naive UTC) and clear their marks, in one transaction.

    Buckets before `counted_from` have lost their raw rows, so that they are only cleared, never emptied.
    """
    counted = max(start, counted_from) if grain.seconds != DAY_S else start
    window = {"grain": grain.seconds, "from": counted, "to": end}
    with transaction(con):
        if counted < end:
            for table in ("rollups", "counts", "histograms"):
                con.execute(f"delete from {table} where grain_s = $grain and bucket >= $from and bucket < $to", window)
            for statement in _statements(con, grain, start, end):
                con.execute(statement, window)
        con.execute(
            "delete from dirty where grain_s = $grain and bucket >= $from and bucket < $to", window | {"from": start}
        )
        if grain.seconds == HOUR_S:
            con.execute(
                "insert or ignore into dirty "
                "select $day, unnest(generate_series($first::timestamp, $last, interval 1 day))",
                {"day": DAY_S, "first": _midnight(start), "last": end - timedelta(microseconds=1)},
            )


def _midnight(time: datetime) -> datetime:
    return time.replace(hour=0, minute=0, second=0, microsecond=0)


def _statements(con: Connection, grain: Grain, start: datetime, end: datetime) -> list[str]:
    if grain.seconds == DAY_S:
        cell_sets = (
            ", ".join(f"(bucket, source, metric, idx, {group})" for group in GROUPS) + ", (bucket, source, metric, idx)"
        )
        return [_DAY_HISTOGRAM, _DAY_COUNTS, _DAY.format(by=_BY, cell_sets=cell_sets, zero=ZERO)]
    raw = raw_relation(con, start, end)
    statements = [
        _FROM_RAW.format(raw=raw, dimensions=_DIMENSIONS, by=_BY, sets=_SETS),
        _COUNTS.format(raw=raw, dimensions=_DIMENSIONS),
    ]
    if grain.histogram:
        names = "[" + ", ".join(f"'{metric}'" for metric in HISTOGRAM_METRICS) + "]"
        values = "[" + ", ".join(HISTOGRAM_METRICS) + "]"
        statements.append(_HISTOGRAM.format(raw=raw, dimensions=_DIMENSIONS, names=names, values=values, zero=ZERO))
    return statements
