"""The language of a text, by its script, its letters and the frequent words of eleven languages; called by `texts.py`.

A few words are enough: each frequent word counts for the languages that have it, the more the fewer they are, and so do
letters that few languages write. Where too little speaks for one language, or as much for another, it is "unknown".
`tests/test_features_languages.py` holds what share of its sentences is told right.
"""

import struct
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import islice, repeat

from monitor.features.frequent import ENDINGS, LETTERS, WORDS

UNKNOWN = "unknown"

BY_SCRIPT = {
    "greek": "greek",
    "hebrew": "hebrew",
    "arabic": "arabic",
    "devanagari": "hindi",
    "bengali": "bengali",
    "tamil": "tamil",
    "thai": "thai",
    "hangul": "korean",
    "japanese": "japanese",
    "han": "chinese",
}
"""Scripts that say the language. Arabic script with Persian letters is told from Arabic, marathi from hindi is not."""

PERSIAN = frozenset("پچژگکی")

_ONE = 720
"""Points of a word that one language has; those of a word that several have are split between them."""

_MOST_WORDS, _MOST_LETTERS = 80, 10
_LANE = 16
"""Bits of a language in a sum of points: at most 90 times _ONE."""

_LETTER_WORTH = 4
"""Words of one letter from a to z are often no words: they count a quarter."""

_LETTER_WORTH = 4
"""Words of one letter from a to z are often no words: they count a quarter."""

_LEAST, _LEAST_PER_WORD = 0.5, 0.1
"""Points that are needed, in units of _ONE: by any text, and for each of its words."""

_LEAD = 1.2
"""The first language has at least so many times the points of the second, else the language is not known."""


def language(text: str, words: Sequence[str], script: str) -> str:
    """The language of a text of which the words in lower case and the script are known.

    >>> language("Wie viele Kreise sind das?", ["wie", "viele", "kreise", "sind", "das"], "latin")
    'german'
    >>> language("OK 12", ["ok", "12"], "latin")
    'unknown'
    """
    if script == "arabic":
        return "arabic" if PERSIAN.isdisjoint(text) else "persian"
    if script not in ("latin", "cyrillic"):
        return BY_SCRIPT.get(script, UNKNOWN)
    read = words[:_MOST_WORDS]
    by_words = sum(map(_table().get, read, repeat(0)))
    if text.isascii():
        return _decided(by_words, len(read)) or _decided(by_words + _by_endings(read), len(read)) or UNKNOWN
    by_words += _by_endings(read)
    letters = {letter for letter in text.lower() if letter > "\x7f"}
    known = sum(_letters()[letter] for letter in islice(_letters().keys() & letters, _MOST_LETTERS))
    found = _decided(by_words + known, len(read))
    return found if found and _fits(found, by_words, letters, read) else UNKNOWN


def _decided(points: int, words: int) -> str | None:
    """The language with the most points, if they are enough and more than those of any other."""
    lanes = [*_LANES.unpack(points.to_bytes(_LANES.size, "little"))]
    first = max(lanes)
    place = lanes.index(first)
    lanes[place] = 0
    enough = first >= _ONE * max(_LEAST, _LEAST_PER_WORD * words) and first >= _LEAD * max(lanes)
    return _NAMES[place] if enough else None


def _fits(name: str, by_words: int, letters: set[str], words: Sequence[str]) -> bool:
    """Whether some word speaks for the language as well, and few words have letters that it does not write.

    Names and loans ("Malmö", "café") are let through: one word in five.
    """
    strange = {letter for letter in letters - {*LETTERS.get(name, ())} if letter.isalpha() and letter not in _CYRILLIC}
    foreign = sum(not strange.isdisjoint(word) for word in words)
    lane = by_words >> _LANE * _NAMES.index(name) & (1 << _LANE) - 1
    return lane > 0 and foreign * 5 <= len(words)


def _by_endings(words: Sequence[str]) -> int:
    """A quarter of a word for each long word with a known end that is no frequent word itself."""
    table, ends = _table(), _ends()
    long = [word for word in words if len(word) > _LONGEST_END and word not in table]
    found = (next((ends[word[-n:]] for n in range(_LONGEST_END, 1, -1) if word[-n:] in ends), 0) for word in long)
    return sum(found)


_NAMES = tuple(WORDS)
_CYRILLIC = frozenset(map(chr, range(0x400, 0x460)))
_LANES = struct.Struct(f"<{len(_NAMES)}H")
_LONGEST_END = 5


@cache
def _table() -> dict[str, int]:
    return _packed({name: words.split() for name, words in WORDS.items()}, _ONE)


@cache
def _letters() -> dict[str, int]:
    return _packed({name: [*letters] for name, letters in LETTERS.items()}, _ONE)


@cache
def _ends() -> dict[str, int]:
    return _packed({name: ends.split() for name, ends in ENDINGS.items()}, _ONE // 4)


def _packed(marks: Mapping[str, Sequence[str]], points: int) -> dict[str, int]:
    """The points of each mark, a lane of bits for each language: one sum adds the points of all languages at once."""
    users = Counter(mark for known in marks.values() for mark in {*known})
    worth = {mark: points // (n * _LETTER_WORTH if _is_one_letter(mark) else n) for mark, n in users.items()}
    found: dict[str, int] = {}
    for place, name in enumerate(_NAMES):
        for mark in {*marks.get(name, ())}:
            found[mark] = found.get(mark, 0) + (worth[mark] << place * _LANE)
    return found


def _is_one_letter(mark: str) -> bool:
    return len(mark) == 1 and mark.isascii()
