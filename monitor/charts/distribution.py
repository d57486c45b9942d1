"""How latencies are spread, from the query `latency_distribution`."""

import math

import pandas as pd

from monitor.charts import palette, words
from monitor.charts.marks import Option
from monitor.charts.timeseries import legend

STEPS_PER_DOUBLING = 6
"""Bars this wide (12 %) are readable; the buckets of the store are ten times finer."""


def latency_distribution(frame: pd.DataFrame) -> Option:
    """The share of requests per latency, on a logarithmic axis; one outline per key, all from the same bins."""
    binned = _rebinned(frame)
    steps = range(binned["step"].min(), binned["step"].max() + 1)
    source = pd.DataFrame({"latency": [words.milliseconds(_edge(step)) for step in steps]})
    keys = list(dict.fromkeys(frame["key"]))
    for key in keys:
        rows = binned[binned["key"] == key].set_index("step").reindex(steps)
        total = rows["n"].sum()
        source[f"{key} drawn"] = (rows["n"].fillna(0) / total * 100).array
        source[str(key)] = [_hover(step, n, total) for step, n in zip(steps, rows["n"].fillna(0), strict=True)]
    return {
        "animation": False,
        "dataset": {"source": source},
        "grid": {"left": 8, "right": 16, "top": 34, "bottom": 8, "containLabel": True},
        "legend": legend([str(key) for key in keys]),
        "tooltip": {"trigger": "axis", "confine": True},
        "xAxis": {"type": "category", "boundaryGap": len(keys) == 1, "axisTick": {"show": False}},
        "yAxis": {"type": "value", "min": 0, "axisLabel": {"formatter": "{value} %"}},
        "series": [_series(str(key), position, len(keys)) for position, key in enumerate(keys)],
    }


def _hover(step: int, n: float, total: float) -> str:
    edges = f"{words.milliseconds(_edge(step))} to {words.milliseconds(_edge(step + 1))}"
    return f"{edges}: {words.share(n / total)} (n {words.count(n)})"


def _series(key: str, position: int, keys: int) -> Option:
    encode = {"x": "latency", "y": f"{key} drawn", "tooltip": [key]}
    if keys == 1:
        return {"type": "bar", "name": key, "barCategoryGap": "8%", "encode": encode}
    line = {"width": 1.8, "type": palette.DASHES[position % len(palette.DASHES)]}
    return {"type": "line", "name": key, "step": "middle", "symbol": "none", "lineStyle": line, "encode": encode}


def _rebinned(frame: pd.DataFrame) -> pd.DataFrame:
    """The fine buckets merged into steps of the axis, by their middle."""
    middle = ((frame["low_ms"].clip(lower=1e-3) + frame["high_ms"].clip(lower=1e-3)) / 2).map(math.log2)
    steps = (middle * STEPS_PER_DOUBLING).map(math.floor)
    return frame.assign(step=steps).groupby(["key", "step"])["n"].sum().reset_index()


def _edge(step: int) -> float:
    return float(2 ** (step / STEPS_PER_DOUBLING))
