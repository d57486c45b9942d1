"""From the body of a request to candidates: each event on its own, so that a bad one never takes its neighbours along.

Called by the door. A body is decoded in one go while all is well; else it is split, and each piece looked at.
"""

import difflib
import gzip
import io
import json
import math
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import msgspec

from monitor.errors import BadInput, TooLarge, UnsupportedMedia
from monitor.ingest.event import Event, Media

NDJSON_TYPES = ("application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines")
JSON_TYPES = ("application/json",)
MAX_EVENTS = 100_000
"""Events in one body: small ones take up to a hundred times their bytes while they are worked on."""

MAX_SHOWN = 80
LOOKED_AT = 8192
"""Characters of a value: as many are shown in a reason, and as many are redacted before that."""

Clean = Callable[[str], str]
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_BOM = b"\xef\xbb\xbf"
_event = msgspec.json.Decoder(Event)
_events = msgspec.json.Decoder(list[Event])
_raws = msgspec.json.Decoder(list[msgspec.Raw])
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[][{},"]', re.DOTALL)
_QUOTE, _COMMA = b'",'
_UNKNOWN = re.compile(r"object contains unknown field `(.*)`", re.DOTALL)
_ONE_OF = re.compile(r"expected `str` matching regex '\^\((.*)\)\$'")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One event of a body: decoded, or the reason why not."""

    event: Event | None
    reason: str = ""


def unzip(body: bytes, encoding: str, limit: int) -> bytes:
    """The body without its Content-Encoding, never expanded past `limit` bytes."""
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "x-gzip"):
        raise UnsupportedMedia(f"Content-Encoding {encoding!r} is not read; send gzip or none")
    try:
        plain = gzip.GzipFile(fileobj=io.BytesIO(body)).read(limit + 1)
    except EOFError:
        raise BadInput("the gzip body is cut off; send it again whole") from None
    except (OSError, zlib.error) as error:
        raise BadInput(f"the body is not gzip: {error}; send gzip, or leave Content-Encoding out") from None
    if len(plain) > limit:
        raise TooLarge(f"the body expands to more than {limit} bytes; send smaller batches")
    return plain


def decode_body(body: bytes, content_type: str, clean: Clean = str) -> list[Candidate]:
    """The candidates of a body in their order; `clean` redacts the values that reasons name.

    Raises BadInput when the body as a whole cannot be split into events.
    """
    text, shape = _shape(body, content_type)
    if shape == "array" and text.count(b"{") <= MAX_EVENTS:
        try:
            return [Candidate(event) for event in _events.decode(text)]
        except _UNREADABLE:
            pass
    return [_one(raw, clean) for raw in split_body(body, content_type)]


def split_body(body: bytes, content_type: str) -> list[bytes]:
    """The raw events of a body, in the order of `decode_body`. Raises BadInput."""
    text, shape = _shape(body, content_type)
    if shape == "array":
        return _items(text)
    return (
        _bounded(stripped for line in text.split(b"\n") if (stripped := line.strip())) if shape == "lines" else [text]
    )


def _shape(body: bytes, content_type: str) -> tuple[bytes, str]:
    """The text without what surrounds it, and whether it is one `object`, an `array`, or `lines`."""
    kind = content_type.split(";", 1)[0].strip().lower()
    if kind not in NDJSON_TYPES + JSON_TYPES:
        raise UnsupportedMedia(
            f"Content-Type {kind or '(none)'!r} is not read; "
            "send application/json (one object or an array) or application/x-ndjson"
        )
    text = body.removeprefix(_BOM).strip()
    if not text:
        raise BadInput("the body is empty; send one event, an array of events, or one event a line")
    if kind in NDJSON_TYPES:
        return text, "lines"
    if text[:1] == b"[":
        return text, "array"
    # a JSON Lines file under the content type of JSON is a common slip, and unambiguous
    several = b"\n" in text and all(_is_object(line) for line in text.split(b"\n"))
    return text, "lines" if several else "object"


def _is_object(line: bytes) -> bool:
    line = line.strip()
    return not line or (line[:1] == b"{" and line[-1:] == b"}")


def _bounded(raws: Iterable[bytes]) -> list[bytes]:
    found: list[bytes] = []
    for raw in raws:
        if len(found) == MAX_EVENTS:
            raise TooLarge(f"the body holds more than {MAX_EVENTS} events; send smaller batches")
        found.append(raw)
    return found


def _items(text: bytes) -> list[bytes]:
    if text.count(b",") < MAX_EVENTS:
        try:
            return [bytes(raw) for raw in _raws.decode(text)]
        except _UNREADABLE:
            pass
    return _bounded(_loose_items(text))


def _loose_items(text: bytes) -> Iterator[bytes]:
    """The items of an array whatever is wrong inside them (NaN, broken UTF-8, a thousand levels).

    Only strings, brackets and commas are looked at. Raises BadInput when the array itself is broken.
    """
    depth, start = 0, 1
    for token in _TOKEN.finditer(text):
        at, mark = token.start(), text[token.start()]
        if mark == _QUOTE and token.end() == at + 1:
            raise _broken(f"the string that begins at byte {at} is not closed")
        depth += (mark in b"[{") - (mark in b"]}")
        if depth == 0:
            if text[at + 1 :].strip():
                raise _broken(f"something follows behind the array at byte {at + 1}")
            if start > 1 or text[start:at].strip():
                yield text[start:at].strip()
            return
        if depth == 1 and mark == _COMMA:
            yield text[start:at].strip()
            start = at + 1
    raise _broken(f"the array is not closed, {len(text)} bytes were read")


def _broken(what: str) -> BadInput:
    return BadInput(
        f"the body is not JSON: {what}; send it whole, or one event a line (application/x-ndjson) to keep the good ones"
    )


def _one(raw: bytes, clean: Clean) -> Candidate:
    try:
        return Candidate(_event.decode(raw))
    except UnicodeDecodeError as error:
        return Candidate(None, f"invalid UTF-8 ({error.reason}); send UTF-8")
    except RecursionError:
        return Candidate(None, "nested too deeply to read; attrs may be nested 8 levels deep")
    except msgspec.ValidationError as error:
        return Candidate(None, _explain(str(error), raw, clean))
    except msgspec.DecodeError as error:
        return Candidate(None, _explain_syntax(str(error), raw, clean))


def _explain(message: str, raw: bytes, clean: Clean) -> str:
    """msgspec says what was expected and where; add the value that was there, and what may have been meant."""
    problem, _, where = message.partition(" - at `$")
    name = where.strip("`.")
    text = problem[:1].lower() + problem[1:]
    if unknown := _UNKNOWN.fullmatch(text):
        whole, fields = (name, Media) if name.startswith("media") else ("the event", Event)
        return f"{whole} contains unknown field `{_short(unknown[1], clean)}`{_meant(unknown[1], fields)}"
    if allowed := _ONE_OF.fullmatch(text):
        text = f"allowed are {allowed[1].replace('|', ', ')}"
    if not name:
        return text.replace("object missing", "the event lacks")
    try:
        value = msgspec.json.decode(raw)[re.split(r"[.\[]", name)[0]]
    except (*_UNREADABLE, LookupError, TypeError):
        return f"{name}: {text}"
    return f"{name} is {_short(value, clean)}: {text}"


@lru_cache(maxsize=1000)
def _meant(name: str, kind: type[msgspec.Struct]) -> str:
    near = difflib.get_close_matches(name[:40].lower(), kind.__struct_fields__, 1)
    return f"; did you mean `{near[0]}`?" if near else "; free values go under `attrs`" if kind is Event else ""


def _explain_syntax(message: str, raw: bytes, clean: Clean) -> str:
    """What Python's more lenient reader sees in what is no JSON."""
    constants: list[str] = []

    def note(word: str) -> float:
        constants.append(word)
        return math.nan

    try:
        value = json.loads(raw.decode(), parse_constant=note)
    except (ValueError, RecursionError):
        return f"not JSON: {message}"
    if not constants:
        return "not JSON: a \\u escape is half of a surrogate pair; send whole characters"
    named = [k for k, v in value.items() if isinstance(v, float) and math.isnan(v)] if isinstance(value, dict) else []
    where = _short(", ".join(named), clean) if named else "a value"
    return f"not JSON: {where} is {constants[0]}; send null or leave it out"


def _short(value: object, clean: Clean) -> str:
    text = value if isinstance(value, str) else repr(value)
    text = clean(text[:LOOKED_AT].encode("utf-8", "backslashreplace").decode())
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 3]}..."
