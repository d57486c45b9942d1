"""The records that importers hand to each other and to the command line; read them first to know the parts.

`Importer` is one line of the table in `table.py`. Its `read` gives a `Reading`: the columns, and an iterator of
`Parsed` rows. `reader.py` turns these into `Row`s, which are events of the door, and wraps them as an `Import`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

from monitor.importers.source import Source


@dataclass(frozen=True, slots=True)
class Parsed:
    """One row as it stands in the file, by column; or what is wrong with it."""

    line: int
    record: Mapping[str, Any]
    at: int
    problem: str | None = None
    raw: bytes | None = None  # only for a line that is no JSON object: the door keeps it with its reason


@dataclass(frozen=True, slots=True)
class Reading:
    """A file opened by one importer."""

    names: tuple[str, ...]
    rows: Callable[[], Iterator[Parsed]]
    total: int
    convert: Callable[[Mapping[str, Any]], dict[str, Any]] = lambda record: {}  # what the importer makes of a record
    unit: str = "bytes"  # what `total` and `Parsed.at` count: bytes of the file, or rows
    exhaustive: bool = True  # False: only the first rows were looked at, later ones may have more columns
    used: Mapping[str, str] = field(default_factory=dict)  # column -> target that `convert` fills
    hints: Mapping[str, str] = field(default_factory=dict)  # target -> column, taken when nothing better is known
    automatic: bool = False  # whether well-known column names are mapped to their targets
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Importer:
    """One format: its name, the usual suffixes, how sure it is of a file (0 to 1), and how it reads one."""

    name: str
    suffixes: tuple[str, ...]
    sniff: Callable[[Path, bytes], float]
    read: Callable[[Source, tzinfo], Reading]
    help: str


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the file and where it goes; `how` is named, automatic, importer, or empty when it goes nowhere."""

    name: str
    target: str | None
    how: str


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the file as an event, or with the problem that made it unreadable."""

    line: int
    event: dict[str, Any] | None
    problem: str | None = None
    raw: bytes | None = None
    at: int = 0


@dataclass(frozen=True, slots=True)
class Import:
    """An opened file. Iterating reads it from its start, each time anew, in bounded memory."""

    path: Path
    importer: str
    columns: tuple[Column, ...]
    notes: tuple[str, ...]
    total: int
    unit: str
    rows: Callable[[], Iterator[Row]]

    @property
    def unmapped(self) -> tuple[str, ...]:
        """The columns that go nowhere, unless they are kept under attrs."""
        return tuple(column.name for column in self.columns if column.target is None)

    def __iter__(self) -> Iterator[Row]:
        return self.rows()


@dataclass(frozen=True, slots=True)
class Summary:
    """What became of the rows: read = accepted + rejected + duplicate + unreadable (a dry run accepts none)."""

    read: int = 0
    accepted: int = 0
    rejected: int = 0
    duplicate: int = 0
    unreadable: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    first_ts: datetime | None = None
    last_ts: datetime | None = None
    problems: tuple[Row, ...] = ()  # the first unreadable rows
    warnings: Mapping[str, int] = field(default_factory=dict)
    dry_run: bool = False
