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
    max_tokens: int | None = None  # the limit that came with the request; None: that of the model


class Answers(Protocol):
    """What a checkpoint answered to the prompts of a kind (named in `deployments`)."""

    def __call__(self, kind: str, checkpoint: str) -> Sequence[Answer]: ...


ByKind = Mapping[str, Sequence[Answer]]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """The answers of one checkpoint, with the columns that timing and feedback need.

    Behind those that requests draw lie the answers to the prompts of each shift, which only `shifted` leads to.
    """

    answers: tuple[Answer, ...]
    kinds: tuple[str, ...]  # of each answer
    cumulated: NDArray[np.float64]  # share of the requests up to and with each answer that is drawn
    tokens_in: NDArray[np.int64]
    tokens_out: NDArray[np.int64]
    prefill_ms: NDArray[np.float64]
    decode_ms: NDArray[np.float64]
    wrong: NDArray[np.bool_]
    spans: Mapping[str, tuple[Ints, Ints]]  # of each shift: first answer and number of them, for each that is drawn

    @property
    def p95_ms(self) -> float:
        """95th percentile of what requests take, drawn by their shares, without any wait."""
        took = (self.prefill_ms + self.decode_ms)[: self.cumulated.size]
        order = np.argsort(took)
        upto = np.cumsum(np.diff(self.cumulated, prepend=0.0)[order])
        return float(took[order][np.searchsorted(upto, 0.95)])

    def draw(self, uniforms: NDArray[np.float64]) -> NDArray[np.int64]:
        """Positions of answers for numbers between 0 and 1."""
        return np.minimum(np.searchsorted(self.cumulated, uniforms, side="right"), self.cumulated.size - 1)

    def shifted(self, shift: str, picks: Ints, uniforms: NDArray[np.float64]) -> Ints:
        """Positions of answers to the prompts of a shift instead, each of the same kind where the shift has that."""
        first, count = self.spans[shift]
        moved: Ints = first[picks] + (uniforms * count[picks]).astype(np.int64)
        return moved


def pool(answers: Answers, kinds: Mapping[str, float], checkpoint: str, shifts: Mapping[str, ByKind]) -> Pool:
    """What a checkpoint answered; `kinds` maps each kind of prompt to its share of the requests.

    `shifts` holds its answers to the prompts of each shift, by their kinds.
    """
    found: list[Answer] = []
    names: list[str] = []
    weights: list[float] = []
    for kind, share in kinds.items():
        given = answers(kind, checkpoint)
        found += given
        names += [kind] * len(given)
        weights += [share / len(given)] * len(given)
    drawn, spans = tuple(names), {}
    for shift, by_kind in shifts.items():
        spans[shift] = _spans(drawn, by_kind, len(found))
        for kind, given in by_kind.items():
            found += given
            names += [kind] * len(given)
    return Pool(
        answers=tuple(found),
        kinds=tuple(names),
        cumulated=np.cumsum(weights) / sum(weights),
        tokens_in=np.array([a.tokens_in for a in found]),
        tokens_out=np.array([a.tokens_out for a in found]),
        prefill_ms=np.array([a.prefill_ms for a in found]),
        decode_ms=np.array([a.decode_ms for a in found]),
        wrong=np.array([a.right is False for a in found]),
        spans=spans,
    )


def _spans(names: Sequence[str], by_kind: ByKind, start: int) -> tuple[Ints, Ints]:
    """Where the answers for each of the names will lie from `start` on: those of its kind, or all if there are none."""
    everything = (start, sum(len(given) for given in by_kind.values()))
    spans = {}
    for kind, given in by_kind.items():
        spans[kind] = (start, len(given))
        start += len(given)
    found = np.array([spans.get(name, everything) for name in names])
    return found[:, 0], found[:, 1]
