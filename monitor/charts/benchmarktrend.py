"""Scores of a benchmark from checkpoint to checkpoint, from the query `benchmark_scores`: over steps, or over dates.

A line holds the checkpoints of one model under one protocol (`line` of the frame); nothing else is ever joined. A line
and its intervals share a name, so that they share a colour and one entry of the legend.
"""

from collections.abc import Sequence
from datetime import UTC
from typing import Any

import numpy as np
import pandas as pd

from monitor.charts import benchmarkwords as bw
from monitor.charts import palette
from monitor.charts.benchmarkmarks import (
    CLAIM,
    Level,
    as_drawn,
    axis_name,
    in_percent,
    names_of,
    of_scale,
    point,
    published_lines,
    values_axis,
    whisker,
    whiskers,
    written,
)
from monitor.charts.marks import Option
from monitor.charts.timeseries import legend

SMOOTHED = 3
"""Checkpoints in a running mean."""

APART = 0.006
"""Lines are set apart by this part of the axis, so that intervals at the same step do not hide each other."""


def scores_over_steps(frame: pd.DataFrame, levels: Sequence[Level] = (), *, smooth: bool = False) -> Option:
    """Scores over training steps; rows without a step are left out."""
    known = _in_lines(frame[frame["step"].notna()], "step")
    steps = known["step"].astype(float)
    names = names_of(known)
    width = max(float(steps.max() - steps.min()), 1.0)
    shift = {name: (place - (len(names) - 1) / 2) * APART * width for place, name in enumerate(names)}
    x = [round(step + shift[line], 3) for step, line in zip(steps, known["line"], strict=True)]
    axis = {
        "type": "value",
        "min": float(np.floor(steps.min() - 0.04 * width)),
        "max": float(np.ceil(steps.max() + 0.04 * width)),
        "name": "training step",
        "nameLocation": "middle",
        "nameGap": 26,
        "splitLine": {"show": False},
        "axisLabel": {"hideOverlap": True, "showMinLabel": False, "showMaxLabel": False},
    }
    return _trend(known.assign(x=x), axis, levels, smooth)


def scores_over_time(
    frame: pd.DataFrame, levels: Sequence[Level] = (), *, smooth: bool = False, utc: bool = True
) -> Option:
    """Scores over the time of the evaluation; rows without a date of their own are left out."""
    known = _in_lines(frame[frame["dated"]], "at")
    x = [at.tz_convert(UTC).isoformat() for at in known["at"]]
    first, last = known["at"].min(), known["at"].max()
    margin = max((last - first) * 0.04, pd.Timedelta(minutes=10))
    axis = {
        "type": "time",
        "min": (first - margin).isoformat(),
        "max": (last + margin).isoformat(),
        "splitLine": {"show": False},
        "axisLabel": {"hideOverlap": True},
    }
    return {"useUTC": utc} | _trend(known.assign(x=x), axis, levels, smooth)


def scores_side_by_side(frame: pd.DataFrame, levels: Sequence[Level] = ()) -> Option:
    """One row a checkpoint, the best on top, each with its interval."""
    percent = in_percent(frame)
    shown = best_first(frame)
    y, low, high = as_drawn(shown, percent)
    labels = [_label(row) for row in shown.to_dict("records")]
    axis = values_axis([y, low, high], of_scale(levels, percent), percent) | {"name": axis_name(shown, percent)}
    several = shown["line"].nunique() > 1
    series: list[Option] = []
    for number, name in enumerate(names_of(shown)):
        own = np.flatnonzero((shown["line"] == name).to_numpy())
        marks = [point(float(y[at]), int(at), shown.iloc[at], number) for at in own]
        ends = [end for at in own for end in whisker(low[at], high[at], int(at), sideways=True)]
        series += [
            {"type": "scatter", "name": name, "data": marks, "symbolSize": 10, "z": 4},
            whiskers(name, ends),
        ]
    series.append(published_lines(of_scale(levels, percent), percent, "xAxis"))
    return {
        "animation": False,
        "grid": {"left": 8, "right": 24, "top": 34 if several else 14, "bottom": 26, "containLabel": True},
        "tooltip": _TOOLTIP,
        "legend": legend(names_of(shown) if several else []),
        "xAxis": axis | {"nameLocation": "middle", "nameGap": 26},
        "yAxis": {
            "type": "category",
            "data": labels,
            "inverse": True,
            "axisTick": {"show": False},
            "axisLine": {"show": False},
            "axisLabel": {"width": 150, "overflow": "truncate", "interval": 0},
        },
        "series": series,
    }


