"""The words of texts: how they are cut, how often runs of them come again, and the vocabulary of a reference.

Called by `texts.py`; `jobs/drift.py` learns the vocabulary of a reference here and passes it back with later texts.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from itertools import islice

from monitor.features.letters import SCRIPTS, UNSPACED, Counted, count

KEPT = 20_000
LEAST_TEXTS = 2
"""In so many texts of the reference a word has to stand. A word of one text only would be known to that text and to no
other: the reference itself would have no unknown words, and every window after it some."""

_AT_ONCE = 5_000
_MOST_COUNTED = 1_000_000
_RUN = 3
_RANGES = "".join(f"{chr(first)}-{chr(last)}" for name in UNSPACED for first, last in SCRIPTS[name])
_UNSPACED = re.compile(f"([{_RANGES}])")


def cut(spelled: str, unspaced: bool) -> list[str]:
    """The words of a text that `letters.count` has spelled; with `unspaced`, signs of scripts without blanks are words.

    >>> cut("tokyo 東京 2", unspaced=True)
    ['tokyo', '東', '京', '2']
    """
    return _UNSPACED.sub(r" \1 ", spelled).split() if unspaced else spelled.split()


def repetition(words: Sequence[str]) -> float:
    """The share of the runs of three words that stood in the text before; 0 where it has no run.

    Loops of a model show in it: rep-3 of Welleck et al., 2020, "Neural Text Generation with Unlikelihood Training"
    (ICLR), for n = 3.

    >>> round(repetition("a red circle or a red circle".split()), 9)
    0.2
    """
    runs = len(words) - _RUN + 1
    if len(words) - len(set(words)) < _RUN:  # a run that comes again brings three words that were there
        return 0.0
    return 1.0 - len(set(zip(words, words[1:], words[2:], strict=False))) / runs


def unknown_share(words: Sequence[str], vocabulary: Collection[str]) -> float:
    """The share of words that are not in the vocabulary; what begins with a digit is known. 0 without words.

    >>> unknown_share(["a", "blue", "dodecahedron", "17"], {"a", "blue"})
    0.25
    """
    unknown = [word for word in words if word not in vocabulary]
    return len([word for word in unknown if not word[0].isdigit()]) / len(words) if unknown else 0.0


def learn_vocabulary(texts: Iterable[str], most: int = KEPT) -> list[str]:
    """The words of a reference that stand in at least two of its texts, the most frequent first, at most `most`.

    Texts are read in batches, and words that were seen once are forgotten where there are more than a million: the
    memory is bounded whatever comes.

    >>> learn_vocabulary(["A red circle", "a blue circle", "Is it a square?"])
    ['a', 'circle']
    """
    waiting, seen = iter(texts), Counter[str]()
    while batch := list(islice(waiting, _AT_ONCE)):
        for words in words_of(count(batch)):
            seen.update(set(words))
        if len(seen) > _MOST_COUNTED:
            seen = Counter({word: n for word, n in seen.items() if n > 1})
    known = [(n, word) for word, n in seen.items() if n >= LEAST_TEXTS and not word[0].isdigit()]
    return [word for _, word in sorted(known, key=lambda one: (-one[0], one[1]))[:most]]


def words_of(counted: Counted) -> list[list[str]]:
    """The words of each text that was counted."""
    unspaced = counted.groups["unspaced"].tolist()
    return [cut(spelled, n > 0) for spelled, n in zip(counted.spelled, unspaced, strict=True)]
