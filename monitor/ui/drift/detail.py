"""One deployment: its verdict with the evidence, and below it the parts of the page."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pandas as pd
import streamlit as st

from monitor.charts import words
from monitor.ui import data, faces, text
from monitor.ui.data import Ask, ask
from monitor.ui.drift import (
    changes,
    feature,
    heat,
    overview,
    place,
    ranking,
    references,
    reports,
    sentences,
    thresholds,
)
from monitor.ui.drift.place import Place

Row = Mapping[str, Any]
GRAINS = {place.DAY: "Days", place.HOUR: "Hours"}
NEWEST = ""


def windows(at: Place, now: datetime) -> Ask:
    """The windows of what is drawn over time, with their verdict and quality."""
    return ask("drift_windows", **at.windows, **at.shown(now))


def exports(at: Place, now: datetime) -> dict[str, Ask]:
    """The questions behind the parts of the page."""
    found = {
        "Windows": windows(at, now),
        "Features by time": heat.question(at, now),
        "Ranking": ranking.question(at, at.bucket),
        "Changes": changes.question(at),
    }
    if at.feature:
        found |= feature.exports(at, now)
    return found | references.exports(at) | thresholds.exports(at) | {"Reports": reports.question(at)}


def draw_detail(at: Place, known: pd.DataFrame, now: datetime, utc: bool) -> None:
    """Everything about one deployment."""
    row = next((one for one in data.records(known) if one["deployment"] == at.deployment), None)
    if row is None:
        st.warning(
            f"There are no predictions of {text.plain(at.deployment)} (source {text.plain(at.source)}).",
            title="This deployment is not known",
            icon=":material/search_off:",
        )
        return
    found = data.records(data.load(windows(at, now)))
    chosen = _chosen(at, found)
    _head(at, row, chosen, utc)
    _pickers(at, found, chosen, utc)
    if at.feature:
        feature.draw_feature(at, chosen, now, utc)
        return
    _parts(at, row, chosen, now, utc)


def _chosen(at: Place, found: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The window of the address, or the newest that is judged; None where there is none."""
    bucket = at.bucket
    if bucket is None:
        return found[-1] if found else None
    return next((one for one in found if one["bucket"] == bucket), None)


def _head(at: Place, row: Row, chosen: Row | None, utc: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        overview.badge(str(chosen["verdict"]) if chosen else sentences.verdict_of(row))
        st.markdown(f"**{text.plain(at.deployment)}**", width="stretch")
    if chosen:
        name = sentences.window_name(chosen["bucket"], at.grain, utc)
        st.markdown(sentences.headline(chosen, sentences.measures_of(chosen["quality"]), name))
    elif at.window:
        st.markdown(f"The window {text.plain(at.window)} was not judged: it is not over, not described, or too old.")
    said = [f"compared with {sentences.reference(row)}", sentences.progress(row)]
    st.caption(" · ".join(filter(None, said)))


def _pickers(at: Place, found: list[dict[str, Any]], chosen: Row | None, utc: bool) -> None:
    """Days or hours, how far back, and which of them is looked at."""
    spans = place.SPANS[at.grain]
    st.session_state["drift-grain"] = at.grain
    st.session_state["drift-span"] = at.span if at.span in spans else next(iter(spans))
    names = {str(one["bucket"]): _named(one, at.grain, utc) for one in reversed(found)}
    st.session_state["drift-window"] = str(chosen["bucket"]) if chosen else None
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.segmented_control(
            "By", list(GRAINS), format_func=GRAINS.__getitem__, key="drift-grain", required=True,
            on_change=place.take_grain, args=("drift-grain",),
        )  # fmt: skip
        st.segmented_control(
            "Shown", list(spans), format_func=spans.__getitem__, key="drift-span", required=True,
            on_change=place.take, args=("span", "drift-span"),
        )  # fmt: skip
        if names:
            st.selectbox(
                "Window",
                list(names),
                format_func=names.__getitem__,
                key="drift-window",
                placeholder="Choose a window",
                on_change=_take_window,
                width=520,
            )


def _named(one: Row, grain: str, utc: bool) -> str:
    verdict = sentences.badge(str(one["verdict"]))[0].lower()
    moved = f", {int(one['n_moved'])} of {int(one['n_features'])} features" if int(one["n_moved"]) else ""
    return f"{sentences.window_name(one['bucket'], grain, utc)}: {verdict}{moved} (n {words.count(one['n'])})"


def _take_window() -> None:
    place.go(window=str(st.session_state["drift-window"]).replace(" ", "T").replace("+00:00", "Z"))


def _parts(at: Place, row: Row, chosen: Row | None, now: datetime, utc: bool) -> None:
    names = ["What moved", "Changes", "Thresholds", "References", "Full report"]
    moved, changed, limits, compared, full = st.tabs(names, on_change="rerun", key="tab", bind="query-params")
    bucket = chosen["bucket"] if chosen else None
    if moved.open:
        with moved:
            if chosen is None and not at.window:
                faces.nothing_yet(
                    "No window was judged in this time: the reference needs a day, and each hour and day is judged "
                    "once it is over and described.",
                    "windows",
                )
                return
            heat.draw_heat(at, bucket, now, utc)
            if bucket is not None:
                st.header(f"Features on {sentences.window_name(bucket, at.grain, utc)}", anchor=False)
                ranking.draw_ranking(at, bucket, utc)
    if changed.open:
        with changed:
            changes.draw_changes(at, utc)
    if limits.open:
        with limits:
            thresholds.draw_thresholds(at)
    if compared.open:
        with compared:
            references.draw_references(at, row, utc)
    if full.open:
        with full:
            reports.draw_reports(at, bucket, utc)
