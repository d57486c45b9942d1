"""How probable each answer of a closed question was, from the likeliest tokens that a model reports at each place.

The probe page shows it as bars. A model gives the 5 or 20 likeliest tokens only, and it may answer something else
altogether: what no choice accounts for is told as well.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from monitor.chat import Token

LETTERS = ("A", "B", "C", "D")
YES_NO = ("yes", "no")

_AROUND = " \t\r\n.,:;!?()[]{}*\"'`▁Ġ"
"""Blanks and signs that may stand around a choice; the last two are blanks as some tokenizers write them."""


@dataclass(frozen=True, slots=True)
class ChoiceShares:
    """The probability of each choice, and of everything else together; all of them add up to 1."""

    probabilities: dict[str, float]
    uncovered: float


def choice_shares(tokens: Sequence[Token], choices: Sequence[str]) -> ChoiceShares:
    """What the first tokens of an answer say about each choice.

    Upper and lower case are the same unless all choices are single letters ("a" begins a sentence, "A" names a
    choice). A choice of several tokens is followed along the answer that was given; a token that only begins one, and
    was not chosen, could go on to anything and counts as uncovered. Probabilities are those before temperature.

    >>> first = Token("Yes", math.log(0.7), (("Yes", math.log(0.7)), (" no", math.log(0.2)), ("The", math.log(0.1))))
    >>> shares = choice_shares([first], YES_NO)
    >>> {name: round(p, 2) for name, p in shares.probabilities.items()}, round(shares.uncovered, 2)
    ({'yes': 0.7, 'no': 0.2}, 0.1)
    """
    letters = all(len(choice) == 1 for choice in choices)
    names = {_plain(choice, letters): choice for choice in choices}
    if len(names) < len(choices) or "" in names or len(names) < 2:
        raise ValueError(f"choices {list(choices)}: expected two or more that differ in their letters")
    found, before, mass = dict.fromkeys(choices, 0.0), "", 1.0
    for token in tokens:
        for text, logprob in _options(token).items():
            written = before + text
            if (name := names.get(_plain(written, letters))) and not _may_go_on(written, names, letters):
                found[name] += mass * math.exp(logprob)
        before += token.text
        if token.logprob is None or not _may_go_on(before, names, letters):
            break
        mass *= math.exp(token.logprob)
    return ChoiceShares(found, max(0.0, 1.0 - sum(found.values())))


def _options(token: Token) -> dict[str, float]:
    """The tokens that are known at a place, with the chosen one: it need not be among the likeliest."""
    chosen = {} if token.logprob is None else {token.text: token.logprob}
    return dict(token.top) | chosen


def _may_go_on(written: str, names: dict[str, str], letters: bool) -> bool:
    """Whether more text could make this a choice, or another choice."""
    plain = _plain(written, letters)
    if plain and not written[-1].isalnum():
        return any(name.startswith(plain + " ") for name in names)
    return any(name.startswith(plain) and name != plain for name in names)


def _plain(text: str, letters: bool) -> str:
    bare = text.strip(_AROUND)
    return bare if letters else bare.casefold()
