"""Two targets on the same items, from the query `probe_comparison`: differences with interval, and where they part."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from monitor.charts import palette, words
from monitor.charts.marks import Option


@dataclass(frozen=True, slots=True)
class Effect:
    """A figure of b against a: the value, both ends of its interval (None: open), and the value of "no difference"."""

    name: str
    value: float
    low: float | None
    high: float | None
    none: float = 0.0
    unit: str = "share"


def effects(row: Mapping[str, Any]) -> list[Effect]:
    """What a row of the query shows: the difference of accuracy, and the ratio of latencies, where they are known."""
    found = []
    if words.known(row.get("difference")):
        ends = (_end(row["difference_low"]), _end(row["difference_high"]))
        found.append(Effect("right answers, B minus A", float(row["difference"]), *ends))
    if words.known(row.get("latency_ratio")):
        ends = (_end(row["latency_ratio_low"]), _end(row["latency_ratio_high"]))
        found.append(Effect("latency, B over A", float(row["latency_ratio"]), *ends, none=1.0, unit="ratio"))
    return found


def difference_interval(effect: Effect) -> Option:
    """A dot, its interval as a line with ends, and a dashed line where there is no difference."""
    scale = 100.0 if effect.unit == "share" else 1.0
    middle, none = effect.value * scale, effect.none * scale
    low, high = (None if end is None else end * scale for end in (effect.low, effect.high))
    inside = [one for one in (low, high, middle, none) if one is not None]
    margin = max(max(inside) - min(inside), 0.02 * scale) * 0.15
    edges = min(inside) - margin, max(inside) + margin
    suffix = "" if effect.unit == "share" else "×"
    return {
        "animation": False,
        "grid": {"left": 16, "right": 24, "top": 20, "bottom": 8, "containLabel": True},
        "tooltip": {"show": False},
        "xAxis": {
            "type": "value",
            "min": _rounded(edges[0]),
            "max": _rounded(edges[1]),
            "axisLabel": {
                "formatter": "{value}" + suffix,
                "hideOverlap": True,
                "showMinLabel": False,  # the ends are where they are for the interval to fit, and no round numbers
                "showMaxLabel": False,
            },
        },
        "yAxis": {"type": "category", "data": [""], "axisTick": {"show": False}, "axisLine": {"show": False}},
        "series": [_interval(low, high, edges, none), _dot(middle)],
    }


def in_words(effect: Effect) -> str:
    """The figure with its interval: +2.5 points (+0.4 to +4.6 points); of shares, points are percentage points."""
    low, high = (words.UNKNOWN if end is None else _written(effect, end) for end in (effect.low, effect.high))
    unit = " points" if effect.unit == "share" else ""
    return f"{effect.name}: {_written(effect, effect.value)}{unit} ({low} to {high}{unit})"


def right_wrong_table(row: Mapping[str, Any]) -> pd.DataFrame:
    """On how many items both targets are right, only one of them, or none: the 2x2 table, with its sums."""
    both, only_a, only_b, neither = (int(row[name]) for name in ("both_right", "only_a", "only_b", "both_wrong"))
    rows: Sequence[tuple[int, int, int]] = (
        (both, only_a, both + only_a),
        (only_b, neither, only_b + neither),
        (both + only_b, only_a + neither, both + only_a + only_b + neither),
    )
    return pd.DataFrame(rows, index=["A right", "A wrong", "all"], columns=["B right", "B wrong", "all"])


def _interval(low: float | None, high: float | None, edges: tuple[float, float], none: float) -> Option:
    """An open end runs to the edge of the chart, without the bar that ends it."""
    ends = [(low, edges[0]), (high, edges[1])]
    data = [
        {"value": [edge if end is None else end, 0], "symbol": "none" if end is None else "rect"} for end, edge in ends
    ]
    return {
        "type": "line",
        "name": "interval",
        "data": data,
        "symbolSize": [3, 16],
        "lineStyle": {"width": 3, "color": palette.REFERENCE},
        "itemStyle": {"color": palette.REFERENCE},
        "silent": True,
        "markLine": {
            "symbol": "none",
            "silent": True,
            "data": [{"xAxis": none, "name": "no difference"}],
            "label": {"formatter": "{b}", "position": "end", "color": palette.DEPLOY},
            "lineStyle": {"color": palette.DEPLOY, "type": "dashed"},
        },
    }


def _dot(value: float) -> Option:
    return {"type": "scatter", "name": "value", "data": [[value, 0]], "symbolSize": 12, "silent": True, "z": 4}


def _end(value: Any) -> float | None:
    return float(value) if words.known(value) else None


def _written(effect: Effect, value: float) -> str:
    if effect.unit == "ratio":
        return f"{value:.2f}×"
    points = value * 100
    return f"{points:+.1f}" if abs(points) >= 0.1 else f"{points:+.1g}" if points else "0"  # on which side of 0 it lies


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")
