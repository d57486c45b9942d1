"""Load mode: how a target behaves when more and more requests are under way at once."""

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from monitor.charts import words
from monitor.charts.loadcurve import in_words, latency_by_concurrency, throughput_by_concurrency
from monitor.config import load_settings
from monitor.ui import access, faces
from monitor.ui.probe import batch, form, images, progress, runs, settings, targets
from monitor.ui.probe.targets import PRODUCTION, Target

RAMPS = {
    "small": (1, 2, 4, 8),
    "medium": (1, 2, 4, 8, 16, 32),
    "large": (1, 2, 4, 8, 16, 32, 64),
}
HEIGHT = 280


def draw_load(known: dict[str, Target]) -> None:
    """The load run of the address, or the form for a new one."""
    run = runs.pointed_at("load")
    if run is None:
        _form(known)
        return
    st.button("New load probe", icon=":material/add:", key="new-load", on_click=runs.close)
    progress.draw_progress(run)
    draw_curve(run)


def draw_curve(run: Mapping[str, Any]) -> None:
    """Throughput and latency against concurrency, the knee, and the table."""
    result = run.get("result")
    found = json.loads(result) if isinstance(result, str) else {}
    steps = list(found.get("steps") or [])
    if not steps:
        if run["state"] != progress.RUNNING:
            faces.nothing_yet("No step of this run was finished.", "steps")
        return
    knee = found.get("knee")
    st.markdown(_verdict(knee, steps))
    told = in_words(steps, knee)
    with st.grid(2, min_column_width=380):
        with st.container():
            st.header("Answers per second", anchor=False)
            st.echarts_chart(throughput_by_concurrency(steps, knee), height=HEIGHT, key="throughput", alt=told)
        with st.container():
            st.header("Latency", anchor=False)
            st.echarts_chart(latency_by_concurrency(steps, knee), height=HEIGHT, key="load-latency", alt=told)
    st.table(_table(steps), border="horizontal", hide_index=True, alt="The steps of the ramp")
    st.caption("p95 in brackets with its 95 % interval. Failed requests count in neither latency nor throughput.")


def _form(known: dict[str, Target]) -> None:
    target = targets.pick_one(known)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        prompt = st.text_area(
            "Question", key="prompt", height=80, placeholder="What to ask, again and again", persist_state="page"
        )
    with right:
        images.draw_images()
    if str(st.session_state.get("system") or "").strip():
        st.caption("Asked with the system prompt of the Ask tab.")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        limits = load_settings()
        ramp = st.selectbox(
            "Requests at once",
            list(RAMPS),
            format_func=lambda name: ", ".join(map(str, RAMPS[name])),
            key="ramp",
            width=260,
        )
        steps = [one for one in RAMPS[str(ramp)] if one <= limits.load_concurrency]
        most = max(1, limits.load_seconds // len(steps))
        each = st.number_input("Seconds each", 1, most, min(5, most), key="seconds-each", width=140)
        generation = settings.pick_settings()
    st.warning(
        f"This sends as many requests as the target answers, up to {max(steps)} at once, for "
        f"{words.count(each * len(steps))} seconds. Whoever uses the target meanwhile waits longer, and a server that "
        "bills by token bills all of them.",
        title="What this does",
        icon=":material/speed:",
    )
    live = known[target].get("environment") == PRODUCTION
    agreed = st.checkbox(f"{target} is in production; load it all the same", key="load-production") if live else True
    pressed = st.button(
        "Start load probe", type="primary", icon=":material/play_arrow:", key="start-load", disabled=not agreed
    )
    question = form.messages(())
    if pressed and not (prompt or form.images()):
        st.warning("Write a question, or add an image.", title="Nothing was started", icon=":material/help:")
    elif pressed and agreed:
        body = {
            "kind": "load",
            "name": "",
            "target": target,
            "messages": [question],
            "settings": generation,
            "concurrency": steps,
            "seconds_each": float(each),
            "allow_production": bool(live and agreed),
            "visitor": access.visitor().name,
        }
        batch.start(body, lambda: None)


def _verdict(knee: Any, steps: list[dict[str, Any]]) -> str:
    if knee is None:
        told = "the throughput was still rising, or is too noisy to tell"
        return f":material/trending_up: **No knee within these steps**: {told}."
    step = next((one for one in steps if one["concurrency"] == knee), steps[-1])
    return (
        f":material/turn_slight_right: **The knee is at {knee}**: {words.per_second(step.get('per_s'))} at a p95 of "
        f"{words.milliseconds(step.get('p95_ms'))}. More at once brings little throughput, and waiting instead."
    )


def _table(steps: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "At once": words.count(step["concurrency"]),
                "Answers": words.count(step["n"]),
                "Failed": words.count(step["failed"]),
                "Per second": words.per_second(step.get("per_s")),
                "Tokens per second": words.per_second(step.get("tokens_per_s")),
                "p50": words.milliseconds(step.get("p50_ms")),
                "p95": words.with_evidence(
                    step.get("p95_ms"), step.get("p95_low"), step.get("p95_high"), step["n"], "ms"
                ),
                "First token, p50": words.milliseconds(step.get("ttft_p50_ms")),
            }
            for step in steps
        ]
    )
