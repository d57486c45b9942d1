"""Workbooks of other people: the first sheet as rows, within bounds; no formula is computed and no DTD accepted.

`monitor/harnesses/sheets.py` calls it. It reads the few parts of the format that tables of results use, piece by piece
as they are unpacked, so that a hostile sheet is refused before it fills the memory; openpyxl, which the tests compare
it with, holds a whole row, and takes more than twice as long (docs/architecture.md).
"""

import io
import posixpath
import re
import zipfile
from collections.abc import Iterator
from typing import IO, Any, Self
from xml.etree import ElementTree as ET

from monitor.errors import BadInput, TooLarge
from monitor.harnesses.tree import MAX_FILE_BYTES, MIB, UNREADABLE, Bounds, check_bounds, check_entries
from monitor.harnesses.values import Formula

MAX_XLSX_BYTES = 512 * MIB
MAX_PARTS = 5_000
MAX_HEAD_BYTES = 2 * MIB
"""Of the two parts that are held as a whole: which sheets there are, and where."""
MAX_ROWS = 1_048_576
MAX_TAGS_AT_ONCE = 400_000
"""XML tags of one row or text, or between two of them: what is held until it is read."""
MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
SST, SI, T, DATA, ROW, C, V, F = (f"{MAIN}{tag}" for tag in ("sst", "si", "t", "sheetData", "row", "c", "v", "f"))
PHONETIC = f"{MAIN}rPh"
DAMAGED = (*UNREADABLE, ET.ParseError, LookupError, TypeError, AttributeError)


def read_rows(path: str, content: bytes, max_columns: int, bounds: Bounds) -> Iterator[list[Any]]:
    """Each row of the first sheet as values; a computed cell is a `Formula`, an error of the sheet is None."""
    check_entries(path, content, MAX_PARTS)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            check_bounds(path, entries, MAX_XLSX_BYTES)
            bounds.spend(path, sum(entry.file_size for entry in entries))
            strings = _strings(path, archive, bounds)
            with _Part(path, archive, _first_sheet(path, archive)) as part:
                yield from _rows(path, part, strings, max_columns)
    except BadInput:
        raise
    except DAMAGED as error:
        raise BadInput(f"{path}: is not a workbook that can be read, it may be half written: {error}"[:400]) from None


class _Part:
    """XML of the workbook as it is unpacked, piece by piece, each once it is sure that it brings no entities along."""

    def __init__(self, path: str, archive: zipfile.ZipFile, name: str, most: int = MAX_FILE_BYTES) -> None:
        if archive.getinfo(name).file_size > most:
            raise TooLarge(f"{path}: {name} unpacks to more than {most // MIB} MiB, the most that is read")
        self._told = f"{path}: {name}"
        self._member: IO[bytes] = archive.open(name)
        self._begun, self._before = False, b""
        self.held = 0  # tags since what was read so far was freed

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._member.close()

    def read(self, size: int = -1) -> bytes:
        piece = self._member.read(size)
        if not self._begun:
            self._begun = True
            self._check_encoding(piece)
        seen = self._before + piece
        if b"\0" in piece:
            raise BadInput(f"{self._told} is not UTF-8")
        if b"<!DOCTYPE" in seen or b"<!ENTITY" in seen:
            raise BadInput(f"{self._told} declares entities, which no workbook of results needs")
        self.held += piece.count(b"<")
        if self.held > MAX_TAGS_AT_ONCE:
            raise TooLarge(f"{self._told} holds more than {MAX_TAGS_AT_ONCE:,} tags at one place")
        self._before = seen[-len(b"<!DOCTYPE") :]
        return piece

    def _check_encoding(self, begin: bytes) -> None:
        """In another encoding a declaration of entities would not be seen."""
        head, closed, _ = begin[:1024].partition(b"?>")
        if not re.match(rb"(?:\xef\xbb\xbf)?\s*<\?xml", head):
            return
        encoding = re.search(rb"encoding\s*=\s*[\"']([^\"']*)", head)
        if not closed or (encoding and encoding[1].lower() not in (b"utf-8", b"us-ascii")):
            raise BadInput(f"{self._told} is not UTF-8")


def _whole(path: str, archive: zipfile.ZipFile, name: str) -> ET.Element:
    with _Part(path, archive, name, MAX_HEAD_BYTES) as part:
        return ET.fromstring(part.read())  # noqa: S314 - checked by _Part


