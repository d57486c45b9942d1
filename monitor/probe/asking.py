"""One question to one target: what came of it, whatever that is."""

import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing

import structlog

from monitor.chat import Generation, Piece, Reply
from monitor.errors import TargetError, WatchpointError
from monitor.probe.outcome import Outcome
from monitor.probe.questions import Question
from monitor.probe.tools import Tools
from monitor.runtimes import Target, stream

log = structlog.get_logger(__name__)

Listener = Callable[[Piece], Awaitable[None]]


async def asked(
    tools: Tools, target: Target, question: Question, generation: Generation, listen: Listener | None = None
) -> Outcome:
    """Ask once. Errors are part of the outcome; only being cancelled is raised."""
    began, start = tools.owner.clock(), time.perf_counter()
    reply: Reply | None = None
    error: WatchpointError | None = None
    try:
        async with tools.pictures.messages(question) as messages:
            start = time.perf_counter()
            async with aclosing(stream(target, messages, generation, tools.calls)) as answer:
                async for piece in answer:
                    if isinstance(piece, Reply):
                        reply = piece
                    elif listen is not None:
                        await listen(piece)
        if reply is None:
            error = TargetError(f"{target.id} gave no answer")
    except WatchpointError as known:
        error = known
    except Exception as unknown:
        log.exception("a probe failed in an unexpected way", target=target.id)
        error = TargetError(f"{target.id}: {type(unknown).__name__}: {unknown}; the log of api has the details")
    ms = (time.perf_counter() - start) * 1e3
    return Outcome(target, question, generation, began, ms, None if error else reply, error)
