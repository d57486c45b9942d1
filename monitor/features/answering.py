"""What form an answer has, which option it names, and whether it refuses; called by `texts.py`.

Points and choices are read by the same code that draws them on the probe page and checks canaries, refusals by the
phrases of the check `refusal`.
"""

import re
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import re2

from monitor.canary.reading import chosen, read_json
from monitor.canary.refusals import ENGLISH, HEAD, OTHERS, refusal_in
from monitor.stats.points import Shape, shapes

FORMATS = (
    "empty",
    "json",
    "json_broken",
    "json_long",
    "points",
    "boxes",
    "code",
    "number",
    "choice",
    "list",
    "label",
    "text",
)
LETTERS = "ABCDEFGHIJ"
LONGEST_LABEL, MOST_LABEL_WORDS = 32, 4
LONGER, EMPTY = "(longer)", "(empty)"

_SHORTEST_CODE = 12
_LONGEST_CHOICE = 400
_BARE = " \t\r\n.,;:!?\"'`*_()[]{}«»„“”"
_ITEM = re.compile(r"^[ \t]{0,8}(?:[-*•–]|\d{1,3}[.)])[ \t]+\S", re.MULTILINE)
_CODE = re.compile(
    r"^(?:def \w+\(|class \w+[(:]|import \w+|from \w+ import |#include\b|function \w+\(|SELECT .{1,200} FROM "
    r"|(?:const|let|var) \w+ =|<(?:!DOCTYPE|html|div|svg)\b)",
    re.MULTILINE | re.IGNORECASE,
)
_NUMBER = re.compile(
    r"[-+−]?(?:\d{1,3}(?:[,.\u202f']\d{3}){1,6}|\d{1,40})(?:[.,]\d{1,40})?(?:[eE][-+]?\d{1,3})?\s?[%€$]?"
)
_LIKE_JSON = re.compile(r"(?:```json\s{0,80})?(?:\{\s{0,80}[\"'}]|\[\s{0,80}[\[{\"'])")
_SHORTEST_REFUSAL, _LOOKED_AT = 11, 4 * HEAD  # in ASCII: "I refuse to"
_QUOTES = str.maketrans("’‘`´", "''''")


class Form(NamedTuple):
    """What an answer is by its form: its format, the option or label that it names, its points and boxes."""

    format: str
    choice: str
    points: int
    boxes: int
    refuses: bool


def form(text: str, words: Sequence[str], *, options: bool = False, cut: bool = False) -> Form:
    """The form of an answer; `options` says that the prompt gave lettered ones, `cut` that the text went on.

    >>> form("Yes.", ["yes"])
    Form(format='label', choice='yes', points=0, boxes=0, refuses=False)
    >>> form("The answer is (B).", ["the", "answer", "is", "b"], options=True).choice
    'B'
    >>> form("[(0.35, 0.60)]", ["0", "35", "0", "60"]).format
    'points'
    """
    found = shapes(text) if "(" in text or "[" in text else []
    boxes = sum(shape.is_box for shape in found)
    bare = text.strip(_BARE)
    name = _format(text.strip(), bare, words, found, cut)
    letter = _letter(text, bare) if options or len(bare) == 1 else None
    if letter and name in ("label", "text", "list"):
        name = "choice"
    return Form(name, letter or _label(name, bare), len(found) - boxes, boxes, refuses(text))


def _format(text: str, bare: str, words: Sequence[str], found: Sequence[Shape], cut: bool) -> str:
    if not text:
        return "empty"
    if found and text[0] != "{" and 2 * sum(one.end - one.start for one in found) >= len(text):
        return "boxes" if found[0].is_box else "points"
    if (text[0] in "{[" or text.startswith("```json")) and (json := _json(text, cut)):
        return json
    if "```" in text or (len(text) > _SHORTEST_CODE and _CODE.search(text)):
        return "code"
    if len(bare) <= LONGEST_LABEL and _NUMBER.fullmatch(bare):
        return "number"
    if "\n" in text and len(_ITEM.findall(text)) > 1:
        return "list"
    return "label" if len(bare) <= LONGEST_LABEL and len(words) <= MOST_LABEL_WORDS else "text"


def _json(text: str, cut: bool) -> str | None:
    """Whether the text is JSON, broken, or was cut before its end could be checked; None where JSON was not meant."""
    if cut and _LIKE_JSON.match(text):
        return "json_long"
    try:
        read_json(text)
    except ValueError:
        return "json_broken" if _LIKE_JSON.match(text) else None
    return "json"


def _letter(text: str, bare: str) -> str | None:
    if len(bare) == 1:
        return bare.upper() if bare.upper() in LETTERS else None
    return chosen(text[:_LONGEST_CHOICE], LETTERS)


def _label(name: str, bare: str) -> str:
    """A short answer as it is compared: without signs around it, in lower case."""
    if name == "empty":
        return EMPTY
    if name not in ("label", "number"):
        return LONGER
    return " ".join(bare.casefold().split()) or LONGER


def refuses(text: str) -> bool:
    """Whether an answer refuses, by the phrases of `monitor.canary.refusals`.

    All of them are looked for at once, in the first characters; only what is found is read a second time.
    """
    if len(text) < _SHORTEST_REFUSAL and text.isascii():
        return False
    head = text[:_LOOKED_AT]
    if "`" in head or not head.isascii():
        head = head.translate(_QUOTES)
    head = " ".join(head.split())[:HEAD]
    return bool(_any_refusal().search(head)) and refusal_in(text) is not None


@cache
def _any_refusal() -> Any:
    return re2.compile("(?i)" + "|".join(f"(?:{pattern})" for pattern in (*ENGLISH, *OTHERS)))