def _first_sheet(path: str, archive: zipfile.ZipFile) -> str:
    book = _whole(path, archive, "xl/workbook.xml")
    sheet = book.find(f"{MAIN}sheets/{MAIN}sheet")
    if sheet is None:
        raise BadInput(f"{path}: the workbook has no sheet")
    relations = _whole(path, archive, "xl/_rels/workbook.xml.rels")
    target = {one.get("Id"): one.attrib["Target"] for one in relations}[sheet.attrib[RELATION]]
    return target.lstrip("/") if target.startswith("/") else posixpath.normpath(f"xl/{target}")


def _strings(path: str, archive: zipfile.ZipFile, bounds: Bounds) -> list[str]:
    if "xl/sharedStrings.xml" not in archive.namelist():
        return []
    found: list[str] = []
    with _Part(path, archive, "xl/sharedStrings.xml") as part:
        for element in _each(part, SI, SST):
            found.append(_text(element))
            bounds.check_values(path, len(found))
    return found


def _rows(path: str, part: _Part, strings: list[str], max_columns: int) -> Iterator[list[Any]]:
    columns: dict[str, int] = {}
    for number, row in enumerate(_each(part, ROW, DATA), 1):
        if number > MAX_ROWS:
            raise TooLarge(f"{path}: has more than {MAX_ROWS:,} rows, blank ones among them, the most that a sheet has")
        yield _values(path, row, strings, columns, max_columns)


def _each(part: _Part, wanted: str, inside: str) -> Iterator[ET.Element]:
    """The elements of one kind inside of another; what was read is freed, and `part` bounds what is held meanwhile."""
    outer: ET.Element | None = None
    for event, element in ET.iterparse(part, events=("start", "end")):  # noqa: S314 - checked by _Part
        tag = element.tag
        if tag == wanted and event == "end":
            yield element
            element.clear()
            if outer is not None:
                outer.clear()
                part.held = 0
        elif tag == inside:
            outer = element


def _values(path: str, row: ET.Element, strings: list[str], columns: dict[str, int], max_columns: int) -> list[Any]:
    values: list[Any] = []
    for cell in row:
        if cell.tag != C:
            continue
        place = cell.get("r")
        if place is not None:
            letters = place.rstrip("0123456789")
            if letters not in columns:
                columns[letters] = _column(letters, max_columns)
            values.extend([None] * (columns[letters] - len(values)))
        values.append(_value(cell, strings))
        if len(values) > max_columns:
            raise TooLarge(f"{path}: has more than {max_columns:,} columns, the most that are read")
    return values


def _column(letters: str, max_columns: int) -> int:
    """The index of a column, A is 0.

    >>> _column("A", 2000), _column("AB", 2000)
    (0, 27)
    """
    index = 0
    for letter in letters[:4]:
        index = index * 26 + ord(letter) - ord("A") + 1
    if not 0 < index <= max_columns:
        raise TooLarge(f"column {letters[:20]}: at most {max_columns:,} columns are read")
    return index - 1


def _value(cell: ET.Element, strings: list[str]) -> Any:
    value, kind = cell.find(V), cell.get("t", "n")
    formula = cell.find(F)
    if formula is not None:
        return Formula(f"={formula.text or ''}", cell.get("r", "?"))
    if kind == "inlineStr":
        return _text(cell) or None
    written = value.text if value is not None else None
    if written is None or kind == "e":
        return None
    if kind == "s":
        return strings[int(written)] or None
    if kind == "b":
        return written == "1"
    if kind != "n":
        return _unescaped(written)
    return int(written) if written.lstrip("-").isdecimal() and len(written) < 20 else float(written)


def _text(element: ET.Element) -> str:
    """All text of a string with its runs, without the readings of characters that East Asian texts carry."""
    spoken = {one for reading in element.iter(PHONETIC) for one in reading.iter(T)} if len(element) > 1 else set()
    return _unescaped("".join(one.text or "" for one in element.iter(T) if one not in spoken))


def _unescaped(written: str) -> str:
    if "_x" not in written:
        return written
    return re.sub(r"_x([0-9A-Fa-f]{4})_", lambda found: chr(int(found[1], 16)), written)
