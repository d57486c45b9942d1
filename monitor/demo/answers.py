"""The seam between traffic and models: whatever can answer a kind of prompt gives the texts of the demo.

`grammar` fills it with templates. A real checkpoint fills it by being an `Answers` itself: it answers a seeded sample
for each kind of prompt, and the simulated requests draw from that sample.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

SAMPLE = 250
"""Answers per kind of prompt and checkpoint that requests draw from."""

MAX_TOKENS = 64
"""The demo's requests ask for at most so many; an answer with as many was cut off there."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A prompt and what a checkpoint says to it."""

    input_text: str
    output_text: str
    media: tuple[dict[str, Any], ...]  # as in the event: sha256, mime, bytes, width, height
    label: str | None  # the true answer, where there is only one
    confidence: float
    tokens_in: int
    tokens_out: int


class Answers(Protocol):
    """Answers `n` prompts of a kind (named in `deployments`) as the checkpoint would; chance comes from `rng` only."""

    def __call__(self, kind: str, checkpoint: str, n: int, rng: np.random.Generator) -> Sequence[Answer]: ...


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """A sample of answers of one checkpoint, with the columns that timing and feedback need."""

    answers: tuple[Answer, ...]
    kinds: tuple[str, ...]  # of each answer
    cumulated: NDArray[np.float64]  # share of the requests up to and with each answer
    tokens_in: NDArray[np.int64]
    tokens_out: NDArray[np.int64]
    wrong: NDArray[np.bool_]

    def draw(self, uniforms: NDArray[np.float64]) -> NDArray[np.int64]:
        """Positions of answers for numbers between 0 and 1."""
        return np.minimum(np.searchsorted(self.cumulated, uniforms, side="right"), len(self.answers) - 1)


def sample(answers: Answers, kinds: Mapping[str, float], checkpoint: str, rng: np.random.Generator) -> Pool:
    """Ask each kind of prompt SAMPLE times; `kinds` maps its name to its share of the requests."""
    found: list[Answer] = []
    names: list[str] = []
    weights: list[float] = []
    for kind, share in kinds.items():
        given = answers(kind, checkpoint, SAMPLE, rng)
        found += given
        names += [kind] * len(given)
        weights += [share / len(given)] * len(given)
    return Pool(
        answers=tuple(found),
        kinds=tuple(names),
        cumulated=np.cumsum(weights) / sum(weights),
        tokens_in=np.array([a.tokens_in for a in found]),
        tokens_out=np.array([a.tokens_out for a in found]),
        wrong=np.array([a.label is not None and a.label != a.output_text for a in found]),
    )
