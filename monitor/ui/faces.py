"""What stands where data is missing: one face for nothing yet, one for values that grew old, one for a failed api.

`with shown():` wraps what a page loads and draws, so that no chart is ever blank and no page ends in a stack trace.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import streamlit as st

from monitor.charts import words
from monitor.client.reader import Unreachable
from monitor.errors import WatchpointError
from monitor.ui import data

RETRY_S = 3
LATE_S = 60
"""From here on the loader is behind for a reason that somebody should look at."""

UNSUMMED = 200
"""More buckets than this are to be summed only after a large import, never by traffic."""


@contextmanager
def shown() -> Iterator[None]:
    """Draw what follows, or the face that says why it cannot be drawn; it comes back by itself."""
    above = st.container()
    try:
        yield
    except Unreachable as error:
        _failed(error)
        return
    except WatchpointError as error:
        st.error(str(error), title="This view cannot be shown", icon=":material/error:")
        if error.status >= 500:  # not the fault of the question: worth asking again
            _retry()
        return
    since = data.down_since()
    if since is not None:
        with above:
            _stale(since)


def nothing_yet(message: str, key: str) -> None:
    """No data: says what would have to happen for some to be here."""
    with st.container(border=True, key=f"nothing-{key}"):
        st.markdown(f":material/inbox: **Nothing to show.** {message}")


def behind(ingest: dict[str, Any]) -> None:
    """Says when predictions have arrived but do not show on the pages yet (`ingest_status`)."""
    lag = float(ingest["loader_lag_seconds"])
    if lag > LATE_S:
        st.warning(
            "Predictions are received and safe on disk, but those of the last "
            f"{words.span(timedelta(seconds=lag))} are not loaded yet, so every number here is that old. "
            "The log of the api says what keeps the loader.",
            title="These values are old",
            icon=":material/history:",
        )
    if int(ingest["dirty_buckets"]) > UNSUMMED:
        st.info(
            f"Many predictions were just loaded: {words.count(ingest['dirty_buckets'])} of their minutes, hours and "
            "days are still to be summed, newest first. Until then charts show gaps or too little there.",
            title="These values are not complete yet",
            icon=":material/hourglass_top:",
        )


def _failed(error: Unreachable) -> None:
    away = words.span(datetime.now(UTC) - error.since)
    st.error(
        f"No answer from {error.address} since {error.since:%Y-%m-%d %H:%M:%S} UTC ({away}): {error.reason}. "
        "The SDK keeps predictions that are made meanwhile and sends them later. On the machine of the api, "
        f"`python -m monitor api` starts it. This page tries again every {RETRY_S} seconds and comes back by itself.",
        title="Cannot reach the api",
        icon=":material/cloud_off:",
    )
    _retry()


def _stale(since: datetime) -> None:
    st.warning(
        f"Cannot reach the api at {data.reader().address} since {since:%Y-%m-%d %H:%M:%S} UTC. What you see is from "
        f"before that. This page tries again every {RETRY_S} seconds.",
        title="These values are old",
        icon=":material/history:",
    )
    _retry()


@st.fragment(run_every=RETRY_S)
def _retry() -> None:
    """Looks whether the api is back, and then draws the page anew."""
    if data.reader().reachable():
        st.rerun()
