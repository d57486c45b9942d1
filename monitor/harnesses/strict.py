"""Values of JSON and YAML that strangers wrote, each with its place: what is wrong is a BadInput that names it.

The importers of vlm-evaluation, RoboPoint, DepictQA, model cards and plain tables take their values from a `Part`.
"""

import codecs
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from monitor.benchmarks.evaluation import ItemResult, Score
from monitor.benchmarks.protocol import fingerprint
from monitor.errors import BadInput, TooLarge
from monitor.harnesses.tree import Tree
from monitor.harnesses.values import text as kept

MAX_YAML_BYTES = 2**20
MAX_YAML_DEPTH = 40
MAX_WHOLE = 10**30
SNIFFED_BYTES = 2**20
ROUNDING = 5e-5
"""Of a share: harnesses write figures in full, or as percentages with two digits."""
_YAML: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one in C where PyYAML was built with it
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def read_text(tree: Tree, path: str) -> str:
    """The text of a file in UTF-8, or in UTF-16 where a mark at its beginning says so."""
    content = tree.read(path)
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8")
    if not content.strip(b"\0 \t\r\n"):
        raise BadInput(f"{path}: is empty")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        name = encoding.removesuffix("-sig").upper()
        raise BadInput(f"{path}: is not {name}: {error.reason} at byte {error.start}; save it as UTF-8") from None


def yaml_value(text: str, where: str) -> object:
    """The value of one YAML document, which may stand between `---` lines; anchors and aliases are refused."""
    if len(text) > MAX_YAML_BYTES:
        raise TooLarge(f"{where}: has {len(text):,} characters of YAML, at most {MAX_YAML_BYTES:,} are read")
    try:
        _check_events(text, where)
        documents = [one for one in yaml.load_all(text, Loader=_YAML) if one is not None]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise BadInput(f"{where}:{mark.line + 1 if mark else 1}: is not YAML: {error.problem}") from None
    except (yaml.YAMLError, ValueError, TypeError, OverflowError) as error:
        raise BadInput(f"{where}: is not YAML: {str(error)[:200]}") from None
    except RecursionError:
        raise BadInput(f"{where}: is nested too deeply") from None
    if len(documents) > 1:
        raise BadInput(f"{where}: holds {len(documents)} YAML documents, allowed is one")
    return documents[0] if documents else None


def _check_events(text: str, where: str) -> None:
    """Refuse what lets a small file stand for a large value, before any value is made."""
    depth = 0
    for event in yaml.parse(text, Loader=_YAML):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise BadInput(
                f"{where}{_line(event)}: holds a YAML anchor or alias, which is not read; write the value out"
            )
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_YAML_DEPTH:
            raise BadInput(f"{where}{_line(event)}: is nested too deeply")


def _line(event: yaml.Event) -> str:
    return f":{event.start_mark.line + 1}" if event.start_mark else ""


