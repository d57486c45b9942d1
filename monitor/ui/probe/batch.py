"""Batch mode: the form that starts a run, and the run itself once there is one."""

from typing import Any

import streamlit as st

from monitor.errors import WatchpointError
from monitor.ui import access
from monitor.ui.probe import live, progress, results, runs, settings, targets, upload
from monitor.ui.probe.service import prober
from monitor.ui.probe.targets import Target

FILES, LOG = "Files", "Logged requests"


def draw_batch(known: dict[str, Target]) -> None:
    """The batch run of the address, or the form for a new one."""
    run = runs.pointed_at("batch")
    if run is None:
        _form(known)
        return
    st.button("New batch", icon=":material/add:", key="new-batch", on_click=runs.close)
    progress.draw_progress(run)
    results.draw_results(run)


def _form(known: dict[str, Target]) -> None:
    chosen = targets.pick_some(known)
    allowed = [FILES, LOG] if access.may("read_text") else [FILES]
    what = st.segmented_control("What to ask", allowed, default=FILES, required=True, key="what", persist_state="page")
    files, sample, prompt, system = None, None, "", ""
    if what == FILES:
        files = upload.pick_files()
        prompt = st.text_area(
            "Prompt for pictures, and for rows without one", key="batch-prompt", height=80, persist_state="page"
        )
        with st.expander("System prompt", key="batch-before"):
            system = st.text_area("System prompt", key="batch-system", height=80, label_visibility="collapsed")
    else:
        sample = upload.pick_sample()
    name = st.text_input(
        "Name", key="batch-name", placeholder="What this run is for; shown in the list of runs", max_chars=200
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        pressed = st.button("Start", type="primary", icon=":material/play_arrow:", key="start-batch")
        generation = settings.pick_settings()
        st.caption(settings.in_words(generation).capitalize())
    if not pressed:
        return
    if not chosen or (what == FILES and files is None):
        missing = "Choose at least one target." if not chosen else "Choose pictures, a zip or a table."
        st.warning(missing, title="Nothing was started", icon=":material/help:")
        return
    body = {"kind": "batch", "name": name, "targets": chosen, "settings": generation, "visitor": access.visitor().name}
    # One or the other, and nothing empty beside it: the api refuses a body that says both.
    start(
        body | ({"sample": sample} if files is None else {}),
        lambda: upload.send(files, prompt, system) if files else None,
    )


def start(body: dict[str, Any], items: Any) -> None:
    """Start a run and show it; what keeps it from starting is told."""
    try:
        prepared = items()
        run = prober().start(body | ({"items": prepared} if prepared is not None else {}))
    except WatchpointError as error:
        live.refused(error)
    else:
        st.query_params["run"] = run
        st.toast(f"Started run {run}", icon=":material/play_arrow:")
        st.rerun()
