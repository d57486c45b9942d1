"""How one cell of a log becomes a field of the event; the table of `targets.py` names these functions.

Each `put_...` converts and writes into the event, does nothing for an empty cell, and raises BadCell when it cannot
convert. Whether a value makes sense (a negative latency, a time in the future) is for the door to say.
"""

import re
from collections.abc import Callable
from math import isfinite
from typing import Any

import msgspec

from monitor.importers.messages import add_media, flatten

Event = dict[str, Any]
NULLS = frozenset({"", "null", "none", "nan", "na", "n/a", "nil", "\\n", "-"})
YES = frozenset({"ok", "success", "succeeded", "successful", "completed", "done", "true", "pass", "passed"})
NO = frozenset({"error", "failure", "failed", "fail", "exception", "false", "timeout", "cancelled", "aborted"})
GOOD = frozenset({"1", "+1", "good", "like", "liked", "up", "thumbs_up", "thumbs up", "positive", "true"})
BAD = frozenset({"-1", "bad", "dislike", "disliked", "down", "thumbs_down", "thumbs down", "negative", "false"})
NEUTRAL = frozenset({"0", "neutral"})
_ERROR_CLASS = re.compile(r"\s*([A-Za-z_][\w.]*)(?=\s*[:(\n]|\s*$)")


class BadCell(ValueError):
    """A cell that its target cannot take; the text says why."""


Put = Callable[[Event, str, object], None]


def missing(value: object) -> bool:
    """Whether a cell holds nothing: None, an empty text, or not a number."""
    return value is None or value == "" or (isinstance(value, float) and value != value)


def _null_word(value: object) -> bool:
    return missing(value) or (isinstance(value, str) and value.strip().lower() in NULLS)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def put_as_is(event: Event, field: str, value: object) -> None:
    if not missing(value):
        event[field] = value


def put_name(event: Event, field: str, value: object) -> None:
    if _null_word(value):
        return
    if isinstance(value, (dict, list, bytes)):
        raise BadCell(f"{_shown(value)} is not a name")
    event[field] = str(value).strip()


def put_text(event: Event, field: str, value: object) -> None:
    """Texts stay as they are; message lists become one text; pictures in either become hashes under media."""
    if missing(value):
        return
    if isinstance(value, bytes):
        raise BadCell("bytes are not a text")
    text, media = flatten(value)
    if text is not None:
        event[field] = text
    add_media(event, media)


def _number(value: object) -> float:
    if isinstance(value, (bool, dict, list, bytes)):
        raise BadCell(f"{_shown(value)} is not a number")
    try:
        number = float(value)  # type: ignore[arg-type]  # a number of any kind (a Decimal of Parquet) or its text
    except (TypeError, ValueError, OverflowError):
        raise BadCell(f"{_shown(value)} is not a number") from None
    if not isfinite(number):
        raise BadCell(f"{_shown(value)} is not a finite number")
    return number


def put_number(event: Event, field: str, value: object) -> None:
    if not _null_word(value):
        event[field] = _number(value)


def put_seconds(event: Event, field: str, value: object) -> None:
    """Seconds of the log are milliseconds of the event."""
    if not _null_word(value):
        event[field] = _number(value) * 1000.0


def put_count(event: Event, field: str, value: object) -> None:
    if _null_word(value):
        return
    number = _number(value)
    if not number.is_integer():
        raise BadCell(f"{_shown(value)} is not a whole number")
    event[field] = int(number)


def put_status(event: Event, field: str, value: object) -> None:
    """`ok` or `error`, from a word or an HTTP status code."""
    if _null_word(value):
        return
    word = str(value).strip().lower()
    if word in YES or word in NO:
        event[field] = "ok" if word in YES else "error"
    elif re.fullmatch(r"[1-5]\d\d(\.0)?", word):
        event[field] = "ok" if word < "400" else "error"
        if word >= "400":
            event.setdefault("error_type", f"http_{word[:3]}")
    else:
        raise BadCell(
            f"{_shown(value)} is neither ok nor error; allowed: {', '.join(sorted(YES | NO))}, or an HTTP status"
        )


def put_error(event: Event, field: str, value: object) -> None:
    """A column that holds nothing for a good request, and a class, a message or both for a failed one."""
    if _null_word(value) or value in (False, 0, "0", "false", "False"):
        return
    text = msgspec.json.encode(value, enc_hook=str).decode() if isinstance(value, (dict, list)) else str(value).strip()
    found = _ERROR_CLASS.match(text)
    event.setdefault("error_type", found[1] if found and value is not True and len(found[1]) <= 128 else "error")
    event.setdefault("status", "error")
    if value is not True and text != event["error_type"]:
        event.setdefault("error_message", text)


def put_feedback(event: Event, field: str, value: object) -> None:
    if _null_word(value):
        return
    score = feedback_score(str(int(value)) if isinstance(value, float) and value.is_integer() else str(value))
    if score is None:
        raise BadCell(f"{_shown(value)} is no feedback; allowed: {', '.join(sorted(GOOD | BAD | NEUTRAL))}")
    event[field] = score


def feedback_score(word: str) -> int | None:
    """1, -1 or 0 for a known word of praise or blame; None for any other label."""
    word = word.strip().lower()
    return 1 if word in GOOD else -1 if word in BAD else 0 if word in NEUTRAL else None


def put_json(event: Event, field: str, value: object) -> None:
    """An object or list, or the JSON text of one."""
    if _null_word(value):
        return
    if isinstance(value, str):
        try:
            value = msgspec.json.decode(value)
        except (ValueError, RecursionError):
            raise BadCell(f"{_shown(value)} is not JSON") from None
    if isinstance(value, dict) and isinstance(event.get(field), dict):
        value = event[field] | value
    event[field] = value


def put_feature(event: Event, name: str, value: object) -> None:
    """One named feature: a number where it reads as one, else a text."""
    if _null_word(value):
        return
    try:
        event.setdefault("features", {})[name] = _number(value)
    except BadCell:
        if isinstance(value, (dict, list, bytes)):
            raise
        event.setdefault("features", {})[name] = str(value)


def put_attribute(event: Event, name: str, value: object) -> None:
    if not missing(value) and not isinstance(value, bytes):
        event.setdefault("attrs", {})[name] = value
