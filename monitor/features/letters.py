"""What the characters of many texts are, counted at once: letters by script and case, digits, signs, and the words.

`texts.py` calls it with all distinct texts of a call: one look-up per character in tables of Unicode's categories, so
that the time does not depend on what a text says.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

SCRIPTS: dict[str, tuple[tuple[int, int], ...]] = {
    "latin": ((0x41, 0x24F), (0x1E00, 0x1EFF), (0x2C60, 0x2C7F), (0xA720, 0xA7FF), (0xFB00, 0xFB06), (0xFF21, 0xFF5A)),
    "greek": ((0x370, 0x3FF), (0x1F00, 0x1FFF)),
    "cyrillic": ((0x400, 0x52F), (0x1C80, 0x1C8F), (0x2DE0, 0x2DFF), (0xA640, 0xA69F)),
    "hebrew": ((0x590, 0x5FF), (0xFB1D, 0xFB4F)),
    "arabic": ((0x600, 0x6FF), (0x750, 0x77F), (0x870, 0x8FF), (0xFB50, 0xFDFF), (0xFE70, 0xFEFE)),
    "devanagari": ((0x900, 0x97F), (0xA8E0, 0xA8FF)),
    "bengali": ((0x980, 0x9FF),),
    "tamil": ((0xB80, 0xBFF),),
    "thai": ((0xE00, 0xE7F),),
    "hangul": ((0x1100, 0x11FF), (0x3130, 0x318F), (0xA960, 0xA97F), (0xAC00, 0xD7FF)),
    "kana": ((0x3040, 0x30FF), (0x31F0, 0x31FF), (0xFF66, 0xFF9F), (0x1B000, 0x1B16F)),
    "han": (
        (0x2E80, 0x2FDF),
        (0x3005, 0x3007),
        (0x3400, 0x4DBF),
        (0x4E00, 0x9FFF),
        (0xF900, 0xFAFF),
        (0x20000, 0x2FFFF),
    ),
    "other": (),
}
"""Blocks of code points by script; letters of none of them count as "other"."""

UNSPACED = ("thai", "kana", "han")
"""Scripts that are written without blanks between words: each sign counts as a word."""

JAPANESE = "japanese"
"""What kana and han together are called: Japanese mixes them in each sentence."""

NO_LETTERS = "none"

_UNSPACED_PLACES = [place for place, name in enumerate(SCRIPTS) if name in UNSPACED]

GROUPS = ("letters", "upper", "cased", "digits", "punctuation", "nonascii", "unspaced")
_TABLE = 0x30000
_RARE_HAN, _PRIVATE = 0x20000, 0xE000
_BLANK = 0x20


@dataclass(frozen=True, slots=True, eq=False)
class Alphabet:
    """For each code point its class and its lower case (a blank where it is no part of a word); classes by group."""

    classes: NDArray[np.uint8]
    lower: NDArray[np.uint32]
    members: NDArray[np.float64]  # one row per class, one column per group and script


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """How many characters of each text there are, by group and by script; and each text as words between blanks."""

    total: Ints
    groups: dict[str, Ints]
    scripts: Ints  # one row per text, one column per script
    spelled: list[str]


def count(texts: Sequence[str]) -> Counted:
    """The characters of each text by what they are. Marks that stand on letters (accents, vowel signs) are letters.

    >>> found = count(["Ärger 3!", "日本"])
    >>> {name: numbers.tolist() for name, numbers in found.groups.items() if name in ("letters", "digits", "nonascii")}
    {'letters': [5, 2], 'digits': [1, 0], 'nonascii': [1, 2]}
    >>> found.spelled
    ['ärger 3 ', '日本']
    """
    table = alphabet()
    codes = _codes(texts)
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    kinds = len(table.members)
    places = np.repeat(np.arange(len(texts), dtype=np.int64) * kinds, lengths) + table.classes[codes]
    per_class = np.bincount(places, minlength=len(texts) * kinds).reshape(len(texts), kinds)
    found = (per_class @ table.members).astype(np.int64)
    groups = {name: found[:, place] for place, name in enumerate(GROUPS)}
    return Counted(lengths, groups, found[:, len(GROUPS) :], _spelled(table.lower[codes], lengths))


def scripts_of(counted: Counted) -> list[str]:
    """The script of most letters of each text; "none" without letters.

    >>> scripts_of(count(["Привет, Tom", "東京はどこですか", "42"]))
    ['cyrillic', 'japanese', 'none']
    """
    names = list(SCRIPTS)
    kana, han = counted.scripts[:, names.index("kana")], counted.scripts[:, names.index("han")]
    together = counted.scripts.copy()
    japanese = kana * 10 > han
    together[:, names.index("kana")] += np.where(japanese, han, 0)
    together[:, names.index("han")] -= np.where(japanese, han, 0)
    best, most = together.argmax(axis=1).tolist(), together.max(axis=1, initial=0).tolist()
    shown = [JAPANESE if name == "kana" else name for name in names]
    return [shown[place] if n else NO_LETTERS for place, n in zip(best, most, strict=True)]


@cache
def alphabet() -> Alphabet:
    """The tables, made once a process (a quarter of a second)."""
    scripts = np.full(_TABLE, len(SCRIPTS) - 1, np.int64)
    for place, blocks in enumerate(SCRIPTS.values()):
        for first, last in blocks:
            scripts[first : last + 1] = place
    categories = [unicodedata.category(chr(code)) for code in range(_TABLE)]
    keys = [_key(*one) for one in zip(range(_TABLE), categories, scripts.tolist(), strict=True)]
    known = {key: place for place, key in enumerate(dict.fromkeys(keys))}
    classes = np.fromiter((known[key] for key in keys), np.uint8, _TABLE)
    members = np.array([[*groups, *(script == place for place in range(len(SCRIPTS)))] for *groups, script in known])
    return Alphabet(classes, _lowered(categories), members.astype(np.float64))


def _key(code: int, category: str, script: int) -> tuple[int, ...]:
    """To which of GROUPS a character belongs, and to which script (-1: it is no letter)."""
    kind = category[0]
    written = kind in "LM"
    return (
        written,
        category in ("Lu", "Lt"),
        category in ("Lu", "Lt", "Ll"),
        category == "Nd",
        kind in "PS",
        code >= 0x80,
        written and script in _UNSPACED_PLACES,
        script if kind == "L" else -1,
    )


def _lowered(categories: Sequence[str]) -> NDArray[np.uint32]:
    """Lower case where it is one character; what is no letter, mark or number becomes a blank."""
    small = (chr(code).lower() for code in range(_TABLE))
    codes = (
        _BLANK if name[0] not in "LMN" else ord(letter) if len(letter) == 1 else code
        for code, (name, letter) in enumerate(zip(categories, small, strict=True))
    )
    return np.fromiter(codes, np.uint32, _TABLE)


def _codes(texts: Sequence[str]) -> NDArray[np.uint32]:
    """The code points of all texts in a row; those beyond the tables as a han sign, or as one of private use."""
    codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
    if codes.size and codes.max() >= _TABLE:
        beyond = codes >= _TABLE
        codes = np.where(beyond, np.where(codes < 0x40000, _RARE_HAN, _PRIVATE), codes).astype(np.uint32)
    return codes


def _spelled(codes: NDArray[np.uint32], lengths: Ints) -> list[str]:
    joined = codes.tobytes().decode("utf-32-le", "surrogatepass")
    ends = np.cumsum(lengths).tolist()
    return [joined[end - length : end] for end, length in zip(ends, lengths.tolist(), strict=True)]
