"""Earlier runs of jobs; a selected one shows its log and what was wrong."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from monitor.charts import words
from monitor.ui import access, data, faces, text
from monitor.ui.data import ask
from monitor.ui.jobs import table
from monitor.ui.probe.service import fresh

SHOWN = 100
ALL = ""


def pick_job(known: list[str]) -> str:
    """The job whose runs are listed, kept in the address; a job that is gone may still have runs."""
    asked = st.query_params.get("job", ALL)
    options = list(dict.fromkeys([ALL, *known, asked]))
    st.session_state["jobs-filter"] = asked
    return str(
        st.selectbox(
            "Runs of",
            options,
            format_func=lambda job: job or "All jobs",
            key="jobs-filter",
            on_change=_keep,
            width=320,
        )
    )


def _keep() -> None:
    _address("job", st.session_state["jobs-filter"])
    _address("run", None)


def draw_runs(job: str, utc: bool) -> None:
    """The newest runs; a click opens one below."""
    rows = fresh(ask("job_runs", job=job, limit=SHOWN))
    if rows.empty:
        faces.nothing_yet("No run of it is known yet.", "job-runs")
        return
    zone = str(text.zone(utc))
    states = [table.STATES.get(str(state), table.NEVER) for state in rows["state"]]
    shown = pd.DataFrame(
        {
            "State": [[name] for name, _, _ in states],
            "Asked": rows["asked_at"],
            "Job": rows["job"],
            "Why": [table.asked_by(row).replace("\\", "") for row in data.records(rows)],
            "Took": [table.length(seconds) for seconds in rows["seconds"]],
            "Done": [f"{words.count(n)} of {words.count(of)}" if of else "" for n, of in _pairs(rows)],
            "Failed": rows["failed"],
            "Problem": rows["problem"],
            "Run": rows["run"],
        }
    )
    st.dataframe(
        shown,
        hide_index=True,
        key="job-runs",
        on_select=lambda: _open(rows),
        selection_mode="single-row",
        selection_default={"selection": {"rows": _marked(rows)}},
        placeholder="",
        alt="Runs of jobs, newest first; select one to see its log",
        column_config={
            "State": st.column_config.MultiselectColumn(
                options=[name for name, _, _ in table.STATES.values()],
                color=[colour for _, _, colour in table.STATES.values()],
            ),
            "Asked": st.column_config.DatetimeColumn(
                f"Asked ({zone})", timezone=zone, format="YYYY-MM-DD HH:mm:ss", pinned=True
            ),
            "Failed": st.column_config.NumberColumn(),
            "Problem": st.column_config.TextColumn(width="large"),
        },
    )
    if len(rows) == SHOWN:
        st.caption(f"The newest {SHOWN} runs.")
    opened = rows[rows["run"] == st.query_params.get("run")]
    if not opened.empty:
        draw_run(data.records(opened)[0], utc)
    elif st.query_params.get("run"):
        st.caption(":material/search_off: The run of the address is not among these.")


def draw_run(row: Mapping[str, Any], utc: bool) -> None:
    """One run in full."""
    name, icon, colour = table.STATES.get(str(row["state"]), table.NEVER)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(name, icon=icon, color=colour)
        st.markdown(f"**{text.plain(row['job'])}** · `{row['run']}`")
        st.button("Close", icon=":material/close:", type="tertiary", key="close-run", on_click=_address, args=("run",))
    about = {
        "Slot": text.moment(row["slot"], utc),
        "Started": text.moment(row["started_at"], utc),
        "Ended": text.moment(row["ended_at"], utc),
        "Run by": text.plain(row["claimed_by"]) if words.known(row["claimed_by"]) else words.UNKNOWN,
        "Asked": table.asked_by(row),
    }
    st.table(about, border="horizontal", alt=f"Run {row['run']}")
    if row["state"] == "lost":
        st.warning("Its process was not heard of for 90 seconds. The next one takes it over.", title="Lost")
    if words.known(row["problem"]) and row["problem"]:
        st.error(text.plain(row["problem"]), title="What was wrong", icon=":material/error:")
    if not access.may("read_text"):
        st.caption("Its log can repeat what a model said; seeing it needs the permission `read_text`.")
    elif row["log"]:
        st.code(row["log"], language=None, wrap_lines=True)
        st.caption("The end of its log.")
    else:
        st.caption("It has no log.")


def _open(rows: pd.DataFrame) -> None:
    selected: list[int] = st.session_state["job-runs"].selection.rows
    _address("run", str(rows.iloc[selected[0]]["run"]) if selected else None)


def _marked(rows: pd.DataFrame) -> list[int]:
    same = rows["run"] == st.query_params.get("run")
    return [int(place) for place in same.to_numpy().nonzero()[0][:1]]


def _pairs(rows: pd.DataFrame) -> list[tuple[int, int]]:
    return list(zip(rows["done"], rows["total"], strict=True))


def _address(name: str, value: str | None = None) -> None:
    if value:
        st.query_params[name] = value
    elif name in st.query_params:
        del st.query_params[name]
