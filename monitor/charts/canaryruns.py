"""The runs of a canary over time, from the query `canary_trend`: how many items pass, and how long they take."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from monitor.charts import palette, words
from monitor.charts.marks import Marker, Option
from monitor.charts.timeseries import Band, Floats, Line, View, over_time

OF_ONE = "95 % interval of one replay"
OF_ALL = "mean of all replays since the baseline"
LEAST_SPAN = timedelta(minutes=10)


def window(times: pd.Series, now: datetime, utc: bool) -> View:
    """The axis from the first run to now, never so short that a single run fills it."""
    start = min(times.min().to_pydatetime(), now - LEAST_SPAN)
    margin = (now - start) * 0.02
    return View(start - margin, now + margin, utc)


def deployed(frame: pd.DataFrame) -> list[Marker]:
    """The runs from which on another checkpoint answered."""
    changed = frame["checkpoint"].ne(frame["checkpoint"].shift()) & (np.arange(len(frame)) > 0)
    rows = frame[changed]
    return [Marker(at, str(name)) for at, name in zip(rows["started_at"], rows["checkpoint"], strict=True)]


def pass_rate_over_runs(frame: pd.DataFrame, *, view: View, markers: Sequence[Marker] = ()) -> Option:
    """The pass rate of each run, of replays with Wilson's interval; in grey the confidence sequence of their mean."""
    rates, replay = _floats(frame, "pass_rate"), (frame["kind"] == "replay").to_numpy()
    hover = [_told(row) for row in frame.itertuples()]
    lines = [Line("pass rate", np.where(replay, rates, np.nan), hover)]
    if (~replay).any():
        lines.append(Line("while it was learned", np.where(replay, np.nan, rates), hover, "dotted"))
    low, high = known_mean(frame)
    mean = [words.interval(*ends, "share") or words.UNKNOWN for ends in zip(low, high, strict=True)]
    option = over_time(
        frame["started_at"], lines, unit="share", view=view, band=Band(low, high, mean, OF_ALL), markers=markers
    )
    lowest = np.nanmin([*_floats(frame, "low"), *rates, 1.0]) if len(frame) else 0.0
    least = max(0, int(np.floor(lowest * 10 - 0.2)) * 10)
    axis = {"type": "value", "min": least, "max": 100, "axisLabel": {"formatter": "{value} %"}}
    return _still(option) | {"yAxis": axis, "series": [*option["series"], _intervals(frame)]} | _named(option)


def known_mean(frame: pd.DataFrame) -> tuple[Floats, Floats]:
    """The confidence sequence from where it excludes anything at all; NaN before."""
    low, high = _floats(frame, "mean_low"), _floats(frame, "mean_high")
    nothing = (low <= 0) & (high >= 1)
    return np.where(nothing, np.nan, low), np.where(nothing, np.nan, high)


def latency_over_runs(frame: pd.DataFrame, *, view: View, markers: Sequence[Marker] = ()) -> Option:
    """Median and 95th percentile of the answers of each run, and the median to the first token."""
    lines = []
    for column, name, dash in (
        ("latency_ms", "median", "solid"),
        ("latency_p95_ms", "p95", "dashed"),
        ("ttft_ms", "first token, median", "dotted"),
    ):
        values = _floats(frame, column)
        if np.isfinite(values).any():
            hover = [f"{words.milliseconds(v)} (n {words.count(n)})" for v, n in zip(values, frame["n"], strict=True)]
            lines.append(Line(name, values, hover, dash))
    return _still(over_time(frame["started_at"], lines, unit="ms", view=view, markers=markers))


def item_latency(frame: pd.DataFrame, low: float, high: float, *, view: View, markers: Sequence[Marker] = ()) -> Option:
    """The latency of each answer to one item over the band that was learned; NaN where there is none."""
    values = _floats(frame, "latency_ms")
    hover = [f"{words.milliseconds(ms)}, {kind}" for ms, kind in zip(values, frame["outcome"], strict=True)]
    learned = None
    if np.isfinite([low, high]).all():
        told = [words.interval(low, high, "ms")] * len(frame)
        learned = Band(np.full(len(frame), low), np.full(len(frame), high), told, "learned band")
    line = Line("latency", values, hover)
    return _still(over_time(frame["ts"], [line], unit="ms", view=view, band=learned, markers=markers))


def trend_in_words(frame: pd.DataFrame) -> str:
    """The newest run and the mean of all, as text."""
    if frame.empty:
        return "No run has been judged."
    last = frame.iloc[-1]
    replays = frame[(frame["kind"] == "replay") & (frame["n"] > 0)]
    low, high = (ends[-1] if len(ends) else np.nan for ends in known_mean(replays))
    mean = words.interval(low, high, "share") or "not known yet, it takes more replays"
    runs = f"{len(frame)} {'run' if len(frame) == 1 else 'runs'}; newest: {_told(last)}"
    return f"{runs}. Mean of all replays since the baseline: {mean}."


def _told(row: object) -> str:
    value = {name: getattr(row, name) for name in ("pass_rate", "low", "high", "n", "errors")}
    told = words.with_evidence(value["pass_rate"], value["low"], value["high"], value["n"], "share")
    return told + (f", {words.count(value['errors'])} not judged" if value["errors"] else "")


def _intervals(frame: pd.DataFrame) -> Option:
    """An upright line for each run, of which a series is made by gaps."""
    data: list[list[object]] = []
    for at, low, high in zip(frame["started_at"], _floats(frame, "low"), _floats(frame, "high"), strict=True):
        if np.isfinite([low, high]).all():
            data += [[at.isoformat(), low * 100], [at.isoformat(), high * 100], [at.isoformat(), None]]
    return {
        "type": "line",
        "name": OF_ONE,
        "data": data,
        "symbol": "none",
        "silent": True,
        "tooltip": {"show": False},
        "itemStyle": {"color": palette.REFERENCE},
        "lineStyle": {"color": palette.REFERENCE, "width": 2},
        "z": 2,
    }


def _still(option: Option) -> Option:
    """Without the tool that selects a window: this page has none."""
    return {name: value for name, value in option.items() if name not in ("brush", "toolbox")}


def _named(option: Option) -> Option:
    legend = option["legend"]
    return {"legend": legend | {"data": [*legend["data"], OF_ONE], "show": True}}


def _floats(frame: pd.DataFrame, column: str) -> Floats:
    return frame[column].to_numpy(dtype=float, na_value=np.nan)
