"""Rows of a CSV that a person has written, each with its line, and all that is wrong with them; for `plain`."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field

from monitor.errors import BadInput, TooLarge
from monitor.harnesses.sheets import MAX_CELL_CHARS, MAX_COLUMNS, MAX_ROWS, lines_of
from monitor.harnesses.strict import read_text
from monitor.harnesses.tree import Tree
from monitor.harnesses.values import number
from monitor.harnesses.values import text as kept

DELIMITERS = (",", ";", "\t", "|")
MAX_PROBLEMS = 100
"""So many are named; of the others only the number is."""
HELD_PROBLEMS = 10_000

_YES_NO = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(slots=True)
class Problems:
    """What is wrong with a file, by line. One bad line refuses all of it, so that no half of a table gets in."""

    path: str
    found: list[tuple[int, str]] = field(default_factory=list)
    count: int = 0

    def add(self, line: int, problem: str) -> None:
        self.count += 1
        if len(self.found) < HELD_PROBLEMS:
            self.found.append((line, problem))

    def raise_any(self) -> None:
        """Raises BadInput with all that was found, one a line."""
        if not self.found:
            return
        lines = [
            f"{self.path}, line {line}: {problem}"
            for line, problem in sorted(self.found, key=lambda one: one[0])[:MAX_PROBLEMS]
        ]
        if self.count > MAX_PROBLEMS:
            lines.append(f"{self.path}: and {self.count - MAX_PROBLEMS} more problems")
        raise BadInput("\n".join(lines))


@dataclass(frozen=True, slots=True)
class Row:
    """A record by its column names; blank cells are left out."""

    line: int
    cells: dict[str, str]
    problems: Problems

    def get(self, name: str) -> str | None:
        return self.cells.get(name)

    def needed(self, name: str) -> str:
        """The text of a cell; a problem, and nothing, where it is blank."""
        if name not in self.cells:
            self.problems.add(self.line, f"{name} is missing")
        return self.cells.get(name, "")

    def number(self, name: str, least: float | None = None, most: float | None = None) -> float | None:
        """A finite number within bounds; None where the cell is blank, or a problem was found with it."""
        try:
            found = number(self.cells.get(name), name)
        except BadInput as error:
            self.problems.add(self.line, str(error))
            return None
        if found is not None and ((least is not None and found < least) or (most is not None and found > most)):
            allowed = (
                f"at least {least:g}" if most is None else f"{least if least is not None else -most:g} to {most:g}"
            )
            self.problems.add(self.line, f"{name} is {found:g}, allowed is {allowed}")
            return None
        return found

    def whole(self, name: str, least: int, most: int) -> int | None:
        found = self.number(name, least, most)
        if found is not None and not found.is_integer():
            self.problems.add(self.line, f"{name} is {found:g}, allowed is a whole number")
            return None
        return None if found is None else int(found)

    def yes_no(self, name: str, otherwise: bool) -> bool:
        written = self.cells.get(name)
        if written is None:
            return otherwise
        if written.lower() not in _YES_NO:
            self.problems.add(self.line, f"{name} is {written[:60]!a}, allowed are {', '.join(_YES_NO)}")
        return _YES_NO.get(written.lower(), otherwise)


def columns_of(head: str) -> list[str]:
    """The column names in the first line of a file, lower case, split at what splits it into most."""
    line = _first(head)
    return max((_split(line, sign) for sign in DELIMITERS), key=len)


def _first(text: str) -> str:
    """The first line that is not blank."""
    return next((line for line in lines_of(text) if line.strip()), "")


def _split(line: str, delimiter: str) -> list[str]:
    try:
        return [name.strip().lower() for name in next(csv.reader([line], delimiter=delimiter), [])]
    except csv.Error:
        return []


def rows_of(tree: Tree, path: str, problems: Problems) -> tuple[list[str], list[Row]]:
    """The column names and the records of a file; records that cannot be parsed are problems."""
    text = read_text(tree, path)
    names = columns_of(text[: 2 * MAX_CELL_CHARS])
    if len(names) > MAX_COLUMNS:
        raise TooLarge(f"{path}: has {len(names):,} columns, at most {MAX_COLUMNS:,} are read")
    if twice := sorted({name for name in names if name and names.count(name) > 1}):
        raise BadInput(f"{path}: two columns are called {twice[0][:60]!a}")
    delimiter = next(sign for sign in DELIMITERS if _split(_first(text), sign) == names)
    rows: list[Row] = []
    filled = 0
    for line, cells in _records(text, delimiter, problems):
        if len(cells) != len(names):
            problems.add(line, f"has {len(cells)} cells, the header has {len(names)}")
        elif len(rows) == MAX_ROWS:
            raise TooLarge(f"{path}: has more than {MAX_ROWS:,} rows, the most that are read")
        else:
            pairs = zip(names, cells, strict=True)
            rows.append(Row(line, {name: kept(cell) or "" for name, cell in pairs if cell.strip()}, problems))
            filled += len(rows[-1].cells) + 1
            tree.bounds.check_values(path, filled)
    if not rows:
        problems.raise_any()
        raise BadInput(f"{path}: has a header and no rows")
    return names, rows


def _records(text: str, delimiter: str, problems: Problems) -> Iterator[tuple[int, list[str]]]:
    """Records below the header that are not blank, with the line each begins on."""
    csv.field_size_limit(max(csv.field_size_limit(), MAX_CELL_CHARS))  # of the whole process; never lowered here
    reader = csv.reader(lines_of(text), delimiter=delimiter, strict=True)
    header, line = True, 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            problems.add(line, f"is damaged CSV: {error}; the file may be half written")
            return
        begins, line = line, reader.line_num + 1
        if not any(cell.strip() for cell in cells):
            continue
        if not header:
            yield begins, cells
        header = False
