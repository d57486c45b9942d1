"""Answers and errors as they go over the wire, in OpenAI's shape with a block of our own beside it."""

import logging
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from monitor.chat import Piece, Token
from monitor.errors import BadInput, CheckpointError, Overloaded, TargetBusy, WatchpointError
from monitor.inference.outcome import Outcome
from monitor.inference.refused import BadParameter

log = structlog.get_logger(__name__)

RETRY_AFTER_S = {CheckpointError: 10, TargetBusy: 2}
"""When to ask again; an Overloaded says it itself."""

KINDS = {
    404: ("invalid_request_error", "model_not_found"),
    413: ("invalid_request_error", "too_large"),
    415: ("invalid_request_error", "unsupported_media_type"),
    429: ("rate_limit_error", "queue_full"),
    503: ("server_error", "not_ready"),
    504: ("timeout_error", "deadline_exceeded"),
    507: ("server_error", "out_of_memory"),
}
"""Type and code of an error by its status; other ones below 500 are the request's fault, others the server's."""

LOADING_MS = 50.0
"""Waiting for a checkpoint for longer is worth a note."""

LOST = "\ufffd"
"""Stands in the text of a token that is a part of a character: its bytes are not known from its text."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What all parts of one answer have in common."""

    checkpoint: str
    id: str = field(default_factory=lambda: f"chatcmpl-{uuid.uuid4().hex}")
    created: int = field(default_factory=lambda: int(time.time()))

    def head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.checkpoint}


@dataclass(frozen=True, slots=True)
class Before:
    """Milliseconds between the arrival of a request and the beginning of its preparation, by what they went into."""

    waiting: float = 0.0  # for the checkpoint to be loaded, and for a free thread
    parsing: float = 0.0
    loading: float = 0.0  # the part of the waiting that was for the checkpoint

    @property
    def notes(self) -> tuple[str, ...]:
        if self.loading < LOADING_MS:
            return ()
        return (f"waited {self.loading / 1000:.1f} s until the checkpoint was loaded",)


def completion(frame: Frame, outcome: Outcome, before: Before, *, logprobs: bool) -> dict[str, Any]:
    """A whole answer."""
    message = {"role": "assistant", "content": outcome.text, "refusal": None}
    choice = {
        "index": 0,
        "message": message,
        "logprobs": _logprobs(outcome.tokens) if logprobs else None,
        "finish_reason": outcome.finish_reason,
    }
    return frame.head("chat.completion") | {
        "choices": [choice],
        "usage": usage(outcome),
        "watchpoint": about(frame, outcome, before),
    }


def first_chunk(frame: Frame) -> dict[str, Any]:
    """The part of a stream that opens it."""
    return _chunk(frame, {"role": "assistant", "content": "", "refusal": None})


def piece_chunk(frame: Frame, piece: Piece, *, logprobs: bool) -> dict[str, Any]:
    """The part of a stream that carries text."""
    return _chunk(frame, {"content": piece.text}, _logprobs(piece.tokens) if logprobs else None)


def last_chunk(frame: Frame, outcome: Outcome, before: Before) -> dict[str, Any]:
    """The part of a stream that says why it ended."""
    return _chunk(frame, {}, None, outcome.finish_reason) | {"watchpoint": about(frame, outcome, before)}


def usage_chunk(frame: Frame, outcome: Outcome) -> dict[str, Any]:
    """The part of a stream that counts tokens, where they were asked for."""
    return frame.head("chat.completion.chunk") | {"choices": [], "usage": usage(outcome)}


def usage(outcome: Outcome) -> dict[str, int]:
    return {
        "prompt_tokens": outcome.tokens_in,
        "completion_tokens": outcome.tokens_out,
        "total_tokens": outcome.tokens_in + outcome.tokens_out,
    }


def about(frame: Frame, outcome: Outcome, before: Before) -> dict[str, Any]:
    """What the worker tells about an answer; times are from the arrival of the whole request."""
    ahead = before.waiting + before.parsing
    times = {
        "queue_ms": outcome.queue_ms + before.waiting,
        "preprocess_ms": outcome.preprocess_ms + before.parsing,
        "prefill_ms": outcome.prefill_ms,
        "decode_ms": outcome.decode_ms,
        "ttft_ms": None if outcome.ttft_ms is None else outcome.ttft_ms + ahead,
        "total_ms": outcome.total_ms + ahead,
    }
    return {
        "timings": {name: None if value is None else round(value, 3) for name, value in times.items()},
        "batch_rows": outcome.batch_rows,
        "peak_memory_bytes": outcome.peak_memory_bytes,
        "checkpoint": frame.checkpoint,
        "notes": [*before.notes, *outcome.notes],
    }


def error_status(error: WatchpointError) -> int:
    """The HTTP status: an engine that failed is a fault of this server, which stands behind nobody else's."""
    return 500 if error.status == 502 else error.status


def error_body(error: WatchpointError) -> dict[str, Any]:
    """An error in OpenAI's shape; `status` beside it is for streams, whose HTTP status is long sent."""
    status = error_status(error)
    kind, code = KINDS.get(status, ("server_error" if status >= 500 else "invalid_request_error", None))
    named = error if isinstance(error, BadParameter) else None
    inside = {
        "message": str(error),
        "type": kind,
        "param": named.param or None if named else None,
        "code": named.code if named else code,
        "status": status,
    }
    return {"error": inside}


def error_headers(error: WatchpointError) -> dict[str, str]:
    """Retry-After where asking again can help."""
    if isinstance(error, Overloaded):
        return {"Retry-After": str(error.retry_after_s)}
    for kind, seconds in RETRY_AFTER_S.items():
        if isinstance(error, kind):
            return {"Retry-After": str(seconds)}
    return {}


def log_failure(error: WatchpointError) -> None:
    """A line for what was not the request's own fault; a missed deadline may be one or the other."""
    status = error_status(error)
    if status >= 500:
        level = logging.INFO if status == 504 else logging.WARNING
        log.log(level, "a request failed", status=status, error=str(error))


def outcome_word(error: BaseException) -> str:
    """How metrics count a request that ended in an error."""
    if isinstance(error, Overloaded):
        return "overloaded"
    if isinstance(error, BadInput):
        return "refused"
    return {503: "not_ready", 504: "timeout", 507: "out_of_memory"}.get(getattr(error, "status", 500), "failed")


def _chunk(
    frame: Frame, delta: Mapping[str, Any], logprobs: Mapping[str, Any] | None = None, reason: str | None = None
) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
    return frame.head("chat.completion.chunk") | {"choices": [choice]}


def _logprobs(tokens: Sequence[Token]) -> dict[str, Any]:
    listed = [
        _token(token.text, token.logprob) | {"top_logprobs": [_token(text, value) for text, value in token.top]}
        for token in tokens
    ]
    return {"content": listed, "refusal": None}


def _token(text: str, logprob: float | None) -> dict[str, Any]:
    return {"token": text, "logprob": logprob, "bytes": None if LOST in text else list(text.encode("utf-8", "replace"))}
