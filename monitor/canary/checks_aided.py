"""Checks that ask another model: `similarity` of meaning through an embedding, and `judge`."""

from typing import Annotated

import msgspec

from monitor.canary.aids import Unhelpful, ask_judge, similarity
from monitor.canary.answers import Case, Outcome
from monitor.canary.checks_text import Params, Text
from monitor.errors import WatchpointError
from monitor.probe.bodies import Text as TextPart
from monitor.probe.bodies import Turn


class Similar(Params):
    text: Text
    least: Annotated[float, msgspec.Meta(gt=0, le=1)]


class Judged(Params):
    question: Text
    expected: bool = True


async def similar(params: Similar, case: Case) -> Outcome:
    if not case.answer.text.strip():
        return Outcome("similarity", False, "the answer is empty")
    try:
        value = await similarity(case.aids, case.answer.text, params.text)
    except (Unhelpful, WatchpointError) as error:
        return Outcome("similarity", None, str(error))
    return Outcome("similarity", value >= params.least, f"{value:.3f}; at least {params.least:g} is expected", value)


async def judged(params: Judged, case: Case) -> Outcome:
    conversation = [(turn.role, _words_of(turn)) for turn in case.turns]
    try:
        verdict = await ask_judge(case.aids, conversation, case.answer.text, params.question)
    except (Unhelpful, WatchpointError) as error:
        return Outcome("judge", None, str(error))
    said, expected = ("yes" if yes else "no" for yes in (verdict.yes, params.expected))
    words = f": {verdict.words}" if verdict.words else ""
    return Outcome("judge", verdict.yes == params.expected, f"the judge says {said}, {expected} is expected{words}")


def _words_of(turn: Turn) -> str:
    """The text of a turn, with a mark where an image stood: the judge does not see images."""
    return " ".join(part.text if isinstance(part, TextPart) else "[image]" for part in turn.parts)
