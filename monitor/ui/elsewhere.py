"""What stands where a window holds no request: that it is empty, and a way to where the requests are."""

from datetime import UTC, datetime

import streamlit as st

from monitor.ui import data, faces, text
from monitor.ui.data import ask
from monitor.ui.filters import Scope
from monitor.ui.window import Window, last_day


def draw_elsewhere(scope: Scope, page: str, utc: bool) -> None:
    """Nothing here; the newest request of the scope, and a link to the day before it."""
    known = data.load(ask("deployments"))
    rows = known[known["source"] == scope.source]
    if scope.deployments:
        rows = rows[rows["deployment"].isin(scope.deployments)]
    newest = rows["last_seen"].max() if rows["last_seen"].notna().any() else None
    if newest is None:
        faces.nothing_yet(
            f"No request from {scope.source} has come yet; the Fleet page shows how to send one.", "requests"
        )
        return
    faces.nothing_yet(
        f"No request matches in this window; the newest of these deployments is from {text.moment(newest, utc)}. "
        "Widen the window, or clear a filter.",
        "requests",
    )
    link = scope.link(Window(*last_day(newest, datetime.now(UTC)), utc))
    st.page_link(page, label="The last day with requests", icon=":material/history:", query_params=link)
