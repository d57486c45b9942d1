"""Health: the golden signals of chosen deployments over a window, and what changed in it."""

import streamlit as st

from monitor.ui import comparison, data, export, faces, filters, panels
from monitor.ui.access import guard
from monitor.ui.data import ask
from monitor.ui.window import pick_window

guard("read")

REFRESH_S = 15

st.title("Health")
with faces.shown():
    window = pick_window()
    known = data.load(ask("deployments"))
    columns = st.columns([4, 2, 2, 2], vertical_alignment="bottom")
    with columns[3]:
        source = filters.pick_source(known)
    with columns[1]:
        by = filters.pick_group()
    with columns[2]:
        reference = filters.pick_reference()
    with columns[0]:
        scope = filters.pick_scope(known, source, by)
    choice = panels.Choice(window, scope, reference)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.page_link("pages/ops/requests.py", label="Requests of this window", query_params=scope.link(window))
        export.draw_export(choice.asks())
    signals, spread, compare, states = st.tabs(
        ["Signals", "Spread of latencies", "Compare two", "States"], on_change="rerun", key="tab", bind="query-params"
    )

    @st.fragment(run_every=REFRESH_S if window.moves else None)
    def live() -> None:
        if st.session_state.pop("narrowed", False):
            st.rerun()  # a range was selected in a chart: the widgets above must show it too
        with faces.shown():
            panels.draw_signals(choice)

    if signals.open:
        with signals:
            st.caption(
                "Press the brackets above a chart and drag over it to narrow the window. Hover shows n and intervals."
            )
            live()
    if spread.open:
        with spread:
            panels.draw_spread(choice)
    if compare.open:
        with compare:
            comparison.draw_comparison(window, scope, known)
    if states.open:
        with states:
            panels.draw_states(choice)
