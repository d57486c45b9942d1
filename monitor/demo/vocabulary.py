"""The words that the small checkpoints know as one token each; `small` builds their tokenizers from them."""

import re
from functools import cache

import numpy as np

from monitor.demo.questions import KINDS, sample
from monitor.demo.texts import TEXT_KINDS

SAMPLE = 60
TURNS = ("system", "user", "assistant")
SHARES = tuple(f"{step / 20:.2f}" for step in range(21))
"""The coordinates that points are written in."""

WORD = re.compile(r"\d\.\d\d|[^\W\d_]+")


@cache
def vocabulary(kind: str) -> tuple[str, ...]:
    """Texts in which each word of the prompts stands often enough to be a token, with and without a blank before it."""
    rng = np.random.default_rng(0)
    words = {*TURNS, *SHARES}
    kinds = KINDS if kind == "vlm" else TEXT_KINDS
    for name in kinds:
        for _ in range(SAMPLE):
            question = sample(name, rng, kinds)
            words.update(WORD.findall(question.prompt), WORD.findall(question.label))
    return tuple(f"{word} {word}" for word in sorted(words) for _ in range(3))
