"""Suite files: read, checked, and versioned by their content; called by the replay job.

All problems of a file are reported at once, each with its file and line. The version of an item is the hash of what is
asked and how it is checked: a changed item starts a new history, one that moved or got another tag does not.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec

from monitor.canary.checks import Check
from monitor.canary.converting import as_list, as_table, convert
from monitor.canary.items import Images, Read, Written, inside, read_checks, read_item, read_settings
from monitor.canary.yaml_lines import Document, Problems, read_json_lines, read_yaml
from monitor.chat import Generation
from monitor.errors import BadInput
from monitor.probe.bodies import Settings, Turn

__all__ = ["SHIPPED", "Item", "Suite", "load_suite"]

NAME = "suite.yaml"
MAX_ITEMS = 20_000
KEYS = ("suite", "about", "settings", "checks", "items")
SuiteId = Annotated[str, msgspec.Meta(pattern="^[a-z0-9-]{1,64}$")]
About = Annotated[str, msgspec.Meta(max_length=1000)]

_FOLDER = Path(__file__).parent / "shipped"
SHIPPED: dict[str, Path] = {name: _FOLDER / name for name in ("general", "shapes", "shapes-text")}
"""The suites that come with Watchpoint, by id: their folders."""


@dataclass(frozen=True, slots=True)
class Item:
    """One question with its checks; `line` is where it stands in its file."""

    id: str
    turns: tuple[Turn, ...]
    settings: Generation
    checks: tuple[Check, ...]
    tags: tuple[str, ...] = ()
    weight: float = 1.0
    group: str | None = None
    line: int = 1

    @property
    def hash(self) -> str:
        """16 hex digits over what is asked, how it is generated and how it is checked."""
        asked = [[turn.role, msgspec.to_builtins(turn.parts)] for turn in self.turns]
        return _digest([asked, _settings(self.settings), [check.definition for check in self.checks]])

    @property
    def definition(self) -> dict[str, Any]:
        """The whole item fit for JSON: what the store keeps and a page shows."""
        return {
            "id": self.id,
            "messages": _messages(self.turns),
            "settings": _settings(self.settings),
            "checks": [check.definition for check in self.checks],
            "tags": list(self.tags),
            "weight": self.weight,
            "group": self.group,
        }


@dataclass(frozen=True, slots=True)
class Suite:
    """A suite as its file has it; `images` are the files by the hashes that items name."""

    id: str
    about: str
    items: tuple[Item, ...]
    images: Mapping[str, Path]
    path: Path

    @property
    def version(self) -> str:
        """16 hex digits over all items in their order, with what decides about their results."""
        return _digest([[one.id, one.hash, list(one.tags), one.weight, one.group] for one in self.items])


def load_suite(path: str | Path) -> Suite:
    """A suite file, or the one in a folder. Raises BadInput with every problem, one a line, each with file and line."""
    path = Path(path)
    path = path / NAME if path.is_dir() else path
    problems = Problems()
    document = read_yaml(path, problems)
    if document is None or not isinstance(document.value, dict):
        if document is not None:
            document.report((), f"is no suite; it must be a table with {', '.join(KEYS)}")
        problems.raise_any()
        raise AssertionError("a problem was found")
    images = Images(path.parent)
    suite_id, about, found = _read(document, images)
    problems.raise_any()
    return Suite(str(suite_id), str(about or ""), tuple(map(_item, found)), images.files, path)


def _read(document: Document, images: Images) -> tuple[str | None, str | None, list[Read]]:
    value = as_table(document, (), document.value, KEYS)
    for name in ("suite", "items"):
        if name not in value:
            document.report((), f"{name} is missing; a suite has {', '.join(KEYS)}")
    suite_id = convert(document, ("suite",), value["suite"], SuiteId, "suite") if "suite" in value else None
    about = convert(document, ("about",), value.get("about", ""), About, "about")
    settings, _ = read_settings(document, ("settings",), value.get("settings", {}), {})
    checks = read_checks(document, ("checks",), value["checks"]) if "checks" in value else None
    written = [Written(*one, settings, checks) for one in _listed(document, value)]
    found = [(one, item) for one in written if (item := read_item(one, images))]
    _check_ids(found)
    return suite_id, about, [item for _, item in found]


def _listed(document: Document, value: Mapping[str, Any]) -> list[tuple[Document, tuple[str | int, ...], Any]]:
    """The items as they are written: each with its document and its place there."""
    items = value.get("items")
    if isinstance(items, str):
        return _from_lines(document, items)
    if "items" not in value:
        return []
    listed = as_list(document, ("items",), items, "items", MAX_ITEMS)
    return [(document, ("items", number), one) for number, one in enumerate(listed)]


def _from_lines(document: Document, name: str) -> list[tuple[Document, tuple[str | int, ...], Any]]:
    """The items of a JSONL file beside the suite."""
    try:
        path = inside(document.path.parent, name)
    except BadInput as error:
        document.report(("items",), f"items {name[:80]!r}: {error}")
        return []
    problems = document.problems
    before = len(problems.found)
    path = document.path.parent / name
    found: list[tuple[Document, tuple[str | int, ...], Any]] = [
        (Document(path, value, {(): line}, problems), (), value)
        for line, value in read_json_lines(path, problems, MAX_ITEMS)
    ]
    if not found and len(problems.found) == before:
        document.report(("items",), f"items {name[:80]!r}: the file has no items; write one JSON object a line")
    return found


def _check_ids(found: list[tuple[Written, Read]]) -> None:
    first: dict[str, int] = {}
    for one, item in found:
        if item.id is None:
            continue
        if item.id in first:
            problem = f"id {item.id!r} is that of the item in line {first[item.id]} too; each item needs its own"
            one.document.report((*one.at, "id"), problem)
        first.setdefault(item.id, item.line)


def _item(read: Read) -> Item:
    assert read.id is not None
    settings = read.settings.generation()
    return Item(read.id, read.turns, settings, read.checks, read.tags, read.weight, read.group, read.line)


def _messages(turns: tuple[Turn, ...]) -> list[dict[str, Any]]:
    return [dict(msgspec.to_builtins(turn)) for turn in turns]


def _settings(settings: Generation) -> dict[str, Any]:
    """What differs from the defaults, so that a setting that is new does not change what is known."""
    plain = Generation()
    names = Settings.__struct_fields__
    values = {name: getattr(settings, name) for name in names if getattr(settings, name) != getattr(plain, name)}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
