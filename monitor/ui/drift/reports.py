"""Full reports by Evidently: ask for one, see how far it is, open it here or take it along."""

import html
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import streamlit as st

from monitor.charts import words
from monitor.client.drift_reports import DriftReports
from monitor.config import load_settings
from monitor.ui import access, data, text
from monitor.ui.data import Ask, ask
from monitor.ui.drift import deciding, place, sentences
from monitor.ui.drift.place import Place
from monitor.ui.window import absolute

PRESETS = {"drift": "Drift of every column", "summary": "Summary of both sides", "text": "Texts", "all": "All of it"}
STATES = {
    "waiting": ":material/hourglass_top: waiting",
    "running": ":material/autorenew: running",
    "lost": ":material/autorenew: interrupted, it is taken up again",
    "done": ":material/check_circle: done",
    "failed": ":material/error: failed",
}
REFRESH_S = 3
SHOWN = 5
HEIGHT = 800
NO_NETWORK = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:"
)

Row = Mapping[str, Any]


def question(at: Place) -> Ask:
    """The reports of the deployment."""
    return ask("drift_reports", deployment=at.deployment, limit=SHOWN)


def draw_reports(at: Place, bucket: datetime | None, utc: bool) -> None:
    """The form, and the newest reports with their progress."""
    st.markdown(
        "Evidently, an open-source library, compares every column of a sample with its own methods. It takes a minute "
        "or two; you may close this page meanwhile."
    )
    if bucket is not None and access.may(deciding.PERMISSION):
        _form(at, bucket, utc)

    @st.fragment(run_every=REFRESH_S)
    def newest() -> None:
        for row in data.records(data.load(question(at))):
            with st.container(border=True, key=f"report-{row['id']}"):
                _report(row, utc)

    newest()


def _form(at: Place, bucket: datetime, utc: bool) -> None:
    name = sentences.window_name(bucket, at.grain, utc)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        preset = st.selectbox("Report", list(PRESETS), format_func=PRESETS.__getitem__, key="report-preset", width=260)
        sample = st.number_input("Most rows of each side", 100, 100_000, 5_000, 1_000, key="report-sample", width=200)
        st.button(
            f"Make a report on {name}",
            type="primary",
            key="report-ask",
            on_click=_ask,
            args=(at, bucket, str(preset), int(sample)),
            help="Against the reference that is in force",
        )


def _ask(at: Place, bucket: datetime, preset: str, sample: int) -> None:
    ends = bucket + place.LENGTHS[at.grain]
    spec: dict[str, Any] = {"source": at.source, "preset": preset, "sample": sample, "asked_by": access.visitor().name}
    deciding.done(
        lambda: reports().ask(deployment=at.deployment, start=absolute(bucket), end=absolute(ends), **spec),
        "The report was asked for; a scheduler takes it up within a minute.",
        "drift_reports",
    )


def _report(row: Row, utc: bool) -> None:
    state = str(row["state"])
    st.markdown(
        f"{STATES.get(state, state)} · **{PRESETS.get(str(row['preset']), str(row['preset']))}** · "
        f"{text.moment(row['starts'], True)} to {text.moment(row['ends'], True)}, "
        f"against {text.plain(row['reference_name'])}"
    )
    if state in ("running", "lost") and int(row["steps"]):
        st.progress(int(row["steps_done"]) / int(row["steps"]), text=f"{text.plain(row['step'] or 'starting')}")
    if words.known(row["problem"]) and row["problem"]:
        st.markdown(text.sentence(row["problem"]))
    st.caption(_facts(row, utc))
    if state == "done":
        _files(row)


def _facts(row: Row, utc: bool) -> str:
    facts = [f"asked for by {text.plain(row['asked_by'])}, {text.moment(row['asked_at'], utc)}"]
    if words.known(row["n_window"]):
        facts.append(
            f"{words.count(row['n_window'])} of {words.count(row['of_window'])} rows against "
            f"{words.count(row['n_reference'])} of {words.count(row['of_reference'])}"
        )
    summary = json.loads(row["summary"]) if isinstance(row["summary"], str) and row["summary"] else {}
    if "drifted" in summary:
        facts.append(
            f"{words.count(summary['drifted'])} of {words.count(summary['columns'])} columns called by Evidently"
        )
    return " · ".join(facts)


def _files(row: Row) -> None:
    id_ = str(row["id"])
    with st.container(horizontal=True):
        shown = st.toggle("Show it here", key=f"report-show-{id_}")
        for name, fetch in (("html", reports().page), ("json", reports().figures)):
            st.download_button(
                name.upper(),
                lambda fetch=fetch: fetch(id_),  # type: ignore[misc]  # fetched when it is clicked
                file_name=f"drift-{id_}.{name}",
                key=f"report-{name}-{id_}",
                icon=":material/download:",
                on_click="ignore",
            )
    if shown:
        st.iframe(confined(_page(load_settings().api, id_)), height=HEIGHT, alt=f"Report {id_} by Evidently")


def confined(page: str) -> str:
    """The report in a frame of its own: its script may draw, and reaches neither this page nor any network."""
    policy = f'<meta http-equiv="Content-Security-Policy" content="{NO_NETWORK}">'
    inside = page.replace("<head>", f"<head>{policy}", 1) if "<head>" in page else policy + page
    return (
        '<iframe sandbox="allow-scripts allow-downloads" title="report" '
        f'style="border:0;width:100%;height:{HEIGHT - 20}px" srcdoc="{html.escape(inside)}"></iframe>'
    )


def reports() -> DriftReports:
    """The connection to the api that the settings name, shared by all sessions."""
    return _reports(load_settings().api)


@st.cache_data(max_entries=4, show_spinner="Fetching the report")
def _page(address: str, id_: str) -> str:
    return _reports(address).page(id_).decode()


@st.cache_resource(max_entries=4, on_release=DriftReports.close)
def _reports(address: str) -> DriftReports:
    return DriftReports(address)
