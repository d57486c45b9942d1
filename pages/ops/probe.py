"""Live probe: what do deployments and checkpoints answer right now, to one question, to many, and under load?"""

import streamlit as st

from monitor.ui import faces
from monitor.ui.access import guard
from monitor.ui.probe import ask, batch, load, runs, targets

guard("probe")

st.title("Live probe")
with faces.shown():
    known = targets.known()
    runs.open_tab()
    one, many, ramp, earlier = st.tabs(
        ["Ask", "Batch", "Load", "Runs"], on_change="rerun", key="mode", bind="query-params"
    )
    if not known:
        targets.draw_none()
    elif one.open:
        with one:
            ask.draw_ask(known)
    elif many.open:
        with many:
            batch.draw_batch(known)
    elif ramp.open:
        with ramp:
            load.draw_load(known)
    if earlier.open:
        with earlier:
            runs.draw_runs()
