"""When a deployment was in which state, from the query `state_timeline`."""

import pandas as pd

from monitor.charts import palette, words
from monitor.charts.marks import Option
from monitor.charts.timeseries import TIME, View, canvas, legend

THICKNESS = {"ok": 6, "warn": 11, "alert": 16, "no_data": 6}
"""The worse, the thicker: a state is told by its word in the legend, by width and by colour."""


def state_timeline(frame: pd.DataFrame, *, view: View) -> Option:
    """One bar of time per deployment, cut into its states. The table below it on the page gives the reasons."""
    deployments = list(dict.fromkeys(frame["deployment"]))
    states = [state for state in words.STATE_WORDS if (frame["state"] == state).any()]
    base = canvas(view)
    return base | {
        "dataset": {"source": pd.DataFrame(_ends(frame, states), columns=[TIME, *states])},
        "legend": legend([words.state(state) for state in states]) | {"show": True},
        "tooltip": {"show": False},
        "yAxis": {"type": "category", "data": deployments, "inverse": True, "axisTick": {"show": False}},
        "series": [_series(state) for state in states],
    }


def _ends(frame: pd.DataFrame, states: list[str]) -> list[tuple[object, ...]]:
    """Each span as its two ends and a gap: the column of its state holds the deployment, the others nothing."""
    rows: list[tuple[object, ...]] = []
    for span in frame.itertuples():
        held = tuple(span.deployment if span.state == state else None for state in states)
        rows += [(span.from_ts, *held), (span.to_ts, *held), (span.to_ts, *(None for _ in states))]
    return rows


def _series(state: str) -> Option:
    colour = palette.STATE_COLOURS[state]
    return {
        "type": "line",
        "name": words.state(state),
        "symbol": "none",
        "itemStyle": {"color": colour},
        "lineStyle": {"color": colour, "width": THICKNESS[state], "cap": "butt"},
        "encode": {"x": TIME, "y": state},
    }
