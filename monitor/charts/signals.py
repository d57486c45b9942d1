"""The golden signals over time: one record per signal says which columns it draws and when a value may be drawn.

The frames are those of the queries `golden_signals` and `reference_band`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from monitor.charts import palette, words
from monitor.charts.timeseries import Band, Line, Marker, Option, Threshold, View, over_time


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


def has_values(signal: Signal, frame: pd.DataFrame) -> bool:
    """Whether any request of the frame carries what the signal shows."""
    return not frame.empty and float(frame[signal.n].sum()) > 0


def signal_over_time(
    signal: Signal,
    frame: pd.DataFrame,
    *,
    view: View,
    band: pd.DataFrame | None = None,
    thresholds: Sequence[Threshold] = (),
    markers: Sequence[Marker] = (),
) -> Option:
    """One signal of one or several keys: every curve for one key, the leading curve for several."""
    keys = list(dict.fromkeys(frame["key"]))
    buckets = pd.Series(sorted(frame["bucket"].unique()))
    curves = signal.curves if len(keys) == 1 else (signal.curves[signal.lead],)
    lines = []
    for position, key in enumerate(keys):
        rows = frame[frame["key"] == key].set_index("bucket").reindex(buckets)
        for curve in curves:
            name, order = (curve.name, signal.curves.index(curve)) if len(keys) == 1 else (str(key), position)
            lines.append(_line(signal, curve, rows, name, _dash(signal, order, len(keys))))
    usual = _band(signal, band, buckets) if len(keys) == 1 and band is not None else None
    return over_time(buckets, lines, unit=signal.unit, view=view, band=usual, thresholds=thresholds, markers=markers)


def _dash(signal: Signal, order: int, keys: int) -> str:
    """The leading curve of a single key is solid; several keys take the dashes in turn."""
    if keys == 1:
        return "solid" if order == signal.lead else palette.DASHES[1 + order % 2]
    return palette.DASHES[order % len(palette.DASHES)]


def _line(signal: Signal, curve: Curve, rows: pd.DataFrame, name: str, dash: str) -> Line:
    n = rows[signal.n].fillna(0)
    values = rows[curve.column].astype(float).where(n >= curve.least_n)
    return Line(name, values, _hover(signal, curve, rows, n), dash)


def _hover(signal: Signal, curve: Curve, rows: pd.DataFrame, n: pd.Series) -> pd.Series:
    low, high = (
        (rows[c] for c in signal.interval) if signal.interval else (pd.Series(index=rows.index, dtype=float),) * 2
    )
    texts = [
        _hover_text(signal, curve, value, int(count), span)
        for value, count, span in zip(rows[curve.column], n, zip(low, high, strict=True), strict=True)
    ]
    return pd.Series(texts, index=rows.index)


def _hover_text(signal: Signal, curve: Curve, value: float, n: int, span: tuple[float, float]) -> str:
    if n < curve.least_n:
        return f"n {n}: too few for {curve.name}" if n else "no value (n 0)"
    return words.with_evidence(value, *span, n, signal.unit) if n else f"{words.FORMATS[signal.unit](value)} (n 0)"


def _band(signal: Signal, band: pd.DataFrame, buckets: pd.Series) -> Band | None:
    """The usual range of the leading curve."""
    prefix = signal.curves[signal.lead].band
    if prefix is None or band.empty:
        return None
    rows = band.drop_duplicates("bucket").set_index("bucket").reindex(buckets)
    low, high = rows[f"{prefix}_low"].astype(float), rows[f"{prefix}_high"].astype(float)
    if not low.notna().any():
        return None
    hover = [words.interval(a, b, signal.unit) or words.UNKNOWN for a, b in zip(low, high, strict=True)]
    of = f" of {signal.curves[signal.lead].name}" if len(signal.curves) > 1 else ""
    return Band(low, high, pd.Series(hover, index=rows.index), f"usual range{of}")
