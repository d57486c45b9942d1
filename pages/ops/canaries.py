"""Canaries: does each deployment still answer a known suite as it did, and what changed since when?"""

from datetime import UTC, datetime

import streamlit as st

from monitor.ui import data, export, faces
from monitor.ui.access import guard
from monitor.ui.canaries import detail, overview, place
from monitor.ui.data import ask
from monitor.ui.window import pick_zone

guard("read")

REFRESH_S = 30

st.title("Canaries")
with faces.shown():
    known = data.load(ask("canary_deployments"))
    at = place.here()
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if at:
            st.button("All canaries", icon=":material/arrow_back:", key="overview", on_click=place.leave)
        utc = pick_zone() == "UTC"
        whole = {"Canaries": ask("canary_deployments"), "Signals": ask("canary_signals")}
        export.draw_export(detail.exports(at) if at else whole)

    @st.fragment(run_every=REFRESH_S)
    def all_of_them() -> None:
        if place.here():
            st.rerun()  # one was opened: the whole page changes
        with faces.shown():
            rows = data.load(ask("canary_deployments"))
            overview.draw_overview(rows, data.load(ask("canary_signals")), datetime.now(UTC), utc)

    if known.empty:
        overview.draw_none()
    elif at:
        detail.draw_detail(at, known, datetime.now(UTC), utc)
    else:
        all_of_them()
