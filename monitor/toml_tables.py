"""Checks a TOML file against tables of allowed keys and reports every mistake at its line; for `monitor/fleet.py`."""

import difflib
import json
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monitor.errors import ConfigError

At = tuple[str | int, ...]
"""The place of a value: ("deployments", "chat-prod", "slo", "latency_ms")."""

KINDS: dict[type, str] = {
    str: "text in quotes",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    dict: "a table",
    list: "a list of tables",
}
LISTS: dict[type, str] = {str: "a list of texts", int: "a list of whole numbers"}


@dataclass(frozen=True, slots=True)
class Key:
    """One allowed key: its type, and beyond the type what it may be, in words and as a test."""

    name: str
    kind: type
    allowed: str = ""
    accepts: Callable[[Any], bool] = lambda _: True
    required: bool = False
    refers: str | None = None  # the value is the id of a table in this section, or a list of such ids
    keys: "tuple[Key, ...]" = ()  # of a table, or of each table in a list
    of: type | None = None  # of a list of values: their type
    hidden: bool = False  # it may be a secret: never repeated in a message


@dataclass(frozen=True, slots=True)
class Document:
    """A file that is TOML, and what was found to be wrong in it so far."""

    path: str
    text: str
    root: dict[str, Any]
    problems: list[tuple[At, str]] = field(default_factory=list)

    def report(self, at: At, problem: str) -> None:
        self.problems.append((at, problem))

    def raise_problems(self) -> None:
        """Raises ConfigError with all problems, one a line, in the order of the file."""
        if not self.problems:
            return
        lines = line_numbers(self.text)
        known = (next((lines[at[:n]] for n in range(len(at), 0, -1) if at[:n] in lines), 1) for at, _ in self.problems)
        found = sorted(zip(known, self.problems, strict=True), key=lambda item: item[0])
        raise ConfigError("\n".join(f"{self.path}:{line}: {dotted(at)}{problem}" for line, (at, problem) in found))


def read_document(path: Path) -> Document:
    """The file as TOML. Raises FileNotFoundError when there is none, ConfigError when it is not TOML."""
    try:
        text = path.read_text("utf-8-sig").replace("\r\n", "\n")
        return Document(str(path), text, tomllib.loads(text))
    except FileNotFoundError:
        raise
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as a file of UTF-8 text: {error}") from None
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"at line (\d+)", str(error))
        line = int(place[1]) if place else text.count("\n") + 1
        raise ConfigError(f"{path}:{line}: not TOML: {error}; texts, and ids with a dot, stand in quotes") from None


def check_table(document: Document, table: dict[str, Any], at: At, keys: tuple[Key, ...]) -> dict[str, Any]:
    """The accepted values of one table, tables inside it included; the rest is reported."""
    known = {key.name: key for key in keys}
    values: dict[str, Any] = {}
    for name, value in table.items():
        place = (*at, name)
        if name not in known:
            quotes = "; an id with a dot stands in quotes" if isinstance(value, dict) and len(at) > 1 else ""
            document.report(place, f": unknown key{_meant(name, known)}; allowed are {', '.join(known)}{quotes}")
        elif problem := _problem(document, known[name], value):
            shown = "(not shown)" if known[name].hidden else _shown(value)
            document.report(place, f" = {shown}: {problem}")
        else:
            values[name] = _converted(document, known[name], value, place)
    for key in keys:
        if key.required and key.name not in table:
            document.report(at, f": {key.name} is missing; it must be {key.allowed}")
    return values


def _problem(document: Document, key: Key, value: Any) -> str | None:
    """What is wrong with the value of a known key."""
    typed = type(value) is key.kind or (key.kind is float and type(value) is int)
    if not typed or (key.kind is list and not all(type(item) is (key.of or dict) for item in value)):
        kind = LISTS[key.of] if key.of else KINDS[key.kind]
        return f"must be {', '.join(filter(None, (kind, key.allowed)))}"
    if not key.accepts(value):
        return f"must be {key.allowed}"
    if key.refers:
        ids = document.root.get(key.refers)
        names = list(ids) if isinstance(ids, dict) else []
        for one in value if isinstance(value, list) else [value]:
            if one not in names:
                return f"must be {key.allowed}{_meant(one, names)}; known are {', '.join(names) or 'none'}"
    return None


def _converted(document: Document, key: Key, value: Any, at: At) -> Any:
    if key.kind is list and key.of:
        return tuple(value)
    if key.kind is list:
        return [check_table(document, item, (*at, i), key.keys) for i, item in enumerate(value)]
    if key.kind is dict and key.keys:
        return check_table(document, value, at, key.keys)
    return float(value) if key.kind is float else value


def line_numbers(text: str) -> dict[At, int]:
    """The line of each table and key of valid TOML, found by reading it statement by statement."""
    lines: dict[At, int] = {}
    header: At = ()
    items: dict[At, int] = {}  # of each [[header]], the index of its latest table
    pending: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        pending.append(line)
        try:
            statement = tomllib.loads("\n".join(pending))
        except tomllib.TOMLDecodeError:
            continue  # it goes on in the next line
        places = list(_places(statement, ()))
        if line.lstrip().startswith("["):
            header = places[-1]
            if isinstance(header[-1], int):
                items[header] = items.get(header, -1) + 1
                header = (*header[:-1], items[header])
            places = [header[:n] for n in range(1, len(header) + 1)]
        else:
            places = [header + place for place in places]
        for place in places:
            lines.setdefault(place, number - len(pending) + 1)
        pending = []
    return lines


def _places(value: Any, at: At) -> Iterator[At]:
    if at:
        yield at
    inside: Iterable[tuple[str | int, Any]] = ()
    if isinstance(value, dict):
        inside = value.items()
    elif isinstance(value, list):
        inside = enumerate(value)
    for key, item in inside:
        yield from _places(item, (*at, key))


def dotted(at: At) -> str:
    """The place as TOML writes it: deployments."chat.v2".slo.latency_ms."""
    bare = re.compile(r"[A-Za-z0-9_-]+")
    parts = (f"[{p}]" if isinstance(p, int) else f".{p if bare.fullmatch(p) else json.dumps(p)}" for p in at)
    return "".join(parts).removeprefix(".")


def _shown(value: Any) -> str:
    """The value as TOML writes it, short, and without what stands before the @ of an address."""
    text = value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
    text = re.sub(r"//[^/@]*@", "//(not shown)@", text)
    text = text if len(text) <= 80 else f"{text[:77]}..."
    return json.dumps(text, ensure_ascii=False) if isinstance(value, str) else text


def _meant(word: str, names: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(names), 1)
    return f" (did you mean {close[0]}?)" if close else ""
