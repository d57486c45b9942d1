"""Turns values of a suite file into typed ones, and reports what is wrong with its value and what is allowed."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from monitor.canary.yaml_lines import At, Document

MAX_SHOWN = 80

_EXPECTED = re.compile(r"[Ee]xpected `([^`]*)`")
_GOT = re.compile(r", got `([^`]*)`")
_NAMES = {
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
    "null": "nothing",
}


def as_table(document: Document, at: At, value: Any, keys: Sequence[str], name: str = "") -> dict[str, Any]:
    """The known keys of a table; others are reported."""
    label = name or (str(at[-1]) if at and isinstance(at[-1], str) else "this")
    if not isinstance(value, dict):
        document.report(at, f"{label} is {shown_value(value)}: must be a table with {', '.join(keys)}")
        return {}
    for key in value:
        if key not in keys:
            document.report((*at, key), f"unknown key {shown_value(key)}; allowed are {', '.join(keys)}")
    return {key: one for key, one in value.items() if key in keys}


def as_list(document: Document, at: At, value: Any, name: str, most: int) -> list[Any]:
    """A list that is neither empty nor too long; else it is reported."""
    if not isinstance(value, list) or not value:
        document.report(at, f"{name} is {shown_value(value)}: must be a list that is not empty")
        return []
    if len(value) > most:
        document.report(at, f"{name} has {len(value)} entries; allowed are {most}")
        return []
    return value


def convert(document: Document, at: At, value: Any, kind: Any, name: str, *, whole: bool = False) -> Any:
    """The value as that type; None, and a problem with the value and what is allowed, where it is not."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        problem, _, where = str(error).partition(" - at `$")
        path = where.strip("`")
        place = (*at, *(int(n) for n in re.findall(r"\[(\d+)\]", path)))
        wrong = _inside(value, path)
        shown = "" if whole else f" is {shown_value(wrong)}"
        document.report(place, f"{name}{'' if whole else path}{shown}: {_in_words(problem, wrong)}")
        return None


def _inside(value: Any, path: str) -> Any:
    for number in re.findall(r"\[(\d+)\]", path):
        value = value[int(number)]
    return value


def _in_words(problem: str, value: Any) -> str:
    """What msgspec expected, in the words of people who write YAML."""
    if not _EXPECTED.search(problem):
        return problem
    words = _EXPECTED.sub(lambda found: "must be " + " or ".join(_named(one) for one in found[1].split(" | ")), problem)
    quotes = "; put it in quotes" if "a text" in words and isinstance(value, int | float) else ""
    return _GOT.sub("", words).replace("matching regex", "that matches") + quotes


def _named(kind: str) -> str:
    return _NAMES.get(kind, kind)


def shown_value(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 3]}..."
