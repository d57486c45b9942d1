"""The fleet: per deployment its state, its figures with their intervals, and its change against the reference."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
from pydantic import Field

from monitor.queries.health import REFERENCE_SHIFT
from monitor.queries.latency import Cells, Covered, histograms
from monitor.queries.registry import ALL, Ask, Moment, Names, Reference, Source, query
from monitor.queries.window import ceil, floor
from monitor.records import STATES, Deployment, Slo
from monitor.stats.band import compare_interval_to_band
from monitor.stats.burn import StateSeries, burn_over, reason_at, runs, state_series, state_since
from monitor.stats.burn_rules import budget_left
from monitor.stats.intervals import newcombe_difference, poisson_rate_interval, wilson

WATCHED = ("production", "demo")
"""Sources with a state: production, and the demo that stands in for it."""

LOOK_BACK = timedelta(days=3, hours=1)
SPARK, SPARK_STEP = timedelta(hours=24), timedelta(minutes=30)
BUDGET = timedelta(days=30)

WindowSeconds = Annotated[int, Field(ge=300, le=86400, description="seconds that the figures cover, up to now")]


@dataclass(frozen=True, slots=True)
class Seen:
    """A deployment in the log: what it last answered as."""

    deployment: str
    source: str
    model: str
    checkpoint: str
    environment: str
    first_seen: datetime | None
    last_seen: datetime | None
    n: int


@query
def deployments(ask: Ask) -> pa.Table:
    """Every deployment of the log and of the fleet file, with what it last answered as."""
    rows = [
        {
            "deployment": seen.deployment,
            "source": seen.source,
            "registered": seen.deployment in ask.fleet.deployments,
            "model": seen.model,
            "checkpoint": seen.checkpoint,
            "environment": seen.environment,
            "first_seen": seen.first_seen,
            "last_seen": seen.last_seen,
            "n": seen.n,
        }
        for seen in _seen(ask)
    ]
    return pa.Table.from_pylist(rows, _DEPLOYMENTS)


@query
def fleet(ask: Ask, *, window_s: WindowSeconds = 3600, reference: Reference = "week") -> pa.Table:
    """Every deployment with its state by SLO burn, its figures of the last hour, and its reference band.

    A deployment that the fleet file does not name has `registered` false and is held against the default SLO
    (99 % of requests succeed). State and figures are of production; the demo has rows of its own.
    """
    seen = [row for row in _seen(ask) if row.source in WATCHED]
    figures = _Figures(ask, _answered(seen, WATCHED), window_s, reference)
    rows = [_row(ask, one, figures) for one in seen]
    rank = {"alert": 0, "warn": 1, "no_data": 2, "ok": 3}
    rows.sort(key=lambda row: (rank[row["state"]], row["deployment"], row["source"]))
    return pa.Table.from_pylist(rows, _FLEET)


@query
def state_timeline(
    ask: Ask, *, start: Moment, end: Moment, deployments: Names = ALL, source: Source = "production"
) -> pa.Table:
    """The states that each deployment went through in the window, with their reasons; at most the last 31 days."""
    end = min(end, ask.now)
    start = max(start, end - timedelta(days=31))
    pairs = [pair for pair in _answered(_seen(ask), [source]) if not deployments or pair[0] in deployments]
    rows = [
        {"deployment": name, "state": run.state, "from_ts": run.from_ts, "to_ts": run.to_ts, "reason": run.reason}
        for (name, _), series in _series(ask, start - LOOK_BACK, end, pairs).items()
        for run in runs(series, start)
    ]
    return pa.Table.from_pylist(rows, _TIMELINE)


# -- what is known of a deployment


def _seen(ask: Ask) -> list[Seen]:
    """The log's deployments by last answer, then those of the fleet file that never answered."""
    table = ask.sql(
        """
        select deployment, source, arg_max(model, last_seen) as model, arg_max(checkpoint, last_seen) as checkpoint,
            arg_max(environment, last_seen) as environment,
            min(first_seen) as first_seen, max(last_seen) as last_seen, sum(n)::bigint as n
        from deployments_seen
        group by deployment, source
        order by deployment, source
        """
    )
    rows = [Seen(**row) for row in table.to_pylist()]
    silent = set(ask.fleet.deployments) - {row.deployment for row in rows if row.source in WATCHED}
    for name in sorted(silent):
        known = ask.fleet.deployments[name]
        rows.append(Seen(name, "production", known.model, known.checkpoint, known.environment, None, None, 0))
    return [_aware(row) for row in rows]


