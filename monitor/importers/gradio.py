"""Gradio's flagging files: `dataset1.csv`, the older `log.csv` with a header, and the one of a ChatInterface.

They hold no latency, and their time is when somebody flagged, local to the server and without an offset. Component
labels are free, so texts are found by well-known labels first, then by position: inputs stand before outputs.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import tzinfo
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from monitor.importers.cells import Event, feedback_score, put_number
from monitor.importers.csvfile import columns, header_of, rows
from monitor.importers.messages import add_media, describe, flatten
from monitor.importers.records import Reading
from monitor.importers.source import MAX_ROW_BYTES, Source

OWN = {"flag": "feedback", "username": "user", "timestamp": "ts"}
CHAT = ("conversation", "index", "value", "flag", "timestamp")
CHAT_OWN = {"conversation": "input_text", "index": "attrs", "value": "output_text"}
RISKY_STARTS = ("=", "+", "-", "@", "\t", "\n")
RISKY_PARTS = (",=", ",+", ",-", ",@", ",\t", ",\n")
IMAGE_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".gif": "image/gif",
}
SAMPLE_ROWS = 200


def sniff_gradio(path: Path, head: bytes) -> float:
    header = header_of(head)
    return 0.9 if header[-1:] == ["timestamp"] and "flag" in header else 0.0


def read_gradio(source: Source, zone: tzinfo) -> Reading:
    names = columns(source)
    first = [_unquoted(parsed.record) for parsed in islice(rows(source, names), SAMPLE_ROWS) if not parsed.problem]
    used = {name: target for name, target in OWN.items() if name in names}
    if names == CHAT:
        used |= CHAT_OWN
    labels = [name for name in names if name not in used]
    used |= {name: "label" for name in labels if any(_choice(row[name]) for row in first)}
    used |= {name: "media" for name in labels if _all(first, name, _is_image_path)}
    return Reading(
        names,
        lambda: (replace(parsed, record=_unquoted(parsed.record)) for parsed in rows(source, names)),
        source.size,
        convert=lambda record: _event(record, source.path.parent, names == CHAT),
        used=used,
        hints=_hints(labels, used, first),
        automatic=True,
        notes=("times are when a row was flagged, without an offset: read in the time zone of --timezone",),
    )


def _all(first: list[dict[str, str]], name: str, test: Callable[[str], bool]) -> bool:
    cells = [row[name] for row in first if row[name]]
    return bool(cells) and all(test(cell) for cell in cells)


def _hints(labels: list[str], used: dict[str, str], first: list[dict[str, str]]) -> dict[str, str]:
    """Input and output by position among the columns of free text."""
    texts = [name for name in labels if name not in used and first and not _all(first, name, _is_number)]
    if len(texts) > 1:
        return {"input_text": texts[0], "output_text": texts[-1]}
    if texts:  # alone: the answer to a picture before it, or the question to a class after it
        return {"output_text" if labels.index(texts[0]) else "input_text": texts[0]}
    return {}


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _is_image_path(cell: str) -> bool:
    return "\n" not in cell and "/" in cell.replace("\\", "/") and Path(cell).suffix.lower() in IMAGE_TYPES


def _unquoted(record: Mapping[str, str]) -> dict[str, str]:
    """Cells without the quote that Gradio puts before what a spreadsheet might run."""
    return {name: _without_quote(cell) for name, cell in record.items()}


def _without_quote(cell: str) -> str:
    rest = cell[1:]
    risky = rest.startswith(RISKY_STARTS) or any(part in rest for part in RISKY_PARTS)
    return rest if cell.startswith("'") and risky else cell


def _event(record: Mapping[str, str], folder: Path, chat: bool) -> Event:
    event: Event = {"ts": record.get("timestamp"), "user": record.get("username")}
    _add_flag(event, record.get("flag", ""))
    if chat:
        _add_chat(event, record)
    else:
        for name, cell in record.items():
            _add_cell(event, name, cell, folder)
    return {key: value for key, value in event.items() if value not in (None, "")}


def _add_flag(event: Event, flag: str) -> None:
    """Praise and blame are feedback; any other label of the app stays what it is."""
    score = feedback_score(flag)
    if score is not None:
        event["feedback"] = score
    elif flag:
        event["attrs"] = {"flag": flag}


def _add_cell(event: Event, name: str, cell: str, folder: Path) -> None:
    choice = _choice(cell)
    if choice:
        event["label"] = str(choice["label"])
        event.setdefault("output_text", event["label"])
        put_number(event, "confidence", _confidence(choice))
    elif _is_image_path(cell):
        saved = _saved_file(cell, folder)
        if saved is not None:
            add_media(event, [describe(saved, IMAGE_TYPES[Path(cell).suffix.lower()])])
        else:
            event.setdefault("attrs", {}).setdefault("files", {})[name] = Path(cell).name


def _choice(cell: str) -> dict[str, Any] | None:
    """The JSON cell of a Label component: {"label", "confidences"}."""
    if not cell.startswith('{"'):
        return None
    try:
        value = msgspec.json.decode(cell)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and isinstance(value.get("label"), (str, int, float)) else None


def _confidence(choice: dict[str, Any]) -> object:
    scores = choice.get("confidences")
    named = [item for item in scores if isinstance(item, dict)] if isinstance(scores, list) else []
    return next((item.get("confidence") for item in named if item.get("label") == choice["label"]), None)


def _saved_file(cell: str, folder: Path) -> bytes | None:
    """The picture that Gradio saved as FOLDER/LABEL/HASH/NAME, wherever that folder is now; nothing outside of it."""
    tail = Path(*Path(cell.replace("\\", "/")).parts[-3:])
    try:
        found = (folder / tail).resolve(strict=True)
        if found.is_relative_to(folder.resolve()) and found.is_file() and found.stat().st_size <= MAX_ROW_BYTES:
            return found.read_bytes()
    except (OSError, ValueError, RuntimeError):  # not there, not readable, no name of a file, a loop of links
        pass
    return None


def _add_chat(event: Event, record: Mapping[str, str]) -> None:
    """The flagged answer, and the user's message before it."""
    event["output_text"] = record["value"]
    event.setdefault("attrs", {})["turn"] = record["index"]
    try:
        messages = msgspec.json.decode(record["conversation"], type=list[Any])
    except (ValueError, RecursionError):
        messages = []
    turn = int(record["index"]) if record["index"].isdecimal() else len(messages)
    asked = [item for item in messages[:turn] if isinstance(item, dict) and item.get("role") == "user"]
    text, media = flatten(asked[-1:])
    if text:
        event["input_text"] = text
    add_media(event, media)
