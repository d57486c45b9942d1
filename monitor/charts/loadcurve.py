"""What more requests at once bring and cost, from the steps of a load probe: throughput and latency."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from monitor.charts import palette, words
from monitor.charts.marks import Option
from monitor.charts.scale import scale_for
from monitor.charts.timeseries import legend

Step = Mapping[str, Any]
"""As the result of a load probe has them: concurrency, n, failed, per_s, p50_ms, p95_ms, p95_low, p95_high."""

AT = "at once"
LOW, SPREAD = "interval low", "interval spread"


def throughput_by_concurrency(steps: Sequence[Step], knee: int | None = None) -> Option:
    """Answers per second at each concurrency; the knee is marked and named."""
    hover = [_told(step, words.per_second(step.get("per_s"))) for step in steps]
    source = pd.DataFrame({AT: _places(steps), "answers drawn": _column(steps, "per_s"), "answers": hover})
    return _canvas(source, "{value}/s", ["answers"]) | {"series": [_line("answers", "solid"), _knee(steps, knee)]}


def latency_by_concurrency(steps: Sequence[Step], knee: int | None = None) -> Option:
    """Median and 95th percentile at each concurrency, the latter with its 95 % interval as a band."""
    p50, p95, low, high = (_column(steps, name) for name in ("p50_ms", "p95_ms", "p95_low", "p95_high"))
    shown = np.concatenate([p50, p95, high])
    scale = scale_for("ms", float(shown[np.isfinite(shown)].max()) if np.isfinite(shown).any() else 0.0)
    band = np.isfinite(low) & np.isfinite(high)
    source = pd.DataFrame(
        {
            AT: _places(steps),
            LOW: np.where(band, low, np.nan) * scale.factor,
            SPREAD: np.where(band, high - low, np.nan) * scale.factor,
            "p50 drawn": p50 * scale.factor,
            "p50": [_told(step, words.milliseconds(step.get("p50_ms"))) for step in steps],
            "p95 drawn": p95 * scale.factor,
            "p95": [_told(step, _with_interval(step)) for step in steps],
        }
    )
    series = [*_band(), _line("p50", "dashed"), _line("p95", "solid"), _knee(steps, knee)]
    return _canvas(source, "{value}" + scale.suffix, ["p50", "p95"]) | {"series": series}


def in_words(steps: Sequence[Step], knee: int | None) -> str:
    """The curve as text: each step, and the knee or that none was seen."""
    told = [
        f"{int(step['concurrency'])} at once: {words.per_second(step.get('per_s'))}, p95 {_with_interval(step)}"
        for step in steps
    ]
    end = "No knee within these steps" if knee is None else f"The knee is at {knee}"
    return "; ".join(told) + f". {end}."


def _canvas(source: pd.DataFrame, label: str, names: Sequence[str]) -> Option:
    return {
        "animation": False,
        "dataset": {"source": source},
        "grid": {"left": 8, "right": 16, "top": 34, "bottom": 24, "containLabel": True},
        "legend": legend(names),
        "tooltip": {"trigger": "axis", "confine": True},
        "xAxis": {"type": "category", "name": "requests at once", "nameLocation": "middle", "nameGap": 26},
        "yAxis": {"type": "value", "min": 0, "axisLabel": {"formatter": label}},
    }


def _line(name: str, dash: str) -> Option:
    return {
        "type": "line",
        "name": name,
        "symbol": "circle",
        "symbolSize": 6,
        "lineStyle": {"width": 1.8, "type": dash},
        "encode": {"x": AT, "y": f"{name} drawn", "tooltip": [name]},
        "z": 3,
    }


def _band() -> list[Option]:
    """A range is two stacked lines: an invisible one up to its lower edge, and the filled difference on top."""
    hidden: Option = {
        "type": "line",
        "stack": "interval",
        "symbol": "none",
        "lineStyle": {"opacity": 0},
        "itemStyle": {"color": palette.REFERENCE},
        "silent": True,
        "tooltip": {"show": False},
        "z": 1,
    }
    fill = {"color": palette.REFERENCE, "opacity": 0.22}
    return [
        hidden | {"name": LOW, "encode": {"x": AT, "y": LOW}},
        hidden | {"name": SPREAD, "encode": {"x": AT, "y": SPREAD}, "areaStyle": fill},
    ]


def _knee(steps: Sequence[Step], knee: int | None) -> Option:
    """A named line at the knee, on a series of its own, so that hiding a line in the legend keeps it."""
    places = _places(steps)
    mark = {
        "name": f"knee: {knee}",
        "xAxis": str(knee),
        "lineStyle": {"color": palette.THRESHOLD, "type": "dashed", "width": 1.5},
        "label": {"formatter": "{b}", "position": "insideEndTop", "color": palette.THRESHOLD},
    }
    data = [mark] if str(knee) in places else []
    return {"type": "line", "name": "marks", "data": [], "markLine": {"symbol": "none", "silent": True, "data": data}}


def _places(steps: Sequence[Step]) -> list[str]:
    return [str(int(step["concurrency"])) for step in steps]


def _column(steps: Sequence[Step], name: str) -> Any:
    return np.array([float(step[name]) if words.known(step.get(name)) else np.nan for step in steps])


def _with_interval(step: Step) -> str:
    span = words.interval(step.get("p95_low"), step.get("p95_high"), "ms")
    return words.milliseconds(step.get("p95_ms")) + (f" ({span})" if span else "")


def _told(step: Step, value: str) -> str:
    failed = int(step["failed"]) if words.known(step.get("failed")) else 0
    return f"{value} (n {words.count(step.get('n'))}{f', {failed} failed' if failed else ''})"
