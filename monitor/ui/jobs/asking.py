"""Asking for what changes something: a job to run now, and a new baseline of a canary. For those who may run jobs."""

import streamlit as st

from monitor.client.jobs import Jobs
from monitor.config import load_settings
from monitor.errors import WatchpointError
from monitor.ui import access, text

PERMISSION = "run_jobs"


def jobs() -> Jobs:
    """The connection to the api that the settings name, shared by all sessions."""
    return _jobs(load_settings().api)


def draw_run_now(job: str, here: bool, key: str) -> None:
    """A button that asks for a run; nothing for those who may not. `here`: whether a scheduler would take it up."""
    if not access.may(PERMISSION):
        return
    st.button(
        "Run now",
        icon=":material/play_arrow:",
        key=key,
        on_click=_run_now,
        args=(job,),
        disabled=not here,
        help="The scheduler takes it up within seconds" if here else "No scheduler is there to take it up",
    )


def _run_now(job: str) -> None:
    try:
        jobs().run_now(job, access.visitor().name)
    except WatchpointError as error:
        st.toast(text.plain(error), icon=":material/error:", duration="long")
        return
    st.toast(f"{text.plain(job)} was asked for; a scheduler takes it up within seconds.", icon=":material/play_arrow:")


@st.cache_resource(max_entries=4, on_release=Jobs.close)
def _jobs(address: str) -> Jobs:
    return Jobs(address)
