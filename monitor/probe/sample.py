"""Questions out of logged requests. What cannot be asked again is counted and named, never dropped in silence."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from monitor.errors import BadInput
from monitor.probe.bodies import Picture, Sample, Text, Turn, check_question, hashes
from monitor.probe.questions import Question
from monitor.probe.tools import Tools
from monitor.queries.registry import parse_moment
from monitor.store.media import Media
from monitor.store.probes import Drawn, sample_requests

NAMED = 20
NO_IMAGE = "an image of it is not in the media store"
CUT = "its input was cut when it was logged"
UNREADABLE = "its logged messages cannot be read"
NOTHING = "neither its text nor its images were logged"

_messages = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True, slots=True)
class Drawing:
    """The questions of a sample, and what became of the rest: `matching`, `drawn`, `asked`, `left_out`."""

    questions: tuple[Question, ...]
    report: dict[str, Any]


async def draw(tools: Tools, sample: Sample) -> Drawing:
    """Draw `n` requests at random by seed. Raises BadInput where there is nothing to ask."""
    now = tools.owner.clock()
    start, end = parse_moment("sample.start", sample.start, now), parse_moment("sample.end", sample.end, now)
    if start >= end:
        raise BadInput(f"sample.start {start.isoformat()} is not before sample.end {end.isoformat()}")
    filters = {"deployments": sample.deployments, "checkpoints": sample.checkpoints, "status": sample.status}

    def read() -> tuple[int, list[Drawn]]:
        with tools.owner.cursor() as con:
            return sample_requests(con, start, end, sample.source, sample.n, sample.seed, filters)

    matching, drawn = await tools.in_thread(read)
    if not matching:
        raise BadInput("no logged request matches the sample: choose another window, source or filter")
    read_turns = await tools.in_thread(lambda: [_turns(request) for request in drawn])
    wanted = [sha256 for turns in read_turns if not isinstance(turns, str) for sha256 in hashes(turns)]
    return _sorted(tools, drawn, read_turns, await tools.pictures.find(wanted), matching)


def _sorted(
    tools: Tools, drawn: Sequence[Drawn], turns: Sequence[list[Turn] | str], kept: dict[str, Media], matching: int
) -> Drawing:
    questions: list[Question] = []
    left_out: dict[str, list[str]] = defaultdict(list)
    for request, said in zip(drawn, turns, strict=True):
        if isinstance(said, str):
            left_out[said].append(request.event_id)
        elif any(sha256 not in kept for sha256 in hashes(said)):
            left_out[NO_IMAGE].append(request.event_id)
        else:
            try:
                check_question(said, "it")
                questions.append(tools.pictures.made(request.event_id, said, kept, request.label, request.event_id))
            except BadInput as error:
                left_out[str(error)].append(request.event_id)
    reasons = [{"reason": why, "n": len(ids), "event_ids": ids[:NAMED]} for why, ids in left_out.items()]
    if not questions:
        told = "; ".join(f"{reason['n']}: {reason['reason']}" for reason in reasons)
        raise BadInput(f"none of the {len(drawn)} requests that were drawn can be asked again ({told}): draw elsewhere")
    report = {"matching": matching, "drawn": len(drawn), "asked": len(questions), "left_out": reasons}
    return Drawing(tuple(questions), report)


def _turns(request: Drawn) -> list[Turn] | str:
    """The messages of a request, or why they are not known."""
    try:
        attrs = _messages.decode(request.attrs) if request.attrs else {}
    except msgspec.MsgspecError:
        attrs = {}
    if "messages" in attrs:
        try:
            return msgspec.json.decode(attrs["messages"], type=list[Turn])
        except msgspec.MsgspecError:
            return UNREADABLE
    if "input_text" in request.cut or "messages" in str(attrs.get("left_out", "")):
        return CUT
    return _one_turn(request)


def _one_turn(request: Drawn) -> list[Turn] | str:
    """A request that was logged without messages: its images in order, then its text."""
    if None in request.media:
        return NO_IMAGE
    parts: list[Text | Picture] = [Picture(sha256) for sha256 in request.media if sha256]
    if request.input_text:
        parts.append(Text(request.input_text))
    return [Turn("user", parts)] if parts else NOTHING
