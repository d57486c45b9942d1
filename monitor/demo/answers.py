"""The seam between traffic and models: what checkpoints said to a sample of prompts; requests draw from it.

`recorded` fills it with what the small checkpoints really answered.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Answer:
    """A prompt and what a checkpoint says to it; times in milliseconds, as they were measured."""

    input_text: str
    output_text: str
    media: tuple[dict[str, Any], ...]  # as in the event: sha256, mime, bytes, width, height
    label: str | None  # the true answer, where there is only one
    right: bool | None  # what the judge of the question says; None: there is no true answer
    confidence: float
    finish_reason: str
    tokens_in: int
    tokens_out: int
    prefill_ms: float
    decode_ms: float
    brightness: float | None = None  # mean of all pixels of its images, between 0 and 1


class Answers(Protocol):
    """What a checkpoint answered to the prompts of a kind (named in `deployments`)."""

    def __call__(self, kind: str, checkpoint: str) -> Sequence[Answer]: ...


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """The answers of one checkpoint, with the columns that timing and feedback need."""

    answers: tuple[Answer, ...]
    kinds: tuple[str, ...]  # of each answer
    cumulated: NDArray[np.float64]  # share of the requests up to and with each answer
    tokens_in: NDArray[np.int64]
    tokens_out: NDArray[np.int64]
    prefill_ms: NDArray[np.float64]
    decode_ms: NDArray[np.float64]
    wrong: NDArray[np.bool_]

    @property
    def p95_ms(self) -> float:
        """95th percentile of what requests take, drawn by their shares, without any wait."""
        took = self.prefill_ms + self.decode_ms
        order = np.argsort(took)
        upto = np.cumsum(np.diff(self.cumulated, prepend=0.0)[order])
        return float(took[order][np.searchsorted(upto, 0.95)])

    def draw(self, uniforms: NDArray[np.float64]) -> NDArray[np.int64]:
        """Positions of answers for numbers between 0 and 1."""
        return np.minimum(np.searchsorted(self.cumulated, uniforms, side="right"), len(self.answers) - 1)


def pool(answers: Answers, kinds: Mapping[str, float], checkpoint: str) -> Pool:
    """What a checkpoint answered; `kinds` maps each kind of prompt to its share of the requests."""
    found: list[Answer] = []
    names: list[str] = []
    weights: list[float] = []
    for kind, share in kinds.items():
        given = answers(kind, checkpoint)
        found += given
        names += [kind] * len(given)
        weights += [share / len(given)] * len(given)
    return Pool(
        answers=tuple(found),
        kinds=tuple(names),
        cumulated=np.cumsum(weights) / sum(weights),
        tokens_in=np.array([a.tokens_in for a in found]),
        tokens_out=np.array([a.tokens_out for a in found]),
        prefill_ms=np.array([a.prefill_ms for a in found]),
        decode_ms=np.array([a.decode_ms for a in found]),
        wrong=np.array([a.right is False for a in found]),
    )
