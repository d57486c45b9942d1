"""The generation settings: fields that are empty mean the default, so that a link carries only what was chosen."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import streamlit as st

from monitor.charts import words
from monitor.chat import Generation

DEFAULTS = Generation(top_logprobs=5)
PROBABILITIES = {"5 alternatives": 5, "20 alternatives": 20, "tokens only": 0, "off": None}
BOUNDS: dict[str, tuple[float, float]] = {
    "max_tokens": (1, 32_768),
    "temperature": (0.0, 5.0),
    "top_p": (0.01, 1.0),
    "seed": (0, 2**53 - 1),  # a browser counts no further
    "deadline_s": (1.0, 600.0),
}


def pick_settings() -> dict[str, Any]:
    """The settings as the api takes them; the button says what is in force."""
    with st.popover("Settings", icon=":material/tune:", key="settings"):
        left, right = st.columns(2)
        _field(left, "max_tokens", "Most tokens")
        _field(right, "temperature", "Temperature", "0: the likeliest token each time (greedy)")
        _field(left, "top_p", "Top p")
        _field(right, "seed", "Seed", "makes a sampled answer repeatable where the server can")
        _field(left, "deadline_s", "Deadline, seconds")
        right.text_input(
            "Stop texts", key="stop", bind="query-params", placeholder="none", help="Several with | between them"
        )
        st.selectbox(
            "Probabilities",
            list(PROBABILITIES),
            key="top_logprobs",
            bind="query-params",
            help="What the confidence and the likeliest alternatives come from. Not every server tells them.",
        )
    return chosen()


def chosen() -> dict[str, Any]:
    """The settings of the fields, with the defaults where they are empty."""
    state = {name: st.session_state.get(name) for name in asdict(DEFAULTS)}
    found = asdict(DEFAULTS) | {name: value for name, value in state.items() if value not in (None, "")}
    if isinstance(found["stop"], str):
        found["stop"] = [one for one in found["stop"].split("|") if one]
    found["stop"] = list(found["stop"])
    found["top_logprobs"] = PROBABILITIES.get(str(found["top_logprobs"]), DEFAULTS.top_logprobs)
    return found


def fields(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What the fields must hold for these settings; None empties a field."""
    plain = asdict(DEFAULTS)
    found: dict[str, Any] = {name: settings.get(name) if settings.get(name) != plain[name] else None for name in plain}
    for name, (least, most) in BOUNDS.items():
        if found[name] is not None:
            found[name] = type(least)(min(max(found[name], least), most))
    stop = settings.get("stop") or ()
    found["stop"] = "|".join([stop] if isinstance(stop, str) else stop)
    found["top_logprobs"] = _probabilities(settings)
    return found


def in_words(settings: Mapping[str, Any]) -> str:
    """The settings that shape an answer, in one line."""
    warm = float(settings["temperature"])
    how = f"temperature {warm:g}, top p {settings['top_p']:g}" if warm else "greedy"
    seed = f", seed {settings['seed']}" if settings.get("seed") is not None else ""
    stop = f", {len(settings['stop'])} stop texts" if settings.get("stop") else ""
    return f"up to {words.count(settings['max_tokens'])} tokens, {how}{seed}{stop}"


def _probabilities(settings: Mapping[str, Any]) -> str:
    if "top_logprobs" not in settings:
        return "5 alternatives"
    asked = settings["top_logprobs"]
    enough = sorted(
        (n, name) for name, n in PROBABILITIES.items() if n is not None and asked is not None and n >= asked
    )
    return enough[0][1] if enough else "off"


def _field(place: Any, key: str, label: str, about: str | None = None) -> None:
    default = getattr(DEFAULTS, key)
    place.number_input(
        label,
        *BOUNDS[key],
        value=None,
        key=key,
        bind="query-params",
        placeholder="random" if default is None else f"{default:g}",
        help=about,
    )
