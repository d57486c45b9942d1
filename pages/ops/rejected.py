"""Rejected: what did the door refuse, and why? The sender got the same reasons as an answer."""

import streamlit as st

from monitor.charts import words
from monitor.ui import data, export, faces, rejects
from monitor.ui.access import guard
from monitor.ui.data import ask
from monitor.ui.window import pick_window

guard("read_text")

st.title("Rejected")
with faces.shown():
    window = pick_window()
    span = {"start": window.start, "end": window.end}
    events, reasons = ask("rejects", **span, limit=rejects.PAGE), ask("reject_reasons", **span)
    refused = data.load(events)
    export.draw_export({"Refused events": events, "Reasons": reasons})
    if refused.empty:
        faces.nothing_yet("The door refused no event in this window.", "rejects")
    else:
        st.header("Reasons", anchor=False)
        rejects.draw_reasons(data.load(reasons))
        st.header("Events", anchor=False)
        if len(refused) == rejects.PAGE:
            st.caption(f"The newest {words.count(rejects.PAGE)} of this window.")
        rejects.draw_events(refused, window.utc)
