"""Events that the door refused: which reasons, how often, and the bytes as they came."""

import pandas as pd
import streamlit as st

from monitor.charts import words
from monitor.ui import text

PAGE = 200


def draw_reasons(reasons: pd.DataFrame) -> None:
    """How often each kind of reason occurs, with an example of what was sent."""
    st.dataframe(
        reasons,
        hide_index=True,
        alt="Reasons of rejection with counts",
        column_order=["n", "reason", "last_seen", "example"],
        column_config={
            "n": st.column_config.NumberColumn("Events"),
            "reason": st.column_config.TextColumn("Reason", width="large"),
            "last_seen": st.column_config.DatetimeColumn("Last", format="distance"),
            "example": st.column_config.TextColumn("Example, redacted", width="medium"),
        },
    )


def draw_events(rejects: pd.DataFrame, utc: bool) -> None:
    """The refused events, newest first; a selected one is shown in full."""
    zone = str(text.zone(utc))
    state = st.dataframe(
        rejects[["ts", "deployment", "reason", "bytes", "raw"]],
        hide_index=True,
        key="rejects",
        on_select="rerun",
        selection_mode="single-row",
        placeholder="",
        alt="Refused events, newest first",
        column_config={
            "ts": st.column_config.DatetimeColumn(f"Arrived ({zone})", timezone=zone, format="YYYY-MM-DD HH:mm:ss"),
            "deployment": "Deployment",
            "reason": st.column_config.TextColumn("Reason", width="large"),
            "bytes": st.column_config.NumberColumn("Size", format="bytes"),
            "raw": st.column_config.TextColumn("As it came, redacted", width="medium"),
        },
    )
    rows: list[int] = state.selection.rows
    if rows and rows[0] < len(rejects):
        row = rejects.iloc[rows[0]]
        st.error(text.plain(row["reason"]), title="Why it was refused")
        st.code(row["raw"], language=None, wrap_lines=True)
        st.caption(f"{words.count(row['bytes'])} bytes as sent; the text is cut and redacted.")
