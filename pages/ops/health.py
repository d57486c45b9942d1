"""Health: the golden signals of chosen deployments over a window, and what changed in it."""

import streamlit as st

from monitor.ui import comparison, data, export, faces, filters, panels, states
from monitor.ui.access import guard
from monitor.ui.data import ask
from monitor.ui.window import pick_window

guard("read")

REFRESH_S = 15

st.title("Health")
with faces.shown():
    window = pick_window()
    known = data.load(ask("deployments"))
    where, who, point, band, whence = st.columns([5, 2, 2, 2, 2], vertical_alignment="bottom")
    with whence:
        source = filters.pick_source(known)
    with who:
        by = filters.pick_group()
    with point:
        resolution_s = filters.pick_resolution()
    with band:
        reference = filters.pick_reference()
    with where:
        scope = filters.pick_scope(known, source, by)
    filters.label_source(source)
    choice = panels.Choice(window, scope, reference, resolution_s)
    signals, compare, history = st.tabs(
        ["Signals", "Compare two", "States"], on_change="rerun", key="tab", bind="query-params"
    )

    @st.fragment(run_every=REFRESH_S if window.moves else None)
    def live() -> None:
        if st.session_state.pop("narrowed", False):
            st.rerun()  # a range was selected in a chart: the widgets above must show it too
        with faces.shown():
            panels.prepare(choice)
            faces.behind(data.records(data.load(ask("ingest_status")))[0])
            states.draw_now(choice)
            panels.draw_signals(choice)
            panels.draw_top_errors(choice)

    if signals.open:
        with signals:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.page_link(
                    "pages/ops/requests.py",
                    label="Requests of this window",
                    icon=":material/arrow_forward:",
                    query_params=scope.link(window),
                )
                export.draw_export(choice.asks())
                st.caption("To narrow the window, press the brackets above a chart and drag over it.")
            live()
    if compare.open:
        with compare:
            comparison.draw_comparison(window, scope, known)
    if history.open:
        with history:
            states.draw_timeline(choice)
