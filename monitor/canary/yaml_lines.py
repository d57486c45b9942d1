"""Reads YAML and JSON lines so that each value knows its line; for `suites`. Hostile files are refused, never followed.

It is the YAML of its version 1.2: `no` and `12:30` are texts, where older readers make false and 750 of them. Anchors,
aliases and tags are refused: nothing in a file can stand for more than what is written there.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from yaml import events

from monitor.errors import BadInput

At = tuple[str | int, ...]
"""The place of a value: ("items", 3, "checks", 0, "tolerance")."""

MAX_BYTES = 32 * 1024 * 1024
MAX_DEPTH = 40
MAX_VALUES = 1_000_000
MAX_PROBLEMS = 100
"""So many are named; of the others only the number is."""

_NULL = re.compile(r"|~|null|Null|NULL")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]{1,30}|0o[0-7]{1,30}|0x[0-9a-fA-F]{1,30}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,4})?")


@dataclass(slots=True)
class Problems:
    """What was found to be wrong so far, each with its file and line."""

    found: list[tuple[str, int, str]] = field(default_factory=list)

    def add(self, path: Path, line: int, problem: str) -> None:
        self.found.append((str(path), line, problem))

    def raise_any(self) -> None:
        """Raises BadInput with all problems, one a line, in the order of the files."""
        if not self.found:
            return
        order = list(dict.fromkeys(path for path, _, _ in self.found))
        found = sorted(self.found, key=lambda one: (order.index(one[0]), one[1]))
        lines = [f"{path}:{line}: {problem}" for path, line, problem in found[:MAX_PROBLEMS]]
        if len(found) > MAX_PROBLEMS:
            lines.append(f"{found[-1][0]}: and {len(found) - MAX_PROBLEMS} more problems")
        raise BadInput("\n".join(lines))


@dataclass(frozen=True, slots=True)
class Document:
    """A file that was read: its value, and the line of each value in it by its place."""

    path: Path
    value: Any
    lines: dict[At, int]
    problems: Problems

    def line(self, at: At) -> int:
        """The line of a place, or of what it stands in."""
        return next((self.lines[at[:n]] for n in range(len(at), -1, -1) if at[:n] in self.lines), 1)

    def report(self, at: At, problem: str) -> None:
        self.problems.add(self.path, self.line(at), problem)


def read_text(path: Path, problems: Problems) -> str | None:
    """The text of a file; None, and a problem, where it cannot be read as one."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        problems.add(path, 1, f"cannot be read: {error.strerror}")
        return None
    if len(content) > MAX_BYTES:
        problems.add(path, 1, f"is larger than {MAX_BYTES // 1024 // 1024} MiB, the most that is read: split the suite")
        return None
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        problems.add(path, line, f"is not UTF-8: byte {content[error.start]:#04x}; save it as UTF-8")
        return None


def read_yaml(path: Path, problems: Problems) -> Document | None:
    """A file of one YAML document; None, and a problem, where it is none."""
    text = read_text(path, problems)
    if text is None:
        return None
    builder = _Builder(path, problems)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.take(event)
    except _Refused as refused:
        problems.add(path, refused.line, str(refused))
        return None
    except yaml.reader.ReaderError as error:
        line = text.encode("utf-8", "surrogatepass")[: error.position].count(b"\n") + 1
        problems.add(path, line, f"is not YAML: {error.reason}: {error.character!r}")
        return None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = ": ".join(filter(None, (error.context, error.problem)))
        problems.add(path, mark.line + 1 if mark else 1, f"is not YAML: {said}")
        return None
    return Document(path, builder.root, builder.lines, problems)


def read_json_lines(path: Path, problems: Problems, most: int) -> Iterator[tuple[int, Any]]:
    """The values of a JSONL file with their lines; empty lines are left out, others that are no JSON are problems."""
    text = read_text(path, problems)
    count = 0
    for number, line in enumerate((text or "").split("\n"), 1):
        if not line.strip():
            continue
        count += 1
        if count > most:
            problems.add(path, number, f"has more than {most} items, the most of one suite: split it")
            return
        try:
            yield number, _json(line)
        except json.JSONDecodeError as error:
            problems.add(path, number, f"is not JSON: {error.msg} (column {error.colno})")
        except ValueError as error:
            problems.add(path, number, str(error))
        except RecursionError:
            problems.add(path, number, "is nested too deeply")


