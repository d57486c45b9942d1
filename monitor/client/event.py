"""One event of the SDK: completing it and writing it as a line of JSON, whatever values the model's code put in.

Called by `sdk.Client` in the thread of the model, so that later changes of a value are not seen; therefore fast.
"""

import json
import math
import uuid
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import PurePath
from typing import Any, TypedDict

REPR_CHARS = 1024
MAX_DEPTH = 8  # of what had to be cleaned; the server allows no more in `attrs`
MAX_BITS = 1024
DAY_MS = 86_400_000


class Fields(TypedDict, total=False):
    """What an event can hold besides its deployment; free values go under `attrs`."""

    event_id: str | None
    ts: str | float | datetime | None
    model: str | None
    checkpoint: str | None
    environment: str | None
    source: str | None
    status: str | None
    error_type: str | None
    error_message: str | None
    finish_reason: str | None
    latency_ms: float | None
    ttft_ms: float | None
    queue_ms: float | None
    tokens_in: int | None
    tokens_out: int | None
    input_text: str | None
    output_text: str | None
    media: list[dict[str, Any]] | None
    confidence: float | None
    features: Mapping[str, float | str] | None
    label: str | None
    feedback: int | None
    feedback_text: str | None
    cost_usd: float | None
    session_id: str | None
    trace_id: str | None
    user: str | None
    user_hash: str | None
    attrs: Mapping[str, Any] | None


def rfc3339(seconds: float) -> str:
    """Seconds since 1970 as UTC text with microseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")[:26] + "Z"


def complete(fields: Mapping[str, Any], now: float) -> dict[str, Any]:
    """The event with an id and its start; without a given `ts` it started `latency_ms` before now."""
    event = {name: value for name, value in fields.items() if value is not None}
    if "ts" not in event:
        event["ts"] = rfc3339(now - _latency_ms(event.get("latency_ms")) / 1000)
    if "event_id" not in event:
        event["event_id"] = uuid.uuid4().hex
    return event


def _latency_ms(value: Any) -> float:
    if value is None:
        return 0.0
    try:
        latency = float(value)
    except Exception:  # whatever it is, the server will say so
        return 0.0
    return latency if 0 <= latency <= DAY_MS else 0.0


def encode(event: Mapping[str, Any]) -> tuple[bytes, int]:
    """The event as JSON in UTF-8, and how many values had to be changed for that."""
    try:
        return _write(event).encode(), 0
    except Exception:  # NaN, an unknown object, a circle, half a surrogate pair: clean what the fast way refuses
        cleaner = _Cleaner()
        return _write(cleaner.clean(event)).encode(), max(1, cleaner.changed)


def _plain(value: Any) -> Any:
    """The JSON value that an object of a well-known kind stands for."""
    if getattr(value, "ndim", None) == 0:  # a scalar of numpy, torch or jax
        return value.item()
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, uuid.UUID | PurePath):
        return str(value)
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, set | frozenset):
        return list(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError


_write = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain).encode


def described(value: object) -> str:
    """What any object looks like, cut to 1 KB of text that can be written."""
    try:
        text = repr(value)
    except Exception as error:
        text = f"<{type(value).__name__} whose repr raises {type(error).__name__}>"
    return text[:REPR_CHARS].encode("utf-8", "replace").decode()


class _Cleaner:
    """Copies a value into one that JSON can hold, and counts what it changed."""

    def __init__(self) -> None:
        self.changed = 0
        self._open: set[int] = set()  # containers around the present value, to see circles

    def clean(self, value: Any) -> Any:
        try:
            return self._clean(value)
        except Exception:  # a value whose own methods raise
            return self._described(value)

    def _clean(self, value: Any) -> Any:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else self._changed(None)
        if isinstance(value, int):
            bits = value.bit_length()
            return int(value) if bits <= MAX_BITS else self._changed(f"<whole number of {bits} bits>")
        if isinstance(value, dict | list | tuple):
            return self._container(value)
        try:
            plain = _plain(value)
        except TypeError:
            return self._described(value)
        return self._described(value) if plain is value else self._clean(plain)

    def _container(self, value: Any) -> Any:
        if id(value) in self._open:
            return self._changed("<circular reference>")
        if len(self._open) > MAX_DEPTH:
            return self._described(value)
        self._open.add(id(value))
        try:
            if isinstance(value, dict):
                return {self._key(key): self.clean(item) for key, item in value.items()}
            return [self.clean(item) for item in value]
        finally:
            self._open.discard(id(value))

    def _key(self, key: Any) -> str:
        if isinstance(key, str):
            return self._text(key)
        return str(key) if type(key) is int and key.bit_length() <= MAX_BITS else str(self._described(key))

    def _text(self, value: str) -> str:
        text = str.encode(value, "utf-8", "replace").decode()
        return text if text == value else str(self._changed(text))

    def _described(self, value: Any) -> Any:
        return self._changed(described(value))

    def _changed(self, value: Any) -> Any:
        self.changed += 1
        return value
