"""The event: one prediction as a client sends it, and the row that the spool and the store keep of it."""

from datetime import datetime
from typing import Annotated, Any

import msgspec

from monitor.records import SOURCES, STATUSES

Name = Annotated[str, msgspec.Meta(max_length=256)]
Key = Annotated[str, msgspec.Meta(max_length=128)]
Milliseconds = Annotated[float, msgspec.Meta(ge=0, le=7 * 86_400_000)]
Count = Annotated[int, msgspec.Meta(ge=0, le=10**9)]
Source = Annotated[str, msgspec.Meta(pattern=f"^({'|'.join(SOURCES)})$")]
Status = Annotated[str, msgspec.Meta(pattern=f"^({'|'.join(STATUSES)})$")]


class Media(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """An image or file that went with a request: what it was, never its bytes."""

    sha256: Key | None = None
    mime: Name | None = None
    bytes: Annotated[int, msgspec.Meta(ge=0, le=2**53)] | None = None
    width: Annotated[int, msgspec.Meta(ge=0, le=10**6)] | None = None
    height: Annotated[int, msgspec.Meta(ge=0, le=10**6)] | None = None
    uri: Annotated[str, msgspec.Meta(max_length=2048)] | None = None


class Event(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A prediction as sent. Latencies are milliseconds, times RFC 3339 (no offset: UTC) or numbers since the epoch."""

    deployment: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    event_id: Annotated[str, msgspec.Meta(min_length=1, max_length=128)] | None = None
    ts: datetime | int | float | None = None
    model: Name | None = None
    checkpoint: Name | None = None
    environment: Name | None = None
    source: Source = "production"
    status: Status | None = None
    error_type: Name | None = None
    error_message: str | None = None
    finish_reason: Name | None = None
    latency_ms: Milliseconds | None = None
    ttft_ms: Milliseconds | None = None
    queue_ms: Milliseconds | None = None
    tokens_in: Count | None = None
    tokens_out: Count | None = None
    input_text: str | None = None
    output_text: str | None = None
    media: Annotated[list[Media], msgspec.Meta(max_length=32)] | None = None
    confidence: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    features: Annotated[dict[Name, float | str | bool | None], msgspec.Meta(max_length=256)] | None = None
    label: str | None = None
    feedback: Annotated[int, msgspec.Meta(ge=-1, le=1)] | None = None
    feedback_text: str | None = None
    cost_usd: Annotated[float, msgspec.Meta(ge=0, le=1e9)] | None = None
    session_id: Key | None = None
    trace_id: Key | None = None
    user: Name | None = None
    user_hash: Key | None = None
    attrs: dict[str, Any] | None = None


class Row(msgspec.Struct, omit_defaults=True):
    """What is written: one line of a spool segment, one row of `predictions`."""

    deployment: str
    event_id: str
    ts: str
    received_at: str
    source: str
    status: str
    model: str | None = None
    checkpoint: str | None = None
    environment: str | None = None
    error_type: str | None = None
    error_message: str | None = None
    finish_reason: str | None = None
    latency_ms: float | None = None
    ttft_ms: float | None = None
    queue_ms: float | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    input_text: str | None = None
    output_text: str | None = None
    media: list[Media] | None = None
    confidence: float | None = None
    features_num: dict[str, float] | None = None
    features_str: dict[str, str] | None = None
    label: str | None = None
    feedback: int | None = None
    feedback_text: str | None = None
    cost_usd: float | None = None
    session_id: str | None = None
    trace_id: str | None = None
    user_hash: str | None = None
    attrs: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    cut: list[str] | None = None  # names of the fields that were longer than the limit


TEXTS = ("input_text", "output_text", "error_message", "feedback_text", "label")
"""Free texts of an event: cut to the limit, and redacted."""

SHORT_TEXTS = ("error_type", "finish_reason")
"""Bounded by their type, and redacted."""

IDS = ("event_id", "session_id", "trace_id", "user_hash")
"""Redacted by a hash in their place, so that what belongs together stays together."""
