"""One question to one target or several: the form, and what came of it."""

from typing import Any

import streamlit as st

from monitor.ui import access
from monitor.ui.probe import answers, form, images, live, origin, settings, targets, turns
from monitor.ui.probe.draft import images_of
from monitor.ui.probe.origin import Origin
from monitor.ui.probe.targets import Target


def draw_ask(known: dict[str, Target]) -> None:
    """The form, filled from where the address says, and below it the answers: of just now, or of a stored run."""
    came_from = origin.take_over(known)
    origin.draw(came_from)
    chosen = targets.pick_some(known)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        st.text_area("Question", key="prompt", height=110, placeholder="What to ask", persist_state="page")
        before = turns.pick_turns()
    with right:
        images.draw_images()
    with st.container(horizontal=True, vertical_alignment="center"):
        pressed = st.button("Run", type="primary", icon=":material/play_arrow:", key="ask", shortcut="Ctrl+Enter")
        generation = settings.pick_settings()
        st.caption(settings.in_words(generation).capitalize())
    if pressed:
        body = _body(chosen, form.messages(before), generation, came_from)
        if problem := _problem(chosen, body):
            st.warning(problem, title="Nothing was asked", icon=":material/help:")
        else:
            live.ask_all(body, known)
            return
    answers.draw_stored(known, came_from)


def _body(
    chosen: list[str], messages: list[dict[str, Any]], generation: dict[str, Any], came_from: Origin
) -> dict[str, Any]:
    return {
        "targets": chosen,
        "messages": messages,
        "settings": generation,
        "from_request": came_from.logged.event_id if came_from.logged else None,
        "visitor": access.visitor().name,
    }


def _problem(chosen: list[str], body: dict[str, Any]) -> str | None:
    """What keeps the question from being asked."""
    if not chosen:
        return "Choose at least one target."
    if not body["messages"]:
        return "Write a question, or add an image."
    gone = images.missing(images_of(body["messages"]))
    return f"{gone} of its images are not in the media store: remove them, or add the files again." if gone else None
