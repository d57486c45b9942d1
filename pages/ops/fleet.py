"""Fleet: is anything wrong right now, since when, for which checkpoint?"""

from datetime import UTC, datetime

import streamlit as st

from monitor.charts import words
from monitor.ui import cards, data, export, faces, filters, firststart
from monitor.ui.access import guard
from monitor.ui.data import ask
from monitor.ui.window import pick_zone

guard("read")

st.title("Fleet")
with st.container(horizontal=True, vertical_alignment="center", gap="small"):
    layout = st.segmented_control(
        "Show as",
        ["Cards", "Table"],
        default="Cards",
        key="view",
        bind="query-params",
        required=True,
        label_visibility="collapsed",
    )
    zone = pick_zone()
    reference = filters.pick_offset()
    question = ask("fleet", reference=reference)
    export.draw_export({"Fleet": question, "Deployments": ask("deployments"), "Ingest": ask("ingest_status")})


@st.fragment(run_every=data.FRESH_S)
def fleet() -> None:
    with faces.shown():
        now, rows = datetime.now(UTC), data.load(question)
        if not rows["last_seen"].notna().any():
            firststart.draw_first_start()
        if rows.empty:
            return
        status = data.records(data.load(ask("ingest_status")))[0]
        faces.behind(status)
        rows = cards.urgent_first(rows)
        wrong = len(rows[rows["state"] != "ok"])
        st.markdown(f"**{wrong} of {len(rows)}** need a look" if wrong else f"All **{len(rows)}** are well")
        if layout == "Table":
            cards.draw_table(rows, now)
        else:
            cards.draw_cards(rows, now, zone == "UTC")
        st.caption(
            "Numbers of the last hour; in brackets a 95 % interval and how many requests stand behind it. "
            f"The usual range is that of the same hour a {reference} before. "
            f"{words.count(status['predictions'])} predictions, the newest {words.ago(status['newest_ts'], now)}."
        )


fleet()
