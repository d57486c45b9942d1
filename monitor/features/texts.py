"""The features of texts, each distinct text once: what `describe.py` puts into columns for prompts and answers."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from monitor.features.answering import Form, form
from monitor.features.asking import prompt_type
from monitor.features.languages import language
from monitor.features.letters import Ints, count, scripts_of
from monitor.features.vocabulary import repetition, unknown_share, words_of

MOST_CHARS = 4096
"""Characters of a text that are looked at; its true length is told by the event."""

_AT_ONCE = 100_000
"""Characters that are counted together: their tables then stay in the cache of the processor."""

Columns = dict[str, list[Any]]


class Said(NamedTuple):
    """An answer, whether its prompt gave lettered options, and whether it went on behind what was kept."""

    text: str
    options: bool = False
    cut: bool = False


def prompts(texts: Sequence[str], vocabulary: frozenset[str] | None) -> Columns:
    """The features of prompts by name, one value per text. Shares of nothing are 0.

    >>> found = prompts(["How many red shapes are there?"], frozenset({"how", "many", "are", "there"}))
    >>> found["prompt_type"], round(found["prompt_oov_share"][0], 2)
    (['how_many'], 0.33)
    """
    return _joined(_prompts(part, vocabulary) for part in _parts([text[:MOST_CHARS] for text in texts]))


def answers(said: Sequence[Said]) -> Columns:
    """The features of answers by name, one value per answer.

    >>> found = answers([Said("(0.35, 0.60)")])
    >>> found["answer_format"], found["answer_points"]
    (['points'], [1])
    """
    texts = [one.text[:MOST_CHARS] for one in said]
    waiting = iter(said)
    return _joined(_answers(part, [next(waiting) for _ in part]) for part in _parts(texts))


def _prompts(texts: Sequence[str], vocabulary: frozenset[str] | None) -> Columns:
    counted = count(texts)
    groups, words = counted.groups, words_of(counted)
    scripts = scripts_of(counted)
    languages = list(map(language, texts, words, scripts))
    return {
        "prompt_words": list(map(len, words)),
        "prompt_letters_share": _shares(groups["letters"], counted.total),
        "prompt_upper_share": _shares(groups["upper"], groups["cased"]),
        "prompt_digit_share": _shares(groups["digits"], counted.total),
        "prompt_punctuation_share": _shares(groups["punctuation"], counted.total),
        "prompt_nonascii_share": _shares(groups["nonascii"], counted.total),
        "prompt_repetition": list(map(repetition, words)),
        "prompt_oov_share": [None if vocabulary is None else unknown_share(one, vocabulary) for one in words],
        "prompt_script": scripts,
        "prompt_language": languages,
        "prompt_type": list(map(prompt_type, texts, counted.spelled, languages)),
    }


def _answers(texts: Sequence[str], said: Sequence[Said]) -> Columns:
    counted = count(texts)
    groups, words = counted.groups, words_of(counted)
    scripts = scripts_of(counted)
    forms = [_form(text, one, known) for text, one, known in zip(texts, said, words, strict=True)]
    return {
        "answer_words": list(map(len, words)),
        "answer_digit_share": _shares(groups["digits"], counted.total),
        "answer_nonascii_share": _shares(groups["nonascii"], counted.total),
        "answer_repetition": list(map(repetition, words)),
        "answer_points": [one.points for one in forms],
        "answer_boxes": [one.boxes for one in forms],
        "answer_script": scripts,
        "answer_language": list(map(language, texts, words, scripts)),
        "answer_format": [one.format for one in forms],
        "answer_choice": [one.choice for one in forms],
        "answer_refusal": ["yes" if one.refuses else "no" for one in forms],
    }


def _form(text: str, said: Said, words: Sequence[str]) -> Form:
    return form(text, words, options=said.options, cut=said.cut or len(said.text) > MOST_CHARS)


def _shares(some: Ints, of: Ints) -> list[float]:
    found: list[float] = (some / np.maximum(of, 1)).tolist()
    return found


def _parts(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """The texts in runs of at most so many characters that they may be counted together."""
    start, chars = 0, 0
    for place, text in enumerate(texts):
        if chars and chars + len(text) > _AT_ONCE:
            yield texts[start:place]
            start, chars = place, 0
        chars += len(text)
    if texts:
        yield texts[start:]


def _joined(parts: Iterable[Columns]) -> Columns:
    found: Columns = {}
    for part in parts:
        for name, values in part.items():
            found.setdefault(name, []).extend(values)
    return found
