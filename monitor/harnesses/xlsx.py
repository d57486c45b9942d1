"""Workbooks of other people: the first sheet as rows, within bounds; no formula is computed and no DTD accepted.

`monitor/harnesses/sheets.py` calls it. It reads the few parts of the format that tables of results use, cell by cell, so
that a hostile sheet is refused before it fills the memory; openpyxl, which the tests compare it with, holds a whole row,
and takes more than twice as long (docs/architecture.md).
"""

import io
import posixpath
import re
import zipfile
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree as ET

from monitor.errors import BadInput, TooLarge
from monitor.harnesses.tree import MAX_FILE_BYTES, MIB, UNREADABLE, check_bounds
from monitor.harnesses.values import Formula

MAX_XLSX_BYTES = 512 * MIB
MAX_STRINGS = 5_000_000
MAX_OTHER_ELEMENTS = 1_000_000
MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
SI, T, ROW, C, V, F = (f"{MAIN}{tag}" for tag in ("si", "t", "row", "c", "v", "f"))
PHONETIC = f"{MAIN}rPh"
IN_ROWS = frozenset(f"{MAIN}{tag}" for tag in ("v", "f", "is", "t", "r", "rPr"))
DAMAGED = (*UNREADABLE, ET.ParseError, LookupError, TypeError, AttributeError)


def read_rows(path: str, content: bytes, max_columns: int) -> Iterator[list[Any]]:
    """Each row of the first sheet as values; a computed cell is a `Formula`, an error of the sheet is None."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            check_bounds(path, entries)
            if sum(entry.file_size for entry in entries) > MAX_XLSX_BYTES:
                raise TooLarge(f"{path}: would unpack to more than {MAX_XLSX_BYTES // MIB} MiB, the most that is read")
            strings = _strings(path, archive)
            yield from _rows(path, _member(path, archive, _first_sheet(path, archive)), strings, max_columns)
    except BadInput:
        raise
    except DAMAGED as error:
        raise BadInput(f"{path}: is not a workbook that can be read, it may be half written: {error}"[:400]) from None


def _member(path: str, archive: zipfile.ZipFile, name: str) -> bytes:
    """XML of the workbook, once it is sure that it brings no entities along."""
    if archive.getinfo(name).file_size > MAX_FILE_BYTES:
        raise TooLarge(f"{path}: {name} unpacks to more than {MAX_FILE_BYTES // MIB} MiB, the most that is read")
    content = archive.read(name)
    encoding = re.match(rb"(?:\xef\xbb\xbf)?<\?xml[^>]*encoding\s*=\s*[\"']([^\"']*)", content)
    if b"\0" in content or (encoding and encoding[1].lower() not in (b"utf-8", b"us-ascii")):
        raise BadInput(f"{path}: {name} is not UTF-8")
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise BadInput(f"{path}: {name} declares entities, which no workbook of results needs")
    return content


def _first_sheet(path: str, archive: zipfile.ZipFile) -> str:
    book = ET.fromstring(_member(path, archive, "xl/workbook.xml"))  # noqa: S314 - checked by _member
    sheet = book.find(f"{MAIN}sheets/{MAIN}sheet")
    if sheet is None:
        raise BadInput(f"{path}: the workbook has no sheet")
    relations = ET.fromstring(_member(path, archive, "xl/_rels/workbook.xml.rels"))  # noqa: S314 - as above
    target = {one.get("Id"): one.attrib["Target"] for one in relations}[sheet.attrib[RELATION]]
    return target.lstrip("/") if target.startswith("/") else posixpath.normpath(f"xl/{target}")


def _strings(path: str, archive: zipfile.ZipFile) -> list[str]:
    if "xl/sharedStrings.xml" not in archive.namelist():
        return []
    found: list[str] = []
    others = 0
    for _, element in ET.iterparse(io.BytesIO(_member(path, archive, "xl/sharedStrings.xml"))):  # noqa: S314
        if element.tag == SI:
            found.append(_text(element))
            element.clear()
            others = 0
        else:
            others += 1
        if others > MAX_OTHER_ELEMENTS or len(found) > MAX_STRINGS:
            raise TooLarge(f"{path}: holds more text elements than a workbook of results has")
    return found


def _rows(path: str, content: bytes, strings: list[str], max_columns: int) -> Iterator[list[Any]]:
    columns: dict[str, int] = {}
    cells = others = 0
    for _, element in ET.iterparse(io.BytesIO(content)):  # noqa: S314 - checked by _member
        tag = element.tag
        if tag == C:
            cells += 1
        elif tag == ROW:
            yield _values(element, strings, columns, max_columns)
            element.clear()
            cells = 0
        elif tag not in IN_ROWS:
            others += 1
        if cells > max_columns:
            raise TooLarge(f"{path}: has more than {max_columns:,} columns, the most that are read")
        if others > MAX_OTHER_ELEMENTS:
            raise TooLarge(f"{path}: holds more than {MAX_OTHER_ELEMENTS:,} elements that are no cells")


def _values(row: ET.Element, strings: list[str], columns: dict[str, int], max_columns: int) -> list[Any]:
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
