"""Several differences below each other, each with its interval and one line where there is none: a forest plot."""

from collections.abc import Sequence

from monitor.charts import palette
from monitor.charts.marks import Option
from monitor.charts.paired import Effect

B_MINUS_A = "points, B minus A"

HOLLOW = {"color": "transparent", "borderColor": palette.REFERENCE, "borderWidth": 2}
"""Of a dot that shows nothing; an empty symbol of ECharts would be filled with white on the dark background."""


def differences_by_group(
    effects: Sequence[Effect], *, axis: str = B_MINUS_A, shown: Sequence[bool] | None = None, widest: int = 130
) -> Option:
    """A dot and an interval for each difference of shares, in percentage points; the first one stands on top.

    An end that is open runs to the edge of the chart. With `shown`, dots of differences that are not are hollow.
    """
    ends = [end * 100 for one in effects for end in (one.value, one.low, one.high) if end is not None]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    margin = max(high - low, 2.0) * 0.08
    edges = round(low - margin, 1), round(high + margin, 1)
    return {
        "animation": False,
        "grid": {"left": 8, "right": 24, "top": 22, "bottom": 24, "containLabel": True},
        "tooltip": {"show": False},
        "xAxis": {
            "type": "value",
            "min": edges[0],
            "max": edges[1],
            "name": axis,
            "nameLocation": "middle",
            "nameGap": 26,
            "axisLabel": {"formatter": "{value}", "hideOverlap": True, "showMinLabel": False, "showMaxLabel": False},
        },
        "yAxis": {
            "type": "category",
            "data": [one.name for one in effects],
            "inverse": True,
            "axisTick": {"show": False},
            "axisLine": {"show": False},
            "axisLabel": {"width": widest, "overflow": "truncate", "interval": 0},
        },
        "series": [_intervals(effects, edges), _dots(effects, shown or [True] * len(effects))],
    }


def _intervals(effects: Sequence[Effect], edges: tuple[float, float]) -> Option:
    data: list[Option] = []
    for place, one in enumerate(effects):
        for end, edge in ((one.low, edges[0]), (one.high, edges[1])):
            at = edge if end is None else round(end * 100, 3)
            data.append({"value": [at, place], "symbol": "none" if end is None else "rect"})
        data.append({"value": [None, None], "symbol": "none"})
    return {
        "type": "line",
        "name": "interval",
        "data": data,
        "symbolSize": [2, 12],
        "lineStyle": {"width": 2.5, "color": palette.REFERENCE},
        "itemStyle": {"color": palette.REFERENCE},
        "silent": True,
        "markLine": {
            "symbol": "none",
            "silent": True,
            "data": [{"xAxis": 0, "name": "no difference"}],
            "label": {"formatter": "{b}", "position": "start", "color": palette.DEPLOY},
            "lineStyle": {"color": palette.DEPLOY, "type": "dashed"},
        },
    }


def _dots(effects: Sequence[Effect], shown: Sequence[bool]) -> Option:
    data = [
        [round(one.value * 100, 3), place]
        if sure
        else {"value": [round(one.value * 100, 3), place], "itemStyle": HOLLOW}
        for place, (one, sure) in enumerate(zip(effects, shown, strict=True))
    ]
    return {"type": "scatter", "name": "difference", "data": data, "symbolSize": 10, "silent": True, "z": 4}
