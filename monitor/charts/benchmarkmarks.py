"""What the charts of benchmark scores are made of: points and their hover, intervals, published figures, the axis."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from monitor.charts import benchmarkwords as bw
from monitor.charts import palette, words
from monitor.charts.forest import HOLLOW
from monitor.charts.marks import Option

SYMBOLS = ("circle", "rect", "triangle", "diamond", "roundRect", "pin")
CLAIM = "claim"
"""The origin of a figure that somebody only published."""


@dataclass(frozen=True, slots=True)
class Level:
    """A published figure: drawn as a dashed line across the chart."""

    name: str
    value: float
    most: float | None


def in_percent(frame: pd.DataFrame) -> bool:
    """Whether all scores have a scale that is known; otherwise they are plain numbers."""
    return bool(frame["most"].notna().all()) if len(frame) else True


def of_scale(levels: Sequence[Level], percent: bool) -> list[Level]:
    """The published figures that can stand on the axis."""
    return [one for one in levels if (one.most is not None) == percent]


def point(x: Any, y: Any, row: pd.Series, number: int) -> Option:
    """A point, hollow where the figure was only claimed; its hover text is its name."""
    symbol = SYMBOLS[number % len(SYMBOLS)]
    claimed = row["origin"] == CLAIM
    return {"value": [x, y], "name": hover(row), "symbol": symbol} | ({"itemStyle": HOLLOW} if claimed else {})


def whisker(low: float, high: float, at: Any, sideways: bool = False) -> list[list[Any]]:
    """An interval as a piece of a line that has gaps; nothing where there is none."""
    if not np.isfinite([low, high]).all():
        return []
    ends = [[at, float(low)], [at, float(high)], [at, None]]
    return [end[::-1] for end in ends] if sideways else ends


def whiskers(name: str, data: list[list[Any]]) -> Option:
    return {
        "type": "line",
        "name": name,
        "data": data,
        "symbol": "none",
        "silent": True,
        "lineStyle": {"width": 2.5, "opacity": 0.6, "type": "solid"},
        "z": 3,
    }


def published_lines(levels: Sequence[Level], percent: bool, axis: str) -> Option:
    """Published figures on a series of their own, so that no line of the legend hides them."""
    data = [{"name": one.name, axis: round(_placed(one, percent), 4)} for one in levels]
    return {
        "type": "line",
        "name": "published",
        "data": [],
        "markLine": {
            "symbol": "none",
            "silent": True,
            "data": data,
            "lineStyle": {"color": palette.THRESHOLD, "type": "dashed", "width": 1.5},
            "label": {
                "formatter": "{b}",
                "position": "insideEndTop" if axis == "yAxis" else "insideStartTop",
                "color": palette.THRESHOLD,
            },
        },
    }


def _placed(level: Level, percent: bool) -> float:
    return level.value / level.most * 100 if percent and level.most else level.value


def as_drawn(frame: pd.DataFrame, percent: bool) -> tuple[Any, Any, Any]:
    """Values and both ends as they are drawn."""
    columns = [frame[name].to_numpy(dtype=float, na_value=np.nan) for name in ("value", "low", "high")]
    factor = 100 / frame["most"].to_numpy(dtype=float, na_value=np.nan) if percent else 1.0
    value, low, high = (column * factor for column in columns)
    return value, low, high


def values_axis(columns: Sequence[Any], levels: Sequence[Level], percent: bool) -> Option:
    """The axis around what is drawn, between two of its own round numbers; percentages never leave 0 to 100."""
    values = np.concatenate([*columns, [_placed(one, percent) for one in levels]])
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    margin = max((high - low) * 0.06, 1.0 if percent else abs(high) * 0.02 or 0.5)
    low, high = low - margin, high + margin
    if percent:
        low, high = max(0.0, low), min(100.0, high)
    step = round_step(high - low)
    return {
        "type": "value",
        "min": round(float(np.floor(low / step) * step), 9),
        "max": round(float(np.ceil(high / step) * step), 9),
        "interval": step,
        "axisLabel": {"formatter": "{value} %" if percent else "{value}", "hideOverlap": True},
    }


def round_step(width: float, most: int = 7) -> float:
    """The least of 1, 2, 5, 10, ... (and their parts) that divides a width into no more pieces than that.

    >>> round_step(65.0), round_step(15.0), round_step(0.26)
    (10.0, 5.0, 0.05)
    """
    power = 10.0 ** np.floor(np.log10(width / most))
    return float(next(round(factor * power, 9) for factor in (1, 2, 5, 10) if width / (factor * power) <= most))


def axis_name(frame: pd.DataFrame, percent: bool) -> str:
    lower = "" if frame["higher_is_better"].all() else "lower is better"
    return ", ".join(filter(None, ["" if percent else "as the file has it, scale not known", lower]))


def hover(row: Any) -> str:
    """What the pointer over a score says."""
    span = bw.interval(row["low"], row["high"], row["most"])
    behind = f"95 % interval {span}, from {bw.origin(row['how'], '')}" if span else bw.origin("none", row["reason"])
    n = f"n {words.count(row['n'])}" if words.known(row["n"]) else "n not known"
    claimed = "claimed by others, not measured here" if row["origin"] == CLAIM else ""
    lines = (bw.named(row["checkpoint"], row["step"]), written(row), behind, n, str(row["line"]), claimed)
    return "\n".join(filter(None, lines))


def written(row: Any) -> str:
    percent = f" ({bw.percent(row['share'])})" if words.known(row["share"]) and row["most"] != 100 else ""
    return f"{bw.score(row['value'], row['most'])}{percent}"


def names_of(frame: pd.DataFrame) -> list[str]:
    return [str(name) for name in dict.fromkeys(frame["line"])]
