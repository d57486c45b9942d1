"""Fleet: is anything wrong right now, since when, for which checkpoint?"""

from datetime import UTC, datetime

import streamlit as st

from monitor.charts import words
from monitor.ui import cards, data, export, faces, firststart
from monitor.ui.access import guard
from monitor.ui.data import ask

guard("read")

st.title("Fleet")
with st.container(horizontal=True, vertical_alignment="bottom"):
    layout = st.segmented_control(
        "Show as", ["Cards", "Table"], default="Cards", key="view", bind="query-params", required=True
    )
    zone = st.segmented_control(
        "Times", ["Local", "UTC"], default="Local", key="tz", bind="query-params", required=True
    )
    reference = st.segmented_control(
        "Compared with",
        ["day", "week"],
        default="day",
        key="compared",
        bind="query-params",
        required=True,
        format_func={"day": "a day before", "week": "a week before"}.__getitem__,
    )
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
        rows = cards.urgent_first(rows)
        wrong = rows[rows["state"].isin(["alert", "warn", "no_data"])]
        st.markdown(
            f"**{len(wrong)} of {len(rows)}** need a look" if len(wrong) else f"All **{len(rows)}** as promised",
        )
        if layout == "Table":
            cards.draw_table(rows)
        else:
            cards.draw_cards(rows, now, zone == "UTC")
        status = data.load(ask("ingest_status")).iloc[0]
        st.caption(
            "Numbers of the last hour, brackets are 95 % intervals. "
            f"{words.count(status['predictions'])} predictions stored, newest {words.ago(status['newest_ts'], now)}; "
            f"{words.count(status['spool_bytes'])} bytes wait to be loaded."
        )


fleet()