@dataclass(frozen=True, slots=True)
class Part:
    """An object of a file and its place, which each complaint about its values begins with."""

    value: dict[str, object]
    where: str

    @classmethod
    def of(cls, value: object, where: str) -> "Part":
        if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
            raise BadInput(f"{where}: is {kind(value)}, allowed is an object with names")
        return cls(value, where)

    def __contains__(self, name: str) -> bool:
        return self.value.get(name) is not None

    def part(self, name: str) -> "Part":
        return Part.of(self._needed(name), f"{self.where}: {name}")

    def parts(self, name: str) -> list["Part"]:
        value = self._needed(name)
        if not isinstance(value, list):
            raise BadInput(f"{self.where}: {name} is {kind(value)}, allowed is a list")
        return [Part.of(one, f"{self.where}: {name}[{index}]") for index, one in enumerate(value)]

    def text(self, name: str) -> str:
        value = self._needed(name)
        if not isinstance(value, str):
            raise BadInput(f"{self.where}: {name} is {kind(value)}, allowed is a text")
        return value

    def label(self, name: str) -> str:
        """A text, or a whole number that stands for one, such as an id; never blank."""
        value = self._needed(name)
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            raise BadInput(f"{self.where}: {name} is {kind(value)}, allowed is a text or a whole number")
        if isinstance(value, int) and abs(value) > MAX_WHOLE:
            raise BadInput(f"{self.where}: {name} is {kind(value)}, allowed are at most 30 digits")
        found = kept(value) or ""
        if not found.strip():
            raise BadInput(f"{self.where}: {name} is blank")
        return found

    def number(self, name: str) -> float:
        return finite(self._needed(name), f"{self.where}: {name}")

    def numbers(self, name: str) -> list[float]:
        value = self._needed(name)
        if not isinstance(value, list) or not value:
            raise BadInput(f"{self.where}: {name} is {kind(value)}, allowed is a list of numbers")
        return [finite(one, f"{self.where}: {name}") for one in value]

    def maybe_text(self, name: str) -> str | None:
        return self.text(name) if name in self else None

    def maybe_label(self, name: str) -> str | None:
        return self.label(name) if name in self else None

    def _needed(self, name: str) -> object:
        value = self.value.get(name)
        if value is None:
            raise BadInput(f"{self.where}: {name} is missing")
        return value


def parts_of(values: list[dict[str, Any]], path: str) -> list[Part]:
    """Each row of a JSON table as a part of its own, its place counted from 1."""
    return [Part.of(value, f"{path}, entry {number}") for number, value in enumerate(values, 1)]


def first_object(tree: Tree, path: str) -> dict[str, object]:
    """The object that a JSON or JSONL file, or the list in it, begins with; empty where there is none near its start.

    It tells what a file is, without reading all of it.
    """
    try:
        text = tree.read(path)[:SNIFFED_BYTES].decode("utf-8-sig", "replace").lstrip("[ \t\r\n")
        value = json.JSONDecoder().raw_decode(text)[0]
    except (BadInput, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def finite(value: object, where: str) -> float:
    """A number as a float; BadInput for anything else, and for NaN and infinities."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise BadInput(f"{where} is {kind(value)}, allowed is a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise BadInput(f"{where} is {kind(value)}, allowed is a finite number")
    return number


def kind(value: object) -> str:
    """What a value is, short enough for a message."""
    names = {dict: "an object", list: "a list", type(None): "nothing", bool: "true or false"}
    if type(value) in names:
        return names[type(value)]
    if isinstance(value, int) and abs(value) > MAX_WHOLE:
        return "a whole number of more than 30 digits"
    shown = ascii(value) if isinstance(value, str) else str(value)
    return shown if len(shown) <= 60 else shown[:57] + "..."


def source_hash(tree: Tree, paths: tuple[str, ...]) -> str:
    """The SHA-256 of one file, or what stands for those of several."""
    hashes = sorted(tree.sha256(path) for path in paths)
    return hashes[0] if len(hashes) == 1 else fingerprint(hashes)


def mean_differs(score: Score, items: tuple[ItemResult, ...], rounding: float) -> str | None:
    """What to note where the mean of the items is not the score, `rounding` being half of its last digit."""
    values = [item.scores[score.metric] for item in items if score.metric in item.scores]
    if not values:
        return None
    mean = math.fsum(values) / len(values) * (score.most or 1.0)
    if abs(mean - score.value) <= rounding * (1 + 1e-6) + 1e-9:
        return None
    return f"{score.metric}: the mean of the items is {mean:.6g}, the file says {score.value:.6g}"


def odd_scores(scores: tuple[Score, ...], items: tuple[ItemResult, ...]) -> Iterator[str]:
    """What to note of scores of the lm-eval family: those that are no mean of their items, and unknown scales."""
    for score in scores:
        said = mean_differs(score, items, ROUNDING * (score.most or max(1.0, abs(score.value))))
        if said:
            yield said
    unscaled = [score.metric for score in scores if score.most is None and score.higher_is_better]
    if unscaled:
        yield f"the scale of {', '.join(unscaled)} is not known; it is shown as it is"
