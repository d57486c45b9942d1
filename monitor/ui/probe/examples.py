"""Logged requests with images, to start a question from."""

from datetime import timedelta
from typing import Any

import streamlit as st

from monitor.charts import words
from monitor.ui import data, text
from monitor.ui.data import ask
from monitor.ui.probe import form, pictures
from monitor.ui.probe.draft import draft_of
from monitor.ui.probe.reproduce import logged, media_of

LOOKED_AT, SHOWN = 24, 6
BACK = timedelta(days=1)


def draw_examples() -> None:
    """The newest logged requests whose images are kept, each with a button that takes it over."""
    found = _with_images()
    st.markdown("Or take one from the log")
    if not found:
        st.caption(f"None of the newest {LOOKED_AT} requests of the log has an image in the media store.")
        return
    with st.grid(3, min_column_width=90, gap="small"):
        for place, request in enumerate(found):
            with st.container(key=f"example-{place}", gap="xsmall"):
                _example(place, request)


def _example(place: int, request: dict[str, Any]) -> None:
    draft = draft_of(logged(request).messages)
    st.image(
        pictures.picture(draft.images[0], pictures.SMALL), width=96, output_format="PNG", alt=f"Example {place + 1}"
    )
    st.caption(text.plain(draft.text[:60] or "no text"))
    st.button("Use", key=f"use-example-{place}", on_click=_use, args=(draft.text, draft.images))


def _use(prompt: str, images: tuple[str, ...]) -> None:
    form.set_images(images)
    st.session_state["prompt"] = prompt


def _with_images() -> list[dict[str, Any]]:
    """Newest first; one of each image."""
    known = data.load(ask("deployments")).dropna(subset=["last_seen"]).sort_values("last_seen")
    known = known[known["source"] != "probe"]
    if known.empty:
        return []
    newest, source = known["last_seen"].iloc[-1], str(known["source"].iloc[-1])
    span = {"start": (newest - BACK).isoformat(), "end": (newest + BACK).isoformat()}
    rows = data.load(ask("requests", source=source, status="ok", limit=LOOKED_AT, **span))
    asks = [ask("request", event_id=row["event_id"], ts=row["ts"]) for row in data.records(rows)]
    data.prepare(asks)
    found: dict[str, dict[str, Any]] = {}
    for question in asks:
        request = data.records(data.load(question))[0]
        first = next((one["sha256"] for one in media_of(request) if words.known(one.get("sha256"))), None)
        if first and len(found) < SHOWN and pictures.shown(first, pictures.SMALL):
            found.setdefault(first, request)
    return list(found.values())