def _json(line: str) -> Any:
    value = json.loads(line, object_pairs_hook=_object, parse_constant=_no_constant)
    if "\\u" in line:
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError("has half of a surrogate pair (\\ud800 to \\udfff), which is no letter") from None
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name!r} is given twice")
        found[name] = value
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"is not JSON: {name} is no number of JSON")


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


class _Refused(Exception):
    def __init__(self, event: events.Event, problem: str) -> None:
        super().__init__(problem)
        self.line = _line(event)


@dataclass(slots=True)
class _Level:
    """A list or a table that is not closed yet. `key` is that of a table whose value comes next."""

    at: At
    value: "dict[str, Any] | list[Any]"
    key: str | None = None


class _Builder:
    """Puts the values together out of the parser's events, without recursion."""

    def __init__(self, path: Path, problems: Problems) -> None:
        self.path, self.problems = path, problems
        self.root: Any = None
        self.lines: dict[At, int] = {(): 1}
        self._levels: list[_Level] = []
        self._documents = 0
        self._values = 0

    def take(self, event: events.Event) -> None:
        if isinstance(event, events.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise _Refused(event, "a second document begins here (---); a suite is one document")
        elif isinstance(event, events.AliasEvent):
            raise _Refused(event, f"*{event.anchor} is an alias; write out what it stands for")
        elif isinstance(event, events.NodeEvent):
            self._node(event)
        elif isinstance(event, events.CollectionEndEvent):
            self._levels.pop()

    def _node(self, event: Any) -> None:
        if event.anchor:
            raise _Refused(event, f"&{event.anchor} is an anchor; aliases are not allowed, leave it out")
        if event.tag not in (None, "!"):
            raise _Refused(event, f"{event.tag} is a tag; write the plain value")
        self._values += 1
        if self._values > MAX_VALUES:
            raise _Refused(event, f"has more than {MAX_VALUES} values, the most that is read: split the suite")
        level = self._levels[-1] if self._levels else None
        if level and isinstance(level.value, dict) and level.key is None:
            self._key(level, event)
            return
        value = _scalar(event) if isinstance(event, events.ScalarEvent) else _empty(event)
        at = self._put(level, value, event)
        if not isinstance(event, events.ScalarEvent):
            if len(self._levels) == MAX_DEPTH:
                raise _Refused(event, f"is nested deeper than {MAX_DEPTH} levels")
            self._levels.append(_Level(at, value))

    def _key(self, level: _Level, event: Any) -> None:
        if not isinstance(event, events.ScalarEvent):
            raise _Refused(event, "a list or a table cannot be a key")
        level.key = event.value
        assert isinstance(level.value, dict)
        if event.value in level.value:
            self.problems.add(self.path, _line(event), f"{event.value!r} is given twice")
        self.lines[(*level.at, event.value)] = _line(event)

    def _put(self, level: _Level | None, value: Any, event: Any) -> At:
        if level is None:
            self.root = value
            return ()
        if isinstance(level.value, list):
            at: At = (*level.at, len(level.value))
            self.lines[at] = _line(event)
            level.value.append(value)
            return at
        assert level.key is not None
        at = (*level.at, level.key)
        level.value[level.key] = value
        level.key = None
        return at


def _empty(event: Any) -> Any:
    return {} if isinstance(event, events.MappingStartEvent) else []


def _scalar(event: events.ScalarEvent) -> Any:
    """The value of a plain scalar by the core schema of YAML 1.2; one in quotes is a text."""
    text = str(event.value)
    if not event.implicit[0]:
        return text
    if _NULL.fullmatch(text):
        return None
    if _BOOL.fullmatch(text):
        return text.lower() == "true"
    if _INT.fullmatch(text):
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    return float(text) if _FLOAT.fullmatch(text) else text