def _answered(seen: list[Seen], sources: Sequence[str]) -> list[tuple[str, str]]:
    """(deployment, source) of those that are in the log."""
    return [(row.deployment, row.source) for row in seen if row.n and row.source in sources]


def _aware(seen: Seen) -> Seen:
    first, last = (t.replace(tzinfo=UTC) if t else None for t in (seen.first_seen, seen.last_seen))
    return Seen(seen.deployment, seen.source, seen.model, seen.checkpoint, seen.environment, first, last, seen.n)


def _slo(ask: Ask, deployment: str) -> Slo:
    known: Deployment | None = ask.fleet.deployments.get(deployment)
    return known.slo if known else Slo()


def _series(
    ask: Ask, start: datetime, end: datetime, pairs: list[tuple[str, str]]
) -> dict[tuple[str, str], StateSeries]:
    """State minute by minute per (deployment, source), for those of `pairs` that answered since `start`."""
    first = floor(start, 60)
    minutes = np.arange(
        np.datetime64(first.replace(tzinfo=None), "m"), np.datetime64(ceil(end, 60).replace(tzinfo=None), "m")
    )
    # a number instead of two texts in each row: a hundred thousand rows are sorted and told apart by it for free
    table = ask.sql(
        """
        with pairs as (
            select unnest($keys::varchar[]) as key, unnest($sources::varchar[]) as source,
                unnest(range(len($keys))) as pair
        )
        select pair, datediff('minute', $start::timestamp, bucket) as minute, n, errors, n_latency, slow
        from rollups join pairs using (key, source)
        where grain_s = 60 and by_what = 'deployment' and bucket >= $start and bucket < $end
        """,
        start=first,
        end=end,
        keys=[key for key, _ in pairs],
        sources=[source for _, source in pairs],
    )
    pair, minute = table["pair"].to_numpy(), table["minute"].to_numpy()
    counts = np.zeros((4, len(pairs), minutes.size), dtype=np.int32)
    for of_kind, name in zip(counts, ("n", "errors", "n_latency", "slow"), strict=True):
        of_kind[pair, minute] = table[name].to_numpy()
    found: dict[tuple[str, str], StateSeries] = {}
    for i in np.unique(pair):
        n, errors, n_latency, slow = counts[:, i]
        found[pairs[i]] = state_series(minutes, n, errors, n_latency, slow, _slo(ask, pairs[i][0]), end)
    return found


# -- the figures of all deployments, one statement each


class _Figures:
    """What the rows of the fleet are made of, fetched for all deployments at once."""

    def __init__(self, ask: Ask, pairs: list[tuple[str, str]], window_s: int, reference: Reference) -> None:
        self.window_s = window_s
        start = ask.now - timedelta(seconds=window_s)
        self.series = _series(ask, ask.now - LOOK_BACK, ask.now, pairs)
        self.traffic = _by_pair(_traffic(ask, start, ask.now))
        shift = REFERENCE_SHIFT[reference]
        self.band = _by_pair(_reference(ask, start - shift, ask.now - shift))
        self.spark = _sparks(ask)
        self.budget = _by_pair(_budget(ask))
        window = Covered(floor(start, 300), ceil(ask.now, 300), 300)
        self.cells: dict[tuple[str, str], Cells] = {
            (name, source): cells
            for source in {source for _, source in pairs}
            for name, cells in histograms(ask, window, "deployment", [], source, "latency_ms", len(pairs)).items()
        }


def _by_pair(table: pa.Table) -> dict[tuple[str, str], dict[str, Any]]:
    return {(row["key"], row["source"]): row for row in table.to_pylist()}


def _traffic(ask: Ask, start: datetime, end: datetime) -> pa.Table:
    return ask.sql(
        """
        select key, source, sum(n)::bigint as n, sum(errors)::bigint as errors, sum(tokens_out)::bigint as tokens_out
        from rollups
        where grain_s = 60 and by_what = 'deployment' and bucket >= $start and bucket < $end
        group by key, source
        """,
        start=floor(start, 60),
        end=end,
    )


