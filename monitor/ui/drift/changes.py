"""When features of a deployment began and ceased to be moved."""

from datetime import datetime

import pandas as pd
import streamlit as st

from monitor.charts import words
from monitor.ui import data, faces
from monitor.ui.data import Ask, ask
from monitor.ui.drift import place, sentences
from monitor.ui.drift.place import Place

SAID = {"moved": "▲ began to be moved", "steady": "✓ is as before again"}


def question(at: Place) -> Ask:
    """The changes of 90 days."""
    return ask("drift_changes", **at.windows, start="-90d", end="now")


def draw_changes(at: Place, utc: bool) -> None:
    """The changes, newest first; a selected one opens its feature in that window."""
    rows = data.load(question(at))
    if rows.empty:
        faces.nothing_yet(f"No feature began to move in the last 90 days, {at.grain} by {at.grain}.", "changes")
        return
    told = data.records(rows)
    shown = pd.DataFrame(
        {
            "When": [sentences.since_name(row["bucket"], at.grain, utc) for row in told],
            "Feature": rows["feature"],
            "What": [SAID.get(str(row["state"]), str(row["state"])) for row in told],
            "Effect": [sentences.effect("", row["effect"], row["low"], row["high"]) for row in told],
            "n": rows["n_window"],
        }
    )
    st.dataframe(
        shown,
        hide_index=True,
        key="changes",
        on_select=lambda: _open(list(rows["feature"]), list(rows["bucket"])),
        selection_mode="single-row",
        placeholder=words.UNKNOWN,
        alt="Changes, newest first; select one to see its feature",
        column_config={"n": st.column_config.NumberColumn(format="localized")},
    )
    st.caption(
        "Effects are in the unit of their method: 0.27 of a share is 27 %. Windows that tell nothing, for too few "
        "predictions, change nothing. Select a line to open it."
    )


def _open(features: list[str], buckets: list[datetime]) -> None:
    selected: list[int] = st.session_state["changes"].selection.rows
    if selected:
        place.open_feature(features[selected[0]], buckets[selected[0]])
