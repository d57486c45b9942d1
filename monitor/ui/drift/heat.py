"""Features by hours or days, those that moved first; a click on a cell opens the feature in that window."""

from datetime import UTC, datetime

import pandas as pd
import streamlit as st

from monitor.charts import driftheat
from monitor.ui import data, faces, text
from monitor.ui.data import Ask, ask
from monitor.ui.drift import place
from monitor.ui.drift.place import Place

ROW = 21
MOST_STEADY = 8
SHOWS = {"moved": "Moved", "all": "All features"}


def question(at: Place, now: datetime) -> Ask:
    """The cells of what is drawn over time."""
    return ask("drift_heat", **at.windows, **at.shown(now))


def draw_heat(at: Place, chosen: datetime | None, now: datetime, utc: bool) -> None:
    """The heat map with its filter; `chosen` is the window whose ranking stands below."""
    frame = data.load(question(at, now))
    if frame.empty:
        faces.nothing_yet(
            "No window was judged in this time. Hours and days are judged once they are over and described.", "heat"
        )
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        show = st.segmented_control(
            "Features", list(SHOWS), format_func=SHOWS.__getitem__, default="moved", key="features",
            bind="query-params", required=True,
        )  # fmt: skip
        _pick_feature(frame)
    features = wanted(frame, str(show))
    shown = frame[frame["feature"].isin(features)]
    st.caption(f"{driftheat.in_words(frame)} {driftheat.legend(shown)}.")
    names = columns(frame, at.grain, utc)
    option = driftheat.feature_heat(frame, features, names, chosen)
    key = f"heat-{hash((tuple(features), tuple(names.values()), chosen))}"
    st.echarts_chart(
        option,
        height=64 + ROW * len(features),
        key=key,
        on_select=lambda: _take(key, frame, features, list(names)),
        alt=f"Features by {at.grain}s, those that moved first. {driftheat.in_words(frame)}",
    )
    st.caption(
        "A click on a cell opens the feature in that window. "
        + ("Days are those of UTC." if at.grain == place.DAY else "Small hours have few predictions, and tell less.")
    )


def wanted(frame: pd.DataFrame, show: str) -> list[str]:
    """The features to draw: those that moved in the time shown, or those nearest to it where none did."""
    order = driftheat.moved_first(frame)
    if show == "all":
        return order
    moved = driftheat.ever_moved(frame)
    return [name for name in order if name in moved] or order[:MOST_STEADY]


def columns(frame: pd.DataFrame, grain: str, utc: bool) -> dict[datetime, str]:
    """A name for each window that was judged, oldest first."""
    zone = UTC if grain == place.DAY else text.zone(utc)
    found = {}
    for bucket in sorted(frame["bucket"].unique()):
        there = bucket.astimezone(zone)
        found[bucket] = f"{there.day} {there:%b}" if grain == place.DAY else f"{there:%H:%M}\n{there.day} {there:%b}"
    return found


def _pick_feature(frame: pd.DataFrame) -> None:
    """The same as a click, for the keyboard."""
    st.session_state["open-feature"] = None
    st.selectbox(
        "Open a feature",
        driftheat.moved_first(frame),
        key="open-feature",
        placeholder="Choose, or click in the picture",
        on_change=lambda: place.open_feature(str(st.session_state["open-feature"] or "")),
        width=280,
    )


def _take(key: str, frame: pd.DataFrame, features: list[str], buckets: list[datetime]) -> None:
    """Open the feature of the cell that was clicked, in its window."""
    placed = driftheat.cells(frame, features, buckets)
    for group in st.session_state[key].selection.selected:
        found = placed.get(str(group["series_id"]), [])
        for index in group["data_indices"]:
            if index < len(found):
                place.open_feature(found[index].feature, found[index].bucket)
                return
