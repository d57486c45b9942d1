"""Reads the items of a suite out of what its file says, and reports each mistake at its line; for `suites`."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec.structs import FieldInfo

from monitor.canary.checks import CHECKS, Check
from monitor.canary.checks_text import Params
from monitor.canary.converting import as_list, as_table, convert, shown_value
from monitor.canary.yaml_lines import At, Document
from monitor.config import load_settings
from monitor.errors import BadInput
from monitor.inference.images import ImageLimits, read_picture
from monitor.probe.bodies import MAX_PARTS, MAX_TURNS, Picture, Settings, Text, Turn, check_question

MAX_CHECKS = 32
ROLES = ("system", "user", "assistant")

Weight = Annotated[float, msgspec.Meta(gt=0, le=1e6)]
Tag = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Tags = Annotated[list[Tag], msgspec.Meta(max_length=16)]
Id = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$")]
Words = Annotated[str, msgspec.Meta(min_length=1)]
Files = Annotated[list[Words], msgspec.Meta(max_length=MAX_PARTS)]
KEYS = ("id", "tags", "weight", "group", "messages", "prompt", "images", "settings", "checks")


@dataclass(slots=True)
class Images:
    """The image files of a suite: read once each, and kept by their hash."""

    folder: Path
    limits: ImageLimits = field(default_factory=lambda: ImageLimits.of(load_settings({})))
    files: dict[str, Path] = field(default_factory=dict)
    _known: dict[str, str] = field(default_factory=dict)

    def sha256(self, name: str) -> str:
        """The hash of an image file. Raises BadInput for what is none, or lies elsewhere."""
        if name not in self._known:
            path = inside(self.folder, name)
            try:
                with path.open("rb") as file:
                    content = file.read(self.limits.max_bytes + 1)
            except OSError as error:
                raise BadInput(f"cannot be read: {error.strerror}") from None
            read_picture(content, self.limits)
            self._known[name] = hashlib.sha256(content).hexdigest()
            self.files.setdefault(self._known[name], path)
        return self._known[name]


def inside(folder: Path, name: str) -> Path:
    """A file below the folder of the suite. Raises BadInput where it leads elsewhere, by links too."""
    if "\0" in name or len(name) > 4096:
        raise BadInput("is no name of a file")
    try:
        path = (folder / name).resolve()
        outside = not path.is_relative_to(folder.resolve())
    except (OSError, RuntimeError) as error:
        raise BadInput(f"cannot be read: {error}") from None
    if outside or Path(name).is_absolute():
        raise BadInput("lies outside of the folder of the suite; give a path below it, such as images/a.png")
    return path


@dataclass(frozen=True, slots=True)
class Written:
    """An item as its file has it: its place there, and the suite's defaults for it."""

    document: Document
    at: At
    value: Any
    settings: Mapping[str, Any]
    checks: Sequence[Check] | None


@dataclass(frozen=True, slots=True)
class Read:
    """What an item says, as far as it is right; `id` is None where it is not."""

    id: str | None
    turns: tuple[Turn, ...]
    settings: Settings
    checks: tuple[Check, ...]
    tags: tuple[str, ...]
    weight: float
    group: str | None
    line: int


def read_item(written: Written, images: Images) -> Read | None:
    """The item, None where it is none; what is wrong with it is reported, and what is left is not to be used then."""
    document, at = written.document, written.at
    if not isinstance(written.value, dict):
        document.report(at, f"an item is a table with {', '.join(KEYS)}, not {shown_value(written.value)}")
        return None
    value = as_table(document, at, written.value, KEYS)
    if "id" not in value:
        document.report(at, "the item has no id; it needs one of its own, such as colour-1")
    tags = convert(document, (*at, "tags"), value.get("tags", []), Tags, "tags") or []
    for tag in sorted({tag for tag in tags if tags.count(tag) > 1}):
        document.report((*at, "tags"), f"tags has {tag!r} twice")
    return Read(
        id=convert(document, (*at, "id"), value["id"], Id, "id") if "id" in value else None,
        turns=_turns(document, at, value, images),
        settings=read_settings(document, (*at, "settings"), value.get("settings", {}), written.settings)[1],
        checks=_checks(written, value),
        tags=tuple(tags),
        weight=convert(document, (*at, "weight"), value.get("weight", 1.0), Weight, "weight") or 1.0,
        group=convert(document, (*at, "group"), value.get("group"), Id | None, "group"),
        line=document.line(at),
    )


def _checks(written: Written, value: Mapping[str, Any]) -> tuple[Check, ...]:
    document, at = written.document, written.at
    if "checks" in value:
        return read_checks(document, (*at, "checks"), value["checks"])
    if written.checks is None:
        document.report(at, "the item has no checks; give it some, or give the suite checks for all items")
    return tuple(written.checks or ())


def _turns(document: Document, at: At, value: Mapping[str, Any], images: Images) -> tuple[Turn, ...]:
    """The messages, from either form."""
    before = len(document.problems.found)
    if ("messages" in value) == ("prompt" in value):
        document.report(at, "the item needs either messages or prompt, and not both")
        return ()
    if "messages" in value:
        if "images" in value:
            document.report((*at, "images"), "images goes with prompt; in messages they stand in content")
        turns = _messages(document, (*at, "messages"), value["messages"], images)
    else:
        prompt = convert(document, (*at, "prompt"), value["prompt"], Words, "prompt") or ""
        names = convert(document, (*at, "images"), value.get("images", []), Files, "images") or []
        places: list[At] = [(*at, "images", number) for number in range(len(names))]
        shown = [_picture(document, place, name, images) for place, name in zip(places, names, strict=True)]
        parts = [picture for picture in shown if picture]
        turns = (Turn("user", [*parts, Text(prompt)]) if names else Turn("user", prompt),)
    if len(document.problems.found) == before:
        _check_question(document, at, turns)
    return turns


