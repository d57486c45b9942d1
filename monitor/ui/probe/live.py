"""Running a question: answers appear beside each other while they are written, with a way to stop."""

import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

import streamlit as st

from monitor.charts import words
from monitor.errors import Overloaded, WatchpointError
from monitor.ui import text
from monitor.ui.probe import form, listen, targets
from monitor.ui.probe.answer import FAILED, LETTERS, STOPPED, WAITING, WRITING, Answer, heard
from monitor.ui.probe.draft import Message
from monitor.ui.probe.service import prober
from monitor.ui.probe.targets import Target

LIVE = "probe-live"
REDRAW_S = 0.06
"""Often enough to look like a stream, seldom enough for a slow browser."""


@dataclass(slots=True)
class Live:
    """What was asked from this session last, and how far its answers came."""

    messages: list[Message]
    settings: Mapping[str, Any]
    answers: dict[str, Answer]
    run: str | None = None
    ended: bool = False
    began: float = field(default_factory=time.monotonic)


def last() -> Live | None:
    """The last question of this session."""
    found: Live | None = st.session_state.get(LIVE)
    return found


def ask_all(body: Mapping[str, Any], known: Mapping[str, Target]) -> None:
    """Ask, show the answers while they come, and then draw the page with them."""
    live = Live(list(body["messages"]), body["settings"], {one: Answer(one) for one in body["targets"]})
    st.session_state[LIVE] = live
    place = st.empty()
    with place.container():
        st.button("Stop", icon=":material/stop_circle:", key="stop-probe")
        slots = _slots(live, known)
    try:
        with closing(listen.events(prober(), body)) as events:
            _follow(live, slots, events)
    except WatchpointError as error:
        if live.run is None:  # refused as a whole: nothing of it is stored
            place.empty()
            refused(error)
            return
        _fail_open(live, str(error), error)
    live.ended = True
    st.rerun()


def refused(error: WatchpointError) -> None:
    """Say why the api did not start something. Raises what is not about what was asked, such as an api that is away."""
    if isinstance(error, Overloaded):
        st.warning(text.plain(error), title="Too many probes at once", icon=":material/hourglass:")
    elif error.status < 500:
        st.error(text.plain(error), title="This was refused", icon=":material/error:")
    else:
        raise error


def stopped(live: Live) -> None:
    """Close the answers of a question that the visitor stopped."""
    _fail_open(live, "Stopped before the end.")
    live.ended = True


def _follow(live: Live, slots: Mapping[str, Any], events: Any) -> None:
    drawn = 0.0
    for event in events:
        if event is not None and event["type"] == "run":
            live.run = str(event["run"])
            st.query_params["run"] = live.run
            form.mark_filled(form.source())
        elif event is not None and event.get("target") in live.answers:
            live.answers[event["target"]] = heard(live.answers[event["target"]], event)
        if time.monotonic() - drawn >= REDRAW_S:
            drawn = time.monotonic()
            for target, slot in slots.items():
                with slot.container():
                    _draw(live.answers[target], drawn - live.began)


def _slots(live: Live, known: Mapping[str, Target]) -> dict[str, Any]:
    found = {}
    columns = st.columns(min(len(live.answers), 2), gap="medium")
    for place, target in enumerate(live.answers):
        with columns[place % len(columns)]:
            head(place, target, known)
            found[target] = st.empty()
    return found


def head(place: int, target: str, known: Mapping[str, Target]) -> None:
    """The headline of an answer: its letter, its target, and what that is."""
    st.header(f"{LETTERS[place]}: {text.plain(target)}", anchor=False)
    st.caption(targets.about(known[target]) if target in known else "no longer in the fleet file")


def _draw(answer: Answer, elapsed_s: float) -> None:
    if answer.state == WAITING:
        st.markdown(f":shimmer[Waiting for the first token] {words.milliseconds(elapsed_s * 1000)}")
    elif answer.state == FAILED:
        st.markdown(f":material/error: {text.plain(answer.error)}")
    else:
        st.text(answer.text or " ")
        st.caption(_progress(answer, elapsed_s))


def _progress(answer: Answer, elapsed_s: float) -> str:
    if answer.state == WRITING:
        n = f"{words.count(len(answer.tokens))} tokens, " if answer.tokens else ""
        return f":shimmer[Writing] {n}{words.milliseconds(elapsed_s * 1000)}"
    return f"Done after {words.milliseconds(answer.timings.get('total_ms'))}"


def _fail_open(live: Live, why: str, error: WatchpointError | None = None) -> None:
    kind = type(error).__name__ if error else STOPPED
    for target, answer in live.answers.items():
        if answer.state in (WAITING, WRITING):
            live.answers[target] = replace(answer, state=FAILED, error=why, kind=kind)
