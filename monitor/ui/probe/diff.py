"""Two texts as one, with what only one of them has marked: struck through or bold, and not by colour alone."""

import streamlit as st

from monitor.stats.worddiff import Span, word_diff
from monitor.ui import text

MARKS = {"a": (":red-background[~~", "~~]"), "b": (":green-background[**", "**]")}


def draw_diff(a: str, b: str, names: tuple[str, str]) -> None:
    """The words that only `a` has, struck through, and those that only `b` has, bold."""
    if a == b:
        st.markdown(f":material/drag_handle: {text.plain(names[0])} and {text.plain(names[1])} answer the same.")
        return
    spans = word_diff(a, b)
    st.markdown("".join(map(markdown, spans)))
    removed, added = (_words(spans, kind) for kind in ("a", "b"))
    st.caption(
        f"~~Struck through~~: only {text.plain(names[0])} ({removed}). **Bold**: only {text.plain(names[1])} ({added})."
    )


def markdown(span: Span) -> str:
    """A span as Markdown, its line breaks kept; blanks stand outside of the marks, where they would break them."""
    return "  \n".join(_line(span.kind, line) for line in span.text.split("\n"))


def _line(kind: str, line: str) -> str:
    if not line.strip():
        return " " if line else ""
    before, after = _blanks(line)
    start, end = MARKS.get(kind, ("", ""))
    return f"{before}{start}{text.plain(line)}{end}{after}"


def _blanks(line: str) -> tuple[str, str]:
    return (" " if line[:1].isspace() else ""), (" " if line[-1:].isspace() else "")


def _words(spans: list[Span], kind: str) -> str:
    n = sum(len(span.text.split()) for span in spans if span.kind == kind)
    return f"{n} word{'' if n == 1 else 's'}" if n or all(span.kind != kind for span in spans) else "blanks only"