def best_first(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows line by line, the best of each on top; what was only claimed stands last."""
    better = frame["higher_is_better"].to_numpy(dtype=bool)
    worst_first = frame.assign(worth=np.where(better, -frame["value"], frame["value"]))
    return _in_lines(worst_first, "worth").drop(columns="worth")


def _in_lines(frame: pd.DataFrame, within: str) -> pd.DataFrame:
    """Line by line, those with most scores first and what was only claimed last; so colours stay in every view."""
    length = frame.groupby("line")["line"].transform("size") if len(frame) else 0
    order = frame.assign(claimed=frame["origin"] == CLAIM, length=length)
    by = ["claimed", "length", "line", within]
    return order.sort_values(by, ascending=[True, False, True, True]).drop(columns=["claimed", "length"])


def running_mean(values: Sequence[float], width: int = SMOOTHED) -> list[float | None]:
    """The mean of each value and its neighbours; none at the ends, where there are too few.

    >>> running_mean([1.0, 2.0, 6.0, 4.0])
    [None, 3.0, 4.0, None]
    """
    half = width // 2
    return [
        float(np.mean(values[at - half : at + half + 1])) if half <= at < len(values) - half else None
        for at in range(len(values))
    ]


def in_words(frame: pd.DataFrame) -> str:
    """The lines as text: of each how many scores, the first, the best and the last."""
    told = []
    for name in names_of(frame):
        rows = frame[frame["line"] == name]
        order = rows.sort_values("step" if rows["step"].notna().all() else "at")
        best = best_first(order).iloc[0]
        first, last = order.iloc[0], order.iloc[-1]
        said = f"{name}: {bw.counted(len(order), 'score')}"
        if len(order) > 1:
            said += f", from {written(first)} over {written(best)} at best to {written(last)}"
        else:
            said += f", {written(last)}"
        told.append(said)
    return ". ".join(told) + "." if told else "No score."


_TOOLTIP: Option = {"trigger": "item", "confine": True, "formatter": "{b}", "extraCssText": "white-space: pre-line"}


def _trend(frame: pd.DataFrame, axis: Option, levels: Sequence[Level], smooth: bool) -> Option:
    percent = in_percent(frame)
    y, low, high = as_drawn(frame, percent)
    fitting = of_scale(levels, percent)
    names = names_of(frame)
    series: list[Option] = []
    for number, name in enumerate(names):
        own = np.flatnonzero((frame["line"] == name).to_numpy())
        series += _line(frame.iloc[own], (y[own], low[own], high[own]), number, smooth)
    there = {str(one["name"]) for one in series}
    series.append(published_lines(fitting, percent, "yAxis"))
    smoothed = [f"{name}, smoothed ({SMOOTHED})" for name in names]
    return {
        "animation": False,
        "grid": {"left": 8, "right": 20, "top": 44, "bottom": 26, "containLabel": True},
        "tooltip": _TOOLTIP,
        "legend": legend([name for name in [*names, *smoothed] if name in there]),
        "xAxis": axis,
        "yAxis": values_axis([y, low, high], fitting, percent) | _vertical_name(axis_name(frame, percent)),
        "series": series,
    }


def _line(frame: pd.DataFrame, ends: tuple[Any, Any, Any], number: int, smooth: bool) -> list[Option]:
    """A line with its points, its intervals, and its running mean where that is asked for; claims are points only."""
    y, low, high = ends
    name, x = str(frame["line"].iloc[0]), list(frame["x"])
    marks = [point(at, float(value), row, number) for at, value, (_, row) in zip(x, y, frame.iterrows(), strict=True)]
    intervals = [end for at, a, b in zip(x, low, high, strict=True) for end in whisker(a, b, at)]
    claimed = (frame["origin"] == CLAIM).all()
    line = {
        "type": "scatter" if claimed else "line",
        "name": name,
        "data": marks,
        "symbolSize": 9,
        "lineStyle": {"width": 2, "type": palette.DASHES[number % len(palette.DASHES)]},
        "z": 4,
    }
    found = [line, whiskers(name, intervals)]
    if smooth and len(y) >= SMOOTHED and not claimed:
        means = [[at, mean] for at, mean in zip(x, running_mean(list(y)), strict=True) if mean is not None]
        found.append(
            {
                "type": "line",
                "name": f"{name}, smoothed ({SMOOTHED})",
                "data": means,
                "symbol": "none",
                "silent": True,
                "lineStyle": {"width": 5, "opacity": 0.45},
                "z": 2,
            }
        )
    return found


def _vertical_name(name: str) -> Option:
    return {"name": name, "nameLocation": "end", "nameGap": 10, "nameTextStyle": {"align": "left"}}


def _label(row: dict[Any, Any]) -> str:
    claimed = "claimed: " if row["origin"] == CLAIM else ""
    return f"{claimed}{bw.named(row['checkpoint'], row['step'])}"
