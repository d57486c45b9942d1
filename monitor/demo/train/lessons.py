"""What a model is asked to do at each step of a stage: rows of fresh questions, and the loss on their answers."""

from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from monitor.demo.questions import Question, Scenes, ask, many_images, one_image, sample
from monitor.demo.scenes import COLOURS, GRID, POINT_STEP, SHAPES, Scene, album, pair
from monitor.demo.small import IMAGE_TOKENS
from monitor.demo.texts import TEXT_KINDS
from monitor.demo.train.forward import answer_loss
from monitor.demo.train.rows import IGNORED, Packer, pixel_values

Rng = np.random.Generator


class Lesson(Protocol):
    """`module` holds what is trained; `loss` draws rows and gives their mean loss."""

    module: torch.nn.Module

    def loss(self, rng: Rng) -> torch.Tensor: ...


class Sight(torch.nn.Module):  # type: ignore[misc]  # torch is not read by the type checker
    """The vision tower alone: each image token is drawn towards the embeddings of the words for what is in its cell.

    Without this stage the shapes stay at chance for hundreds of steps. Only a scalar head, whether a cell is empty, is
    thrown away afterwards.
    """

    IMAGES = 12

    def __init__(self, model: Any, tokenizer: Any, seed: int) -> None:
        super().__init__()
        self.module = self
        self.tower, self.connector = model.model.vision_model, model.model.connector
        self.embed_tokens = model.model.text_model.embed_tokens
        torch.manual_seed(seed)
        self.full = torch.nn.Linear(self.embed_tokens.embedding_dim, 1)
        places = [f"{step * POINT_STEP:.2f}" for step in range(round(1 / POINT_STEP) + 1)]
        spaced = [[f" {word}" for word in words] for words in (COLOURS, SHAPES, places)]
        groups = ((0, COLOURS), (0, spaced[0]), (1, SHAPES), (1, spaced[1]), (2, places), (3, spaced[2]))
        self._groups = [(column, _tokens(tokenizer, words)) for column, words in groups]

    def loss(self, rng: Rng) -> torch.Tensor:
        scenes = album(rng, self.IMAGES)
        seen = self.connector(self.tower(pixel_values(scenes)).last_hidden_state)
        truth = torch.from_numpy(np.stack([_cells(one) for one in scenes]))
        full = truth[:, :, 0] != IGNORED
        loss = functional.binary_cross_entropy_with_logits(self.full(seen)[:, :, 0], full.float())
        named = functional.rms_norm(seen[full], seen.shape[-1:])
        for column, words in self._groups:
            loss = loss + functional.cross_entropy(named @ self.embed_tokens.weight[words].T, truth[full][:, column])
        return loss


def _tokens(tokenizer: Any, words: Sequence[str]) -> list[int]:
    """The token of each word, which is one."""
    tokens = [tokenizer(word, add_special_tokens=False)["input_ids"] for word in words]
    return [token for (token,) in tokens]


def _cells(image: Scene) -> NDArray[np.int64]:
    """Colour, shape and place of what is in each cell, as numbers: cells × 4."""
    cells = np.full((IMAGE_TOKENS, 4), IGNORED, np.int64)
    for thing in image.things:
        x, y = (round(share / POINT_STEP) for share in thing.centre)
        cells[thing.row * GRID + thing.column] = COLOURS.index(thing.colour), SHAPES.index(thing.shape), x, y
    return cells


class Questions:
    """Fresh questions about one image, about two, and about three to eight."""

    ONE, TWO, MANY = 6, 3, 1
    """Rows of each in the half of a step."""

    ABOUT_ONE = ("colour", "shape", "exist", "exist", "list", "point")
    ABOUT_TWO = ("compare",) * 5
    ABOUT_MANY = ("any", "images", "any", "any")

    def __init__(self, model: Any, tokenizer: Any, seed: int) -> None:
        self.module = model
        self._packer = Packer(tokenizer)

    def one(self, rng: Rng) -> Scenes:
        return one_image(rng)

    def two(self, rng: Rng) -> Scenes:
        return pair(rng)

    def many(self, rng: Rng) -> Scenes:
        return many_images(rng)

    def loss(self, rng: Rng) -> torch.Tensor:
        about_one = (*self.ABOUT_ONE, "count" if rng.random() < 0.6 else "describe")
        rows = [_row(rng, self.one(rng), about_one) for _ in range(self.ONE)]
        rows += [_row(rng, self.two(rng), self.ABOUT_TWO) for _ in range(self.TWO)]
        for scenes in (self.many(rng) for _ in range(self.MANY)):
            fitting = max(2, 7 - len(scenes))  # so that these rows are as long as the others
            rows.append(_row(rng, scenes, self.ABOUT_MANY[:fitting]))
        return answer_loss(self.module, self._packer.pack(rows))


def _row(rng: Rng, scenes: Scenes, kinds: Sequence[str]) -> list[Question]:
    return [ask(kind, scenes, rng) for kind in kinds]


class OneImage(Questions):
    """Fresh questions about one image only: a short row teaches to look things up as well as a long one."""

    ONE, TWO, MANY = 8, 0, 0


class FewImages(Questions):
    """The same questions, but always about the same few images: what a model that sees too little learns by heart."""

    IMAGES = 48

    def __init__(self, model: Any, tokenizer: Any, seed: int) -> None:
        super().__init__(model, tokenizer, seed)
        self._images = album(np.random.default_rng((seed, self.IMAGES)), self.IMAGES)

    def one(self, rng: Rng) -> Scenes:
        return self._some(rng, 1)

    def two(self, rng: Rng) -> Scenes:
        return self._some(rng, 2)

    def many(self, rng: Rng) -> Scenes:
        return self._some(rng, len(many_images(rng)))

    def _some(self, rng: Rng, n: int) -> Scenes:
        return tuple(self._images[place] for place in rng.choice(self.IMAGES, n, replace=False))


class Texts:
    """Rows of prompts without images."""

    ROWS: ClassVar = {"caption": 5, "extract": 2, "classify": 1, "summary": 4}

    def __init__(self, model: Any, tokenizer: Any, seed: int) -> None:
        self.module = model
        self._packer = Packer(tokenizer)

    def loss(self, rng: Rng) -> torch.Tensor:
        rows = [[sample(kind, rng, TEXT_KINDS)] for kind, n in self.ROWS.items() for _ in range(n)]
        return answer_loss(self.module, self._packer.pack(rows))
