"""An answer with each token underlined and tinted by how sure the model was of it; the pointer over it tells more."""

import html
from collections.abc import Sequence

import streamlit as st

from monitor.charts.confidence import LEVELS, Level, Segment, in_words, segments
from monitor.chat import Token
from monitor.ui import text

MOST = 2000
"""Tokens that are shaded; the caption says so where there are more."""

BOX = "white-space: pre-wrap; overflow-wrap: anywhere; max-height: 24em; overflow-y: auto"
"""A model that writes nothing but line breaks must not push everything else off the page."""


def draw_shaded(tokens: Sequence[Token]) -> None:
    """The tokens of an answer, and the same in words."""
    found = segments(tokens[:MOST])
    st.html(f'<div style="{BOX}">{"".join(map(_span, found))}</div>')
    if len(tokens) > MOST:
        st.caption(f"Shaded up to its {MOST}th token.")
    st.caption(text.plain(in_words(found)))


def draw_legend() -> None:
    """What the lines and colours mean, once for all answers."""
    marked = [level for level in LEVELS if level.line]
    words = ", ".join(f"{_mark(level, level.name)} under {_above(level)}" for level in marked)
    st.html(f'<span style="font-size: 0.85em">Tokens: {words}. The pointer over one tells its probability.</span>')


def _above(level: Level) -> str:
    better = [one.least for one in LEVELS if one.least > level.least]
    return f"{min(better):.0%}"


def _span(segment: Segment) -> str:
    shown = segment.text.replace("\n", "↵\n") if segment.text.isspace() else segment.text
    if not segment.level.line:
        return f'<span title="{html.escape(segment.hover)}">{html.escape(shown)}</span>'
    return _mark(segment.level, shown, segment.hover)


def _mark(level: Level, shown: str, hover: str = "") -> str:
    style = f"text-decoration: underline {level.line} {level.rgb}; background-color: {level.rgb}33"
    return f'<span style="{style}" title="{html.escape(hover)}">{html.escape(shown)}</span>'
