"""Tables of questions for a batch probe: CSV with a header, or one JSON object a line."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from monitor.errors import BadInput, TooLarge

ENDINGS = (".csv", ".jsonl", ".ndjson")
MOST_BYTES = 64 * 1024 * 1024
MOST_PROBLEMS = 5

COLUMNS = {
    "prompt": ("prompt", "question", "text", "input", "input_text"),
    "image": ("image", "images", "file", "file_name", "filename"),
    "label": ("label", "answer", "expected", "target"),
    "id": ("id", "item", "item_id", "name"),
}
"""What a row can say, and the column names that say it; the first one is the one in the documentation."""


@dataclass(frozen=True, slots=True)
class Row:
    """One question of a table; `images` are file names."""

    id: str
    prompt: str
    images: tuple[str, ...] = ()
    label: str | None = None


def read_table(name: str, data: bytes, most: int) -> tuple[Row, ...]:
    """The rows of a file. Raises BadInput with the first problems by line, TooLarge past `most` rows."""
    if len(data) > MOST_BYTES:
        raise TooLarge(f"{name} is larger than {MOST_BYTES // 1024 // 1024} MiB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(f"{name} is not UTF-8 text (byte {error.start}): save it as UTF-8") from None
    read = _csv if name.lower().endswith(".csv") else _jsonl
    rows, problems = [], []
    for line, values in read(name, text):
        try:
            rows.append(_row(line, values))
        except BadInput as error:
            problems.append(f"line {line}: {error}")
        if len(rows) > most:
            raise TooLarge(f"{name} has more than {most} rows; WATCHPOINT_PROBE_ITEMS is the limit of one batch")
    if problems:
        rest = f"; and {len(problems) - MOST_PROBLEMS} more lines" if len(problems) > MOST_PROBLEMS else ""
        raise BadInput(f"{name}: {'; '.join(problems[:MOST_PROBLEMS])}{rest}")
    if not rows:
        raise BadInput(f"{name} has no rows")
    _check_ids(name, rows)
    return tuple(rows)


def _csv(name: str, text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        heads = [head for head in reader.fieldnames or [] if head]
        _check_columns(name, heads)
        for row in reader:
            yield reader.line_num, {key: value for key, value in row.items() if key}
    except csv.Error as error:
        raise BadInput(f"{name}, line {reader.line_num}: {error}") from None


def _jsonl(name: str, text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    seen: set[str] = set()
    for line, one in enumerate(text.split("\n"), 1):
        if one.strip():
            try:
                values = json.loads(one)
            except ValueError as error:
                raise BadInput(f"{name}, line {line} is not JSON: {error}") from None
            if not isinstance(values, dict):
                raise BadInput(f"{name}, line {line} is no JSON object but {one.strip()[:40]!r}")
            seen |= values.keys()
            yield line, values
    if seen:
        _check_columns(name, seen)


def _check_columns(name: str, heads: Iterable[str]) -> None:
    present = {head.strip().lower() for head in heads}
    if not present & {*COLUMNS["prompt"], *COLUMNS["image"]}:
        raise BadInput(
            f"{name} has the columns {', '.join(sorted(present)) or '(none)'}: a row needs `prompt`, `image` (the name "
            "of a picture chosen with it), or both; `label` (the expected answer) and `id` are optional"
        )


def _row(line: int, values: Mapping[str, Any]) -> Row:
    lower = {str(key).strip().lower(): value for key, value in values.items()}
    said = {
        what: next((lower[n] for n in names if lower.get(n) not in (None, "")), None) for what, names in COLUMNS.items()
    }
    for what in ("prompt", "label", "id"):
        if isinstance(said[what], (dict, list)):
            raise BadInput(f"`{what}` is {str(said[what])[:40]}: expected a text")
    label = said["label"]
    return Row(
        id=str(said["id"]) if said["id"] is not None else f"line-{line}",
        prompt=str(said["prompt"] or ""),
        images=_names(said["image"]),
        label=None if label is None else str(label),
    )


def _names(value: Any) -> tuple[str, ...]:
    """One name, several in a list, or several with semicolons between them."""
    if value is None:
        return ()
    several = value if isinstance(value, list) else str(value).split(";")
    if not all(isinstance(one, str) for one in several):
        raise BadInput(f"`image` is {str(value)[:40]}: expected a file name, or several with semicolons between them")
    return tuple(one.strip().replace("\\", "/").rsplit("/", 1)[-1] for one in several if one.strip())


def _check_ids(name: str, rows: list[Row]) -> None:
    seen: set[str] = set()
    for row in rows:
        if row.id in seen:
            raise BadInput(f"{name}: two rows have the id {row.id!r}; ids tell items apart and must differ")
        seen.add(row.id)
