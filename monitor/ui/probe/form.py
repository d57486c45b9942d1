"""What the form of the page holds, and how a logged request or a stored run fills it.

Widgets keep their values in the session and in the address. Images are hashes in the address; earlier turns and the
messages that the form was filled from live in the session, because texts do not belong into an address: it ends up in
the logs of every proxy. A run keeps them, so that `?run=ID` brings them back.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from monitor.ui.probe import settings, targets
from monitor.ui.probe.draft import Draft, Message, Turn, draft_of, messages_of

IMAGES = "images"
FILLED, EXACT, TURNS, VERSION = "probe-filled", "probe-exact", "probe-turns", "probe-version"


@dataclass(frozen=True, slots=True)
class Source:
    """What the address asks to be shown: a logged request, a stored run, both or neither."""

    request: str | None
    at: str | None
    run: str | None


def source() -> Source:
    """The part of the address that says where the form comes from."""
    found = {name: st.query_params.get(name) or None for name in ("request", "at", "run")}
    return Source(found["request"], found["at"], found["run"])


def is_filled(source: Source) -> bool:
    """Whether the form was filled from there already; what was typed since stays."""
    return st.session_state.get(FILLED) == source


def mark_filled(source: Source) -> None:
    st.session_state[FILLED] = source


def fill(messages: Sequence[Message], chosen: Mapping[str, Any], asked: Sequence[str]) -> None:
    """Put messages, settings and targets into the form; on the first view the address has the last word."""
    first = FILLED not in st.session_state
    draft = draft_of(messages)
    values = {"prompt": draft.text, "system": draft.system, **settings.fields(chosen)}
    for key, value in values.items():
        if not (first and key in st.query_params):
            st.session_state[key] = value
    if not (first and IMAGES in st.query_params):
        set_images(draft.images)
    if not (first and targets.ADDRESS in st.query_params):
        targets.choose(asked)
    st.session_state[TURNS] = draft.earlier
    st.session_state[EXACT] = list(messages)
    st.session_state[VERSION] = version() + 1


def version() -> int:
    """Counts the fillings: part of the key of widgets that have to forget what was typed before."""
    return int(st.session_state.get(VERSION, 0))


def images() -> list[str]:
    """The hashes of the chosen images, in the order in which the model sees them."""
    return [one for one in st.query_params.get_all(IMAGES) if one]


def set_images(hashes: Iterable[str]) -> None:
    """Choose these images."""
    st.query_params[IMAGES] = list(hashes)


def earlier() -> tuple[Turn, ...]:
    """The earlier turns that the form was filled with."""
    turns: tuple[Turn, ...] = st.session_state.get(TURNS, ())
    return turns


def draft(turns: tuple[Turn, ...]) -> Draft:
    """The form as it stands."""
    state = st.session_state
    return Draft(str(state.get("prompt") or ""), tuple(images()), str(state.get("system") or ""), turns)


def messages(turns: tuple[Turn, ...]) -> list[Message]:
    """The messages that the form stands for."""
    return messages_of(draft(turns), st.session_state.get(EXACT, ()))
