"""LiteLLM's StandardLoggingPayload, one JSON object per line, as its callbacks write it.

Two of its traps (seen with 1.106): for a streamed call `response_time` is the time to the first token, so the latency
is endTime - startTime; and `response.model` may differ from `model`, so it is kept under attrs.
"""

from collections.abc import Mapping
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

from monitor.importers.jsonl import first_object, names_of, objects, sample
from monitor.importers.messages import add_media, flatten
from monitor.importers.records import Reading
from monitor.importers.source import Source
from monitor.importers.times import utc_text

USED = {
    "id": "event_id",
    "litellm_call_id": "attrs",
    "startTime": "ts",
    "endTime": "latency_ms",
    "completionStartTime": "ttft_ms",
    "response_time": "ttft_ms",
    "status": "status",
    "error_information": "error_type",
    "error_str": "error_message",
    "model": "model",
    "prompt_tokens": "tokens_in",
    "completion_tokens": "tokens_out",
    "total_tokens": "tokens_in",
    "messages": "input_text",
    "response": "output_text",
    "response_cost": "cost_usd",
    "session_id": "session_id",
    "trace_id": "trace_id",
    "end_user": "user",
    "model_parameters": "attrs",
    "call_type": "attrs",
    "stream": "attrs",
    "cache_hit": "attrs",
    "custom_llm_provider": "attrs",
    "model_id": "attrs",
    "request_tags": "attrs",
}
KEPT = (
    "litellm_call_id",
    "call_type",
    "stream",
    "cache_hit",
    "custom_llm_provider",
    "model_group",
    "model_id",
    "request_tags",
)


def sniff_litellm(path: Path, head: bytes) -> float:
    found = first_object(head) or {}
    return 1.0 if found.keys() >= {"startTime", "endTime", "litellm_call_id"} else 0.0


def read_litellm(source: Source, zone: tzinfo) -> Reading:
    rows, complete = sample(source)
    names = names_of(rows)
    grouped = any(
        row.get("model_group") for row in rows
    )  # the proxy's name for what answered; a plain SDK leaves it empty
    used = {name: target for name, target in USED.items() if name in names}
    used["model_group"] = "deployment" if grouped else "attrs"
    return Reading(
        names,
        lambda: objects(source),
        source.size,
        convert=lambda record: event_of(record, zone),
        exhaustive=complete,
        used=used,
    )


def event_of(record: Mapping[str, Any], zone: tzinfo) -> dict[str, Any]:
    """One call as an event; what the payload does not know stays out."""
    response = _dict(record.get("response"))
    event: dict[str, Any] = {
        "event_id": _id(record),
        "ts": record.get("startTime"),
        "deployment": record.get("model_group"),
        "model": record.get("model"),
        "session_id": record.get("session_id"),
        "trace_id": record.get("trace_id"),
        "user": record.get("end_user") or _dict(record.get("model_parameters")).get("user"),
        "attrs": _attributes(record, response),
        **_outcome(record),
        **_timing(record, zone),
        **_usage(record),
    }
    event = {field: value for field, value in event.items() if value not in (None, "", {})}
    _add_texts(event, record, response)
    return event


def _id(record: Mapping[str, Any]) -> str | None:
    """The response's id. A failed call has none, only that of the call, which retries share: its start is added."""
    call = record.get("id") or record.get("litellm_call_id")
    return f"{call}-{record.get('startTime')}" if call and record.get("status") == "failure" else call


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _outcome(record: Mapping[str, Any]) -> dict[str, Any]:
    if record.get("status") != "failure":
        return {"status": "ok"}
    error = _dict(record.get("error_information"))
    return {
        "status": "error",
        "error_type": error.get("error_class") or error.get("error_code") or "error",
        "error_message": error.get("error_message") or record.get("error_str"),
    }


def _timing(record: Mapping[str, Any], zone: tzinfo) -> dict[str, Any]:
    start, first, end = (record.get(key) for key in ("startTime", "completionStartTime", "endTime"))
    timing = {"latency_ms": _between(start, end, zone)}
    if record.get("stream") is True and record.get("status") != "failure":
        timing["ttft_ms"] = _between(start, first, zone)
    return timing


def _between(start: object, end: object, zone: tzinfo) -> float | None:
    """Milliseconds between two times of the payload: epoch seconds, or ISO text in older versions."""
    if isinstance(start, (int, float)) and isinstance(end, (int, float)):
        return (end - start) * 1000.0
    try:
        moments = [datetime.fromisoformat(utc_text(value, zone)) for value in (start, end) if value]
    except ValueError:
        return None
    return (moments[1] - moments[0]).total_seconds() * 1000.0 if len(moments) == 2 else None


def _usage(record: Mapping[str, Any]) -> dict[str, Any]:
    """Tokens and cost; the payload writes 0 where it knows neither."""
    usage: dict[str, Any] = {}
    if record.get("total_tokens"):
        usage = {"tokens_in": record.get("prompt_tokens"), "tokens_out": record.get("completion_tokens")}
    if not record.get("response_cost_failure_debug_info"):  # present when the price of the model is not known
        usage["cost_usd"] = record.get("response_cost")
    return usage


def _attributes(record: Mapping[str, Any], response: dict[str, Any]) -> dict[str, Any]:
    parameters = _dict(record.get("model_parameters"))
    plain = {k: v for k, v in parameters.items() if k != "user" and isinstance(v, (str, int, float, bool))}
    kept = {key: record.get(key) for key in KEPT}
    both = {"response_model": response.get("model"), **kept, "parameters": plain}
    return {key: value for key, value in both.items() if value not in (None, "", [], {})}


def _add_texts(event: dict[str, Any], record: Mapping[str, Any], response: dict[str, Any]) -> None:
    choices = response.get("choices")
    choice = _dict(choices[0]) if isinstance(choices, list) and choices else {}
    if choice.get("finish_reason"):
        event["finish_reason"] = choice["finish_reason"]
    for field, content in (
        ("input_text", record.get("messages")),
        ("output_text", choice.get("message") or choice.get("text")),
    ):
        text, media = flatten(content)
        if text is not None:  # an empty answer is a finding, not a gap
            event[field] = text
        add_media(event, media)
