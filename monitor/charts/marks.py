"""What explains a chart over time beside its data: promised limits, and moments such as a deploy."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from monitor.charts import palette
from monitor.charts.scale import Scale

Option = dict[str, Any]

REACH = 4
"""A limit within this many times the largest value is drawn and the axis grows up to it; a farther one would flatten
the data, and is told in words."""

MOST_NAMES = 6


@dataclass(frozen=True, slots=True)
class Threshold:
    """A promised limit, drawn as a dashed line with its name."""

    value: float
    name: str


@dataclass(frozen=True, slots=True)
class Marker:
    """A moment worth knowing."""

    at: pd.Timestamp
    name: str


def within_reach(thresholds: Sequence[Threshold], largest: float) -> list[Threshold]:
    """The limits that the axis shows; without any data all of them."""
    return [line for line in thresholds if not largest or line.value <= REACH * largest]


def ceiling(thresholds: Sequence[Threshold], largest: float, scale: Scale) -> Option:
    """The end of the axis where a limit lies above the data: ECharts leaves room for data only."""
    highest = max((line.value for line in thresholds), default=0.0)
    return {"max": highest * 1.1 * scale.factor, "axisLabel": _labels(scale)} if highest > largest else {}


def beyond(thresholds: Sequence[Threshold]) -> list[Option]:
    """Limits that are too far above to be drawn, in words."""
    return [
        {
            "type": "text",
            "right": 20,
            "top": 36 + 16 * place,
            "style": {"text": f"{line.name}: far above", "fill": palette.THRESHOLD},
        }
        for place, line in enumerate(thresholds)
    ]


def marks(thresholds: Sequence[Threshold], markers: Sequence[Marker], scale: Scale, largest: float) -> Option:
    """Limits and moments on a series of their own, so that hiding a line in the legend keeps them."""
    data = [_limit(line, scale, above=line.value > 0.8 * largest) for line in thresholds]
    data += [_moment(marker, named=len(markers) <= MOST_NAMES) for marker in markers]
    lines = {"symbol": "none", "silent": not markers, "data": data}
    return {"type": "line", "name": "marks", "data": [], "markLine": lines}


def _limit(line: Threshold, scale: Scale, above: bool) -> Option:
    """The name stands below a line near the top, so that it runs into neither legend nor tool."""
    side = "insideEndBottom" if above else "insideEndTop"
    return {
        "name": line.name,
        "yAxis": line.value * scale.factor,
        "lineStyle": {"color": palette.THRESHOLD, "type": "dashed", "width": 1.5},
        "label": {"formatter": "{b}", "position": side, "color": palette.THRESHOLD},
    }


def _moment(marker: Marker, named: bool) -> Option:
    return {
        "name": marker.name,
        "xAxis": marker.at.isoformat(),
        "lineStyle": {"color": palette.DEPLOY, "type": "solid", "width": 1},
        "label": {
            "formatter": "{b}",
            "show": named,
            "position": "insideEndTop",
            "color": palette.DEPLOY,
            "width": 140,
            "overflow": "truncate",
        },
    }


def _labels(scale: Scale) -> Option:
    """Without the odd number at the very end of an axis that a limit has stretched."""
    return {"formatter": "{value}" + scale.suffix, "showMaxLabel": False}
