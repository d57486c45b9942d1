"""What a batch came to: comparison of its targets, then item by item as a table or a gallery, and as a file."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import streamlit as st

from monitor.charts import words
from monitor.ui import data, faces
from monitor.ui.data import ask
from monitor.ui.probe import gallery, pairs, saving, service
from monitor.ui.probe.answer import LETTERS
from monitor.ui.probe.pictures import data_url
from monitor.ui.probe.progress import RUNNING
from monitor.ui.probe.reproduce import media_of

SHOWS = {"all": "All", "differ": "Answers differ", "wrong": "Wrong", "failed": "Failed"}
SOON_S, REFRESH_S = 30.0, 1.0
"""An answer that is missing so soon after the end of its run is still on its way into the store."""

WITH_PICTURES = 200
"""Rows of the table that carry a thumbnail: each is some kilobytes."""


def draw_results(run: Mapping[str, Any]) -> None:
    """Everything that a run has answered so far; while it runs, only on request."""
    if run["state"] == RUNNING and not st.toggle("Show what is answered so far", key="so-far"):
        return
    question = ask("probe_items", run=run["run"])
    rows = service.fresh(question) if run["state"] == RUNNING or _ended_just_now(run) else data.load(question)
    if run["state"] != RUNNING and _ended_just_now(run) and len(rows) < run["done"]:
        _await_the_rest(run)
        return
    if rows.empty:
        faces.nothing_yet("No answer of this run is in the log yet.", "items")
        return
    letters = {str(target): LETTERS[place] for place, target in enumerate(run["targets"])}
    pairs.draw_summary(rows, letters)
    if len(letters) > 1:
        pairs.draw_comparison(str(run["run"]), list(letters))
    st.header("Items", anchor=False)
    items = items_of(rows, letters)
    with st.container(horizontal=True, vertical_alignment="center"):
        show = _one_of("Which", SHOWS, "show")
        view = _one_of("View", {"table": "Table", "gallery": "Gallery"}, "view-items")
        saving.draw_saving(str(run["run"]))
    items = items[_wanted(items, show)]
    if items.empty:
        faces.nothing_yet("No item is like that.", "none-like-that")
    elif view == "gallery":
        gallery.draw_gallery(items, letters)
    else:
        _table(items, letters)


def _ended_just_now(run: Mapping[str, Any]) -> bool:
    return words.known(run["ended_at"]) and (datetime.now(UTC) - run["ended_at"]).total_seconds() < SOON_S


def _await_the_rest(run: Mapping[str, Any]) -> None:
    """Until the store has what was answered: a comparison of some of it would be another one a second later."""

    @st.fragment(run_every=REFRESH_S)
    def waiting() -> None:
        with faces.shown():
            there = len(service.fresh(ask("probe_items", run=run["run"])))
            if there >= run["done"] or not _ended_just_now(run):
                st.rerun()
            st.caption(f"{words.count(there)} of {words.count(run['done'])} answers are in the store; a moment.")

    waiting()


def items_of(rows: pd.DataFrame, letters: Mapping[str, str]) -> pd.DataFrame:
    """One row an item: its question, images, label, and for each target (by letter) answer, right, error, latency."""
    found: dict[str, dict[str, Any]] = {}
    for row in data.records(rows):
        letter = letters.get(row["target"])
        if letter is None:
            continue
        item = found.setdefault(row["item"], _question(row))
        failed = row["status"] == "error"
        item[f"{letter} answer"] = f"failed: {row['error_type']}" if failed else row["output_text"]
        item[f"{letter} said"] = None if failed else " ".join(str(row["output_text"] or "").split())
        item[f"{letter} right"] = row["right"] if words.known(row["right"]) else None
        item[f"{letter} failed"] = failed
        item[f"{letter} ms"] = row["latency_ms"]
    return pd.DataFrame(list(found.values()))


def _question(row: Mapping[str, Any]) -> dict[str, Any]:
    hashes = [str(one["sha256"]) for one in media_of(row) if words.known(one.get("sha256"))]
    label = row["label"] if words.known(row["label"]) else None
    return {"item": row["item"], "prompt": row["input_text"], "images": hashes, "label": label}


def _wanted(items: pd.DataFrame, show: str) -> pd.Series:
    """Which items are shown."""
    columns = {
        kind: [name for name in items.columns if name.endswith(f" {kind}")] for kind in ("said", "right", "failed")
    }
    if show == "differ":
        return items[columns["said"]].nunique(axis=1, dropna=True) > 1
    if show == "wrong":
        return items[columns["right"]].eq(False).any(axis=1)
    if show == "failed":
        return items[columns["failed"]].eq(True).any(axis=1)
    return pd.Series(True, index=items.index)


def _table(items: pd.DataFrame, letters: Mapping[str, str]) -> None:
    shown = pd.DataFrame({"Item": items["item"], "Prompt": items["prompt"]})
    pictures = [_first_picture(hashes) if at < WITH_PICTURES else None for at, hashes in enumerate(items["images"])]
    if any(pictures):
        shown.insert(0, "Image", pictures)
    if items["label"].notna().any():
        shown["Expected"] = items["label"]
    for letter in letters.values():
        if f"{letter} answer" in items:
            shown[f"{letter}: answer"] = [
                _marked(answer, right)
                for answer, right in zip(items[f"{letter} answer"], items[f"{letter} right"], strict=True)
            ]
            shown[f"{letter}: time"] = items[f"{letter} ms"]
    times = {f"{letter}: time": st.column_config.NumberColumn(format="%.0f ms") for letter in letters.values()}
    st.dataframe(
        shown,
        hide_index=True,
        height=520,
        row_height=48 if any(pictures) else None,
        key="items",
        placeholder="",
        alt="Items of the run with the answers of each target",
        column_config=times | {"Image": st.column_config.ImageColumn(width="small")},
    )
    if any(pictures) and len(items) > WITH_PICTURES:
        st.caption(f"Pictures are shown in the first {WITH_PICTURES} rows; the gallery pages through all of them.")


def _marked(answer: Any, right: Any) -> str:
    """An answer with a mark for right or wrong, where that is known."""
    mark = {True: "✓ ", False: "✗ "}.get(right, "") if isinstance(right, bool) else ""
    return f"{mark}{answer}"


def _first_picture(hashes: list[str]) -> str | None:
    return data_url(hashes[0]) if hashes else None


def _one_of(label: str, options: Mapping[str, str], key: str) -> str:
    chosen = st.segmented_control(
        label,
        list(options),
        format_func=options.__getitem__,
        default=next(iter(options)),
        key=key,
        bind="query-params",
        required=True,
        label_visibility="collapsed",
    )
    return str(chosen)
