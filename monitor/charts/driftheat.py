"""Features by hours or days, from the query `drift_heat`: each cell a symbol and a colour, what moved stands out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from monitor.charts import palette, words
from monitor.charts.driftstrip import Kind
from monitor.charts.marks import Option

FAR = 3.0
"""An effect of so many thresholds is marked twice."""

NEAR = 0.5
ALERT, WARN, OK, NONE = (palette.STATE_COLOURS[name] for name in ("alert", "warn", "ok", "no_data"))
KINDS = (
    Kind("far", "◆", f"moved, at least {FAR:g} times its threshold", palette.FAR, "#FFFFFF"),
    Kind("moved", "▲", "moved", palette.MOVED, "#FFFFFF"),
    Kind("near", "▵", "not called, at least half its threshold", "rgba(199,119,0,0.20)", WARN),
    Kind("steady", "·", "steady", "rgba(15,138,95,0.10)", OK),
    Kind("too_few", "…", "too few to tell", "rgba(124,135,148,0.16)", NONE),
    Kind("no_data", " ", "no values", "rgba(124,135,148,0.05)", NONE),
)
BY_ID = {kind.id: kind for kind in KINDS}
WIDEST_NAME = 168
DENSE = 60
"""From so many columns on only what moved has a symbol."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One feature in one window, at its place in the chart."""

    column: int
    row: int
    feature: str
    bucket: datetime
    hover: str


def kind_of(row: Any) -> str:
    """The kind of a cell, from its state and how its effect compares with its threshold."""
    if row.state in ("too_few", "no_data"):
        return str(row.state)
    ratio = float(row.effect) / float(row.threshold) if words.known(row.effect) and row.threshold else 0.0
    if row.state == "moved":
        return "far" if ratio >= FAR else "moved"
    return "near" if ratio >= NEAR else "steady"


def moved_first(frame: pd.DataFrame) -> list[str]:
    """The features in the order in which they should be looked at: by the largest effect that was called, then any."""
    ratio = frame["effect"] / frame["threshold"]
    order = pd.DataFrame({"feature": frame["feature"], "called": ratio.where(frame["state"] == "moved"), "any": ratio})
    most = order.groupby("feature").max().sort_values(["called", "any"], ascending=False, na_position="last")
    return [str(name) for name in most.index]


def ever_moved(frame: pd.DataFrame) -> set[str]:
    """Features that moved in at least one window."""
    return {str(name) for name in frame.loc[frame["state"] == "moved", "feature"]}


def cells(frame: pd.DataFrame, features: Sequence[str], buckets: Sequence[datetime]) -> dict[str, list[Cell]]:
    """The cells of these features by kind; columns are windows, oldest first, rows are features in the order given."""
    column = {bucket: place for place, bucket in enumerate(buckets)}
    row = {name: place for place, name in enumerate(features)}
    found: dict[str, list[Cell]] = {kind.id: [] for kind in KINDS}
    for one in frame[frame["feature"].isin(features) & frame["bucket"].isin(buckets)].itertuples():
        kind = kind_of(one)
        at: Any = one.bucket
        hover = f"{one.feature}, {at:%a} {at.day} {at:%b %H:%M} UTC: {_told(one, BY_ID[kind])}"
        found[kind].append(Cell(column[at], row[str(one.feature)], str(one.feature), at, hover))
    return found


def feature_heat(
    frame: pd.DataFrame,
    features: Sequence[str],
    names: Mapping[datetime, str],
    chosen: datetime | None = None,
) -> Option:
    """One row a feature, one column a window, named by `names`. A cell can be selected: its series is its kind.

    The column of the chosen window is framed.
    """
    buckets = list(names)
    placed = cells(frame, features, buckets)
    dense = len(buckets) > DENSE
    return {
        "animation": False,
        "grid": {"left": 8, "right": 8, "top": 4, "bottom": 4, "containLabel": True},
        "tooltip": {"trigger": "item", "confine": True, "formatter": "{b}"},
        "visualMap": {
            "show": False,
            "type": "piecewise",
            "dimension": 2,
            "pieces": [{"value": code, "color": kind.colour} for code, kind in enumerate(KINDS)],
        },
        "xAxis": {
            "type": "category",
            "position": "top",
            "data": list(names.values()),
            "axisTick": {"show": False},
            "axisLine": {"show": False},
            "axisLabel": {"fontSize": 11, "lineHeight": 14, "hideOverlap": True},
        },
        "yAxis": {
            "type": "category",
            "data": list(features),
            "inverse": True,
            "axisTick": {"show": False},
            "axisLine": {"show": False},
            "axisLabel": {"width": WIDEST_NAME, "overflow": "truncate", "interval": 0, "fontSize": 11},
        },
        "series": [
            _series(code, kind, placed[kind.id], dense, buckets, chosen)
            for code, kind in enumerate(KINDS)
            if placed[kind.id]
        ],
    }


def in_words(frame: pd.DataFrame) -> str:
    """The newest window as text, and how often anything moved."""
    if frame.empty:
        return "No window has been judged."
    newest = frame[frame["bucket"] == frame["bucket"].max()]
    moved = newest[newest["state"] == "moved"].sort_values("effect", ascending=False)
    windows, with_some = frame["bucket"].nunique(), frame.loc[frame["state"] == "moved", "bucket"].nunique()
    names = f": {', '.join(moved['feature'].head(5))}{' and others' if len(moved) > 5 else ''}" if len(moved) else ""
    return (
        f"{frame['feature'].nunique()} features in {windows} {'window' if windows == 1 else 'windows'}, {with_some} of "
        f"them with something that moved. In the newest one {len(moved)} moved{names}."
    )


def legend(frame: pd.DataFrame) -> str:
    """What the symbols mean that there are."""
    there = {kind_of(row) for row in frame.itertuples()}
    return " · ".join(f"{kind.symbol} {kind.words}" for kind in KINDS if kind.id in there and kind.symbol.strip())


def _series(
    code: int, kind: Kind, found: Sequence[Cell], dense: bool, buckets: Sequence[datetime], chosen: datetime | None
) -> Option:
    frame = {"itemStyle": {"borderColor": palette.DEPLOY, "borderWidth": 2}}
    data = [
        {"name": cell.hover, "value": [cell.column, cell.row, code]} | (frame if cell.bucket == chosen else {})
        for cell in found
    ]
    called = kind.id in ("far", "moved")
    return {
        "type": "heatmap",
        "id": kind.id,
        "name": kind.words,
        "data": data,
        "selectedMode": "single",
        "label": {
            "show": called or not dense,
            "formatter": kind.symbol,
            "color": kind.ink,
            "fontSize": 7 if dense else 11,
            "fontWeight": "bold",
        },
        "itemStyle": {"borderColor": "rgba(124,135,148,0.18)", "borderWidth": 0 if dense else 1},
        "select": {"itemStyle": {"borderColor": palette.DEPLOY, "borderWidth": 2}},
    }


def _told(row: Any, kind: Kind) -> str:
    if not words.known(row.effect):
        return kind.words
    span = f" ({row.low:.2f} to {row.high:.2f})" if words.known(row.low) and words.known(row.high) else ""
    return f"{kind.words}, effect {row.effect:.2f}{span}, threshold {row.threshold:g}, n {words.count(row.n_window)}"