def _reference(ask: Ask, start: datetime, end: datetime) -> pa.Table:
    """Smallest and largest five-minute rate and p95 of the window back then (a quiet five minutes is a rate of 0), and
    its errors.
    """
    return ask.sql(
        """
        with cells as (
            select key, source, n, errors, n / 300 as rate, case when n_latency >= 20 then p95_ms end as p95
            from rollups
            where grain_s = 300 and by_what = 'deployment' and bucket >= $start and bucket < $end
        )
        select key, source, sum(n)::bigint as n, sum(errors)::bigint as errors,
            case when count(*) < $cells then 0 else min(rate) end as rate_low, max(rate) as rate_high,
            min(p95) as p95_low, max(p95) as p95_high
        from cells
        group by key, source
        """,
        start=floor(start, 300),
        end=floor(end, 300),
        cells=int((floor(end, 300) - floor(start, 300)).total_seconds() // 300),
    )


def _sparks(ask: Ask) -> dict[tuple[str, str], dict[str, list[float | None]]]:
    """Requests and median of five-minute p95 per half hour of the last day, as lists without gaps."""
    step = int(SPARK_STEP.total_seconds())
    first = floor(ask.now - SPARK + SPARK_STEP, step)
    halves = ask.sql(
        """
        select key, source, datediff('second', $start::timestamp, bucket) // $step as half,
            sum(n)::double as n, median(p95_ms) as p95
        from rollups
        where grain_s = 300 and by_what = 'deployment' and bucket >= $start and bucket < $now
        group by all
        """,
        start=first,
        now=ask.now,
        step=step,
    )
    size = int((ask.now - first) / SPARK_STEP) + 1
    found: dict[tuple[str, str], dict[str, list[float | None]]] = {}
    for row in halves.to_pylist():
        lines = found.setdefault((row["key"], row["source"]), {"spark_n": [0.0] * size, "spark_p95": [None] * size})
        lines["spark_n"][row["half"]], lines["spark_p95"][row["half"]] = row["n"], row["p95"]
    return found


def _budget(ask: Ask) -> pa.Table:
    return ask.sql(
        """
        select key, source, sum(n)::bigint as n, sum(errors)::bigint as errors
        from rollups
        where grain_s = 3600 and by_what = 'deployment' and bucket >= $start
        group by key, source
        """,
        start=ask.now - BUDGET,
    )


# -- one row


def _row(ask: Ask, seen: Seen, figures: _Figures) -> dict[str, Any]:
    pair = (seen.deployment, seen.source)
    registered = seen.deployment in ask.fleet.deployments
    slo = _slo(ask, seen.deployment)
    return {
        "deployment": seen.deployment,
        "source": seen.source,
        "registered": registered,
        "model": seen.model,
        "checkpoint": seen.checkpoint,
        "environment": seen.environment,
        "last_seen": seen.last_seen,
        **_state(figures.series.get(pair), seen),
        **_signals(figures, pair),
        "spark_n": figures.spark.get(pair, {}).get("spark_n", []),
        "spark_p95": figures.spark.get(pair, {}).get("spark_p95", []),
        "slo_availability": slo.availability if registered else None,
        "slo_latency_ms": slo.latency_ms if registered else None,
        "slo_latency_target": slo.latency_target if registered and slo.latency_ms else None,
        "budget_left": _budget_left(figures.budget.get(pair), slo) if registered else None,
    }


def _state(series: StateSeries | None, seen: Seen) -> dict[str, Any]:
    if series is None:
        when = (
            f"nothing came since {seen.last_seen:%Y-%m-%d %H:%M} UTC" if seen.last_seen else "no request has come yet"
        )
        return {"state": "no_data", "state_reason": when, "since": seen.last_seen}
    state = STATES[series.codes[-1]]
    return {
        "state": state,
        "state_reason": reason_at(series),
        "since": seen.last_seen if state == "no_data" else state_since(series),
        **{
            f"burn_{name}": _known(burn_over(series, seconds))
            for name, seconds in (("1h", 3600), ("6h", 21600), ("3d", 259200))
        },
    }


def _signals(figures: _Figures, pair: tuple[str, str]) -> dict[str, Any]:
    traffic = figures.traffic.get(pair, {"n": 0, "errors": 0, "tokens_out": None})
    band = figures.band.get(pair, {"n": 0, "errors": 0})
    n, errors, seconds = traffic["n"], traffic["errors"], figures.window_s
    band["error_rate_low"], band["error_rate_high"] = map(_known, wilson(band["errors"], band["n"]))
    low, high = wilson(errors, n)
    rate_low, rate_high = poisson_rate_interval(n, seconds)
    cells = figures.cells.get(pair)
    p95_low, p95_high = cells.interval(0.95) if cells else (math.nan, math.nan)
    p50, p95 = cells.quantiles((0.5, 0.95)) if cells else (None, None)
    return {
        "n": n,
        "errors": errors,
        "error_rate": errors / n if n else None,
        "error_rate_low": _known(low),
        "error_rate_high": _known(high),
        "rate_per_s": n / seconds,
        "rate_low": rate_low,
        "rate_high": rate_high,
        "tokens_out_per_s": traffic["tokens_out"] / seconds if traffic["tokens_out"] is not None else None,
        "n_latency": cells.total if cells else 0,
        "p50_ms": p50,
        "p95_ms": p95,
        "p95_low_ms": _known(p95_low),
        "p95_high_ms": _known(p95_high),
        **{
            f"{name}_ref_{side}": band.get(f"{name}_{side}")
            for name in ("rate", "error_rate", "p95")
            for side in ("low", "high")
        },
        "rate_change": _change(rate_low, rate_high, band, "rate"),
        "error_rate_change": _error_change(errors, n, band["errors"], band["n"]),
        "p95_change": _change(p95_low, p95_high, band, "p95"),
    }


def _error_change(errors: int, n: int, errors_then: int, n_then: int) -> str:
    """Two shares of few errors each: only their difference tells, a band of the smaller windows does not."""
    difference = newcombe_difference(errors, n, errors_then, n_then)
    return compare_interval_to_band(*difference, 0.0, 0.0) if n_then else "no_reference"


def _change(low: float, high: float, band: dict[str, Any], name: str) -> str:
    return compare_interval_to_band(low, high, band.get(f"{name}_low"), band.get(f"{name}_high"))


def _budget_left(month: dict[str, Any] | None, slo: Slo) -> float | None:
    return _known(budget_left(month["errors"], month["n"], slo.availability)) if month else None


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


_TEXT, _NUMBER, _COUNT, _FLAG = pa.string(), pa.float64(), pa.int64(), pa.bool_()
_TIME, _NUMBERS = pa.timestamp("us", tz="UTC"), pa.list_(pa.float64())


def _schema(*parts: tuple[pa.DataType, str]) -> pa.Schema:
    """Columns by type, in their order."""
    return pa.schema([(name, kind) for kind, names in parts for name in names.split()])


_DEPLOYMENTS = _schema(
    (_TEXT, "deployment source"),
    (_FLAG, "registered"),
    (_TEXT, "model checkpoint environment"),
    (_TIME, "first_seen last_seen"),
    (_COUNT, "n"),
)
_TIMELINE = _schema((_TEXT, "deployment state"), (_TIME, "from_ts to_ts"), (_TEXT, "reason"))
_FLEET = _schema(
    (_TEXT, "deployment source"),
    (_FLAG, "registered"),
    (_TEXT, "model checkpoint environment state state_reason"),
    (_TIME, "since last_seen"),
    (_COUNT, "n errors"),
    (_NUMBER, "error_rate error_rate_low error_rate_high rate_per_s rate_low rate_high tokens_out_per_s"),
    (_COUNT, "n_latency"),
    (_NUMBER, "p50_ms p95_ms p95_low_ms p95_high_ms"),
    (_NUMBER, "rate_ref_low rate_ref_high error_rate_ref_low error_rate_ref_high p95_ref_low p95_ref_high"),
    (_TEXT, "rate_change error_rate_change p95_change"),
    (_NUMBERS, "spark_n spark_p95"),
    (_NUMBER, "slo_availability slo_latency_ms slo_latency_target burn_1h burn_6h burn_3d budget_left"),
)
