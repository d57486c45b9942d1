"""One question to several targets side by side, answered as a stream of lines while the answers come."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from monitor.chat import Generation, Piece, Token
from monitor.errors import WatchpointError
from monitor.probe.asking import asked
from monitor.probe.log import event_of, timings
from monitor.probe.outcome import Outcome
from monitor.probe.questions import Question
from monitor.probe.runs import Record
from monitor.probe.tools import Tools, whole
from monitor.runtimes import Target

QUEUE = 512
"""Lines that a slow reader may be behind before its targets have to wait."""

MANY_TOKENS = 200
GRACE_S = 60.0

_encode = msgspec.json.Encoder().encode


class Lines:
    """The stream to one reader; it never waits for a reader who is gone."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(QUEUE)

    async def put(self, kind: str, **values: Any) -> None:
        await self._queue.put(_encode({"type": kind, **values}) + b"\n")

    async def put_line(self, line: bytes) -> None:
        await self._queue.put(line + b"\n")

    def finish(self, **values: Any) -> None:
        """The last line; where the reader is far behind (the run was cancelled), it takes the place of others."""
        for line in (_encode({"type": "end", **values}) + b"\n", None):
            while self._queue.full():
                self._queue.get_nowait()
            self._queue.put_nowait(line)

    async def get(self) -> bytes | None:
        """The next line, None after the last one."""
        return await self._queue.get()


async def run_single(
    tools: Tools, record: Record, targets: Sequence[Target], question: Question, generation: Generation, lines: Lines
) -> str:
    """Ask all targets at once; the run is over when the slowest has answered. Returns the state in which it ends."""
    try:
        async with asyncio.timeout(generation.deadline_s + GRACE_S), asyncio.TaskGroup() as group:
            await lines.put("run", run=record.id)
            for number, target in enumerate(targets):
                group.create_task(_ask(tools, record, number, target, question, generation, lines))
    except TimeoutError:
        record.problem = f"its reader was too slow: it had not taken the answers {GRACE_S:g} s after the deadline"
        return "failed"
    return "done"


async def _ask(
    tools: Tools,
    record: Record,
    number: int,
    target: Target,
    question: Question,
    generation: Generation,
    lines: Lines,
) -> None:
    async def listen(piece: Piece) -> None:
        await lines.put("piece", target=target.id, text=piece.text, tokens=[as_dict(t) for t in piece.tokens])

    await lines.put("start", target=target.id)
    outcome = await asked(tools, target, question, generation, listen)
    event_id = f"{record.id}-{number}"
    note = await whole(_keep(tools, record, outcome, event_id))
    many = outcome.reply is not None and len(outcome.reply.tokens) > MANY_TOKENS
    last = _last(outcome, None if note else event_id, note)
    await lines.put_line(await tools.in_thread(lambda: _encode(last)) if many else _encode(last))


async def _keep(tools: Tools, record: Record, outcome: Outcome, event_id: str) -> str | None:
    """Log and count an answer; returns why it is not in the log, None when it is."""
    note = None
    try:
        await tools.logbook.keep(event_of(outcome, record.id, event_id, record.visitor, tokens=True))
    except WatchpointError as error:
        record.problem = note = f"this answer is not in the log: {error}"
    record.count(outcome.kind)
    return note


def _last(outcome: Outcome, event_id: str | None, note: str | None) -> dict[str, Any]:
    """The line that settles a target."""
    head = {"target": outcome.target.id, "event_id": event_id}
    if outcome.reply is None:
        return {"type": "error", **head, "error": str(outcome.error), "kind": outcome.kind}
    reply = outcome.reply
    return {
        "type": "reply",
        **head,
        "text": reply.text,
        "finish_reason": reply.finish_reason,
        "tokens_in": reply.tokens_in,
        "tokens_out": reply.tokens_out,
        "timings": timings(reply),
        "tokens": [as_dict(token) for token in reply.tokens],
        "confidence": reply.confidence,
        "batch_rows": reply.batch_rows,
        "peak_memory_bytes": reply.peak_memory_bytes,
        "model": reply.model,
        "notes": [*reply.notes, *([note] if note else [])],
    }


def as_dict(token: Token) -> dict[str, Any]:
    return {"text": token.text, "logprob": token.logprob, "top": token.top}
