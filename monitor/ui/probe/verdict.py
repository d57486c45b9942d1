"""Whether new answers equal the logged one, and what that says about the weights; no Streamlit here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monitor.ui.probe.answer import DONE, LETTERS, Answer
from monitor.ui.probe.draft import Message
from monitor.ui.probe.reproduce import Logged

EQUAL, DIFFERENT, UNKNOWN = "equal", "different", "unknown"


@dataclass(frozen=True, slots=True)
class Against:
    """One answer held against the logged one."""

    letter: str
    checkpoint: str | None
    outcome: str


SHAPING = ("max_tokens", "temperature", "top_p", "seed", "stop")
"""Settings that change an answer; a deadline or a wish for probabilities does not."""


def edited(logged: Logged, messages: Sequence[Message], settings: Mapping[str, Any]) -> list[str]:
    """What was asked otherwise than logged, as names; empty for the same question."""
    found = [] if list(messages) == list(logged.messages) else ["messages"]
    known = [name for name in SHAPING if name in logged.settings]
    return found + [name.replace("_", " ") for name in known if not _same(settings.get(name), logged.settings[name])]


def against(logged: Logged, answers: Sequence[Answer], checkpoints: Sequence[str | None]) -> list[Against]:
    """Each answer held against the logged text: equal to the letter, different, or unknown."""
    return [
        Against(LETTERS[place], checkpoint, _outcome(logged, answer))
        for place, (answer, checkpoint) in enumerate(zip(answers, checkpoints, strict=True))
    ]


def line(one: Against) -> str:
    """The comparison of one answer in words."""
    return {
        EQUAL: f"{one.letter} answers exactly as logged.",
        DIFFERENT: f"{one.letter} answers differently from what was logged.",
        UNKNOWN: f"{one.letter} gave nothing to compare.",
    }[one.outcome]


def conclusion(logged: Logged, found: Sequence[Against], gaps: bool, sampled: bool) -> str | None:
    """What the comparison says about the cause; None where it says nothing."""
    same = [one for one in found if one.checkpoint == logged.checkpoint and one.outcome != UNKNOWN]
    other = [one for one in found if one.checkpoint != logged.checkpoint and one.outcome != UNKNOWN]
    if not same or logged.checkpoint is None:
        return None
    if any(one.outcome == DIFFERENT for one in same):
        return _not_repeated(logged.checkpoint, gaps, sampled)
    changed = [one for one in other if one.outcome == DIFFERENT]
    if changed:
        letters = " and ".join(one.letter for one in changed)
        return (
            f"{logged.checkpoint} repeats its logged answer, and {letters} answers otherwise to the same input: the "
            "difference lies in the weights, or in how the two are served."
        )
    if other:
        return "Every checkpoint asked gives the logged answer: the input explains it, not a change of weights."
    return (
        f"{logged.checkpoint} repeats its logged answer. Ask another checkpoint too, to see whether the weights matter."
    )


def _not_repeated(checkpoint: str, gaps: bool, sampled: bool) -> str:
    if sampled:
        return (
            f"{checkpoint} does not repeat its logged answer, but it was sampled: run it with temperature 0 to compare."
        )
    if gaps:
        return (
            f"{checkpoint} does not repeat its logged answer, but not everything about the request is known (see "
            "above): a missing system prompt, image or setting explains that as well as a change does."
        )
    return (
        f"{checkpoint} does not repeat its logged answer to the same messages, images and settings: look at how it is "
        "served (chat template, precision, server version) before the weights. Greedy answers can also part where two "
        "tokens are nearly equally likely; the confidence of the tokens shows that."
    )


def _outcome(logged: Logged, answer: Answer) -> str:
    if logged.answer is None or answer.state != DONE:
        return UNKNOWN
    return EQUAL if answer.text == logged.answer else DIFFERENT


def _same(asked: Any, was: Any) -> bool:
    if isinstance(was, (list, tuple)):
        return list(asked or ()) == list(was)
    return bool(asked == was)
