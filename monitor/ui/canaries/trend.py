"""How the pass rate and the latency of a canary moved from run to run."""

from datetime import datetime

import streamlit as st

from monitor.charts import canaryruns
from monitor.ui import data, faces
from monitor.ui.canaries.place import Place
from monitor.ui.data import Ask, ask

HEIGHT = 280


def question(at: Place) -> Ask:
    """The runs, over the items of the chosen tag."""
    return ask("canary_trend", **at.pair, tag=at.tag)


def draw_trend(at: Place, now: datetime, utc: bool) -> None:
    """The two charts, each with what its parts mean."""
    runs = data.load(question(at))
    if runs.empty or not runs["n"].any():
        faces.nothing_yet("No run has an answer that passed or failed.", "trend")
        return
    view, markers = canaryruns.window(runs["started_at"], now, utc), canaryruns.deployed(runs)
    st.header("Pass rate", anchor=False)
    told = canaryruns.trend_in_words(runs)
    st.echarts_chart(
        canaryruns.pass_rate_over_runs(runs, view=view, markers=markers), height=HEIGHT, key="pass-rate", alt=told
    )
    st.caption(
        f"{told} An upright line is the 95 % interval of one replay alone (Wilson), right for one that was chosen "
        "beforehand. The grey band is a confidence sequence: an interval of the mean pass rate of all replays "
        "since the baseline of the newest run, also of those before what is shown. It is right at all of them "
        "together, so it may be looked at after each; it is wide at first and narrows with every replay. Runs that "
        "learned have neither: they ask each item several times, and such answers are not independent. Each rate "
        "is weighted as the suite says."
    )
    replays = runs[runs["kind"] == "replay"]
    st.header("Latency", anchor=False)
    if replays["latency_ms"].isna().all():
        faces.nothing_yet("No replay has an answer with a latency.", "canary-latency")
        return
    option = canaryruns.latency_over_runs(replays, view=view, markers=markers)
    st.echarts_chart(option, height=HEIGHT, key="canary-latency", alt="Latency of the answers of each run")
    st.caption(
        "Whole answers, over the items of each replay. Runs that learned are left out: they ask much more at once."
    )
