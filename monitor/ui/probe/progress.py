"""A run while it runs: how far it is, how fast, how long it still takes, what is wrong, and a way to stop it."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import streamlit as st

from monitor.charts import words
from monitor.errors import WatchpointError
from monitor.ui import faces, text
from monitor.ui.data import ask
from monitor.ui.probe import runs, service
from monitor.ui.probe.service import prober

REFRESH_S = 1.0
RUNNING = "running"
FACES = {
    "cancelled": ("This run was cancelled", "The answers that it had by then are kept below."),
    "failed": ("This run failed", "The answers that it had by then are kept below."),
    "interrupted": (
        "This run was interrupted",
        "The answers that it had by then are kept below. Start the same batch again for the others.",
    ),
}


def draw_progress(run: Mapping[str, Any]) -> None:
    """The state of a run; it refreshes by itself until the run is over, and then draws the whole page anew."""
    st.header(text.plain(run["name"] or runs.KINDS[run["kind"]]), anchor=False)
    began = f"started {run['started_at']:%Y-%m-%d %H:%M:%S} UTC"
    about = " · ".join((", ".join(map(str, run["targets"])), f"by {run['visitor']}", began))
    st.caption(f"{text.plain(about)} · `{run['run']}`")
    if run["state"] != RUNNING:
        _over(run)
        return

    @st.fragment(run_every=REFRESH_S)
    def live() -> None:
        with faces.shown():
            now = service.one(ask("probe_run", run=run["run"]), now=True)
            if now["state"] != RUNNING:
                st.rerun()
            share = now["done"] / now["total"] if now["total"] else 0.0
            st.progress(min(1.0, share), in_words(now))
            _problem(now)
            st.button("Cancel", icon=":material/stop_circle:", key="cancel-run", on_click=_cancel, args=(run["run"],))

    live()


def in_words(run: Mapping[str, Any]) -> str:
    """How far a run is: 120 of 400 answers, 3 failed, 14/s, 20 s left."""
    ramp = run["kind"] == "load"
    parts = [f"{words.count(run['done'])} of {words.count(run['total'])} {'steps' if ramp else 'answers'}"]
    if run["failed"]:
        parts.append(f"{words.count(run['failed'])} failed")
    if words.known(run.get("per_s")) and not ramp:
        parts.append(words.per_second(run["per_s"]))
    if words.known(run.get("left_s")):
        parts.append(f"{words.span(timedelta(seconds=float(run['left_s'])))} left")
    return ", ".join(parts)


def _over(run: Mapping[str, Any]) -> None:
    took = words.span(timedelta(seconds=float(run["elapsed_s"]))) if words.known(run.get("elapsed_s")) else ""
    st.markdown(f"{in_words(run)}{f', after {took}' if took else ''}.")
    if run["state"] in FACES:
        title, message = FACES[run["state"]]
        why = f"{text.plain(run['problem'])}. " if words.known(run.get("problem")) else ""
        st.warning(why + message, title=title, icon=":material/warning:")
    else:
        _problem(run)


def _problem(run: Mapping[str, Any]) -> None:
    if words.known(run.get("problem")):
        st.warning(text.plain(run["problem"]), title="Something is wrong with a target", icon=":material/warning:")


def _cancel(run: str) -> None:
    try:
        prober().cancel(run)
    except WatchpointError as error:
        st.toast(text.plain(error), icon=":material/error:")
