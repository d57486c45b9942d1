"""Questions packed behind one image prefix, so that a row of tokens teaches several answers about the same images.

A question sees the prefix and itself only, and its positions go on where the prefix ends: to the model it is the same
as a prompt of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from monitor.demo.questions import Question
from monitor.demo.render import planes
from monitor.demo.scenes import COLOURS, Scene
from monitor.demo.small import END, FAKE, GLOBAL, IMAGE, IMAGE_TOKENS, START

IGNORED = -100
HINT = 0.5
LONGEST_HINT = 3
HIDDEN = float(torch.finfo(torch.float32).min)


@dataclass(frozen=True, slots=True)
class Packed:
    """Rows as tensors."""

    ids: torch.Tensor  # rows × tokens
    positions: torch.Tensor  # rows × tokens
    mask: torch.Tensor  # rows × 1 × tokens × tokens, to be added to the attention scores
    asked: torch.Tensor  # rows × places: where in the row a token is to be named, filled up with 0
    targets: torch.Tensor  # rows × places: the token, which is the next one or a hint, filled up with IGNORED
    weights: torch.Tensor  # rows × places: 1 for a token of an answer, less for a hint
    pixels: torch.Tensor | None  # images × 3 × height × width; None without images


@dataclass(frozen=True, slots=True)
class _Row:
    ids: list[int]
    positions: list[int]
    segments: list[int]  # 0 for the prefix, then the number of the question
    asked: list[int]
    targets: list[int]
    weights: list[float]


class Packer:
    """Turns questions into tensors in the format of the chat template."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._encode = lru_cache(maxsize=50_000)(self._ids)
        self._colours = {self._encode(f" {colour}")[0]: colour for colour in COLOURS}
        self._marks = {*self._encode("(),")}
        self._after_last_word = len(self._encode(f"?{END}\n{START}assistant\n"))

    def _ids(self, text: str) -> tuple[int, ...]:
        return tuple(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def pack(self, rows: Sequence[Sequence[Question]]) -> Packed:
        """Each row holds questions about the same images."""
        made = [self._row(row) for row in rows]
        segments = _filled([row.segments for row in made], -1)
        scenes = [scene for row in rows for scene in row[0].scenes]
        return Packed(
            ids=torch.from_numpy(_filled([row.ids for row in made], 0)),
            positions=torch.from_numpy(_filled([row.positions for row in made], 0)),
            mask=_mask(segments),
            asked=torch.from_numpy(_filled([row.asked for row in made], 0)),
            targets=torch.from_numpy(_filled([row.targets for row in made], IGNORED)),
            weights=torch.from_numpy(_filled([row.weights for row in made], 0, np.float32)),
            pixels=pixel_values(scenes) if scenes else None,
        )

    def _row(self, questions: Sequence[Question]) -> _Row:
        image = FAKE + GLOBAL + IMAGE * IMAGE_TOKENS + FAKE
        ids = [*self._encode(f"{START}user\n" + image * len(questions[0].scenes))]
        prefix = len(ids)
        row = _Row(ids, [*range(prefix)], [0] * prefix, [], [], [])
        for number, question in enumerate(questions, 1):
            prompt = self._encode(f"{question.prompt}{END}\n{START}assistant\n")
            answer = self._encode(question.label + END)
            first = len(row.ids) + len(prompt) - 1
            size = len(prompt) + len(answer) - 1
            row.ids.extend((*prompt, *answer[:-1]))
            row.positions.extend(range(prefix, prefix + size))
            row.segments.extend([number] * size)
            row.asked.extend(range(first, first + len(answer)))
            row.targets.extend(answer)
            row.weights.extend([1.0] * len(answer))
            self._hints(row, question, prompt, first + 1 - len(prompt))
        return row

    def _hints(self, row: _Row, question: Question, prompt: Sequence[int], start: int) -> None:
        """Words of a prompt have to say already what the answer rests on.

        The last word, mostly what is asked for, names a short answer; of a single image, a colour names its shape.
        """
        answer = [token for token in self._encode(question.label) if token not in self._marks]
        if len(answer) <= LONGEST_HINT:
            self._hint(row, start + len(prompt) - 1 - self._after_last_word, answer)
        if len(question.scenes) == 1:
            for place, token in enumerate(prompt):
                if colour := self._colours.get(token):
                    shapes = [thing.shape for thing in question.scenes[0].things if thing.colour == colour] or ["no"]
                    self._hint(row, start + place, [self._encode(f" {shape}")[0] for shape in shapes])

    def _hint(self, row: _Row, place: int, tokens: Sequence[int]) -> None:
        row.asked.extend([place] * len(tokens))
        row.targets.extend(tokens)
        row.weights.extend([HINT / len(tokens)] * len(tokens))


def pixel_values(scenes: Sequence[Scene]) -> torch.Tensor:
    """What the processor makes of the images: images × 3 × height × width, -1 to 1."""
    return torch.from_numpy(np.stack([planes(scene) for scene in scenes])).float().div_(127.5).sub_(1)


def _filled(lists: Sequence[Sequence[float]], rest: int, kind: type[np.generic] = np.int64) -> NDArray[Any]:
    filled = np.full((len(lists), max(map(len, lists))), rest, kind)
    for row, values in zip(filled, lists, strict=True):
        row[: len(values)] = values
    return filled


def _mask(segments: NDArray[np.int64]) -> torch.Tensor:
    own = segments[:, :, None] == segments[:, None, :]
    seen = (own | (segments == 0)[:, None, :]) & np.tri(segments.shape[1], dtype=bool)
    return torch.zeros(seen.shape).masked_fill_(torch.from_numpy(~seen), HIDDEN)[:, None]
