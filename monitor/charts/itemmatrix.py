"""Items by runs of a canary, from the query `canary_matrix`: each cell a symbol and a colour, changes stand out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from monitor.charts import palette, words
from monitor.charts.marks import Option


@dataclass(frozen=True, slots=True)
class Kind:
    """What a cell can say: its symbol, its words, its colour, and the colour of the symbol on it."""

    id: str
    symbol: str
    words: str
    colour: str
    ink: str


KINDS = (
    Kind("bad", "▼", "began to fail", palette.STATE_COLOURS["alert"], "#FFFFFF"),
    Kind("good", "▲", "began to pass", palette.STATE_COLOURS["ok"], "#FFFFFF"),
    Kind("fail", "✗", "failed", "rgba(209,73,91,0.24)", palette.STATE_COLOURS["alert"]),
    Kind("flaky", "≈", "passed and failed within one run", "rgba(199,119,0,0.34)", palette.STATE_COLOURS["warn"]),
    Kind("error", "!", "no answer", "#6B5BD6", "#FFFFFF"),
    Kind("unknown", "?", "could not be checked", "rgba(124,135,148,0.34)", palette.DEPLOY),
    Kind("pass", "✓", "passed", "rgba(15,138,95,0.17)", palette.STATE_COLOURS["ok"]),
    Kind("no_data", "·", "not asked", "rgba(124,135,148,0.08)", palette.DEPLOY),
)
"""Changes are filled, what stays as it was is pale."""

BY_ID = {kind.id: kind for kind in KINDS}
WIDEST_NAME = 128


@dataclass(frozen=True, slots=True)
class Cell:
    """One item in one run, at its place in the chart."""

    column: int
    row: int
    item: str
    run: str
    hover: str


def kind_of(cell: Any, flip: Any) -> str:
    """The kind of a cell: a flip is one of its own."""
    return str(flip) if words.known(flip) and flip else str(cell)


def flips_first(frame: pd.DataFrame) -> list[str]:
    """The items in the order in which they should be looked at.

    Those that fail since the newest run stand first, then those that changed lately, then those that do not pass.
    """
    rows = frame.sort_values(["started_at", "run"])
    flipped = rows[rows["flip"].notna()]
    began = flipped[(flipped["flip"] == "bad") & (flipped["started_at"] == rows["started_at"].max())]
    order = rows.groupby("item").agg(place=("place", "first"), now=("cell", "last"))
    order["changed"] = flipped.groupby("item")["started_at"].max()
    order["as_before"] = ~order.index.isin(began["item"])
    order["well"] = order["now"].isin(["pass", "no_data"])
    keys = ["as_before", "changed", "well", "place"]
    return list(map(str, order.sort_values(keys, ascending=[True, False, True, True], na_position="last").index))


def cells(frame: pd.DataFrame, items: Sequence[str]) -> dict[str, list[Cell]]:
    """The cells of these items by kind; columns are runs, oldest first, rows are items in the order given."""
    column = {run: place for place, run in enumerate(_runs(frame)["run"])}
    row = {item: place for place, item in enumerate(items)}
    found: dict[str, list[Cell]] = {kind.id: [] for kind in KINDS}
    for one in frame[frame["item"].isin(items)].itertuples():
        kind = kind_of(one.cell, one.flip)
        found[kind].append(
            Cell(column[one.run], row[str(one.item)], str(one.item), str(one.run), _hover(one, BY_ID[kind]))
        )
    return found


def item_matrix(frame: pd.DataFrame, items: Sequence[str], moments: Mapping[str, str]) -> Option:
    """One row an item, one column a run; `moments` names each run. A cell can be selected: its series is its kind."""
    placed = cells(frame, items)
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
            "data": [moments[run] for run in _runs(frame)["run"]],
            "axisTick": {"show": False},
            "axisLine": {"show": False},
            "axisLabel": {"fontSize": 11, "lineHeight": 14, "hideOverlap": True},
        },
        "yAxis": {
            "type": "category",
            "data": list(items),
            "inverse": True,
            "axisTick": {"show": False},
            "axisLine": {"show": False},
            "axisLabel": {"width": WIDEST_NAME, "overflow": "truncate", "interval": 0},
        },
        "series": [_series(code, kind, placed[kind.id]) for code, kind in enumerate(KINDS) if placed[kind.id]],
    }


def in_words(frame: pd.DataFrame) -> str:
    """The newest run as text, with the items that changed in it."""
    newest = frame[frame["started_at"] == frame["started_at"].max()]
    kinds = [kind_of(cell, flip) for cell, flip in zip(newest["cell"], newest["flip"], strict=True)]
    told = [f"{kinds.count(kind.id)} {kind.words}" for kind in KINDS if kind.id in kinds]
    runs = frame["run"].nunique()
    return f"{frame['item'].nunique()} items in {runs} {'run' if runs == 1 else 'runs'}. Newest: {', '.join(told)}."


def legend(frame: pd.DataFrame) -> str:
    """What the symbols mean that there are."""
    there = {kind_of(cell, flip) for cell, flip in zip(frame["cell"], frame["flip"], strict=True)}
    return " · ".join(f"{kind.symbol} {kind.words}" for kind in KINDS if kind.id in there)


def _runs(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[["run", "started_at", "kind"]].drop_duplicates("run").sort_values(["started_at", "run"])


def _series(code: int, kind: Kind, found: Sequence[Cell]) -> Option:
    return {
        "type": "heatmap",
        "id": kind.id,
        "name": kind.words,
        "data": [{"name": cell.hover, "value": [cell.column, cell.row, code]} for cell in found],
        "selectedMode": "single",
        "label": {"show": True, "formatter": kind.symbol, "color": kind.ink, "fontSize": 12, "fontWeight": "bold"},
        "itemStyle": {"borderColor": "rgba(124,135,148,0.22)", "borderWidth": 1},
        "select": {"itemStyle": {"borderColor": palette.DEPLOY, "borderWidth": 2}},
    }


def _hover(cell: Any, kind: Kind) -> str:
    of = f" ({int(cell.passes)} of {int(cell.n)} times)" if int(cell.n) > 1 else ""
    why = f": {cell.error_type}" if kind.id == "error" and words.known(cell.error_type) else ""
    while_learning = ", while it was learned" if cell.kind == "learn" else ""
    took = f", {words.milliseconds(cell.latency_ms)}" if words.known(cell.latency_ms) else ""
    return f"{cell.item}: {kind.symbol} {kind.words}{of}{why}{took}{while_learning}"
