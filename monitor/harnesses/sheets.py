"""Tables and JSON of other people as Python values: xlsx, csv, tsv, json, jsonl, each within bounds. Never pickles.

Every importer below `monitor/harnesses` reads its files with `read_table`, `read_json` or `read_jsonl`.
"""

import csv
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Any

from monitor.errors import BadInput, TooLarge, UnsupportedMedia
from monitor.harnesses.tree import Bounds, Tree
from monitor.harnesses.xlsx import read_rows

MAX_ROWS = 1_000_000
MAX_COLUMNS = 2_000
MAX_CELL_CHARS = 1_048_576
KINDS = ("xlsx", "csv", "tsv", "json", "jsonl")


def read_table(tree: Tree, path: str) -> list[dict[str, Any]]:
    """The rows of a table, each by its column names; blank cells are None, cells of csv and tsv are text."""
    kind = PurePosixPath(path).suffix.lower().lstrip(".")
    if kind == "xlsx":
        rows = read_rows(path, tree.read(path), MAX_COLUMNS, tree.bounds)
        return _under_header(path, rows, tree.bounds)
    if kind in ("csv", "tsv"):
        written = _separated(path, _decoded(tree, path), "," if kind == "csv" else "\t")
        return _under_header(path, written, tree.bounds, exact=True)
    if kind == "json":
        return _records(path, read_json(tree, path))
    if kind == "jsonl":
        return read_jsonl(tree, path)
    raise UnsupportedMedia(f"{path}: {kind or 'a file without an ending'} is not read; tables are {', '.join(KINDS)}")


def read_json(tree: Tree, path: str) -> Any:
    """One JSON document; BadInput where it is cut off, too deep, or has a key twice."""
    return _parsed(_document(tree, path), path)


def read_jsonl(tree: Tree, path: str) -> list[dict[str, Any]]:
    """One JSON object a line; one bad line refuses the file."""
    rows: list[dict[str, Any]] = []
    for line, found in enumerate(re.finditer("[^\n]*\n?", _document(tree, path)), 1):
        written = found[0]
        if not written.strip():
            continue
        row = _parsed(written, f"{path}, line {line}")
        if not isinstance(row, dict):
            raise BadInput(f"{path}, line {line}: is not a JSON object: {written[:60]!a}")
        rows.append(row)
        if len(rows) > MAX_ROWS:
            raise TooLarge(f"{path}: has more than {MAX_ROWS:,} lines, the most that are read")
    return rows


def _document(tree: Tree, path: str) -> str:
    """The text of a JSON file that cannot become more values than are held at once."""
    written = _decoded(tree, path)
    tree.bounds.check_values(path, sum(written.count(mark) for mark in "[{,"))  # each makes a value at most
    return written


def lines_of(written: str) -> Iterator[str]:
    """The lines of a text with their ends, as csv wants them, without a second copy of the text."""
    return (found[0] for found in re.finditer("[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+", written))


def _decoded(tree: Tree, path: str) -> str:
    content = tree.read(path)
    if not content.strip(b"\0 \r\n\t"):
        raise BadInput(f"{path}: is empty")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: is not UTF-8 (byte {error.start}); save it as UTF-8") from None


def _parsed(written: str, where: str) -> Any:
    try:
        return json.loads(written, object_pairs_hook=_object)
    except RecursionError:
        raise BadInput(f"{where}: is nested too deeply") from None
    except ValueError as error:
        raise BadInput(f"{where}: is not JSON, it may be half written: {error}") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice[:60]!a} stands twice in one object")
    return made


def _separated(path: str, written: str, separator: str) -> Iterator[list[str | None]]:
    csv.field_size_limit(max(csv.field_size_limit(), 2 * MAX_CELL_CHARS))  # of the whole process; never lowered here
    reader = csv.reader(lines_of(written), delimiter=separator, strict=True)
    try:
        for row in reader:
            yield [cell or None for cell in row]
    except csv.Error as error:
        raise BadInput(f"{path}, line {reader.line_num}: {error}; the file may be half written") from None


def _under_header(path: str, rows: Iterable[list[Any]], bounds: Bounds, exact: bool = False) -> list[dict[str, Any]]:
    """Rows as dicts; `exact`: each row has to have as many cells as the header, as text tables do."""
    table: list[dict[str, Any]] = []
    header: list[str] = []
    for line, row in enumerate(rows, 1):
        if not header:
            header = _header(path, row)
            continue
        if not any(cell is not None for cell in row):
            continue
        if len(row) > len(header) or (exact and len(row) < len(header)):
            raise BadInput(f"{path}, row {line}: has {len(row)} cells, the header has {len(header)}")
        if any(isinstance(cell, str) and len(cell) > MAX_CELL_CHARS for cell in row):
            raise TooLarge(f"{path}, row {line}: a cell has more than {MAX_CELL_CHARS:,} characters")
        if len(table) == MAX_ROWS:
            raise TooLarge(f"{path}: has more than {MAX_ROWS:,} rows, the most that are read")
        bounds.check_values(path, (len(table) + 1) * len(header))
        table.append(dict(zip(header, [*row, *[None] * (len(header) - len(row))], strict=True)))
    if not header:
        raise BadInput(f"{path}: has no header")
    return table


def _header(path: str, row: list[Any]) -> list[str]:
    while row and row[-1] is None:
        row = row[:-1]
    if len(row) > MAX_COLUMNS:
        raise TooLarge(f"{path}: has {len(row):,} columns, at most {MAX_COLUMNS:,} are read")
    names = [f"Unnamed: {index}" if cell is None else str(cell).strip() for index, cell in enumerate(row)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BadInput(f"{path}: two columns are called {twice[0][:60]!a}")
    return names


def _records(path: str, document: Any) -> list[dict[str, Any]]:
    """Rows of a JSON table: a list of objects, or an object of columns of one length."""
    if isinstance(document, dict) and document and all(isinstance(column, list) for column in document.values()):
        if len({len(column) for column in document.values()}) != 1:
            raise BadInput(f"{path}: its columns are not of one length")
        names = list(document)
        document = [dict(zip(names, row, strict=True)) for row in zip(*document.values(), strict=True)]
    if not isinstance(document, list) or not all(isinstance(row, dict) for row in document):
        raise BadInput(f"{path}: is not a table: neither a list of objects nor an object of columns")
    if len(document) > MAX_ROWS:
        raise TooLarge(f"{path}: has more than {MAX_ROWS:,} rows, the most that are read")
    return document
