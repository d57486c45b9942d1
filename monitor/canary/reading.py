"""Reads a number, a letter or JSON out of an answer in words; for the checks `number`, `choice` and `json_schema`.

What is written in two ways that contradict each other is not read at all: a check never guesses.
"""

import json
import math
import re
import unicodedata
from typing import Any

_MINUS = r"(?:(?<![\w)\].])[-+])?"
_DIGITS = r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+"
_NUMBER = re.compile(rf"{_MINUS}(?<![\w.])(?:{_DIGITS})(?:[eE][-+]?[0-9]{{1,3}})?(?![0-9]|(?:st|nd|rd|th)\b)")

_LETTER = r"[*_`\"'(\[{$]{0,4}(?:\\boxed\{|\\text\{){0,2}([A-Z])\b[*_`\"')\]}]{0,4}"
_MORE = rf"(?: ?(?:,|/|;|&|\bor\b|\band\b) ?(?:(?:or|and|option|choice) ){{0,2}}{_LETTER})?"
_STATED = re.compile(
    r"(?i:\b(?:answer|choice|option|letter|choose|pick|select)\b)(?: ?(?i:is|are|would be|should be|must be|:|=|to|the"
    r"|correct|right|best|answer|option|choice|letter)){0,6}[ :=]{0,3}" + _LETTER + _MORE * 3
)
_MARKED = re.compile(
    r"(?:^|(?<= ))(?:\(([A-Z])\)|\[([A-Z])\]|\*\*\(?([A-Z])\)?[.:)]?\*\*|([A-Z])\)(?= |$))|^([A-Z])[.:](?= )"
)
_ALONE = re.compile(r"(?<![\w'])([A-Z])(?![\w'])")
_DENIED_BEFORE = re.compile(
    r"(?i)(?:\bnot|n't|\bneither|\bnor|\bexcept|\bthan|\bwithout) (?:(?:the|option|choice|answer) ){0,3}\W{0,4}$"
)
_DENIED_AFTER = re.compile(
    r"(?i)[*_`\"')\]}]{0,4} (?:(?:is|are|was|would be|can be|looks|seems) (?:not|wrong|incorrect|false)\b"
    r"|isn't\b|wrong\b|incorrect\b|false\b)"
)
_NEAR = 40
"""Letters around a match that are looked at."""

_WORDS_TOO = ("A", "I")
"""Letters that are words as well: alone in a sentence they name no choice, beside another letter they do."""
_BESIDE = r" ?(?:,|/|;|&|\bor\b|\band\b) ?"
_BEFORE, _AFTER = re.compile(rf"\b[A-Z]{_BESIDE}$"), re.compile(rf"{_BESIDE}[A-Z]\b")

_FENCE = re.compile(r"```[A-Za-z0-9_-]*[ \t]*\n(.*?)\n?[ \t]*```", re.DOTALL)


def normalised(text: str) -> str:
    """The text in one form of Unicode (NFKC), with single blanks and none around it; variants are told apart by it.

    >>> normalised("  Two\\u00a0\\n circles ")
    'Two circles'
    """
    return re.sub(r"\s+", " ", unicodedata.normalize("NFKC", text)).strip()


def numbers(text: str) -> list[float]:
    """The numbers of a text in their order; commas between thousands are read, words such as H2O are not.

    >>> numbers("Of 1,250 cats, -3.5e2 left: 40% (no 2nd try), see GPT4")
    [1250.0, -350.0, 40.0]
    """
    found = _NUMBER.finditer(normalised(text).replace("−", "-"))
    values = [float(one.group().replace(",", "")) for one in found]
    return [value for value in values if math.isfinite(value)]


def only_number(text: str) -> float | None:
    """The number that a text is, marks of emphasis and a full stop aside; None where there is more.

    >>> only_number("**42.**"), only_number("42 cats")
    (42.0, None)
    """
    bare = normalised(text).replace("−", "-").strip("*_`\"' ").removesuffix(".").strip("*_`\"' ")
    return numbers(bare)[0] if _NUMBER.fullmatch(bare) else None


def chosen(text: str, letters: str) -> str | None:
    """The letter that an answer to a multiple choice chooses; None where it chooses none, or more than one.

    >>> chosen("The answer is (B).", "ABCD"), chosen("b", "ABCD"), chosen("B) Paris", "ABCD")
    ('B', 'B', 'B')
    >>> chosen("It is A or B.", "ABCD"), chosen("A good question!", "ABCD"), chosen("Not B.", "ABCD")
    (None, None, None)
    """
    said = normalised(text)
    bare = re.sub(r"[^\w]", "", said)
    if len(bare) == 1:
        return bare.upper() if bare.upper() in letters else None
    for find in (_stated, _marked, _alone):
        if found := find(said) & {*letters}:
            return found.pop() if len(found) == 1 else None
    return None


def _stated(text: str) -> set[str]:
    """Letters behind "the answer is"."""
    return {
        letter for match in _STATED.finditer(text) for letter in match.groups() if letter and not _denied(text, match)
    }


def _marked(text: str) -> set[str]:
    """Letters that are written as options are: (B), B), B., B: or in bold."""
    return {
        letter for match in _MARKED.finditer(text) for letter in match.groups() if letter and not _denied(text, match)
    }


def _alone(text: str) -> set[str]:
    return {match[1] for match in _ALONE.finditer(text) if not _is_word(text, match) and not _denied(text, match)}


def _is_word(text: str, match: "re.Match[str]") -> bool:
    beside = _BEFORE.search(_before(text, match)) or _AFTER.match(_after(text, match))
    return match[1] in _WORDS_TOO and not beside


def _denied(text: str, match: "re.Match[str]") -> bool:
    return bool(_DENIED_BEFORE.search(_before(text, match)) or _DENIED_AFTER.match(_after(text, match)))


def _before(text: str, match: "re.Match[str]") -> str:
    return text[max(0, match.start() - _NEAR) : match.start()]


def _after(text: str, match: "re.Match[str]") -> str:
    return text[match.end() : match.end() + _NEAR]


def read_json(text: str) -> Any:
    """The JSON that an answer is, or that stands in its only fenced block. Raises ValueError with the reason.

    >>> read_json('Here it is:\\n```json\\n{"a": 1}\\n```')
    {'a': 1}
    """
    fenced = _FENCE.findall(text)
    if len(fenced) > 1:
        raise ValueError(f"it has {len(fenced)} fenced blocks; which one is meant is not known")
    try:
        return json.loads(fenced[0] if fenced else text, parse_constant=_no_constant, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON: {error}") from None
    except RecursionError:
        raise ValueError("it is JSON that is nested too deeply") from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"it is not JSON: {name} is no number of JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"it is JSON that gives {twice[:80]!r} twice")
    return found
