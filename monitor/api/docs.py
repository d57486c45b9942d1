"""What the OpenAPI document says beyond what FastAPI finds out by itself."""

from typing import Any

import msgspec

from monitor.ingest.door import Answer
from monitor.ingest.event import Event
from monitor.probe.bodies import Batch, Load, Probe
from monitor.queries import Query

DESCRIPTION = """Watches deployed model checkpoints from their logged predictions.

Post predictions to `/api/v1/predictions`, images to `/api/v1/media`, and questions for deployments to `/api/v1/probes`;
everything that the pages show comes from `/api/v1/queries/...`, as JSON, CSV, Parquet or Arrow by `Accept` or
`format=`. Errors are `{"error": "what happened, and what to do"}`."""

_ERROR: dict[str, Any] = {
    "content": {
        "application/json": {
            "schema": {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
        }
    }
}
DOOR_RESPONSES: dict[int | str, dict[str, Any]] = {
    400: {"description": "the body as a whole cannot be read", **_ERROR},
    413: {"description": "the body is too large", **_ERROR},
    415: {"description": "a Content-Type or Content-Encoding that is not read", **_ERROR},
    422: {"description": "an Idempotency-Key that was used for another body", **_ERROR},
    429: {"description": "a bound is reached; Retry-After says when to send again", **_ERROR},
    507: {"description": "the disk is full; nothing of the request was kept", **_ERROR},
}
QUERY_RESPONSES: dict[int | str, dict[str, Any]] = {
    400: {"description": "a parameter that is not allowed", **_ERROR},
    404: {"description": "what was asked for does not exist", **_ERROR},
}


def door() -> dict[str, Any]:
    """Request body, headers and answer of the door."""
    (event, answer), parts = msgspec.json.schema_components([Event, Answer], ref_template="#/components/schemas/{name}")
    inline = {name: _inline(schema, parts) for name, schema in (("event", event), ("answer", answer))}
    one = inline["event"]
    return {
        "description": "Each event is accepted or rejected by itself. Acknowledged means on disk.",
        "parameters": [
            _header(
                "Idempotency-Key", "the same key and body count once, however often they are sent, across restarts"
            ),
            _header("Content-Encoding", "gzip, or none"),
            {
                "name": "dedupe",
                "in": "query",
                "required": False,
                "description": "event_id: rows that are stored already are counted as duplicates and not stored again",
                "schema": {"type": "string", "enum": ["event_id"]},
            },
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"oneOf": [one, {"type": "array", "items": one}]}},
                "application/x-ndjson": {"schema": {"type": "string", "description": "one event a line"}},
            },
        },
        "responses": {
            "200": {
                "description": "what became of each event",
                "content": {"application/json": {"schema": inline["answer"]}},
            }
        },
    }


def _header(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "description": description, "schema": {"type": "string"}}


def _inline(schema: Any, parts: dict[str, Any]) -> Any:
    """References resolved in place: the document then needs no components of ours."""
    if isinstance(schema, dict):
        if "$ref" in schema:
            return _inline(parts[schema["$ref"].rsplit("/", 1)[1]], parts)
        return {key: _inline(value, parts) for key, value in schema.items()}
    return [_inline(item, parts) for item in schema] if isinstance(schema, list) else schema


def _bodies(*kinds: type[msgspec.Struct]) -> dict[str, Any]:
    """A JSON body of one of these kinds."""
    schemas, parts = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    inline = [_inline(schema, parts) for schema in schemas]
    schema = inline[0] if len(inline) == 1 else {"oneOf": inline}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def result_body(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """The body of a verb that writes results."""
    return _bodies(kind)


RESULT_RESPONSES: dict[int | str, dict[str, Any]] = {
    400: {"description": "a body that is not allowed", **_ERROR},
    404: {"description": "a run that is not known, or belongs to another process", **_ERROR},
    413: {"description": "the body is too large", **_ERROR},
    415: {"description": "a Content-Type that is not read", **_ERROR},
    503: {"description": "the store cannot be written", **_ERROR},
}
PROBE_BODY = _bodies(Probe)
RUN_BODY = _bodies(Batch, Load)
MEDIA_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


def upload(parameters: dict[str, str]) -> dict[str, Any]:
    """A file as the body, with these parameters."""
    listed = [
        {"name": name, "in": "query", "required": False, "description": about, "schema": {"type": "string"}}
        for name, about in parameters.items()
    ]
    return MEDIA_BODY | {"parameters": listed}


MEDIA_RESPONSES: dict[int | str, dict[str, Any]] = {
    400: {"description": "no image that can be read", **_ERROR},
    404: {"description": "no such image is kept", **_ERROR},
    413: {"description": "too many bytes or pixels", **_ERROR},
    415: {"description": "a Content-Type that is not read", **_ERROR},
    429: {"description": "a bound is reached; Retry-After says when to send again", **_ERROR},
    507: {"description": "the disk is full", **_ERROR},
}
PROBE_RESPONSES: dict[int | str, dict[str, Any]] = {
    400: {"description": "a body that is not allowed", **_ERROR},
    404: {"description": "a target, image or run that does not exist", **_ERROR},
    413: {"description": "the body, or the images of one question, are too large", **_ERROR},
    415: {"description": "a Content-Type that is not read", **_ERROR},
    429: {"description": "too many probes; Retry-After says when to try again", **_ERROR},
    503: {"description": "the store cannot be written", **_ERROR},
}


def query_parameters(found: Query) -> dict[str, Any]:
    """The parameters of a query for OpenAPI."""
    schema = found.params.model_json_schema()
    listed = [
        {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", []),
            "description": prop.get("description", ""),
            "schema": {key: value for key, value in prop.items() if key not in ("title", "description")},
        }
        for name, prop in schema.get("properties", {}).items()
    ]
    listed.append(
        {
            "name": "format",
            "in": "query",
            "required": False,
            "schema": {"type": "string", "enum": ["json", "csv", "parquet", "arrow"]},
        }
    )
    return {"parameters": listed}


def describe(found: Query) -> dict[str, Any]:
    """One query for people and programs that look around."""
    schema = found.params.model_json_schema()
    return {
        "name": found.name,
        "doc": found.doc,
        "parameters": schema.get("properties", {}),
        "required": schema.get("required", []),
    }
