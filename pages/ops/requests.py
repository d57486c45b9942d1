"""Requests: which ones show it? Filter, search, page through, open one."""

import streamlit as st

from monitor.ui import data, detail, faces, filters, requestlist
from monitor.ui.access import guard
from monitor.ui.data import ask
from monitor.ui.window import pick_window

guard("read_text")

st.title("Requests")
with faces.shown():
    window = pick_window()
    known = data.load(ask("deployments"))
    left, right = st.columns([4, 1])
    with right:
        source = filters.pick_source(known)
    with left:
        scope = filters.pick_scope(known, source)
    filters.label_source(source)
    question = requestlist.pick_question(window, scope)
    request = requestlist.opened()
    listing, side = st.columns([3, 2]) if request else (st.container(), st.container())
    with listing:
        requestlist.draw_list(question, scope, window.utc)
    with side:
        if request:
            st.button("Close", icon=":material/close:", on_click=requestlist.close)
            detail.draw_request(request, window.utc)
