"""How sure a model was of each token of its answer: levels that are told by name and line as well as by colour.

The probe page shades the text with `segments`; the points of an answer are drawn in the same levels (`overlay`).
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from monitor.charts import words
from monitor.chat import Token


@dataclass(frozen=True, slots=True)
class Level:
    """A range of probabilities: from `least` on. `line` underlines it, so that colour is not the only signal."""

    name: str
    least: float
    colour: str  # name of a background colour of Streamlit's Markdown, "" for none
    line: str  # CSS word for the underline, "" for none
    rgb: str


LEVELS = (
    Level("sure", 0.9, "", "", "#0F8A5F"),
    Level("fairly sure", 0.6, "blue", "dotted", "#0072B2"),
    Level("unsure", 0.3, "orange", "dashed", "#C77700"),
    Level("guessing", 0.0, "red", "double", "#D1495B"),
)
"""Best first."""

UNKNOWN = Level("not known", math.nan, "", "", "#7C8794")


@dataclass(frozen=True, slots=True)
class Segment:
    """One token of an answer: its text, how sure the model was, and what the pointer over it says."""

    text: str
    probability: float | None
    level: Level
    hover: str


def level_of(probability: float | None) -> Level:
    """The level of a probability; UNKNOWN without one."""
    if probability is None or math.isnan(probability):
        return UNKNOWN
    return next(level for level in LEVELS if probability >= level.least)


def segments(tokens: Sequence[Token]) -> list[Segment]:
    """Each token with its level; the hover names the probability and what the model might have said instead."""
    found = []
    for token in tokens:
        probability = None if token.logprob is None else math.exp(token.logprob)
        level = level_of(probability)
        found.append(Segment(token.text, probability, level, _hover(token, probability, level)))
    return found


def in_words(found: Sequence[Segment]) -> str:
    """The shading as text: how many tokens of each level, and the one that the model was least sure of."""
    if not found:
        return "No tokens with probabilities."
    counts = Counter(segment.level.name for segment in found)
    told = ", ".join(f"{counts[level.name]} {level.name}" for level in (*LEVELS, UNKNOWN) if counts[level.name])
    known = [segment for segment in found if segment.probability is not None]
    least = min(known, key=lambda segment: segment.probability or 0.0, default=None)
    weakest = f"; least sure of {least.text!r} ({words.share(least.probability)})" if least else ""
    return f"{len(found)} tokens: {told}{weakest}."


def _hover(token: Token, probability: float | None, level: Level) -> str:
    if probability is None:
        return "probability not known"
    others = [f"{text!r} {words.share(math.exp(logprob))}" for text, logprob in token.top if text != token.text]
    instead = f"; instead: {', '.join(others[:3])}" if others else ""
    return f"{words.share(probability)}, {level.name}{instead}"
