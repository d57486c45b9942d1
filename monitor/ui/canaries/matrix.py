"""Items by runs, those that changed first; a click on a cell or a choice from the list opens an item."""

from datetime import datetime

import pandas as pd
import streamlit as st

from monitor.charts import itemmatrix, words
from monitor.stats.intervals import wilson
from monitor.ui import data, faces, text
from monitor.ui.canaries import place, sentences
from monitor.ui.canaries.place import Place
from monitor.ui.data import Ask, ask

RUNS, CELLS = 24, 40_000
"""Newest runs that are shown, and how many cells are loaded at most."""

PAGE = 40
ROW = 23
SHOWS = {"all": "All", "changed": "Changed", "failing": "Not passing"}


def question(at: Place, total: int) -> Ask:
    """The matrix with as many runs as a large suite leaves room for; without the tag, which is chosen from it."""
    return ask("canary_matrix", **at.pair, runs=max(2, min(RUNS, CELLS // max(1, total))))


def tags_of(frame: pd.DataFrame) -> list[str]:
    """The tags of the items, in their order."""
    first = frame.drop_duplicates("item")
    return sorted({str(tag) for tags in first["tags"] if tags is not None for tag in tags})


def with_tag(frame: pd.DataFrame, tag: str) -> pd.DataFrame:
    """The rows of items with this tag."""
    if not tag:
        return frame
    return frame[[tags is not None and tag in tags for tags in frame["tags"]]]


def draw_matrix(frame: pd.DataFrame, now: datetime, utc: bool) -> None:
    """The matrix with its filter, page by page."""
    if frame.empty:
        faces.nothing_yet("No item of this suite was asked here yet.", "matrix")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        show = st.segmented_control(
            "Items", list(SHOWS), format_func=SHOWS.__getitem__, default="all", key="show", bind="query-params",
            required=True,
        )  # fmt: skip
        _pick_item(frame)
    items = _wanted(frame, str(show))
    if not items:
        faces.nothing_yet({"changed": "No item changed in these runs."}.get(str(show), "Every item passes."), "items")
        return
    st.caption(f"{itemmatrix.in_words(frame)} {itemmatrix.legend(frame)}")
    pages = -(-len(items) // PAGE)
    page = st.pagination(pages, key="matrix-page") if pages > 1 else 1
    shown = items[(min(page, pages) - 1) * PAGE :][:PAGE]
    option = itemmatrix.item_matrix(frame, shown, _moments(frame, now, utc))
    key = f"matrix-{hash((tuple(shown), str(frame['run'].iloc[-1])))}"
    st.echarts_chart(
        option,
        height=60 + ROW * len(shown),
        key=key,
        on_select=lambda: _take(key, frame, shown),
        alt=f"Items by runs, those that changed first. {itemmatrix.in_words(frame)}",
    )
    st.caption("A click on a cell opens what was answered then.")


def draw_tags(frame: pd.DataFrame) -> None:
    """The newest replay by tag."""
    replays = frame[frame["kind"] == "replay"]
    if replays.empty:
        faces.nothing_yet("No replay yet, only what was learned.", "tags")
        return
    newest = replays[replays["started_at"] == replays["started_at"].max()]
    lines = [_tag_line(tag or "all items", with_tag(newest, tag)) for tag in ("", *tags_of(newest))]
    st.table(pd.DataFrame(lines).set_index("Tag"), border="horizontal", alt="The newest replay by tag")


def _tag_line(name: str, rows: pd.DataFrame) -> dict[str, str]:
    judged = rows[rows["cell"].isin(["pass", "fail"])]
    n, k = len(judged), int((judged["cell"] == "pass").sum())
    low, high = wilson(k, n) if n else (None, None)
    return {
        "Tag": text.plain(name),
        "Items": words.count(len(rows)),
        "Passed": words.with_evidence(k / n if n else None, low, high, n, "share"),
        "Flips": sentences.flips((rows["flip"] == "bad").sum(), (rows["flip"] == "good").sum()),
        "Not judged": words.count(len(rows) - n),
        "Latency, median": words.milliseconds(rows["latency_ms"].median()),
    }


def _pick_item(frame: pd.DataFrame) -> None:
    names = itemmatrix.flips_first(frame)
    st.session_state["open-item"] = None
    st.selectbox(
        "Open an item",
        names,
        key="open-item",
        placeholder="Choose, or click in the matrix",
        on_change=lambda: place.open_item(str(st.session_state["open-item"] or "")),
        width=280,
    )


def _wanted(frame: pd.DataFrame, show: str) -> list[str]:
    items = itemmatrix.flips_first(frame)
    if show == "changed":
        there = set(frame.loc[frame["flip"].notna() | (frame["cell"] == "flaky"), "item"])
    elif show == "failing":
        newest = frame[frame["started_at"] == frame["started_at"].max()]
        there = set(newest.loc[~newest["cell"].isin(["pass", "no_data"]), "item"])
    else:
        return items
    return [item for item in items if item in there]


def _moments(frame: pd.DataFrame, now: datetime, utc: bool) -> dict[str, str]:
    """The time of each run above its column; the run that learned says so."""
    runs = data.records(frame.drop_duplicates("run"))
    return {
        str(row["run"]): ("learned\n" if row["kind"] == "learn" else "")
        + sentences.clock(row["started_at"], now, utc).replace(" ", "\n").removeprefix(f"{now.year}-")
        for row in runs
    }


def _take(key: str, frame: pd.DataFrame, shown: list[str]) -> None:
    """Open the item of the cell that was clicked."""
    placed = itemmatrix.cells(frame, shown)
    for group in st.session_state[key].selection.selected:
        found = placed.get(str(group["series_id"]), [])
        for index in group["data_indices"]:
            if index < len(found):
                place.go(item=found[index].item, answer=found[index].run)
                return
