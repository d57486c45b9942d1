"""The common ground of every chart over time: axes, hover, legend, usual range, thresholds, deploy markers, selection.

A chart is a frame with one row per bucket and one `Line` per series. The hover text of each point is written in Python
(value, interval, n), because an ECharts option from Streamlit cannot carry a function.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from monitor.charts import palette
from monitor.charts.marks import Marker, Option, Threshold, beyond, ceiling, marks, within_reach
from monitor.charts.scale import Scale, scale_for

Floats = npt.NDArray[np.float64]
Columns = dict[str, Any]

TIME = "time"
LOW, SPREAD = "band low", "band spread"
USUAL = "usual range"
MANY_BUCKETS = 90
"""From here on a line is drawn without its points, so that it stays a line."""


@dataclass(frozen=True, slots=True)
class Line:
    """One series: its name in legend and hover, its values, and what the hover says at each of them."""

    name: str
    values: Floats
    hover: list[str]
    dash: str = "solid"


@dataclass(frozen=True, slots=True)
class Band:
    """The usual range at each bucket."""

    low: Floats
    high: Floats
    hover: list[str]
    name: str = USUAL


@dataclass(frozen=True, slots=True)
class View:
    """What all charts of a page share: the window on the time axis, and whether its times are in UTC or local."""

    start: datetime
    end: datetime
    utc: bool = True


def over_time(
    times: pd.Series,
    lines: Sequence[Line],
    *,
    unit: str,
    view: View,
    band: Band | None = None,
    thresholds: Sequence[Threshold] = (),
    markers: Sequence[Marker] = (),
) -> Option:
    """Lines over time with everything that explains them."""
    largest = _largest([*(line.values for line in lines), *([band.high] if band else [])])
    scale, near = scale_for(unit, largest), within_reach(thresholds, largest)
    source: Columns = {TIME: times}
    series: list[Option] = _band_series(source, band, scale) if band else []
    few = len(times) <= MANY_BUCKETS
    for line in lines:
        series += _line_series(source, line, scale, few)
    series.append(marks(near, markers, scale, largest))
    return canvas(view) | {
        "dataset": {"source": pd.DataFrame(source)},
        "legend": legend([line.name for line in lines] + ([band.name] if band else [])),
        "yAxis": {"type": "value", "min": 0, "axisLabel": {"formatter": "{value}" + scale.suffix}}
        | ceiling(near, largest, scale),
        "graphic": beyond([line for line in thresholds if line not in near]),
        "series": series,
    }


def _largest(columns: Sequence[Floats]) -> float:
    values = np.concatenate(columns) if columns else np.array([])
    known = values[np.isfinite(values)]
    return float(known.max()) if known.size else 0.0


def stacked_bars(source: pd.DataFrame, names: Sequence[str], *, view: View, markers: Sequence[Marker] = ()) -> Option:
    """Counts per bucket, one colour and legend entry per name; `source` has the time and one column per name."""
    series: list[Option] = [
        {"type": "bar", "name": name, "stack": "all", "barMaxWidth": 18, "encode": {"x": TIME, "y": name}}
        for name in names
    ]
    return canvas(view) | {
        "dataset": {"source": source},
        "legend": legend(names),
        "yAxis": {"type": "value", "min": 0, "minInterval": 1},
        "series": [*series, marks((), markers, Scale(1, ""), 0)],
    }


def canvas(view: View) -> Option:
    """Time axis, margins, hover and the tool that selects a range of time."""
    return {
        "useUTC": view.utc,
        "animation": False,
        "grid": {"left": 8, "right": 16, "top": 34, "bottom": 8, "containLabel": True},
        "xAxis": {
            "type": "time",
            "min": view.start.isoformat(),
            "max": view.end.isoformat(),
            "splitLine": {"show": False},
        },
        "tooltip": {"trigger": "axis", "confine": True, "axisPointer": {"type": "line"}},
        "brush": {"xAxisIndex": 0, "brushType": "lineX", "throttleType": "debounce", "throttleDelay": 200},
        "toolbox": {
            "right": 8,
            "top": 0,
            "itemSize": 14,
            "feature": {"brush": {"type": ["lineX"], "title": {"lineX": "Select a time range"}}},
        },
    }


def legend(names: Sequence[str]) -> Option:
    """The names above the chart; with one series the heading of the panel already says it."""
    return {"data": list(names), "top": 0, "left": 0, "right": 60, "type": "scroll", "show": len(names) > 1}


def _band_series(source: Columns, band: Band, scale: Scale) -> list[Option]:
    """A range is two stacked lines: an invisible one up to its lower edge, and the filled difference on top."""
    source[LOW] = band.low * scale.factor
    source[SPREAD] = (band.high - band.low) * scale.factor
    source[band.name] = band.hover
    hidden: Option = {
        "type": "line",
        "stack": "band",
        "symbol": "none",
        "lineStyle": {"opacity": 0},
        "silent": True,
        "z": 1,
    }
    hidden |= {
        "itemStyle": {"color": palette.REFERENCE}
    }  # without a colour of its own it would take the first of the theme
    fill = {"color": palette.REFERENCE, "opacity": 0.22}
    return [
        hidden | {"name": LOW, "encode": {"x": TIME, "y": LOW, "tooltip": []}, "tooltip": {"show": False}},
        hidden
        | {
            "name": band.name,
            "areaStyle": fill,
            "encode": {"x": TIME, "y": SPREAD, "tooltip": [band.name]},
        },
    ]


def _line_series(source: Columns, line: Line, scale: Scale, few: bool) -> list[Option]:
    column = f"{line.name} drawn"
    source[column] = line.values * scale.factor
    source[line.name] = line.hover
    option = {
        "type": "line",
        "name": line.name,
        "symbol": "circle",
        "symbolSize": 4,
        "showSymbol": few,
        "lineStyle": {"width": 1.8, "type": line.dash},
        "encode": {"x": TIME, "y": column, "tooltip": [line.name]},
        "z": 3,
    }
    alone = _alone(line.values)
    if few or not alone.any():
        return [option]
    # A value between two gaps has no line to stand on: draw it as a point.
    points = f"{line.name} alone"
    source[points] = np.where(alone, source[column], np.nan)
    dots = {"type": "scatter", "name": line.name, "symbolSize": 4, "encode": {"x": TIME, "y": points, "tooltip": []}}
    return [option, dots | {"tooltip": {"show": False}, "z": 3}]


def _alone(values: Floats) -> npt.NDArray[np.bool_]:
    """Which values have a gap on both sides."""
    there = np.pad(np.isfinite(values), 1)
    alone: npt.NDArray[np.bool_] = there[1:-1] & ~there[:-2] & ~there[2:]
    return alone
