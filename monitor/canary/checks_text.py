"""Checks that compare the text of an answer: exact, normalised, contains, regex, refusal, chrF and ROUGE-L."""

import re
from functools import lru_cache
from typing import Annotated, Any

import msgspec
import re2

from monitor.canary.answers import Case, Outcome, shown
from monitor.canary.reading import normalised
from monitor.canary.refusals import refusal_in
from monitor.stats.similarity import chrf, rouge_l, words

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=20_000)]
Texts = Annotated[list[Text], msgspec.Meta(min_length=1, max_length=100)]
Share = Annotated[float, msgspec.Meta(gt=0, le=1)]
Pattern = Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]

_OPENING, _CLOSING = "\"'([{<«“‘„‚¿¡*_`#>", ".,;:!?…\"')]}>»”’*_`。、！？"


class Params(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """The parameters of a kind of check. Its first field is what the short form `{kind: value}` gives."""


class Exact(Params):
    text: Text | Texts


class Normalised(Params):
    text: Text | Texts

    def __post_init__(self) -> None:
        if empty := [text for text in _listed(self.text) if not plain(text)]:
            raise ValueError(f"nothing is left of {empty[0]!r} without marks; use exact or regex")


class Contains(Params):
    all: Text | Texts = []
    any: Texts = []
    none: Text | Texts = []
    case: bool = False
    words: bool = False

    def __post_init__(self) -> None:
        if not (self.all or self.any or self.none):
            raise ValueError("give at least one text in all, any or none")


class Regex(Params):
    pattern: Pattern
    whole: bool = False

    def __post_init__(self) -> None:
        compiled(self.pattern)


class Refusal(Params):
    expected: bool


class Alike(Params):
    text: Text | Texts
    least: Share


class Words(Alike):
    """As `Alike`, of texts that have words to be compared."""

    def __post_init__(self) -> None:
        if empty := [text for text in _listed(self.text) if not words(text)]:
            raise ValueError(f"{empty[0]!r} has no words to be compared; use exact or regex")


def exact(params: Exact, case: Case) -> Outcome:
    """Blanks at both ends aside."""
    said = case.answer.text.strip()
    passed = any(said == text.strip() for text in _listed(params.text))
    return Outcome("exact", passed, _is_or_not(passed, case, params.text))


def same_words(params: Normalised, case: Case) -> Outcome:
    said = plain(case.answer.text)
    passed = any(said == plain(text) for text in _listed(params.text))
    return Outcome("normalised", passed, _is_or_not(passed, case, params.text))


def plain(text: str) -> str:
    """The text as `normalised` compares it: no case, no marks, quotes, brackets or emphasis at the edges of words.

    >>> plain('**The "Blue" circle.**'), plain("-5.5 %"), plain(".5")
    ('the blue circle', '-5.5 %', '.5')
    """
    return " ".join(filter(None, map(_bare, normalised(text).casefold().split(" "))))


def _bare(word: str) -> str:
    return word.lstrip(_OPENING).rstrip(_CLOSING).lstrip(_OPENING)


def contains(params: Contains, case: Case) -> Outcome:
    said = normalised(case.answer.text) if params.case else normalised(case.answer.text).casefold()
    missing = [text for text in _listed(params.all) if not _has(said, text, params)]
    unwanted = [text for text in _listed(params.none) if _has(said, text, params)]
    problems = []
    if missing:
        problems.append(f"lacks {_named(missing)}")
    if params.any and not any(_has(said, text, params) for text in params.any):
        problems.append(f"has none of {_named(params.any)}")
    if unwanted:
        problems.append(f"has {_named(unwanted)}, which it must not")
    reason = f"{shown(case.answer.text)} {' and '.join(problems) or 'has what it must'}"
    return Outcome("contains", not problems, reason)


def _has(said: str, text: str, params: Contains) -> bool:
    wanted = normalised(text) if params.case else normalised(text).casefold()
    if not params.words:
        return wanted in said
    return re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", said) is not None


def regex(params: Regex, case: Case) -> Outcome:
    pattern = compiled(params.pattern)
    found = (pattern.fullmatch if params.whole else pattern.search)(case.answer.text)
    said = "matches" if found else "does not match"
    return Outcome("regex", bool(found), f"{shown(case.answer.text)} {said} {params.pattern!r}")


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> Any:
    """A regular expression of RE2, which takes linear time whatever the text. Raises ValueError."""
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except (re2.error, UnicodeEncodeError) as error:
        raise ValueError(
            f"not a regular expression of RE2 ({_words_of(error)}); look-around and back references are not in RE2"
        ) from None


def _words_of(error: Exception) -> str:
    said = error.args[0] if error.args else error
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)


def refusal(params: Refusal, case: Case) -> Outcome:
    """Whether it was refused as expected; an empty answer is neither a refusal nor an answer."""
    if not case.answer.text.strip():
        return Outcome("refusal", False, "the answer is empty")
    found = refusal_in(case.answer.text)
    expected = "a refusal was expected" if params.expected else "no refusal was expected"
    said = f"it refuses ({found!r})" if found else f"{shown(case.answer.text)} is no refusal that is known"
    return Outcome("refusal", bool(found) == params.expected, f"{said}; {expected}")


def like_chrf(params: Alike, case: Case) -> Outcome:
    said = normalised(case.answer.text)
    best = max(chrf(said, normalised(text)) for text in _listed(params.text))
    return _alike("chrf", best, params.least)


def like_rouge_l(params: Alike, case: Case) -> Outcome:
    best = max(rouge_l(case.answer.text, text) for text in _listed(params.text))
    return _alike("rouge_l", best, params.least)


def _alike(kind: str, value: float, least: float) -> Outcome:
    return Outcome(kind, value >= least, f"{value:.3f}; at least {least:g} is expected", value)


def _listed(texts: str | list[str]) -> list[str]:
    return [texts] if isinstance(texts, str) else texts


def _named(texts: list[str]) -> str:
    return ", ".join(map(shown, texts[:5])) + (f" and {len(texts) - 5} more" if len(texts) > 5 else "")


def _is_or_not(passed: bool, case: Case, texts: str | list[str]) -> str:
    wanted = _listed(texts)
    expected = shown(wanted[0]) if len(wanted) == 1 else f"one of {_named(wanted)}"
    said = shown(case.answer.text)
    return f"{said} is what is expected" if passed else f"{said} is not {expected}"
