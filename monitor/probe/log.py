"""Each answer and each failure of a probe as a prediction of source `probe`, through the same door as all others."""

import asyncio
from collections.abc import Mapping
from concurrent.futures import Executor, Future
from dataclasses import asdict
from typing import Any

import msgspec

from monitor.chat import Reply, Token
from monitor.errors import Overloaded, StoreError
from monitor.ingest.door import Answer
from monitor.ingest.normalise import MAX_ATTRS_BYTES
from monitor.probe.outcome import Outcome
from monitor.store.owner import StoreOwner

TRIES = 5
MAX_TOKENS = 512
"""So many tokens of a single probe are logged with their probabilities ..."""
MAX_WEIGHED = 8
"""... and so many with those of their alternatives: what the answer chose among is decided at its beginning."""

OPTIONAL = ("tokens", "messages")
"""Attributes that give way, in this order, when all of them are more than the door takes."""

_encode = msgspec.json.Encoder().encode


class Logbook:
    """Writes predictions for tasks of the event loop."""

    def __init__(self, owner: StoreOwner, threads: Executor) -> None:
        self._owner, self._threads = owner, threads

    async def keep(self, event: Mapping[str, Any]) -> None:
        """Return once the prediction is on disk. Raises Overloaded, StorageFull and StoreError when it is not kept."""
        loop = asyncio.get_running_loop()
        for left in reversed(range(TRIES)):
            try:
                answer = await asyncio.wrap_future(await loop.run_in_executor(self._threads, self._post, event))
                break
            except Overloaded as error:
                if not left:
                    raise
                await asyncio.sleep(error.retry_after_s)
        if answer.rejected:
            raise StoreError(f"an answer could not be logged: {answer.errors[0].reason}")

    def _post(self, event: Mapping[str, Any]) -> "Future[Answer]":
        body = _encode({**event, "attrs": bounded(event["attrs"])})
        return self._owner.door.accept(body, "application/json", self._owner.clock())


def event_of(outcome: Outcome, run: str, event_id: str, visitor: str, *, tokens: bool = False) -> dict[str, Any]:
    """The event of an outcome. `tokens`: with the probability of each."""
    target, question, reply = outcome.target, outcome.question, outcome.reply
    event: dict[str, Any] = {
        "event_id": event_id,
        "ts": outcome.began,
        "source": "probe",
        "session_id": run,
        "deployment": target.logged_as,
        "checkpoint": target.checkpoint.id,
        "model": target.checkpoint.model,
        "environment": target.deployment.environment if target.deployment else None,
        "user": visitor,
        "latency_ms": outcome.ms,
        "input_text": question.text,
        "media": [image.as_dict() for image in question.images],
        "label": question.label,
        "attrs": {
            "target": target.id,
            "item": question.id,
            "messages": question.logged,
            "settings": asdict(outcome.generation),
        },
    }
    if question.from_request:
        event["attrs"]["from_request"] = question.from_request
    if outcome.error is not None:
        return event | {"status": "error", "error_type": outcome.kind, "error_message": str(outcome.error)}
    assert reply is not None
    if tokens and (kept := reply.tokens[:MAX_TOKENS]):
        event["attrs"]["tokens"] = [_logged(token, weighed=i < MAX_WEIGHED) for i, token in enumerate(kept)]
    event["attrs"] |= _told(reply)
    return event | answered(reply)


def _logged(token: Token, *, weighed: bool) -> list[Any]:
    return [token.text, token.logprob, *([token.top] if weighed and token.top else [])]


def answered(reply: Reply) -> dict[str, Any]:
    """The fields of an event that a reply fills."""
    return {
        "output_text": reply.text,
        "finish_reason": (reply.finish_reason or "")[:256] or None,
        "latency_ms": reply.timings.total_ms,
        "ttft_ms": reply.timings.ttft_ms,
        "queue_ms": reply.timings.queue_ms,
        "tokens_in": reply.tokens_in,
        "tokens_out": reply.tokens_out,
        "confidence": None if reply.confidence is None else min(reply.confidence, 1.0),
    }


def _told(reply: Reply) -> dict[str, Any]:
    """What a server says of itself, without what it does not say."""
    told = {
        "timings": timings(reply),
        "batch_rows": reply.batch_rows,
        "peak_memory_bytes": reply.peak_memory_bytes,
        "served_as": reply.model,
        "notes": list(reply.notes) or None,
    }
    return {name: value for name, value in told.items() if value is not None}


def timings(reply: Reply) -> dict[str, float]:
    """Those that are known, in milliseconds."""
    return {name: value for name, value in asdict(reply.timings).items() if value is not None}


def bounded(attrs: dict[str, Any]) -> dict[str, Any]:
    """Attributes that the door takes; what had to go is named under `left_out`."""
    left_out: list[str] = []
    for name in OPTIONAL:
        if len(_encode(attrs)) <= MAX_ATTRS_BYTES - 256:
            break
        if name in attrs:
            left_out.append(name)
            attrs = {key: value for key, value in attrs.items() if key != name} | {"left_out": left_out}
    return attrs
