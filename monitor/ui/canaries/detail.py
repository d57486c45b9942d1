"""One canary on one deployment: its head, its filters, and the parts below them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pandas as pd
import streamlit as st

from monitor.charts import words
from monitor.ui import data, faces, text
from monitor.ui.canaries import (
    accepting,
    comparing,
    evidence,
    matrix,
    opened,
    overview,
    place,
    sentences,
    trend,
)
from monitor.ui.canaries.place import Place
from monitor.ui.data import Ask, ask
from monitor.ui.jobs import asking

Row = Mapping[str, Any]


def signals(at: Place) -> Ask:
    """The signals of this canary on this deployment."""
    return ask("canary_signals", **at.pair)


def exports(at: Place) -> dict[str, Ask]:
    """The questions behind the parts of the page."""
    found = {
        "Signals": signals(at),
        "Changes of state": evidence.changes(at),
        "Items by runs": matrix.question(at, matrix.CELLS // matrix.RUNS),
        "Trend": trend.question(at),
        "Runs": ask("canary_runs", **at.pair),
        "Noise": opened.noise_ask(at),
    }
    return found | ({"Item": opened.question(at)} if at.item else {}) | (comparing.asks(at, at.b) if at.b else {})


def draw_detail(at: Place, known: pd.DataFrame, now: datetime, utc: bool) -> None:
    """Everything about one canary on one deployment."""
    rows = data.records(known)
    row = next((one for one in rows if (one["canary"], one["deployment"]) == (at.canary, at.deployment)), None)
    if row is None:
        st.warning(
            f"There is no canary {text.plain(at.name)}. The fleet file may have changed since this link was made.",
            title="This canary is not known",
            icon=":material/search_off:",
        )
        return
    _head(at, row, now, utc)
    if not words.known(row["run"]):
        faces.nothing_yet(f"{text.plain(at.canary)} has not been replayed on {text.plain(at.deployment)} yet.", "runs")
        return
    others = sorted(
        str(one["deployment"])
        for one in rows
        if one["canary"] == at.canary and one["deployment"] != at.deployment and words.known(one["run"])
    )
    if at.item:
        opened.draw_item(at, [at.deployment, *others], now, utc)
    else:
        _parts(at, row, others, now, utc)


def _head(at: Place, row: Row, now: datetime, utc: bool) -> None:
    found = data.records(data.load(signals(at))) if words.known(row["run"]) else []
    with st.container(horizontal=True, vertical_alignment="center"):
        overview.headline(row)
        st.markdown(f"**{text.plain(at.canary)}** on **{text.plain(at.deployment)}**", width="stretch")
        asking.draw_run_now(f"canary-{at.canary}", _scheduled(at), "run-canary")
        accepting.draw_accept(at)
    st.markdown(sentences.in_words(row, found, now, utc))
    facts = overview.facts(row, now)
    st.caption(" · ".join(f"{name.lower()} {value}" for name, value in facts.items()))
    accepting.draw_accepted(dict(row), utc)


def _scheduled(at: Place) -> bool:
    """Whether a scheduler is there that knows this canary."""
    jobs = data.load(ask("jobs"))
    return bool(jobs.loc[jobs["job"] == f"canary-{at.canary}", "scheduler_here"].any()) if len(jobs) else False


def _parts(at: Place, row: Row, others: list[str], now: datetime, utc: bool) -> None:
    cells = data.load(matrix.question(at, int(row["total"])))
    tags = matrix.tags_of(cells) if not cells.empty else []
    _pick_tag(at, tags)
    shown = matrix.with_tag(cells, at.tag)
    what, items, runs, compare = st.tabs(
        ["What changed", "Items", "Trend", "Compare two"], on_change="rerun", key="tab", bind="query-params"
    )
    if what.open:
        with what:
            found = data.load(signals(at))
            evidence.draw_evidence(at, found[found["tag"] == at.tag] if at.tag else found, now, utc)
    if items.open:
        with items:
            matrix.draw_matrix(shown, now, utc)
    if runs.open:
        with runs:
            trend.draw_trend(at, now, utc)
            st.header("By tag", anchor=False)
            matrix.draw_tags(shown)
    if compare.open:
        with compare:
            comparing.draw_comparison(at, others, tags)


def _pick_tag(at: Place, tags: list[str]) -> None:
    options = ["", *dict.fromkeys([*tags, *([at.tag] if at.tag else [])])]
    st.session_state["canary-tag"] = at.tag
    st.selectbox(
        "Items with tag",
        options,
        format_func=lambda tag: tag or "All items",
        key="canary-tag",
        on_change=lambda: place.go(tag=str(st.session_state["canary-tag"])),
        width=280,
    )
