"""Benchmarks: which checkpoint is best and how sure is that, and what do two of them differ in?"""

from datetime import UTC, datetime

import streamlit as st

from monitor.ui import data, export, faces
from monitor.ui.access import guard
from monitor.ui.benchmarks import comparing, evaluations, first, opened, overview, place
from monitor.ui.data import ask
from monitor.ui.window import pick_zone

guard("read")

st.title("Benchmarks")
with faces.shown():
    known = data.load(ask("benchmarks"))
    at, now = place.here(), datetime.now(UTC)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        place.pick_view(at)
        utc = pick_zone() == "UTC"
        bar = st.container(width="content")

    if known.empty:
        questions = {"Benchmarks": ask("benchmarks")}
        first.draw_first()
    elif at.shown == place.COMPARE:
        at = comparing.settled(at)
        questions = comparing.asks(at)
        comparing.draw_comparison(at)
    elif at.shown == place.EVALUATIONS:
        questions = evaluations.asks(at)
        evaluations.draw_evaluations(at, known, now, utc)
    elif at.benchmark:
        questions = opened.asks(at)
        opened.draw_benchmark(at, known, now, utc)
    else:
        questions = overview.asks(at.ignore)
        overview.draw_overview(known, at.ignore)
    with bar:
        export.draw_export(questions)
