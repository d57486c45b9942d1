"""One answer of one target, whether it comes as a stream right now or out of the log; no Streamlit here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from monitor.charts import words
from monitor.chat import Token
from monitor.ui.probe.reproduce import attributes

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
WAITING, WRITING, DONE, FAILED = "waiting", "writing", "done", "failed"
STOPPED = "stopped"
"""The kind of an answer that its visitor did not wait for."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known of an answer so far; what the target does not tell is None."""

    target: str
    state: str = WAITING
    text: str = ""
    tokens: tuple[Token, ...] = ()
    finish_reason: str | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    confidence: float | None = None
    timings: Mapping[str, float] = field(default_factory=dict)
    batch_rows: int | None = None
    peak_memory_bytes: int | None = None
    model: str | None = None
    notes: tuple[str, ...] = ()
    error: str | None = None
    kind: str | None = None
    event_id: str | None = None

    @property
    def tokens_per_s(self) -> float | None:
        """Tokens a second while it was writing: those after the first one, over the time after it."""
        total, first = self.timings.get("total_ms"), self.timings.get("ttft_ms")
        if total is None or first is None or not self.tokens_out or self.tokens_out < 2 or total <= first:
            return None
        return (self.tokens_out - 1) * 1000 / (total - first)


def heard(answer: Answer, event: Mapping[str, Any]) -> Answer:
    """The answer after one more event of the stream about its target."""
    match event["type"]:
        case "piece":
            return replace(
                answer,
                state=WRITING,
                text=answer.text + str(event.get("text") or ""),
                tokens=answer.tokens + tokens_of(event.get("tokens")),
            )
        case "reply":
            return _whole(answer, event)
        case "error":
            return replace(answer, state=FAILED, error=str(event["error"]), kind=_text(event.get("kind")))
    return answer


def from_row(row: Mapping[str, Any]) -> Answer:
    """The answer that a logged probe holds: a row of the query `probe_items`."""
    attrs = attributes(row)
    answer = _whole(
        Answer(str(attrs.get("target") or row.get("target") or row["deployment"])),
        {
            **row,
            **attrs,
            "text": row.get("output_text"),
            "timings": attrs.get("timings") or _times(row),
            "model": attrs.get("served_as"),
        },
    )
    if row.get("status") == "error":
        error = str(row["error_message"]) if words.known(row.get("error_message")) else "The log has no message."
        return replace(answer, state=FAILED, error=error, kind=_text(row.get("error_type")))
    return answer


def _whole(answer: Answer, said: Mapping[str, Any]) -> Answer:
    return replace(
        answer,
        state=DONE,
        text=_text(said.get("text")) or "",
        tokens=tokens_of(said.get("tokens")) or answer.tokens,
        finish_reason=_text(said.get("finish_reason")),
        tokens_in=_count(said.get("tokens_in")),
        tokens_out=_count(said.get("tokens_out")),
        confidence=_number(said.get("confidence")),
        timings=numbers(said.get("timings")),
        batch_rows=_count(said.get("batch_rows")),
        peak_memory_bytes=_count(said.get("peak_memory_bytes")),
        model=_text(said.get("model")),
        notes=tuple(str(note) for note in said.get("notes") or ()),
        event_id=_text(said.get("event_id")),
    )


def tokens_of(found: Any) -> tuple[Token, ...]:
    """Tokens as the stream sends them (objects), or as the log keeps them.

    There each is its text and log probability, the first ones with their alternatives.
    """
    return tuple(_token(one) for one in found) if isinstance(found, Sequence) and not isinstance(found, str) else ()


def _token(one: Any) -> Token:
    if isinstance(one, Mapping):
        top = tuple((str(text), float(logprob)) for text, logprob in one.get("top") or ())
        return Token(str(one["text"]), _number(one.get("logprob")), top)
    text, logprob, *top = one
    return Token(str(text), _number(logprob), tuple((str(t), float(lp)) for t, lp in (top[0] if top else ())))


def numbers(found: Any) -> dict[str, float]:
    """The timings that are known."""
    return {str(k): float(v) for k, v in found.items() if _number(v) is not None} if isinstance(found, Mapping) else {}


def _times(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"total_ms": row.get("latency_ms"), "ttft_ms": row.get("ttft_ms"), "queue_ms": row.get("queue_ms")}


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and words.known(value) else None


def _count(value: Any) -> int | None:
    number = _number(value)
    return None if number is None else int(number)


def _text(value: Any) -> str | None:
    return str(value) if words.known(value) else None
