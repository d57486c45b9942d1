"""Jobs: what runs on a schedule, did it run, and what was wrong when it did not?"""

from datetime import UTC, datetime

import streamlit as st

from monitor.ui import data, export, faces
from monitor.ui.access import guard
from monitor.ui.data import ask
from monitor.ui.jobs import history, table
from monitor.ui.probe.service import fresh
from monitor.ui.window import pick_zone

guard("read")

REFRESH_S = 2

st.title("Jobs")
with faces.shown():
    known = data.load(ask("jobs"))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        utc = pick_zone() == "UTC"
        export.draw_export({"Jobs": ask("jobs"), "Runs": ask("job_runs", job=st.query_params.get("job"))})

    @st.fragment(run_every=REFRESH_S)
    def live() -> None:
        with faces.shown():
            rows = fresh(ask("jobs"))
            if rows.empty:
                faces.nothing_yet(f"No scheduler has told yet which jobs there are. {table.START}", "jobs")
            else:
                table.draw_jobs(rows, datetime.now(UTC), utc)
            if table.moved(rows):
                st.rerun()  # the list of runs below must show it too

    live()
    st.header("Runs", anchor=False)
    job = history.pick_job([] if known.empty else sorted(map(str, known["job"])))
    history.draw_runs(job, utc)
