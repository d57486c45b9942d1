"""Images of coloured shapes as descriptions: what the prompts of the demo are about. `grammar` asks about them."""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np

COLOURS = ("red", "green", "blue", "yellow", "purple", "orange")
SHAPES = ("circle", "square", "triangle", "cross")
GRID = 4
SIZES = (256, 384, 512, 768)


@dataclass(frozen=True, slots=True)
class Thing:
    """A shape in a cell of the grid."""

    colour: str
    shape: str
    row: int
    column: int

    @property
    def name(self) -> str:
        return f"{self.colour} {self.shape}"

    @property
    def with_article(self) -> str:
        return f"{'an' if self.colour[0] in 'aeiou' else 'a'} {self.name}"

    @property
    def place(self) -> str:
        """Its quarter of the image in words."""
        return f"{'upper' if self.row < GRID / 2 else 'lower'} {'left' if self.column < GRID / 2 else 'right'}"

    @property
    def point(self) -> str:
        """Its centre as shares of width and height."""
        return f"({(self.column + 0.5) / GRID:.2f}, {(self.row + 0.5) / GRID:.2f})"


@dataclass(frozen=True, slots=True)
class Scene:
    """One to four things, no two of the same colour or shape."""

    things: tuple[Thing, ...]
    width: int
    height: int

    def media(self) -> dict[str, Any]:
        """Its entry in the event: the same scene always has the same hash and size."""
        digest = hashlib.sha256(repr(self).encode()).hexdigest()
        size = self.width * self.height // 40 + int(digest[:4], 16) % 4096
        return {"sha256": digest, "mime": "image/png", "bytes": size, "width": self.width, "height": self.height}


def scene(rng: np.random.Generator, least: int = 1) -> Scene:
    """A scene with at least `least` things, in reading order."""
    n = int(rng.integers(least, 5))
    colours = rng.permutation(len(COLOURS))[:n].tolist()
    shapes = rng.permutation(len(SHAPES))[:n].tolist()
    cells = np.sort(rng.permutation(GRID * GRID)[:n]).tolist()
    width, height = rng.choice(SIZES, 2).tolist()
    things = (
        Thing(COLOURS[c], SHAPES[s], cell // GRID, cell % GRID)
        for c, s, cell in zip(colours, shapes, cells, strict=True)
    )
    return Scene(tuple(things), width, height)
