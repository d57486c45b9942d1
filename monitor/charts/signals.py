"""The golden signals over time: one record per signal says which columns it draws and when a value may be drawn.

The frames are those of the queries `golden_signals` and `reference_band`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from monitor.charts import palette, words
from monitor.charts.marks import Marker, Option, Threshold
from monitor.charts.timeseries import Band, Floats, Line, View, over_time


@dataclass(frozen=True, slots=True)
class Curve:
    """One column of a signal: its name, and how many requests a bucket needs before the value means something."""

    column: str
    name: str
    least_n: int = 1
    band: str | None = None  # prefix of the columns of the usual range


@dataclass(frozen=True, slots=True)
class Signal:
    """One panel. `lead` is the curve that is drawn when several deployments share the panel."""

    id: str
    title: str
    unit: str
    n: str
    curves: tuple[Curve, ...]
    lead: int
    absent: str
    interval: tuple[str, str] | None = None


SIGNALS = (
    Signal(
        "latency",
        "Latency",
        "ms",
        "n_latency",
        (Curve("p50_ms", "p50", 1, "p50"), Curve("p95_ms", "p95", 20, "p95"), Curve("p99_ms", "p99", 100, "p99")),
        1,
        "These requests carry no latency, so there is none to draw. Send `latency_ms` to see it.",
    ),
    Signal(
        "errors",
        "Error rate",
        "share",
        "n",
        (Curve("error_rate", "error rate", 1, "error_rate"),),
        0,
        "No requests in this window.",
        ("error_rate_low", "error_rate_high"),
    ),
    Signal(
        "traffic",
        "Requests",
        "per_s",
        "n",
        (Curve("rate_per_s", "requests", 0, "rate"),),
        0,
        "No requests in this window.",
    ),
    Signal(
        "tokens",
        "Tokens out",
        "per_s",
        "n_tokens",
        (Curve("tokens_out_per_s", "tokens out"),),
        0,
        "These requests carry no token counts. Send `tokens_out` to see them.",
    ),
    Signal(
        "ttft",
        "Time to first token",
        "ms",
        "n_ttft",
        (Curve("ttft_p50_ms", "p50"), Curve("ttft_p95_ms", "p95", 20)),
        1,
        "These requests carry no time to first token. Streaming servers can send `ttft_ms`.",
    ),
    Signal(
        "queue",
        "Queue time",
        "ms",
        "n_queue",
        (Curve("queue_p95_ms", "p95", 20),),
        0,
        "These requests carry no queue time. Servers that queue can send `queue_ms`.",
    ),
)


SIGNALS_BY_ID = {signal.id: signal for signal in SIGNALS}


def has_values(signal: Signal, rows: Mapping[str, pd.DataFrame]) -> bool:
    """Whether any request carries what the signal shows."""
    return any(float(own[signal.n].sum()) > 0 for own in rows.values())


def by_key(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The rows of each key, indexed by bucket: done once for all panels of a page."""
    buckets = pd.Index(frame["bucket"].unique(), name="bucket").sort_values()
    rows = frame.set_index("bucket")
    return {str(key): group.reindex(buckets) for key, group in rows.groupby("key", sort=False)}


def signal_over_time(
    signal: Signal,
    rows: Mapping[str, pd.DataFrame],
    *,
    view: View,
    band: pd.DataFrame | None = None,
    thresholds: Sequence[Threshold] = (),
    markers: Sequence[Marker] = (),
) -> Option:
    """One signal of one or several keys: every curve for one key, the leading curve for several."""
    alone = len(rows) == 1
    buckets = next(iter(rows.values())).index
    lines = []
    for position, (key, own) in enumerate(rows.items()):
        for order, curve in enumerate(signal.curves):
            if alone:
                lines.append(_line(signal, curve, own, curve.name, _dash(signal, order, alone)))
            elif order == signal.lead:
                lines.append(_line(signal, curve, own, key, _dash(signal, position, alone)))
    usual = _band(signal, band, buckets) if alone and band is not None else None
    return over_time(
        pd.Series(buckets), lines, unit=signal.unit, view=view, band=usual, thresholds=thresholds, markers=markers
    )


def _dash(signal: Signal, order: int, alone: bool) -> str:
    """The leading curve of a single key is solid; several keys take the dashes in turn."""
    if alone:
        return "solid" if order == signal.lead else palette.DASHES[1 + order // 2]
    return palette.DASHES[order % len(palette.DASHES)]


def _line(signal: Signal, curve: Curve, rows: pd.DataFrame, name: str, dash: str) -> Line:
    values, n = _floats(rows, curve.column), np.nan_to_num(_floats(rows, signal.n))
    nothing = np.full(len(rows), np.nan)
    low, high = (_floats(rows, column) for column in signal.interval) if signal.interval else (nothing, nothing)
    told = zip(values.tolist(), low.tolist(), high.tolist(), n.astype(int).tolist(), strict=True)
    hover = [_hover(signal, curve, *one) for one in told]
    return Line(name, np.where(n >= curve.least_n, values, np.nan), hover, dash)


def _floats(rows: pd.DataFrame, column: str) -> Floats:
    return rows[column].to_numpy(dtype=float, na_value=np.nan)


def _hover(signal: Signal, curve: Curve, value: float, low: float, high: float, n: int) -> str:
    if n < curve.least_n:
        return f"n {n}: too few for {curve.name}" if n else "no value (n 0)"
    return words.with_evidence(value, low, high, n, signal.unit) if n else f"{words.FORMATS[signal.unit](value)} (n 0)"


def _band(signal: Signal, band: pd.DataFrame, buckets: pd.Index) -> Band | None:
    """The usual range of the leading curve."""
    prefix = signal.curves[signal.lead].band
    if prefix is None or band.empty:
        return None
    rows = band.drop_duplicates("bucket").set_index("bucket").reindex(buckets)
    low, high = _floats(rows, f"{prefix}_low"), _floats(rows, f"{prefix}_high")
    if not np.isfinite(low).any():
        return None
    hover = [words.interval(*edges, signal.unit) or words.UNKNOWN for edges in zip(low, high, strict=True)]
    of = f" of {signal.curves[signal.lead].name}" if len(signal.curves) > 1 else ""
    return Band(low, high, hover, f"usual range{of}")
