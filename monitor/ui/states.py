"""The states of deployments on the Health page: now, in words; and over the window, with the reason for each."""

from datetime import UTC, datetime

import pandas as pd
import streamlit as st

from monitor.charts import words
from monitor.charts.states import state_timeline
from monitor.ui import cards, data, faces, text
from monitor.ui.data import ask
from monitor.ui.filters import MOST_KEYS
from monitor.ui.panels import Choice


def draw_now(choice: Choice) -> None:
    """The chosen deployments with their state, or, when none is chosen, those that are not well."""
    fleet = data.load(ask("fleet"))
    fleet = fleet[fleet["source"] == choice.scope.source]
    chosen = fleet["deployment"].isin(choice.scope.deployments)
    for row in data.records(fleet[chosen if chosen.any() else fleet["state"].isin(["alert", "warn"])].head(MOST_KEYS)):
        icon, colour = cards.BADGES.get(row["state"], cards.BADGES["no_data"])
        since = f" Since {text.moment(row['since'], choice.window.utc)}." if words.known(row["since"]) else ""
        badge = f":{colour}-badge[{icon} {words.state(row['state'])}]"
        st.markdown(f"{badge} **{text.plain(row['deployment'])}** {text.sentence(row['state_reason'])}{since}")


def draw_timeline(choice: Choice) -> None:
    """When each deployment was in which state, and why."""
    states = data.load(choice.asks()["States"]).sort_values(["from_ts", "deployment"], ascending=[False, True])
    if states.empty:
        faces.nothing_yet("No state was computed in this window.", "states")
        return
    height = 90 + 34 * states["deployment"].nunique()
    option = state_timeline(states, view=choice.window.view(datetime.now(UTC)))
    st.echarts_chart(option, height=height, key="states", alt="States of deployments over time")
    zone = str(text.zone(choice.window.utc))
    shown = pd.DataFrame(
        {
            "From": states["from_ts"],
            "To": states["to_ts"],
            "Deployment": states["deployment"],
            "State": [words.state(state) for state in states["state"]],
            "Why": states["reason"],
        }
    )
    moment = st.column_config.DatetimeColumn(timezone=zone, format="YYYY-MM-DD HH:mm:ss")
    st.dataframe(
        shown,
        hide_index=True,
        alt="Changes of state, newest first",
        column_config={"From": moment, "To": moment, "Why": st.column_config.TextColumn(width="large")},
    )
