"""From the body of a request to candidates: each event on its own, so that a bad one never takes its neighbours with it."""

import json
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from monitor.errors import BadInput, TooLarge, UnsupportedMedia
from monitor.ingest.event import Event

NDJSON_TYPES = ("application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines")
JSON_TYPES = ("application/json",)

_event = msgspec.json.Decoder(Event)
_events = msgspec.json.Decoder(list[Event])
_raws = msgspec.json.Decoder(list[msgspec.Raw])


@dataclass(frozen=True, slots=True)
class Candidate:
    """One event of a body: decoded, or the reason why not with its raw bytes."""

    event: Event | None
    raw: bytes = b""
    reason: str = ""


def unzip(body: bytes, encoding: str, limit: int) -> bytes:
    """The body without its Content-Encoding, never expanded past `limit` bytes."""
    if encoding in ("", "identity"):
        return body
    if encoding != "gzip":
        raise UnsupportedMedia(f"Content-Encoding {encoding!r} is not read; send gzip or none")
    expander = zlib.decompressobj(wbits=31)
    try:
        plain = expander.decompress(body, limit + 1)
    except zlib.error as error:
        raise BadInput(f"the body is not gzip: {error}") from None
    if len(plain) > limit:
        raise TooLarge(f"the body expands to more than {limit} bytes; send smaller batches")
    if not expander.eof:
        raise BadInput("the gzip body is cut off; send it again whole")
    return plain


def decode_body(body: bytes, content_type: str) -> list[Candidate]:
    """The candidates of a body in their order. Raises BadInput when the body as a whole cannot be split into events."""
    kind = content_type.split(";", 1)[0].strip().lower()
    if kind not in NDJSON_TYPES + JSON_TYPES:
        raise UnsupportedMedia(
            f"Content-Type {kind or '(none)'!r} is not read; send application/json (one object or an array) or application/x-ndjson"
        )
    text = body.strip()
    if not text:
        raise BadInput("the body is empty; send one event, an array of events, or one event a line")
    if kind in NDJSON_TYPES:
        return _lines(text)
    if text[:1] == b"[":
        return _array(text)
    first = _one(text)
    # a JSON Lines file under the content type of JSON is a common slip, and unambiguous
    return _lines(text) if first.event is None and b"\n" in text and "trailing characters" in first.reason else [first]


def _lines(text: bytes) -> list[Candidate]:
    try:
        return [Candidate(event) for event in _event.decode_lines(text)]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return [_one(line) for line in text.split(b"\n") if line.strip()]


def _array(text: bytes) -> list[Candidate]:
    try:
        return [Candidate(event) for event in _events.decode(text)]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    try:
        return [_one(bytes(raw)) for raw in _raws.decode(text)]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return list(_lenient_array(text))


def _lenient_array(text: bytes) -> Iterator[Candidate]:
    """An array that holds NaN, Infinity or broken UTF-8: Python writes and reads these, so its neighbours can be saved."""
    try:
        items = json.loads(text.decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError) as error:
        raise BadInput(
            f"the body is not JSON: {_short(error)}; send one event a line (application/x-ndjson) to keep the good ones"
        ) from None
    for item in items:
        yield _one(_bytes(json.dumps(item, ensure_ascii=False)))


def _bytes(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half of a surrogate pair, written as an escape: stays invalid, and is rejected as such
        return text.encode("utf-8", "surrogatepass")


def _one(raw: bytes) -> Candidate:
    try:
        return Candidate(_event.decode(raw))
    except UnicodeDecodeError as error:
        return Candidate(None, raw, f"invalid UTF-8 at byte {error.start}; send UTF-8")
    except RecursionError:
        return Candidate(None, raw, "nested too deeply; attrs may be nested 8 levels deep")
    except msgspec.ValidationError as error:
        return Candidate(None, raw, _explain(str(error), raw))
    except msgspec.DecodeError as error:
        return Candidate(None, raw, _explain_syntax(str(error), raw))


def _explain(message: str, raw: bytes) -> str:
    """msgspec says what was expected and where; add the value that was there."""
    text = message[:1].lower() + message[1:]
    if " - at `$." not in text:
        return text.replace("object contains", "the event contains").replace("object missing", "the event lacks")
    problem, _, where = text.partition(" - at `$.")
    name = where.rstrip("`")
    try:
        value = msgspec.json.decode(raw).get(name.split(".")[0].split("[")[0])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, AttributeError):
        return f"{name}: {problem}"
    return f"{name} is {_short(value)}: {problem}"


def _explain_syntax(message: str, raw: bytes) -> str:
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return f"not JSON: {message}"
    bad = (
        [k for k, v in value.items() if isinstance(v, float) and not math.isfinite(v)]
        if isinstance(value, dict)
        else []
    )
    names = ", ".join(bad) or "a value"
    return f"not JSON: {names} is NaN or infinite; send null or leave it out"


def _short(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}... ({len(text)} characters)"


def raw_event(body: bytes, content_type: str, index: int) -> bytes:
    """The bytes of one event of a body that `decode_body` took, for the reject table."""
    text = body.strip()
    if text[:1] == b"[" and content_type.split(";", 1)[0].strip().lower() in JSON_TYPES:
        try:
            return bytes(_raws.decode(text)[index])
        except msgspec.MsgspecError:
            return _bytes(json.dumps(json.loads(text.decode("utf-8", "surrogateescape"))[index], ensure_ascii=False))
    lines = [line for line in text.split(b"\n") if line.strip()]
    return lines[index] if index < len(lines) and len(lines) > 1 else text
