"""The fleet as cards and as a table: one for each deployment and source, those with problems first."""

from datetime import datetime
from typing import Any, Literal

import pandas as pd
import streamlit as st

from monitor.charts import words
from monitor.charts.sparkline import requests_sparkline
from monitor.ui import data, text
from monitor.ui.window import last_day

URGENCY = {"alert": 0, "warn": 1, "no_data": 2, "ok": 3}
BADGES: dict[str, tuple[str, Literal["green", "orange", "red", "gray"]]] = {
    "ok": (":material/check_circle:", "green"),
    "warn": (":material/warning:", "orange"),
    "alert": (":material/error:", "red"),
    "no_data": (":material/sensors_off:", "gray"),
}
HEALTH_FILE = "pages/ops/health.py"
MOST_CARDS = 24


def urgent_first(fleet: pd.DataFrame) -> pd.DataFrame:
    """The fleet in the order in which it should be looked at."""
    order = fleet.assign(urgency=fleet["state"].map(URGENCY).fillna(0))
    return order.sort_values(["urgency", "source", "deployment"], ascending=[True, False, True]).drop(columns="urgency")


def draw_cards(fleet: pd.DataFrame, now: datetime, utc: bool) -> None:
    """A card for each of the most urgent deployments."""
    with st.grid("auto", min_column_width=400):
        for row in data.records(fleet.head(MOST_CARDS)):
            with st.container(border=True, height="stretch", key=f"card-{row['deployment']}-{row['source']}"):
                _card(row, now, utc)
    if len(fleet) > MOST_CARDS:
        st.caption(f"And {len(fleet) - MOST_CARDS} more without problems that are more urgent: see the table.")


def _card(row: dict[str, Any], now: datetime, utc: bool) -> None:
    headline(row, now)
    st.markdown(text.sentence(row["state_reason"]))
    if words.known(row["since"]):
        st.caption(f"Since {text.moment(row['since'], utc)}, {words.ago(row['since'], now)}")
    counts = whole_half_hours(row["spark_n"])
    if any(counts):
        st.echarts_chart(
            requests_sparkline(counts),
            height=48,
            key=f"spark-{row['deployment']}-{row['source']}",
            alt=f"Requests of {row['deployment']} in each half hour of the last day",
        )
    st.table(facts(row, now), border="horizontal", alt=f"Numbers of {row['deployment']} over the last hour")


def whole_half_hours(counts: Any) -> list[float]:
    """The sparkline without the half hour that is not over: it would always look like a collapse."""
    return [float(n) if words.known(n) else 0.0 for n in counts][:-1] if counts is not None else []


def headline(row: dict[str, Any], now: datetime) -> None:
    """State, where it comes from, and the name, which leads to its Health page."""
    icon, colour = BADGES.get(row["state"], BADGES["no_data"])
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(words.state(row["state"]), icon=icon, color=colour)
        if row["source"] != "production":
            st.badge(row["source"], icon=":material/science:", color="violet")
        if not row["registered"]:
            st.badge("unregistered", color="gray", help="It logs, but stands in no fleet file: it has no objectives.")
        st.page_link(
            HEALTH_FILE,
            label=f"**{text.plain(row['deployment'])}**",
            icon=":material/arrow_forward:",
            icon_position="right",
            query_params=_link(row, now),
            help="Its health over the last day with requests",
        )


def _link(row: dict[str, Any], now: datetime) -> dict[str, str]:
    newest = row["last_seen"] if words.known(row["last_seen"]) else now
    start, end = last_day(newest, now)
    return {"deployments": row["deployment"], "source": row["source"], "start": start, "end": end}


def facts(row: dict[str, Any], now: datetime) -> dict[str, str]:
    """The numbers of a card, each with what it rests on."""
    n = row["n"]
    p95 = words.with_evidence(row["p95_ms"], row["p95_low_ms"], row["p95_high_ms"], row["n_latency"], "ms")
    errors = words.with_evidence(row["error_rate"], row["error_rate_low"], row["error_rate_high"], n, "share")
    timed = words.known(row["n_latency"]) and row["n_latency"] > 0
    missing = "not logged" if n else words.UNKNOWN
    latency = f"p50 {words.milliseconds(row['p50_ms'])}, p95 {p95}" if timed else missing
    found = {
        "Requests": _compared(f"{words.per_second(row['rate_per_s'])}, n {words.count(n)}", row["rate_change"], n),
        "Latency": _compared(latency, row["p95_change"] if timed else None, n),
        "Errors": _compared(errors, row["error_rate_change"], n),
        "Tokens out": words.per_second(row["tokens_out_per_s"]),
        "Checkpoint": text.plain(row["checkpoint"] or words.UNKNOWN),
        "Last seen": words.ago(row["last_seen"], now),
    }
    if words.known(row["budget_left"]):
        found["Budget left"] = f"{words.share(row['budget_left'])} of the errors of 30 days"
    return found


def _compared(value: str, change: Any, n: Any) -> str:
    """A value and how it compares with the same hour before; without requests there is nothing to compare."""
    shown = change in ("in_band", "above", "below") and words.known(n) and n > 0
    return f"{value} · {words.change(change)}" if shown else value


def draw_table(fleet: pd.DataFrame, now: datetime) -> None:
    """The same facts, one line each; a click on a name leads to its Health page."""
    shown = pd.DataFrame(
        {
            "State": [[words.state(state)] for state in fleet["state"]],
            "Open": fleet["deployment"],
            "Source": fleet["source"],
            "Requests, 24 h": [whole_half_hours(counts) for counts in fleet["spark_n"]],
            "Rate": [words.per_second(rate) for rate in fleet["rate_per_s"]],
            "p50": [words.milliseconds(value) for value in fleet["p50_ms"]],
            "p95": _evidence(fleet, "p95_ms", "p95_low_ms", "p95_high_ms", "n_latency", "ms"),
            "Error rate": _evidence(fleet, "error_rate", "error_rate_low", "error_rate_high", "n", "share"),
            "Budget left": [words.share(left) for left in fleet["budget_left"]],
            "Last seen": fleet["last_seen"],
            "Checkpoint": fleet["checkpoint"],
            "Why": fleet["state_reason"],
        }
    )
    st.dataframe(
        shown,
        hide_index=True,
        key="fleet-table",
        placeholder=words.UNKNOWN,
        alt="Every deployment with its state and numbers of the last hour",
        column_config={
            "Open": st.column_config.ButtonColumn(
                "Deployment", key="opened", on_click=_open, args=(fleet, now), type="tertiary", alignment="left"
            ),
            "State": st.column_config.MultiselectColumn(
                options=[words.state(state) for state in BADGES], color=[colour for _, colour in BADGES.values()]
            ),
            "Requests, 24 h": st.column_config.LineChartColumn(y_min=0),
            "Last seen": st.column_config.DatetimeColumn(format="distance"),
        },
    )


def _evidence(fleet: pd.DataFrame, value: str, low: str, high: str, n: str, unit: str) -> list[str]:
    return [words.with_evidence(r[value], r[low], r[high], r[n], unit) for r in data.records(fleet)]


def _open(fleet: pd.DataFrame, now: datetime) -> None:
    row = data.records(fleet)[st.session_state["opened"].row]
    st.switch_page(HEALTH_FILE, query_params=_link(row, now))
