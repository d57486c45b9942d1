"""Drift: has what comes in or goes out changed, does it matter, and which rows show it?"""

from datetime import UTC, datetime

import streamlit as st

from monitor.ui import data, export, faces, filters
from monitor.ui.access import guard
from monitor.ui.data import ask
from monitor.ui.drift import detail, overview, place
from monitor.ui.window import pick_zone

guard("read")

REFRESH_S = 60
SOURCES = ("production", "demo")

st.title("Drift")
with faces.shown():
    seen = data.load(ask("deployments"))
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        bar = st.container(width="content")
        with st.container(width=220):
            source = filters.pick_source(seen[seen["source"].isin(SOURCES)])
        utc = pick_zone() == "UTC"
        at, now = place.here(source), datetime.now(UTC)
        export.draw_export(detail.exports(at, now) if at.deployment else overview.exports(source))
    if at.deployment:
        with bar:
            st.button("All deployments", icon=":material/arrow_back:", key="overview", on_click=place.leave)
    filters.label_source(source)
    known = data.load(overview.state(source))

    @st.fragment(run_every=REFRESH_S)
    def all_of_them() -> None:
        if place.here(source).deployment:
            st.rerun()  # one was opened: the whole page changes
        with faces.shown():
            overview.draw_overview(data.load(overview.state(source)), source, datetime.now(UTC), utc)

    if known.empty:
        overview.draw_none()
    elif at.deployment:
        detail.draw_detail(at, known, now, utc)
    else:
        all_of_them()