def _check_question(document: Document, at: At, turns: Sequence[Turn]) -> None:
    try:
        check_question(turns, "the question")
    except BadInput as error:
        document.report(at, str(error))


def _messages(document: Document, at: At, value: Any, images: Images) -> tuple[Turn, ...]:
    listed = as_list(document, at, value, "messages", MAX_TURNS)
    turns = []
    for number, one in enumerate(listed):
        place = (*at, number)
        table = as_table(document, place, one, ("role", "content"))
        if table.get("role") not in ROLES:
            document.report(
                (*place, "role"), f"role is {shown_value(table.get('role'))}; allowed are {', '.join(ROLES)}"
            )
        elif "content" not in table:
            document.report(place, "the message has no content; give a text, or a list of texts and images")
        else:
            turns.append(Turn(table["role"], _content(document, (*place, "content"), table["content"], images)))
    return tuple(turns)


def _content(document: Document, at: At, value: Any, images: Images) -> str | list[Text | Picture]:
    if isinstance(value, str):
        return value
    parts: list[Text | Picture] = []
    for number, one in enumerate(as_list(document, at, value, "content", MAX_PARTS)):
        place = (*at, number)
        table = as_table(document, place, one, ("text", "image")) if isinstance(one, dict) else {}
        if len(table) != 1:
            document.report(place, f"a part is {{text: ...}} or {{image: a file}}, not {shown_value(one)}")
        elif "text" in table:
            text = convert(document, (*place, "text"), table["text"], str, "text")
            parts.append(Text(text or ""))
        else:
            name = convert(document, (*place, "image"), table["image"], Words, "image")
            picture = _picture(document, (*place, "image"), name, images) if name else None
            parts += [picture] if picture else []
    return parts


def _picture(document: Document, at: At, name: str, images: Images) -> Picture | None:
    try:
        return Picture(images.sha256(name))
    except BadInput as error:
        document.report(at, f"image {shown_value(name)}: {error}")
        return None


@cache
def _fields(kind: type[msgspec.Struct]) -> dict[str, FieldInfo]:
    return {one.name: one for one in msgspec.structs.fields(kind)}


def read_settings(
    document: Document, at: At, value: Any, defaults: Mapping[str, Any]
) -> tuple[dict[str, Any], Settings]:
    """The settings that are given, over those of the suite."""
    given = dict(defaults)
    fields = _fields(Settings)
    for name, one in as_table(document, at, value, tuple(fields)).items():
        converted = convert(document, (*at, name), one, fields[name].type, f"settings.{name}")
        if converted is not None:
            given[name] = converted
    return given, Settings(**given)


def read_checks(document: Document, at: At, value: Any) -> tuple[Check, ...]:
    """The checks of a list, in both forms."""
    listed = as_list(document, at, value, "checks", MAX_CHECKS)
    found = [_check(document, (*at, number), one) for number, one in enumerate(listed)]
    return tuple(check for check in found if check)


def _check(document: Document, at: At, value: Any) -> Check | None:
    if not isinstance(value, dict) or not value:
        document.report(at, f"a check is {{kind: value}}, such as exact: red, not {shown_value(value)}")
        return None
    kind = value["kind"] if "kind" in value else next(iter(value))
    if not isinstance(kind, str) or kind not in CHECKS or ("kind" not in value and len(value) > 1):
        known = ", ".join(CHECKS)
        problem = f"is no kind of check; kinds are {known}"
        if isinstance(kind, str) and kind in CHECKS:
            problem = (
                f"has {', '.join(list(value)[1:4])} beside it; write {{kind: {kind}, ...}} to give several parameters"
            )
        document.report(at, f"check {shown_value(kind)} {problem}")
        return None
    if "kind" in value:
        return _parameters(document, at, kind, {name: one for name, one in value.items() if name != "kind"})
    short = value[kind]
    named = CHECKS[kind].params.__struct_fields__
    if isinstance(short, dict) and kind != "json_schema" and {*short} & {*named}:
        return _parameters(document, (*at, kind), kind, short)
    return _parameters(document, at, kind, {CHECKS[kind].main: short}, short_at=(*at, kind))


def _parameters(
    document: Document, at: At, kind: str, given: Mapping[str, Any], short_at: At | None = None
) -> Check | None:
    """A check of known kind; each parameter that is wrong is reported."""
    before = len(document.problems.found)
    fields = _fields(CHECKS[kind].params)
    values = as_table(document, at, given, tuple(fields), f"check {kind}")
    for name, one in values.items():
        label = f"check {kind}" if short_at else f"check {kind}: {name}"
        convert(document, short_at or (*at, name), one, fields[name].type, label)
    for name in (name for name, one in fields.items() if one.required and name not in values):
        document.report(at, f"check {kind} lacks {name}; its parameters are {', '.join(fields)}")
    if len(document.problems.found) > before:
        return None
    params: Params | None = convert(document, short_at or at, values, CHECKS[kind].params, f"check {kind}", whole=True)
    return Check(kind, params) if params is not None else None
