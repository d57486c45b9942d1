"""Latency over a whole window, from histograms that merge without loss: distribution, quantiles, comparison."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa

from monitor.queries.registry import ALL, Ask, By, Metric, Moment, Names, Source, query
from monitor.queries.window import ceil, floor, histogram_grain
from monitor.stats import histogram
from monitor.stats.difference import mover_difference, verdict
from monitor.stats.intervals import Interval, newcombe_difference, wilson

METHOD = "histogram, error at most 0.54 %"
QUANTILES = (0.5, 0.9, 0.95, 0.99)
MOST_GROUPS = 50


@dataclass(frozen=True, slots=True)
class Cells:
    """Histogram of one group: indices of the base-2 grid at scale 6, and counts."""

    indices: np.ndarray
    counts: np.ndarray

    @property
    def total(self) -> int:
        return int(self.counts.sum())

    def quantile(self, q: float) -> float:
        return self.quantiles([q])[0]

    def quantiles(self, qs: Sequence[float]) -> list[float]:
        found: list[float] = histogram.quantiles(self.indices, self.counts, qs).tolist()
        return found

    def interval(self, q: float) -> Interval:
        return histogram.quantile_interval(self.indices, self.counts, q)


@dataclass(frozen=True, slots=True)
class Covered:
    """The window that whole histograms cover, and their resolution."""

    start: datetime
    end: datetime
    grain: int


def covered(ask: Ask, start: datetime, end: datetime) -> Covered:
    """The asked window, widened to whole histograms."""
    grain = histogram_grain(start, end, ask.now)
    return Covered(floor(start, grain), ceil(end, grain), grain)


def histograms(
    ask: Ask, window: Covered, by: str, keys: list[str], source: str, metric: str, most: int = MOST_GROUPS
) -> dict[str, Cells]:
    """One merged histogram per group: the `most` groups with most requests, in this order."""
    key = "'all'" if by == "all" else by
    table = ask.sql(
        f"""
        select {key} as key, idx, sum(n)::bigint as n
        from histograms
        where grain_s = $grain and bucket >= $start and bucket < $end and source = $source and metric = $metric
            and (len($keys) = 0 or list_contains($keys::varchar[], {key}))
        group by all
        """,
        grain=window.grain,
        start=window.start,
        end=window.end,
        source=source,
        metric=metric,
        keys=keys,
    )
    # sorted here, by a number for each group: sorting some thousand texts takes as long as all the rest
    groups = table["key"].combine_chunks().dictionary_encode()
    names, number = groups.dictionary.to_pylist(), groups.indices.to_numpy()
    order = np.lexsort((table["idx"].to_numpy(), number))
    indices, counts = table["idx"].to_numpy().astype(np.int64)[order], table["n"].to_numpy()[order]
    ends = np.searchsorted(number[order], np.arange(len(names)), side="right")
    parts = zip(names, np.split(indices, ends[:-1]), np.split(counts, ends[:-1]), strict=True) if names else ()
    found = {name: Cells(*part) for name, *part in parts}
    return dict(sorted(found.items(), key=lambda item: (-item[1].total, item[0]))[:most])


@query
def latency_distribution(
    ask: Ask,
    *,
    start: Moment,
    end: Moment,
    by: By = "deployment",
    keys: Names = ALL,
    source: Source = "production",
    metric: Metric = "latency_ms",
) -> pa.Table:
    """How many successful requests took between low_ms and high_ms, per group, from `from_ts` to `to_ts`."""
    window = covered(ask, start, end)
    groups = histograms(ask, window, by, keys, source, metric)
    found = list(groups.values())
    indices = np.concatenate([np.array([], dtype=np.int64), *(cells.indices for cells in found)])
    sizes = [cells.indices.size for cells in found]
    columns = [
        pa.array(np.repeat(np.array(list(groups), dtype=object), sizes), pa.string()),
        pa.array(histogram.low(indices)),
        pa.array(histogram.high(indices)),
        pa.array(np.concatenate([np.array([], dtype=np.int64), *(cells.counts for cells in found)])),
        pa.array(np.repeat([cells.total for cells in found], sizes).astype(np.int64)),
    ]
    return _with_window(pa.table(columns, ["key", "low_ms", "high_ms", "n", "total"]), window)


@query
def latency_quantiles(
    ask: Ask,
    *,
    start: Moment,
    end: Moment,
    by: By = "deployment",
    keys: Names = ALL,
    source: Source = "production",
    metric: Metric = "latency_ms",
) -> pa.Table:
    """p50, p90, p95 and p99 of successful requests per group over the window, with 95 % intervals in milliseconds.

    An interval is distribution-free; high_ms is null where there are too few requests to give an upper bound.
    """
    window = covered(ask, start, end)
    rows = [
        (key, q, value, *map(_finite, cells.interval(q)), cells.total)
        for key, cells in histograms(ask, window, by, keys, source, metric).items()
        for q, value in zip(QUANTILES, cells.quantiles(QUANTILES), strict=True)
    ]
    kinds = [pa.string(), *[pa.float64()] * 4, pa.int64()]
    return _table(["key", "quantile", "value_ms", "low_ms", "high_ms", "n"], kinds, rows, window)


@query
def compare(ask: Ask, *, start: Moment, end: Moment, a: str, b: str, source: Source = "production") -> pa.Table:
    """Two deployments over one window: error rate, percentiles and b - a, each with n and interval.

    Error rates by Newcombe's method, percentiles by MOVER over distribution-free intervals. The requests of the two are
    taken as independent: this says that they differ, not why.
    """
    window = covered(ask, start, end)
    rows = [_compare_errors(ask, window, a, b, source)]
    for metric, label, quantiles in (("latency_ms", "", QUANTILES), ("ttft_ms", "ttft_", (0.5, 0.95))):
        found = histograms(ask, window, "deployment", [a, b], source, metric)
        none = Cells(np.array([], dtype=np.int64), np.array([], dtype=np.int64))
        rows += [
            _compare_quantile(f"{label}p{q * 100:.0f}_ms", found.get(a, none), found.get(b, none), q) for q in quantiles
        ]
    names = ["metric", "unit", "a", "a_low", "a_high", "n_a", "b", "b_low", "b_high", "n_b"]
    names += ["difference", "difference_low", "difference_high", "verdict"]
    number, text, count = pa.float64(), pa.string(), pa.int64()
    kinds = [text, text, *[number] * 3, count, *[number] * 3, count, *[number] * 3, text]
    return _table(names, kinds, rows, window)


def _compare_errors(ask: Ask, window: Covered, a: str, b: str, source: str) -> tuple[object, ...]:
    table = ask.sql(
        """
        select deployment, sum(n)::bigint as n, coalesce(sum(n) filter (error_type <> ''), 0)::bigint as errors
        from counts
        where grain_s = $grain and bucket >= $start and bucket < $end and source = $source and deployment in ($a, $b)
        group by deployment
        """,
        grain=window.grain,
        start=window.start,
        end=window.end,
        source=source,
        a=a,
        b=b,
    )
    found = {row["deployment"]: (row["errors"], row["n"]) for row in table.to_pylist()}
    (bad_a, n_a), (bad_b, n_b) = found.get(a, (0, 0)), found.get(b, (0, 0))
    share_a, share_b = bad_a / n_a if n_a else math.nan, bad_b / n_b if n_b else math.nan
    difference = newcombe_difference(bad_b, n_b, bad_a, n_a)
    sides = (share_a, *wilson(bad_a, n_a)), (share_b, *wilson(bad_b, n_b))
    return _comparison("error_rate", "share", *sides, n_a, n_b, difference)


def _compare_quantile(name: str, a: Cells, b: Cells, q: float) -> tuple[object, ...]:
    side_a, side_b = (a.quantile(q), *a.interval(q)), (b.quantile(q), *b.interval(q))
    return _comparison(name, "ms", side_a, side_b, a.total, b.total, mover_difference(*side_b, *side_a))


def _comparison(
    metric: str,
    unit: str,
    a: tuple[float, float, float],
    b: tuple[float, float, float],
    n_a: int,
    n_b: int,
    difference: Interval,
) -> tuple[object, ...]:
    sides = (*map(_finite, a), n_a, *map(_finite, b), n_b)
    return (metric, unit, *sides, _finite(b[0] - a[0]), *map(_finite, difference), verdict(*difference))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _table(names: list[str], kinds: list[pa.DataType], rows: Sequence[tuple[object, ...]], window: Covered) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(names)
    arrays = {name: pa.array(list(column), kind) for name, kind, column in zip(names, kinds, columns, strict=True)}
    return _with_window(pa.table(arrays), window)


def _with_window(table: pa.Table, window: Covered) -> pa.Table:
    """How and over which time the rows were counted."""
    table = table.append_column("method", pa.repeat(pa.scalar(METHOD), table.num_rows))
    for name, moment in (("from_ts", window.start), ("to_ts", window.end)):
        table = table.append_column(name, pa.repeat(pa.scalar(moment, pa.timestamp("us", tz="UTC")), table.num_rows))
    return table
