"""The parts of the Health page: a panel for each golden signal, the spread of latencies, the states."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import streamlit as st

from monitor.charts import words
from monitor.charts.distribution import latency_distribution
from monitor.charts.errors import error_classes_over_time
from monitor.charts.signals import SIGNALS, Signal, has_values, signal_over_time
from monitor.charts.states import state_timeline
from monitor.charts.timeseries import Marker, Option, Threshold, View
from monitor.ui import data, faces, text
from monitor.ui.data import Ask, ask
from monitor.ui.filters import MOST_KEYS, Scope
from monitor.ui.window import Window, narrow

HEIGHT = 250


@dataclass(frozen=True, slots=True)
class Choice:
    """All filters of the Health page."""

    window: Window
    scope: Scope
    reference: str | None

    def asks(self) -> dict[str, Ask]:
        """The question behind each part of the page."""
        window = {"start": self.window.start, "end": self.window.end}
        scope = window | self.scope.plain
        grouped = window | self.scope.grouped
        found = {
            "Golden signals": ask("golden_signals", **grouped),
            "Errors by class": ask("errors_over_time", **scope),
            "Most frequent errors": ask("top_errors", **scope, limit=10),
            "Deploys": ask("deploy_markers", **scope),
            "States": ask("state_timeline", **scope),
            "Spread of latencies": ask("latency_distribution", **grouped),
            "Latency quantiles": ask("latency_quantiles", **grouped),
        }
        if self.reference:
            found["Usual range"] = ask("reference_band", **grouped, offset=self.reference)
        return found


def draw_signals(choice: Choice) -> None:
    """The golden signals, two panels in a row, all on the same axis of time."""
    asks, view = choice.asks(), choice.window.view(datetime.now(UTC))
    signals = _busiest(data.load(asks["Golden signals"]))
    band = data.load(asks["Usual range"]) if "Usual range" in asks else None
    markers = _markers(data.load(asks["Deploys"]))
    fleet = data.load(ask("fleet"))
    with st.grid(2, min_column_width=420, gap="medium"):
        for signal in SIGNALS:
            with st.container():
                _signal_panel(signal, signals, band, view, _thresholds(signal, signals, fleet, choice), markers)
        with st.container():
            _errors_panel(data.load(asks["Errors by class"]), view, markers)
    _top_errors(data.load(asks["Most frequent errors"]), choice)


def _busiest(signals: pd.DataFrame) -> pd.DataFrame:
    """The keys with the most requests; the rest would hide them."""
    if signals.empty:
        return signals
    largest = signals.groupby("key")["n"].sum().nlargest(MOST_KEYS)
    left_out = signals["key"].nunique() - len(largest)
    if left_out:
        st.caption(
            f"The {MOST_KEYS} with the most requests are drawn, {left_out} more are left out: choose them above."
        )
    return signals[signals["key"].isin(largest.index)]


def _signal_panel(
    signal: Signal,
    frame: pd.DataFrame,
    band: pd.DataFrame | None,
    view: View,
    thresholds: Sequence[Threshold],
    markers: Sequence[Marker],
) -> None:
    several = not frame.empty and frame["key"].nunique() > 1
    st.subheader(
        f"{signal.title}, {signal.curves[signal.lead].name}" if several and len(signal.curves) > 1 else signal.title,
        anchor=False,
    )
    if frame.empty or frame["n"].sum() == 0:
        faces.nothing_yet("No requests in this window. Widen it, or choose other deployments.", signal.id)
    elif not has_values(signal, frame):
        faces.nothing_yet(signal.absent, signal.id)
    else:
        option = signal_over_time(signal, frame, view=view, band=band, thresholds=thresholds, markers=markers)
        selectable_chart(option, signal.id, f"{signal.title} over time")


def selectable_chart(option: Option, key: str, alt: str) -> None:
    """A chart over time in which a selected range becomes the window of the page."""
    # The key names the window: a selection must not live on in the chart of the window that it made.
    full = f"{key}-{st.session_state.get('start')}-{st.session_state.get('end')}"
    st.echarts_chart(option, height=HEIGHT, key=full, alt=alt, on_select=lambda: _take_selection(full))


def _take_selection(key: str) -> None:
    areas: list[dict[str, Any]] = st.session_state[key].selection.areas
    if areas:
        narrow(*areas[0]["coord_range"])
        st.session_state["narrowed"] = True


def _errors_panel(errors: pd.DataFrame, view: View, markers: Sequence[Marker]) -> None:
    st.subheader("Errors by class", anchor=False)
    if errors.empty or errors["n"].sum() == 0:
        faces.nothing_yet("No request of this window failed.", "errors-by-class")
    else:
        selectable_chart(
            error_classes_over_time(errors, view=view, markers=markers), "error-classes", "Errors by class over time"
        )


def _markers(deploys: pd.DataFrame) -> list[Marker]:
    return [Marker(row["ts"], str(row["checkpoint"])) for row in data.records(deploys)]


def _thresholds(signal: Signal, frame: pd.DataFrame, fleet: pd.DataFrame, choice: Choice) -> list[Threshold]:
    """What the SLO of a single deployment promises for this signal."""
    keys = [] if frame.empty else list(frame["key"].unique())
    names = keys if choice.scope.by == "deployment" else list(choice.scope.deployments)
    rows = (
        fleet[fleet["deployment"].isin(names) & fleet["slo_availability"].notna()] if len(names) == 1 else fleet.head(0)
    )
    if rows.empty:
        return []
    slo = rows.iloc[0]
    if signal.id == "errors":
        return [Threshold(1 - float(slo["slo_availability"]), f"SLO {words.share(1 - slo['slo_availability'])}")]
    if signal.id == "latency" and words.known(slo["slo_latency_ms"]):
        promise = f"SLO {words.milliseconds(slo['slo_latency_ms'])} for {words.share(slo['slo_latency_target'])}"
        return [Threshold(float(slo["slo_latency_ms"]), promise)]
    return []


def _top_errors(errors: pd.DataFrame, choice: Choice) -> None:
    if errors.empty:
        return
    st.subheader("Most frequent errors", anchor=False)
    for row in data.records(errors):
        with st.container(horizontal=True, vertical_alignment="center"):
            link = choice.scope.link(choice.window) | {
                "deployments": row["deployment"],
                "error_type": row["error_type"],
            }
            share = words.with_evidence(row["share"], row["share_low"], row["share_high"], row["n"], "share")
            st.page_link(
                "pages/ops/requests.py",
                label=f"**{text.plain(row['error_type'])}** in {text.plain(row['deployment'])}",
                query_params=link,
            )
            last = text.moment(row["last_seen"], choice.window.utc)
            st.markdown(f"{share} · last {last} · {text.plain(row['example_message'] or '')}")


def draw_spread(choice: Choice) -> None:
    """How latencies are spread, and their quantiles with intervals."""
    asks = choice.asks()
    spread, quantiles = data.load(asks["Spread of latencies"]), data.load(asks["Latency quantiles"])
    if spread.empty or spread["n"].sum() == 0:
        faces.nothing_yet("No request of this window carries a latency.", "spread")
        return
    st.echarts_chart(latency_distribution(spread), height=320, key="spread", alt="Share of requests per latency")
    rows = {
        str(key): {
            f"p{row['quantile'] * 100:g}": words.with_evidence(
                row["value_ms"], row["low_ms"], row["high_ms"], row["n"], "ms"
            )
            for row in data.records(group)
        }
        for key, group in quantiles.groupby("key")
    }
    st.table(pd.DataFrame.from_dict(rows, orient="index"), alt="Latency quantiles with 95 % intervals")
    first = quantiles.iloc[0] if not quantiles.empty else spread.iloc[0]
    utc = choice.window.utc
    st.caption(f"From {text.moment(first['from_ts'], utc)} to {text.moment(first['to_ts'], utc)}; {first['method']}.")


def draw_states(choice: Choice) -> None:
    """When each deployment was in which state, and why."""
    states = data.load(choice.asks()["States"])
    if states.empty:
        faces.nothing_yet("No state was computed in this window.", "states")
        return
    view = choice.window.view(datetime.now(UTC))
    height = 90 + 34 * states["deployment"].nunique()
    st.echarts_chart(
        state_timeline(states, view=view), height=height, key="states", alt="States of deployments over time"
    )
    table = states.sort_values("from_ts", ascending=False).assign(
        state=[words.state(state) for state in states.sort_values("from_ts", ascending=False)["state"]]
    )
    zone = str(text.zone(choice.window.utc))
    st.dataframe(
        table[["from_ts", "to_ts", "deployment", "state", "reason"]],
        hide_index=True,
        alt="Changes of state, newest first",
        column_config={
            "from_ts": st.column_config.DatetimeColumn("From", timezone=zone),
            "to_ts": st.column_config.DatetimeColumn("To", timezone=zone),
            "deployment": "Deployment",
            "state": "State",
            "reason": "Why",
        },
    )
