"""Scenes of coloured shapes on a grid, as descriptions: `render` draws them, `questions` asks about them."""

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

COLOURS = ("red", "green", "blue", "yellow", "purple", "orange")
SHAPES = ("circle", "square", "triangle", "cross")
GRID = 4
CELL = 16
SIDE = GRID * CELL
"""Pixels of width and height: what the small checkpoints see."""

RADII = (5, 7)
POINT_STEP = 0.05
"""Points are written in steps of this share of the width or height."""


@dataclass(frozen=True, slots=True)
class Thing:
    """A shape in a cell of the grid, `right` and `down` pixels from its middle; it never leaves the cell."""

    colour: str
    shape: str
    row: int
    column: int
    right: int = 0
    down: int = 0
    radius: int = 6

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
    def centre(self) -> tuple[float, float]:
        """Shares of the width and height."""
        return (
            (self.column * CELL + CELL / 2 + self.right) / SIDE,
            (self.row * CELL + CELL / 2 + self.down) / SIDE,
        )

    @property
    def point(self) -> str:
        """Its centre in RoboPoint's notation, such as (0.35, 0.60)."""
        x, y = (round(share / POINT_STEP) * POINT_STEP for share in self.centre)
        return f"({x:.2f}, {y:.2f})"

    def covers(self, x: float, y: float) -> bool:
        """Whether a point, as shares of width and height, lies in the circle around the thing."""
        across, along = (x - self.centre[0]) * SIDE, (y - self.centre[1]) * SIDE
        return across * across + along * along <= self.radius * self.radius


@dataclass(frozen=True, slots=True)
class Scene:
    """One to four things in reading order, no two of the same colour or shape; `grain` seeds the noise of the image."""

    things: tuple[Thing, ...]
    width: int = SIDE
    height: int = SIDE
    grain: int = 0

    def media(self) -> dict[str, Any]:
        """Its entry in the event: the same scene always has the same hash and size."""
        digest = hashlib.sha256(repr(self).encode()).hexdigest()
        size = self.width * self.height // 40 + int(digest[:4], 16) % 4096
        return {"sha256": digest, "mime": "image/png", "bytes": size, "width": self.width, "height": self.height}

    def has(self, name: str) -> bool:
        """Whether it shows a thing of that colour and shape, such as "red circle"."""
        return any(thing.name == name for thing in self.things)


def scene(rng: np.random.Generator, least: int = 1, most: int = len(SHAPES)) -> Scene:
    """A random scene of `least` to `most` things."""
    n = int(rng.integers(least, most + 1))
    colours = rng.permutation(len(COLOURS))[:n].tolist()
    shapes = rng.permutation(len(SHAPES))[:n].tolist()
    cells = np.sort(rng.permutation(GRID * GRID)[:n]).tolist()
    radii = rng.integers(RADII[0], RADII[1] + 1, n).tolist()
    offsets = rng.integers(-(CELL // 2 - RADII[0]), CELL // 2 - RADII[0] + 1, (n, 2)).tolist()
    things = []
    for colour, shape, cell, radius, (right, down) in zip(colours, shapes, cells, radii, offsets, strict=True):
        room = CELL // 2 - radius
        things.append(
            Thing(
                COLOURS[colour],
                SHAPES[shape],
                cell // GRID,
                cell % GRID,
                max(-room, min(room, right)),
                max(-room, min(room, down)),
                radius,
            )
        )
    return Scene(tuple(things), grain=int(rng.integers(2**31)))


def pair(rng: np.random.Generator) -> tuple[Scene, Scene]:
    """Two scenes that mostly have a thing in common."""
    first, second = scene(rng), scene(rng)
    if rng.random() < 0.8:
        place = int(rng.integers(len(second.things)))
        second = _with(second, place, first.things[int(rng.integers(len(first.things)))])
    return (first, second) if rng.random() < 0.5 else (second, first)


def album(rng: np.random.Generator, n: int, most: int = len(SHAPES)) -> tuple[Scene, ...]:
    """So many random scenes of at most so many things."""
    return tuple(scene(rng, most=most) for _ in range(n))


def _with(given: Scene, place: int, wanted: Thing) -> Scene:
    """The scene with the thing at this place recoloured and reshaped; a thing that has the colour or shape swaps it."""
    old = given.things[place]
    colours = {wanted.colour: old.colour, old.colour: wanted.colour}
    shapes = {wanted.shape: old.shape, old.shape: wanted.shape}
    things = (
        replace(thing, colour=colours.get(thing.colour, thing.colour), shape=shapes.get(thing.shape, thing.shape))
        for thing in given.things
    )
    return replace(given, things=tuple(things))
