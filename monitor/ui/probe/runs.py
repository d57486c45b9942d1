"""Earlier runs, and which run the address points to."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import streamlit as st

from monitor.charts import words
from monitor.errors import NotFound
from monitor.ui import data, faces, text
from monitor.ui.data import ask
from monitor.ui.probe import form, live, service

TABS = {"single": "Ask", "batch": "Batch", "load": "Load"}
KINDS = {"single": "One question", "batch": "Batch", "load": "Load"}
STATES = {
    "running": "Running",
    "done": "Done",
    "cancelled": "Cancelled",
    "failed": "Failed",
    "interrupted": "Interrupted",
}
SHOWN = 200
OPENED = "probe-opened"


def pointed_at(kind: str) -> Mapping[str, Any] | None:
    """The run of the address, if it is of this kind. A run that is not known is told, and ignored."""
    run = form.source().run
    latest = live.last()
    if not run or (latest and latest.run == run and kind != "single"):
        return None
    try:
        found = service.one(ask("probe_run", run=run))
    except NotFound:
        if not (latest and latest.run == run):  # its own run may not have reached the queries yet
            st.warning(
                f"There is no run {text.plain(run)}. It may be from another installation, or mistyped in the address.",
                title="This run is not known",
                icon=":material/search_off:",
            )
        return None
    return found if found["kind"] == kind else None


def open_tab() -> None:
    """Show the tab of the run that a fresh address points to, unless the address says which one."""
    run = form.source().run
    if not run or st.session_state.get(OPENED) == run:
        return
    st.session_state[OPENED] = run
    if "mode" not in st.query_params and "mode" not in st.session_state:
        try:
            kind = str(service.one(ask("probe_run", run=run))["kind"])
        except NotFound:
            return
        st.session_state["mode"] = TABS.get(kind, "Ask")


def close() -> None:
    """No run any more: an empty form for the next one."""
    if "run" in st.query_params:
        del st.query_params["run"]


def draw_runs() -> None:
    """The newest runs; a click opens one."""
    rows = data.load(ask("probe_runs", limit=SHOWN))
    if rows.empty:
        faces.nothing_yet("No probe has run yet: press Run, or start a batch.", "runs")
        return
    now = datetime.now(UTC)
    shown = pd.DataFrame(
        {
            "Started": [words.ago(at, now) for at in rows["started_at"]],
            "Kind": [KINDS.get(kind, kind) for kind in rows["kind"]],
            "Name": rows["name"],
            "State": [STATES.get(state, state) for state in rows["state"]],
            "Done": [
                f"{words.count(n)} of {words.count(total)}"
                for n, total in zip(rows["done"], rows["total"], strict=True)
            ],
            "Failed": rows["failed"],
            "Targets": [", ".join(targets) for targets in rows["targets"]],
            "By": rows["visitor"],
            "Run": rows["run"],
        }
    )
    st.caption("Select a run to open it.")
    st.dataframe(
        shown,
        hide_index=True,
        key="runs",
        on_select=lambda: _open(rows),
        selection_mode="single-row",
        placeholder="",
        alt="Earlier runs, newest first; select one to open it",
        column_config={"Name": st.column_config.TextColumn(width="medium")},
    )


def _open(rows: pd.DataFrame) -> None:
    selected: list[int] = st.session_state["runs"].selection.rows
    if selected:
        row = rows.iloc[selected[0]]
        for name in ("request", "at"):
            if name in st.query_params:
                del st.query_params[name]
        st.query_params["run"] = str(row["run"])
        st.session_state["mode"] = TABS.get(str(row["kind"]), "Ask")
