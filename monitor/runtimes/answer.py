"""An answer of an OpenAI-compatible server, put together from its chunks."""

import math
from collections.abc import Mapping
from typing import Any

from monitor.chat import Piece, Reply, Timings, Token
from monitor.errors import TargetError
from monitor.runtimes.calls import clock


class Answer:
    """What has come so far. Times count from `sent`, which is called when a request leaves."""

    def __init__(self) -> None:
        self.finish_reason: str | None = None
        self.streamed = True
        self.notes: tuple[str, ...] = ()
        self._texts: list[str] = []
        self._tokens: list[Token] = []
        self._thought = 0
        self._counts: dict[str, int] = {}
        self._timings: dict[str, float] = {}
        self._worker: Mapping[str, Any] = {}
        self._model: str | None = None
        self._sent = self._first = self._end = 0.0

    def sent(self) -> None:
        self._sent = self._end = clock()

    @property
    def text(self) -> str:
        return "".join(self._texts)

    @property
    def begun(self) -> bool:
        """Whether anything of an answer has come."""
        return bool(self._first)

    @property
    def progress(self) -> str:
        """How much had come, for messages."""
        if self._texts:
            return f"after {len(self.text)} characters of the answer"
        return "while it was thinking, before the answer" if self._thought else "before the answer began"

    def add(self, chunk: Mapping[str, Any]) -> Piece | None:
        """Take in a chunk, or a whole completion; what it adds to the text, if anything."""
        self._end = clock()
        self._model = _text(chunk.get("model")) or self._model
        self._count(chunk)
        choices = chunk.get("choices")
        first = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
        self.finish_reason = _reason(first.get("finish_reason")) or self.finish_reason
        part = next((one for name in ("delta", "message") if isinstance(one := first.get(name), dict)), {})
        thought = _text(part.get("reasoning_content")) or _text(part.get("reasoning"))
        text = _text(part.get("content")) or _text(part.get("refusal"))
        tokens = _tokens(first.get("logprobs"))
        self._thought += len(thought)
        if (text or thought or tokens) and not self._first:
            self._first = self._end
        if not text and not tokens:
            return None
        self._texts += [text] if text else []
        self._tokens += tokens
        return Piece(text, tokens)

    def reply(self, name: str, *, asked_logprobs: bool) -> Reply:
        """The whole. Raises TargetError where the server said nothing, not even why it stopped."""
        if not self.text and self.finish_reason is None:
            raise TargetError(f"{name} answered with nothing: no text and no finish_reason")
        notes = [*self.notes]
        if asked_logprobs and not self._tokens and not any("refused logprobs" in note for note in notes):
            notes.append("the server sent no log probabilities, though it was asked for them")
        if self._thought:
            notes.append(f"{self._thought} characters of reasoning came before the answer and are not part of its text")
        if not self.streamed:
            notes.append("the server does not stream: there is no time to first token")
        told = self._worker.get("notes")
        notes += [note for note in told if isinstance(note, str)] if isinstance(told, list) else []
        return Reply(
            self.text,
            self.finish_reason,
            self._times(),
            self._counts.get("in"),
            self._counts.get("out"),
            tuple(self._tokens),
            self._model,
            _whole(self._worker.get("batch_rows")),
            _whole(self._worker.get("peak_memory_bytes")),
            tuple(notes),
        )

    def _times(self) -> Timings:
        ttft = (self._first - self._sent) * 1e3 if self._first and self.streamed else None
        return Timings((self._end - self._sent) * 1e3, ttft, **self._timings)

    def _count(self, chunk: Mapping[str, Any]) -> None:
        """Tokens, and what servers tell about themselves: our worker in `watchpoint`, llama.cpp in `timings`."""
        usage, timings, worker = (chunk.get(name) for name in ("usage", "timings", "watchpoint"))
        if isinstance(timings, dict):
            self._time(timings, prefill_ms="prompt_ms", decode_ms="predicted_ms")
            read, cached = _whole(timings.get("prompt_n")), _whole(timings.get("cache_n")) or 0
            self._number("in", None if read is None else read + cached)
            self._number("out", timings.get("predicted_n"))
        if isinstance(usage, dict):
            self._number("in", usage.get("prompt_tokens"))
            self._number("out", usage.get("completion_tokens"))
        if isinstance(worker, dict):
            self._worker = worker
            names = ("queue_ms", "preprocess_ms", "prefill_ms", "decode_ms")
            self._time(worker.get("timings"), **{name: name for name in names})

    def _number(self, name: str, value: Any) -> None:
        if (number := _whole(value)) is not None:
            self._counts[name] = number

    def _time(self, timings: Any, **names: str) -> None:
        if not isinstance(timings, dict):
            return
        for ours, theirs in names.items():
            value = timings.get(theirs)
            if isinstance(value, int | float) and math.isfinite(value) and value >= 0:
                self._timings[ours] = float(value)


def _text(content: Any) -> str:
    """Text, or a list of parts with text in them, as VILA sends it."""
    if isinstance(content, list):
        return "".join(_text(part.get("text")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def _reason(found: Any) -> str | None:
    if isinstance(found, dict):
        found = found.get("type")
    return found if isinstance(found, str) and found else None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _tokens(logprobs: Any) -> tuple[Token, ...]:
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    if not isinstance(content, list):
        return ()
    return tuple(Token(_text(one.get("token")), _logprob(one), _top(one)) for one in content if isinstance(one, dict))


def _top(token: Mapping[str, Any]) -> tuple[tuple[str, float], ...]:
    found = token.get("top_logprobs")
    listed = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    pairs = [(_text(one.get("token")), value) for one in listed if (value := _logprob(one)) is not None]
    return tuple(sorted(pairs, key=lambda pair: -pair[1]))


def _logprob(token: Mapping[str, Any]) -> float | None:
    value = token.get("logprob")
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
