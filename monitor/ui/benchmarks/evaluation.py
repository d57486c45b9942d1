"""One evaluation: what came of it, how it was run, the file it was read from, and the items that went worst."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pandas as pd
import streamlit as st

from monitor.charts import benchmarkwords as bw
from monitor.charts import words
from monitor.ui import access, data, faces, text
from monitor.ui.benchmarks import place, protocols
from monitor.ui.benchmarks.parts import items_of
from monitor.ui.benchmarks.states import ORIGINS, STATES, items
from monitor.ui.data import Ask, ask
from monitor.ui.probe import images

Row = Mapping[str, Any]
MOST_ITEMS = 200
WHOLE_DIGEST = 64
"""Letters of the SHA-256 of one file; of several files there is a shorter fingerprint of all of them."""


def question(run: str, failed: bool = False) -> Ask:
    """The question for its items, the worst first."""
    return ask("benchmark_items", run=run, failed=failed or None, limit=MOST_ITEMS)


def draw_evaluation(run: str, row: Row | None, now: datetime, utc: bool) -> None:
    """Everything about one evaluation; None is one that nobody knows."""
    st.button(
        "All evaluations",
        icon=":material/arrow_back:",
        key="all-runs",
        on_click=place.go,
        kwargs={"part": "evaluations", "run": "", "item": ""},
    )
    if row is None:
        st.warning(
            f"There is no evaluation {text.plain(run)} among the newest ones. It may have been forgotten.",
            title="This evaluation is not known",
            icon=":material/search_off:",
        )
        return
    _head(row)
    left, right = st.columns([3, 4], gap="medium")
    with left:
        st.header("What came of it", anchor=False)
        st.table(_facts(row, now, utc), border="horizontal", alt="What came of this evaluation")
    with right:
        st.header("How it was run", anchor=False)
        st.table(protocols.in_table(row["protocol"]), border="horizontal", alt="The protocol of this evaluation")
    _items(row)


def _head(row: Row) -> None:
    name, icon, colour = STATES[str(row["state"])]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(name, icon=icon, color=colour)  # type: ignore[arg-type]  # names of colours
        st.markdown(
            f"**{text.plain(row['benchmark'])}** of **{text.plain(bw.named(row['checkpoint'], row['step']))}**",
            width="stretch",
        )
        st.button(
            "Open the benchmark",
            icon=":material/arrow_forward:",
            type="tertiary",
            key="open-benchmark",
            on_click=place.open_benchmark,
            args=(str(row["benchmark"]),),
        )
    if words.known(row["problem"]):
        said = text.plain(row["problem"])
        {"failed": st.error, "skipped": st.warning}.get(str(row["state"]), st.info)(
            said, title=f"{name}: what was wrong" if row["state"] != "skipped" else "Skipped: why", icon=icon
        )
    for note in items_of(row["notes"]):
        st.markdown(f":material/info: {text.sentence(note)}")


def _facts(row: Row, now: datetime, utc: bool) -> dict[str, str]:
    found = {
        "Items": items(row),
        "Without an answer": words.count(row["failed"]),
        "Model": text.plain(row["model"]) if words.known(row["model"]) else "not named",
        "Called there": text.plain(row["named"]) if words.known(row["named"]) else "",
        "Revision": text.plain(row["revision"]) if words.known(row["revision"]) else "",
        "Evaluated": text.moment(row["evaluated_at"], utc)
        if words.known(row["evaluated_at"])
        else "not told by the files",
        "Written here": f"{text.moment(row['started_at'], utc)}, {words.ago(row['started_at'], now)}",
        "From": ORIGINS.get(str(row["origin"]), text.plain(row["origin"])),
        "Source": text.plain(row["source"]) if words.known(row["source"]) else "",
    }
    if words.known(row["source_sha256"]):
        digest = str(row["source_sha256"])
        found["SHA-256" if len(digest) == WHOLE_DIGEST else "Fingerprint"] = f"`{digest}`"
    return {name: value for name, value in found.items() if value}


def _items(row: Row) -> None:
    st.header("Worst items", anchor=False)
    if not row["done"]:
        faces.nothing_yet("Nothing is known of its items.", "run-items")
        return
    failed = False
    if row["failed"]:
        failed = st.toggle(f"Only the {bw.counted(int(row['failed']), 'item')} without an answer", key="only-failed")
    loaded = data.load(question(str(row["run"]), failed))
    if loaded.empty:
        faces.nothing_yet("No item was left without an answer.", "failed-items")
        return
    found, raw = data.records(loaded), access.may("read_text")
    shown = pd.DataFrame(
        {
            "Gets": [bw.percent(one["share"]) for one in found],
            "Item": [one["item"] for one in found],
            "Answered": ["no" if words.known(one["failed"]) else "yes" for one in found],
            "Categories": [[str(each) for each in items_of(one["categories"])] for one in found],
        }
    )
    if raw:
        shown.insert(2, "Question", [one["question"] for one in found])
        shown.insert(3, "Target", [one["target"] for one in found])
        said = [one["failed"] if words.known(one["failed"]) else one["answer"] for one in found]
        shown.insert(4, "Answer, or why there is none", said)
    key = f"items-{row['run']}-{failed}"
    st.dataframe(
        shown,
        hide_index=True,
        key=key,
        on_select="rerun",
        selection_mode="single-row",
        placeholder=words.UNKNOWN,
        alt="Items of this evaluation, the worst first",
        column_config={
            "Question": st.column_config.TextColumn(width="medium"),
            "Target": st.column_config.TextColumn(width="small"),
            "Answer, or why there is none": st.column_config.TextColumn(width="medium"),
            "Categories": st.column_config.ListColumn(),
        },
    )
    if len(found) == MOST_ITEMS:
        st.caption(f"The {MOST_ITEMS} worst; the export has more.")
    selected: list[int] = [one for one in st.session_state[key].selection.rows if one < len(found)]
    if not raw:
        st.caption("Seeing what was asked and answered needs the permission `read_text`.")
    elif selected:
        _opened(found[selected[0]])
    else:
        st.caption("Select an item to see it in full.")


def _opened(item: Row) -> None:
    with st.container(border=True, key="run-item"):
        st.markdown(f"**{text.plain(item['item'])}** gets {bw.percent(item['share'])}")
        media = [str(one) for one in items_of(item["media"])]
        if media:
            images.draw_gallery(media, 220)
        told = {
            "Question": item["question"],
            "Target": item["target"],
            "Answer": item["answer"],
            "No answer": item["failed"],
        }
        for name, value in told.items():
            if words.known(value) and str(value):
                st.caption(name)
                st.code(str(value), language=None, wrap_lines=True)
        if item["cut"]:
            st.caption("A text was cut at 16 KiB.")
