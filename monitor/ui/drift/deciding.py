"""What is decided on this page, for those who may: thresholds and references, each with a reason."""

from collections.abc import Callable
from contextlib import suppress

import streamlit as st

from monitor.client.drift import Drift
from monitor.config import load_settings
from monitor.errors import WatchpointError
from monitor.ui import access, data, text
from monitor.ui.jobs import asking

PERMISSION = asking.PERMISSION


def drift() -> Drift:
    """The connection to the api that the settings name, shared by all sessions."""
    return _drift(load_settings().api)


def done(act: Callable[[], object], said: str, changes: str) -> bool:
    """Do it and say so, or say why it could not be done; `changes` is the query that it shows in. For callbacks."""
    try:
        act()
    except WatchpointError as error:
        st.toast(text.plain(error), icon=":material/error:", duration="long")
        return False
    data.forget(changes)
    st.toast(said, icon=":material/check:")
    return True


def judge_now() -> None:
    """Ask for a run of the job, so that what was decided does not wait for its slot."""
    with suppress(WatchpointError):  # without a scheduler it waits for one
        asking.jobs().run_now("drift", access.visitor().name)


@st.cache_resource(max_entries=4, on_release=Drift.close)
def _drift(address: str) -> Drift:
    return Drift(address)
