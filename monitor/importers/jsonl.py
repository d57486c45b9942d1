"""JSON lines: predictions.jsonl of any shape (`jsonl`), and NDJSON of our own event (`native`).

A line that is not a JSON object is handed on with its bytes, so that the door can keep it in the reject table.
"""

from collections.abc import Iterator, Mapping
from datetime import tzinfo
from pathlib import Path
from typing import Any

import msgspec

from monitor.importers.records import Parsed, Reading
from monitor.importers.source import Source, lines
from monitor.importers.targets import EVENT_FIELDS, SYNONYMS, plain

SAMPLE_ROWS = 2000
SAMPLE_BYTES = 4 * 1024 * 1024


def objects(source: Source) -> Iterator[Parsed]:
    """Every line that is not blank, with the object on it or with what is wrong."""
    decode = msgspec.json.Decoder().decode
    for line in lines(source):
        text = line.data.strip()
        if line.problem:
            yield Parsed(line.number, {}, line.at, line.problem)
        elif text:
            try:
                value = decode(text)
            except (ValueError, RecursionError) as error:
                yield _unreadable(line.number, text, line.at, str(error), ended=line.data.endswith(b"\n"))
                continue
            if isinstance(value, dict):
                yield Parsed(line.number, value, line.at)
            else:
                yield Parsed(line.number, {}, line.at, f"the line is not a JSON object but {text[:40]!r}", text)


def _unreadable(number: int, text: bytes, at: int, error: str, *, ended: bool) -> Parsed:
    if not ended:  # the writer is not done with it: no reject, the next import reads it whole
        return Parsed(number, {}, at, "the last line has no end; import again when it is written")
    return Parsed(number, {}, at, f"the line is not JSON: {error}", text)


def sample(source: Source) -> tuple[list[dict[str, Any]], bool]:
    """The first objects of the file, and whether they are all."""
    found: list[dict[str, Any]] = []
    size = 0
    for line in lines(source):
        size += len(line.data)
        value = _object(line.data)
        if value is not None:
            found.append(value)
        if len(found) >= SAMPLE_ROWS or size >= SAMPLE_BYTES:
            return found, False
    return found, True


def names_of(rows: list[dict[str, Any]]) -> tuple[str, ...]:
    """The keys of all rows, in the order in which they first appear."""
    return tuple(dict.fromkeys(key for row in rows for key in row))


def first_object(head: bytes) -> dict[str, Any] | None:
    """The first JSON object among the first lines, for sniffing."""
    return next((found for line in head.splitlines()[:20] if (found := _object(line)) is not None), None)


def _object(line: bytes) -> dict[str, Any] | None:
    if not line.lstrip().startswith(b"{"):
        return None
    try:
        value = msgspec.json.decode(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def sniff_jsonl(path: Path, head: bytes) -> float:
    """Any JSON object, with more confidence when a column looks like a time."""
    found = first_object(head)
    if found is None:
        return 0.0
    return 0.5 if any(plain(key) in SYNONYMS["ts"].split() for key in found) else 0.2


def read_jsonl(source: Source, zone: tzinfo) -> Reading:
    rows, complete = sample(source)
    return Reading(names_of(rows), lambda: objects(source), source.size, exhaustive=complete, automatic=True)


def sniff_native(path: Path, head: bytes) -> float:
    """An object with a deployment and with no key that the door would refuse."""
    found = first_object(head)
    return 0.9 if found and "deployment" in found and found.keys() <= EVENT_FIELDS else 0.0


def read_native(source: Source, zone: tzinfo) -> Reading:
    rows, complete = sample(source)
    names = names_of(rows)
    used = {name: name for name in names if name in EVENT_FIELDS}
    return Reading(names, lambda: objects(source), source.size, convert=_itself, exhaustive=complete, used=used)


def _itself(record: Mapping[str, Any]) -> dict[str, Any]:
    known = ((key, value) for key, value in record.items() if key in EVENT_FIELDS)
    return {key: dict(value) if isinstance(value, dict) else value for key, value in known}
