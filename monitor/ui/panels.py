"""The signals of the Health page: a panel for each golden signal, errors by class, the spread of latencies."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import streamlit as st

from monitor.charts import words
from monitor.charts.distribution import latency_distribution
from monitor.charts.errors import error_classes_over_time
from monitor.charts.marks import Marker, Option, Threshold
from monitor.charts.signals import SIGNALS_BY_ID, Signal, by_key, has_values, signal_over_time
from monitor.charts.timeseries import View
from monitor.ui import data, elsewhere, faces, text
from monitor.ui.data import Ask, ask
from monitor.ui.filters import MOST_KEYS, Scope
from monitor.ui.window import Window, narrow

HEIGHT = 250
COARSER_S = {60: 300, 300: 3600, 3600: 86_400}
ENOUGH_FOR_P95 = 20
LEAST_BUCKETS = 12
HEALTH_FILE, REQUESTS_FILE = "pages/ops/health.py", "pages/ops/requests.py"


@dataclass(frozen=True, slots=True)
class Choice:
    """All filters of the Health page; a point of 0 seconds is one that fits the window and the traffic."""

    window: Window
    scope: Scope
    reference: str | None
    resolution_s: int = 0

    def asks(self) -> dict[str, Ask]:
        """The question behind each part of the page."""
        window = {"start": self.window.start, "end": self.window.end}
        scope, grouped = window | self.scope.plain, window | self.scope.grouped
        step = {"resolution_s": self.resolution_s or None}
        found = {
            "Golden signals": ask("golden_signals", **grouped, **step),
            "Errors by class": ask("errors_over_time", **scope, **step),
            "Most frequent errors": ask("top_errors", **scope, limit=8),
            "Deploys": ask("deploy_markers", **scope),
            "States": ask("state_timeline", **scope),
            "Spread of latencies": ask("latency_distribution", **grouped),
            "Latency quantiles": ask("latency_quantiles", **grouped),
        }
        if self.reference:
            found["Usual range"] = ask("reference_band", **grouped, **step, offset=self.reference)
        return found


def prepare(choice: Choice) -> None:
    """Ask side by side what the page needs, instead of one question after the other."""
    data.prepare([ask("fleet"), ask("ingest_status"), *choice.asks().values()])


def readable(choice: Choice) -> Choice:
    """The choice with points so wide that nearly all of them hold the requests that a p95 needs, if they can.

    Without this a slow night at low traffic would show no p95 just where it matters.
    """
    if choice.resolution_s:
        return choice
    rows = data.load(choice.asks()["Golden signals"])
    busy = rows[rows["n"] > 0]
    if busy.empty:
        return choice
    step = int(rows["resolution_s"].iloc[0])
    view = choice.window.view(datetime.now(UTC))
    quiet = busy.groupby("key")["n"].quantile(0.1).max()  # a quiet bucket of the busiest line
    while quiet < ENOUGH_FOR_P95 and step in COARSER_S:
        wider = COARSER_S[step]
        if (view.end - view.start) / timedelta(seconds=wider) < LEAST_BUCKETS:
            break
        quiet, step = quiet * wider / step, wider
    return replace(choice, resolution_s=step)


def draw_signals(choice: Choice) -> None:
    """The golden signals, two panels in a row, all on the same axis of time."""
    if not data.load(choice.asks()["Golden signals"])["n"].any():
        elsewhere.draw_elsewhere(choice.scope, HEALTH_FILE, choice.window.utc)
        return
    coarser = readable(choice)
    prepare(coarser)
    if data.load(coarser.asks()["Golden signals"])["n"].any():  # it follows the finer rollup by a second or two
        choice = coarser
    asks, view = choice.asks(), choice.window.view(datetime.now(UTC))
    signals = _busiest(data.load(asks["Golden signals"]))
    band = data.load(asks["Usual range"]) if "Usual range" in asks else None
    markers = _markers(data.load(asks["Deploys"]))
    promised = _promise(signals, data.load(ask("fleet")), choice.scope)
    rows = by_key(signals)
    with st.grid(2, min_column_width=420, gap="medium"):
        for name in ("latency", "errors", "classes", "traffic", "ttft", "tokens", "queue", "spread"):
            with st.container():
                if name == "classes":
                    _errors_panel(data.load(asks["Errors by class"]), view, markers)
                elif name == "spread":
                    _spread_panel(
                        data.load(asks["Spread of latencies"]), data.load(asks["Latency quantiles"]), list(rows)
                    )
                else:
                    _signal_panel(SIGNALS_BY_ID[name], rows, band, view, promised.get(name, []), markers)
    length = words.span(timedelta(seconds=int(signals["resolution_s"].iloc[0])))
    st.caption(f"A point is {length}. A p95 needs 20 requests in it, a p99 needs 100; hover shows n and intervals.")


def _markers(deploys: pd.DataFrame) -> list[Marker]:
    """Deploys by checkpoint, and by deployment where there are several of them."""
    several = deploys["deployment"].nunique() > 1
    return [
        Marker(row["ts"], f"{row['deployment']}: {row['checkpoint']}" if several else str(row["checkpoint"]))
        for row in data.records(deploys)
    ]


def _busiest(signals: pd.DataFrame) -> pd.DataFrame:
    """The keys with the most requests; the rest would hide them."""
    largest = signals.groupby("key")["n"].sum().nlargest(MOST_KEYS)
    left_out = signals["key"].nunique() - len(largest)
    if left_out:
        st.caption(
            f"The {MOST_KEYS} with the most requests are drawn, {left_out} more are left out: choose them above."
        )
    return signals[signals["key"].isin(largest.index)]


def _signal_panel(
    signal: Signal,
    rows: dict[str, pd.DataFrame],
    band: pd.DataFrame | None,
    view: View,
    thresholds: Sequence[Threshold],
    markers: Sequence[Marker],
) -> None:
    lead = f", {signal.curves[signal.lead].name}" if len(rows) > 1 and len(signal.curves) > 1 else ""
    st.header(f"{signal.title}{lead}", anchor=False)
    if not has_values(signal, rows):
        faces.nothing_yet(signal.absent, signal.id)
    else:
        option = signal_over_time(signal, rows, view=view, band=band, thresholds=thresholds, markers=markers)
        _selectable(option, signal.id, f"{signal.title} over time")


def _errors_panel(errors: pd.DataFrame, view: View, markers: Sequence[Marker]) -> None:
    st.header("Errors by class", anchor=False)
    if errors.empty or errors["n"].sum() == 0:
        faces.nothing_yet("No request of this window failed.", "classes")
    else:
        _selectable(error_classes_over_time(errors, view=view, markers=markers), "classes", "Errors by class over time")


def _spread_panel(spread: pd.DataFrame, quantiles: pd.DataFrame, keys: list[str]) -> None:
    """For the same keys in the same order as in the panels above, so that they keep their colours."""
    st.header("Spread of latencies", anchor=False)
    found = [spread[spread["key"] == key] for key in keys]
    shown = pd.concat(found) if found else spread
    if shown.empty or shown["n"].sum() == 0:
        faces.nothing_yet("No successful request of this window carries a latency.", "spread")
        return
    st.echarts_chart(latency_distribution(shown), height=HEIGHT, key="spread", alt="Share of requests per latency")
    if len(keys) == 1:
        st.caption(" · ".join(_quantile(row) for row in data.records(quantiles)))


def _quantile(row: dict[str, Any]) -> str:
    value = words.with_evidence(row["value_ms"], row["low_ms"], row["high_ms"], row["n"], "ms")
    return f"p{row['quantile'] * 100:g} {value}"


def _selectable(option: Option, key: str, alt: str) -> None:
    """A chart over time in which a selected range becomes the window of the page."""
    # The key names the window: a selection must not live on in the chart of the window that it made.
    full = f"{key}-{st.session_state.get('start')}-{st.session_state.get('end')}"
    st.echarts_chart(option, height=HEIGHT, key=full, alt=alt, on_select=lambda: _take_selection(full))


def _take_selection(key: str) -> None:
    areas: list[dict[str, Any]] = st.session_state[key].selection.areas
    if areas:
        narrow(*areas[0]["coord_range"])
        st.session_state["narrowed"] = True


def _promise(signals: pd.DataFrame, fleet: pd.DataFrame, scope: Scope) -> dict[str, list[Threshold]]:
    """What the SLO of a single deployment promises, for each signal."""
    names = list(signals["key"].unique()) if scope.by == "deployment" else list(scope.deployments)
    rows = fleet[
        fleet["deployment"].isin(names) & (fleet["source"] == scope.source) & fleet["slo_availability"].notna()
    ]
    if len(names) != 1 or rows.empty:
        return {}
    slo = rows.iloc[0]
    allowed = 1 - float(slo["slo_availability"])
    found = {"errors": [Threshold(allowed, f"SLO {words.objective(allowed)}")]}
    if words.known(slo["slo_latency_ms"]):
        name = f"SLO {words.milliseconds(slo['slo_latency_ms'])} for {words.objective(slo['slo_latency_target'])}"
        found["latency"] = [Threshold(float(slo["slo_latency_ms"]), name)]
    return found


def draw_top_errors(choice: Choice) -> None:
    """Which errors are the most frequent; each leads to its requests."""
    errors = data.load(choice.asks()["Most frequent errors"])
    if errors.empty:
        return
    st.header("Most frequent errors", anchor=False)
    st.caption("As a share of all requests of the deployment, with the newest message.")
    for row in data.records(errors):
        # Links and not a table: a click in a table cannot set filters that the page it stands on has in its own URL.
        name, share, message = st.columns([3, 3, 5], vertical_alignment="center")
        name.page_link(
            REQUESTS_FILE,
            label=f"**{text.plain(row['error_type'])}** in {text.plain(row['deployment'])}",
            icon=":material/arrow_forward:",
            query_params=choice.scope.link(choice.window)
            | {"deployments": row["deployment"], "error_type": row["error_type"]},
        )
        share.markdown(words.with_evidence(row["share"], row["share_low"], row["share_high"], row["n"], "share"))
        last = text.moment(row["last_seen"], choice.window.utc)
        message.caption(f"{last}: {text.plain(row['example_message'] or words.UNKNOWN)}")
