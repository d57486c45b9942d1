"""Every evaluation, newest first, failures and skips as such; one of them opened; and importing more."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd
import streamlit as st

from monitor.charts import words
from monitor.ui import data, faces, text
from monitor.ui.benchmarks import evaluation, place, uploading
from monitor.ui.benchmarks.parts import items_of
from monitor.ui.benchmarks.place import Place
from monitor.ui.benchmarks.states import OPEN, ORIGINS, STATES, items
from monitor.ui.data import Ask, ask

Row = Mapping[str, Any]

LIMIT = 1000
TIME = "YYYY-MM-DD HH:mm"
REFRESH_S = 10


def asks(at: Place) -> dict[str, Ask]:
    """The questions behind this view."""
    found = {"Evaluations": ask("benchmark_runs", benchmark=at.benchmark, limit=LIMIT)}
    return found | ({"Items": evaluation.question(at.run)} if at.run else {})


def draw_evaluations(at: Place, known: pd.DataFrame, now: datetime, utc: bool) -> None:
    """The import menu, the filters, and the table; or one evaluation."""
    rows = data.records(data.load(asks(at)["Evaluations"]))
    if at.run:
        row = next((one for one in rows if one["run"] == at.run), None)
        evaluation.draw_evaluation(at.run, row, now, utc)
        return
    uploading.draw_upload()
    _filters(at, known, rows)
    moving = any(row["state"] == "running" for row in rows)

    @st.fragment(run_every=REFRESH_S if moving else None)
    def table() -> None:
        with faces.shown():
            fresh = data.records(data.load(asks(at)["Evaluations"])) if moving else rows
            _table([row for row in fresh if _wanted(at, row)], utc)

    table()
    if len(rows) == LIMIT:
        st.caption(f"The newest {words.count(LIMIT)} evaluations; choose a benchmark to see further back.")


def _wanted(at: Place, row: Row) -> bool:
    return not at.state or row["state"] in (OPEN if at.state == "open" else (at.state,))


def _filters(at: Place, known: pd.DataFrame, rows: Sequence[Row]) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.session_state["runs-benchmark"] = at.benchmark
        names = ["", *sorted(map(str, known["benchmark"]))]
        st.selectbox(
            "Benchmark",
            list(dict.fromkeys([*names, at.benchmark])),
            format_func=lambda one: one or "All benchmarks",
            key="runs-benchmark",
            on_change=place.take,
            args=("benchmark", "runs-benchmark"),
            width=280,
        )
        counts = {state: sum(row["state"] == state for row in rows) for state in ("done", "failed", "skipped")}
        counts["open"] = sum(row["state"] in OPEN for row in rows)
        options = ["", *(state for state, n in counts.items() if n or state == at.state)]
        st.session_state["runs-state"] = at.state if at.state in options else ""
        st.segmented_control(
            "State",
            options,
            format_func=lambda one: f"{one.capitalize()} {counts[one]}" if one else f"All {len(rows)}",
            key="runs-state",
            required=True,
            on_change=place.take,
            args=("state", "runs-state"),
        )


def _table(rows: Sequence[Row], utc: bool) -> None:
    if not rows:
        faces.nothing_yet("No evaluation is in this state.", "runs")
        return
    zone = str(text.zone(utc))
    shown = pd.DataFrame(
        {
            "State": [[STATES[str(row["state"])][0]] for row in rows],
            "Benchmark": [row["benchmark"] for row in rows],
            "Checkpoint": [row["checkpoint"] for row in rows],
            "What was wrong, or odd": [_odd(row) for row in rows],
            "Items": [items(row) for row in rows],
            "No answer": [row["failed"] or None for row in rows],
            "Written": [row["started_at"] for row in rows],
            "Evaluated": [row["evaluated_at"] for row in rows],
            "From": [ORIGINS.get(str(row["origin"]), row["origin"]) for row in rows],
            "Source": [row["source"] for row in rows],
        }
    )
    for name in ("Written", "Evaluated"):
        shown[name] = pd.to_datetime(shown[name], utc=True)
    key = f"runs-{len(rows)}"
    st.dataframe(
        shown,
        hide_index=True,
        key=key,
        on_select=lambda: _open(key, rows),
        selection_mode="single-row",
        placeholder=words.UNKNOWN,
        alt="Evaluations, newest first; select one to open it",
        column_config={
            "State": st.column_config.MultiselectColumn(
                options=[name for name, _, _ in STATES.values()], color=[colour for _, _, colour in STATES.values()]
            ),
            "What was wrong, or odd": st.column_config.TextColumn(width="large"),
            "No answer": st.column_config.NumberColumn(help="Items that the checkpoint gave no answer to"),
            "Written": st.column_config.DatetimeColumn(f"Written here ({zone})", timezone=zone, format=TIME),
            "Evaluated": st.column_config.DatetimeColumn(
                f"Evaluated ({zone})",
                timezone=zone,
                format=TIME,
                help="Empty where the files do not say when",
            ),
        },
    )
    st.caption("Select an evaluation to see how it was run, its file, and its worst items.")


def _odd(row: Row) -> str:
    problem = [str(row["problem"])] if words.known(row["problem"]) else []
    return "; ".join([*problem, *map(str, items_of(row["notes"]))])


def _open(key: str, rows: Sequence[Row]) -> None:
    selected: list[int] = st.session_state[key].selection.rows
    if selected:
        place.go(part=place.EVALUATIONS, run=str(rows[selected[0]]["run"]))
