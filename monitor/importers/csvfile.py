"""CSV with a header line, any common delimiter, cells over several lines; read in bounded memory.

`records` is also what `gradio.py` reads its flags with. The csv module does the parsing; what is added here is that a
damaged record costs only its own line, and that each record knows its line.
"""

import csv
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, tzinfo
from pathlib import Path

from monitor.errors import BadInput
from monitor.importers.records import Parsed, Reading
from monitor.importers.source import MAX_ROW_BYTES, Line, Source, lines
from monitor.importers.times import utc_text

DELIMITERS = (",", ";", "\t", "|")
SUFFIXES = (".csv", ".tsv")
CONVERT = "convert the file to it, as in `iconv -f LATIN1 -t UTF-8`"


@dataclass(frozen=True, slots=True)
class Record:
    """The cells of one record, which begins on `line`."""

    line: int
    cells: list[str]
    at: int
    problem: str | None = None


class _Feed:
    """Lines for the csv reader, remembering those of the current record so that they can be read again."""

    def __init__(self, source: Source) -> None:
        self._lines = lines(source)
        self._again: deque[Line] = deque()
        self.taken: list[Line] = []
        self.not_utf8: str | None = None
        self._size = 0

    def __iter__(self) -> "_Feed":
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines)
        self.taken.append(line)
        self._size += len(line.data)
        if line.problem:
            raise csv.Error(line.problem)
        if self._size > MAX_ROW_BYTES:
            raise csv.Error(f"a quoted cell does not end within {MAX_ROW_BYTES >> 20} MiB")
        try:
            return line.data.decode()
        except UnicodeDecodeError as error:
            byte = line.data[error.start]
            self.not_utf8 = f"line {line.number} is not UTF-8 (byte 0x{byte:02x}); {CONVERT}"
            return line.data.decode("utf-8", "replace")

    def start(self) -> None:
        """Forget the lines of the record before."""
        self.taken, self.not_utf8, self._size = [], None, 0

    def give_back(self) -> None:
        """Read all but the first line of this record again: an open quote swallowed them."""
        self._again.extendleft(reversed(self.taken[1:]))


def records(source: Source, delimiter: str) -> Iterator[Record]:
    """Every record that is not blank; one that cannot be parsed is a problem, and reading goes on after its line."""
    csv.field_size_limit(MAX_ROW_BYTES)  # of the whole process; the default would refuse a long prompt
    feed = _Feed(source)
    reader = csv.reader(feed, delimiter=delimiter, strict=True)
    while True:
        feed.start()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Record(feed.taken[0].number, [], feed.taken[-1].at, feed.taken[0].problem or f"damaged CSV: {error}")
            feed.give_back()
            continue
        if cells:
            yield Record(feed.taken[0].number, cells, feed.taken[-1].at, feed.not_utf8)


def delimiter_of(head: bytes) -> str:
    """The delimiter that splits the header line into most columns."""
    return max(DELIMITERS, key=lambda sign: len(_split(head, sign)))


def header_of(head: bytes) -> list[str]:
    """The cells of the first line, without regard to lines inside quotes; for sniffing."""
    return _split(head, delimiter_of(head))


def _split(head: bytes, delimiter: str) -> list[str]:
    text = next((line for line in head.splitlines() if line.strip()), b"").decode("utf-8", "replace")
    try:
        return next(csv.reader([text], delimiter=delimiter), [])
    except csv.Error:
        return []


def sniff_csv(path: Path, head: bytes) -> float:
    first = head.lstrip()[:1]
    if first in (b"{", b"[") or b"\x00" in head:
        return 0.0
    named = path.name.lower().removesuffix(".gz").endswith(SUFFIXES)
    return 0.6 if named else 0.3 if len(header_of(head)) > 1 else 0.0


def read_csv(source: Source, zone: tzinfo) -> Reading:
    names = columns(source)
    return Reading(names, lambda: rows(source, names), source.size, automatic=True)


def columns(source: Source) -> tuple[str, ...]:
    """The names of the header line, made unique. Raises BadInput where there is no header."""
    if b"\n" not in source.head and b"\r" in source.head:
        raise BadInput(f"{source.path}: lines end with a carriage return only; convert it, as in `tr '\\r' '\\n'`")
    header = next(records(source, delimiter_of(source.head)), None)
    if header is None or not header.cells:
        raise BadInput(
            f"{source.path}: the header line cannot be read: {header.problem if header else 'there is none'}"
        )
    if any(_is_data(cell) for cell in header.cells):
        raise BadInput(
            f"{source.path}: the first line looks like data, not like column names: "
            f"{', '.join(header.cells)[:200]}; put a header line in front"
        )
    return _unique([cell.strip() for cell in header.cells])


def _is_data(cell: str) -> bool:
    """Whether a header cell is a time or a decimal number, which no column is called."""
    if len(cell) < 10 or not cell[:1].isdigit():
        return False
    try:
        utc_text(cell, UTC)
    except ValueError:
        return False
    return True


def _unique(names: list[str]) -> tuple[str, ...]:
    seen: dict[str, int] = {}
    unique = []
    for number, given in enumerate(names, 1):
        name = given or f"column {number}"
        seen[name] = seen.get(name, 0) + 1
        unique.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return tuple(unique)


def rows(source: Source, names: tuple[str, ...]) -> Iterator[Parsed]:
    """Every record after the header, by column name; a record with other than so many cells is damaged."""
    found = records(source, delimiter_of(source.head))
    next(found, None)
    for record in found:
        problem = record.problem or _wrong_width(record.cells, len(names))
        cells = {} if problem else dict(zip(names, record.cells, strict=False))
        yield Parsed(record.line, cells, record.at, problem)


def _wrong_width(cells: list[str], width: int) -> str | None:
    if len(cells) == width or (len(cells) > width and not any(cells[width:])):
        return None
    return f"the record has {len(cells)} cells, the header has {width}"
