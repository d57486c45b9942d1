"""What a prompt asks for: a question of which kind, a description, a translation ...; called by `texts.py`.

Read from the first and last sentences, where prompts say what they want, by the words that begin them in English,
German, French and Spanish. What says nothing of this kind is "other".
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice

from monitor.features.asking_words import ASKING

TYPES = (
    "what",
    "which",
    "who",
    "where",
    "when",
    "how_many",
    "how",
    "why",
    "yes_no",
    "choice",
    "locate",
    "describe",
    "list",
    "summarise",
    "translate",
    "extract",
    "write",
    "code",
    "other",
)
OTHER = "other"


HEAD, TAIL = 400, 400
_MOST_SENTENCES, _MOST_CHARS = 3, 80
_SENTENCE = re.compile(r"[^.!?;:\n。！？]{1,400}[.!?;:\n。！？]?")
_OPTION = re.compile(r"(?:^|[\s(\[])([A-J])[).:\]](?=\s|$)")
_MANY = frozenset(("many", "much", "viele", "viel", "vielen"))


def prompt_type(text: str, spelled: str, language: str) -> str:
    """The kind of question or instruction, one of TYPES; `spelled` is the text as `letters.count` spells it.

    >>> prompt_type("Look! What colour is it?", "look  what colour is it ", "english")
    'what'
    >>> prompt_type("Wie viele siehst du?", "wie viele siehst du ", "german")
    'how_many'
    """
    if _has_options(text):
        return "choice"
    heard = _heard(language if language in ASKING else "english")
    for start, end in _sentences(text):
        words = spelled[start : min(end, start + _MOST_CHARS)].split()
        found = _of_sentence(words, text[end - 1], heard)
        if found != OTHER:
            return found
    return OTHER


def _has_options(text: str) -> bool:
    """Whether at least two lettered options stand in the text, A and B among them."""
    may = "A)" in text or "A." in text or "A:" in text or "A]" in text
    return may and {"A", "B"} <= {*_OPTION.findall(text)}


def _sentences(text: str) -> Iterator[tuple[int, int]]:
    """Where the first sentences stand, then the last ones."""
    for match in islice(_SENTENCE.finditer(text, 0, HEAD), _MOST_SENTENCES):
        yield match.span()
    last = [*_SENTENCE.finditer(text, max(0, len(text) - TAIL))]
    yield from (match.span() for match in last[: -_MOST_SENTENCES - 1 : -1])


@dataclass(frozen=True, slots=True)
class Heard:
    """The words of a language as look-ups."""

    questions: Mapping[str, str]
    orders: Mapping[str, str]
    yes_no: frozenset[str]
    vague: frozenset[str]
    skipped: frozenset[str]
    polite: frozenset[str]


@cache
def _heard(language: str) -> Heard:
    words = ASKING[language]
    return Heard(
        _by_word(words.questions),
        _by_word(words.orders),
        *(frozenset(listed.split()) for listed in (words.yes_no, words.vague, words.skipped, words.polite)),
    )


def _by_word(types: Mapping[str, str]) -> dict[str, str]:
    return {word: name for name, words in types.items() for word in words.split()}


def _of_sentence(words: list[str], end: str, heard: Heard) -> str:
    """What a sentence asks for, by its first words and its last character."""
    while words and words[0] in heard.skipped:
        del words[0]
    if not words:
        return OTHER
    first, is_question, is_told = words[0], end in "?？", end in ".!"
    if first in heard.polite and (order := _ordered(words[1:], heard)):
        return order
    if first in heard.vague:
        return _ordered(words, heard) or _asked(words, heard) or ("write" if first in _WRITING else OTHER)
    if first in heard.orders:
        return heard.orders[first]
    if first in heard.questions and not is_told:
        return _question(words, heard)
    if first in heard.yes_no and not is_told:
        return "yes_no"
    return (_asked(words, heard) or "yes_no") if is_question else OTHER


_WRITING = frozenset(
    ("write", "compose", "create", "generate", "schreibe", "schreib", "erstelle", "écris", "écrivez", "escribe", "crea")
)


def _question(words: Sequence[str], heard: Heard) -> str:
    kind = heard.questions[words[0]]
    return "how_many" if kind == "how" and len(words) > 1 and words[1] in _MANY else kind


def _asked(words: Sequence[str], heard: Heard) -> str | None:
    """The question that stands behind other words: "In which corner ..."."""
    place = next((place for place, word in enumerate(words) if word in heard.questions), None)
    return None if place is None else _question(words[place:], heard)


def _ordered(words: Sequence[str], heard: Heard) -> str | None:
    """What an order names that begins with a vague verb: "Give a short summary ..."."""
    named = [heard.orders[word] for word in words if word in heard.orders]
    return next((kind for kind in named if kind != "write"), named[0] if named else None)
