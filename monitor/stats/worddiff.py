"""Which words of two answers are the same: the text cut into spans for the side-by-side view of the probe page."""

import difflib
import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

Kind = Literal["same", "a", "b"]
"""In both texts, only in the first, only in the second."""

GRAINS = (re.compile(r"\d+(?:\.\d+)+|\w+|\s+|[^\w\s]"), re.compile(r"[^\n]*\n|[^\n]+"))
"""Words, decimal numbers, blanks and signs; and lines, for texts that have too many of those."""

MOST_PAIRS = 1_000_000
"""Bound of the work: parts of the one text that differ times parts of the other."""

CAREFUL_PAIRS = 100_000
"""Above this many, parts that are frequent no longer begin a match; the time would grow with the square of them."""


class Span(NamedTuple):
    """A stretch of text and where it is found."""

    kind: Kind
    text: str


def word_diff(a: str, b: str) -> list[Span]:
    """The spans in order. Those that are not "b" join to the text a, those that are not "a" to the text b.

    Compared by words, or by lines where the part that differs is long; where even lines are too many, it differs as a
    whole.

    >>> [tuple(span) for span in word_diff("a red circle", "a blue circle")]
    [('same', 'a '), ('a', 'red'), ('b', 'blue'), ('same', ' circle')]
    """
    return _joined(_spans(a, b))


def _spans(a: str, b: str) -> Iterator[Span]:
    for grain in GRAINS:
        parts_a, parts_b = grain.findall(a), grain.findall(b)
        start, end = _same_ends(parts_a, parts_b)
        inner_a, inner_b = parts_a[start : len(parts_a) - end], parts_b[start : len(parts_b) - end]
        if len(inner_a) * len(inner_b) <= MOST_PAIRS:
            yield Span("same", "".join(parts_a[:start]))
            yield from _compared(inner_a, inner_b)
            yield Span("same", "".join(parts_a[len(parts_a) - end :]))
            return
    yield from (Span("a", a), Span("b", b))


def _same_ends(a: list[str], b: list[str]) -> tuple[int, int]:
    """How many parts are the same from the start on, and of the rest from the end on."""
    shorter = min(len(a), len(b))
    start = next((i for i in range(shorter) if a[i] != b[i]), shorter)
    end = next((i for i in range(shorter - start) if a[-1 - i] != b[-1 - i]), shorter - start)
    return start, end


def _compared(a: list[str], b: list[str]) -> Iterator[Span]:
    frequent = len(a) * len(b) > CAREFUL_PAIRS
    matcher = difflib.SequenceMatcher(str.isspace, a, b, autojunk=frequent)  # a blank alone is no match
    for _, a1, a2, b1, b2 in matcher.get_opcodes():
        if a[a1:a2] == b[b1:b2]:
            yield Span("same", "".join(a[a1:a2]))
        else:
            yield from (Span("a", "".join(a[a1:a2])), Span("b", "".join(b[b1:b2])))


def _joined(spans: Iterator[Span]) -> list[Span]:
    """Neighbours of one kind as one span, and none without text."""
    found: list[Span] = []
    for span in spans:
        if not span.text:
            continue
        if found and found[-1].kind == span.kind:
            found[-1] = Span(span.kind, found[-1].text + span.text)
        else:
            found.append(span)
    return found
