"""Draws scenes: the same scene always gives the same pixels, and the same file with the same version of PIL."""

import io
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from monitor.demo.scenes import CELL, COLOURS, SIDE, Scene

PAINTS = ((214, 48, 44), (56, 158, 62), (46, 88, 214), (230, 206, 42), (146, 58, 178), (230, 126, 24))
PAPER = 246
DARKER, SHADES, NOISE = 20, 14, 8
"""How far papers, paints and pixels differ by chance, in steps of 255: no sum of them leaves 0 to 255."""

FINE_BITS = 2
FINE = 1 << FINE_BITS
"""A pixel is covered in FINE × FINE parts, for soft edges."""


def planes(scene: Scene) -> NDArray[np.uint8]:
    """The image as RGB × height × width: shapes with soft edges on light paper, with noise."""
    dice = np.random.default_rng(scene.grain).integers(0, 2**15, 5 + 3 * len(scene.things), dtype=np.int16)
    down, right = (int(die) % SIDE for die in dice[:2])
    paper = (PAPER - dice[2:5] % DARKER)[:, None, None]
    canvas = _noise()[:, down : down + SIDE, right : right + SIDE] + paper
    for thing, shade in zip(scene.things, dice[5:].reshape(-1, 3, 1, 1) % (2 * SHADES + 1) - SHADES, strict=True):
        top, left = thing.row * CELL, thing.column * CELL
        cover = _cover(thing.shape, thing.radius, thing.right, thing.down)
        cell = canvas[:, top : top + CELL, left : left + CELL]
        cell += (cover * (_paint(thing.colour) + shade - paper)) >> (2 * FINE_BITS)
    return canvas.astype(np.uint8)


def pixels(scene: Scene) -> NDArray[np.uint8]:
    """The image as height × width × RGB."""
    return np.ascontiguousarray(planes(scene).transpose(1, 2, 0))


def image(scene: Scene) -> Image.Image:
    return Image.fromarray(pixels(scene))


def png(scene: Scene) -> bytes:
    return to_png(image(scene))


def to_png(picture: Image.Image) -> bytes:
    """The bytes of a PNG file, uncompressed: the same bytes whatever zlib there is."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=0)
    return buffer.getvalue()


def contact_sheet(scenes: Sequence[Scene], columns: int = 8) -> Image.Image:
    """Many scenes on one image, for people."""
    sheet = Image.new("RGB", (columns * SIDE, -(-len(scenes) // columns) * SIDE), "white")
    for place, one in enumerate(scenes):
        sheet.paste(image(one), (place % columns * SIDE, place // columns * SIDE))
    return sheet


@cache
def _noise() -> NDArray[np.int16]:
    """Four times the noise of an image: each image shows a window of it."""
    return np.random.default_rng(0).integers(-NOISE, NOISE + 1, (3, 2 * SIDE, 2 * SIDE), dtype=np.int16)


@cache
def _paint(colour: str) -> NDArray[np.int16]:
    return np.array(PAINTS[COLOURS.index(colour)], np.int16)[:, None, None]


@cache
def _cover(shape: str, radius: int, right: int, down: int) -> NDArray[np.int16]:
    """How many of its parts a shape covers of each pixel of its cell."""
    line = (np.arange(CELL * FINE) + 0.5) / FINE - CELL / 2
    x, y = line[None, :] - right, line[:, None] - down
    inside = {
        "circle": x * x + y * y <= radius * radius,
        "square": np.maximum(abs(x), abs(y)) <= 0.86 * radius,
        "triangle": (abs(x) <= (y + radius) * 0.56) & (y <= 0.8 * radius),
        "cross": (np.minimum(abs(x), abs(y)) <= 0.32 * radius) & (np.maximum(abs(x), abs(y)) <= radius),
        # four points; no checkpoint was trained on it
        "star": (abs(x) + 2.5 * abs(y) <= radius) | (2.5 * abs(x) + abs(y) <= radius),
    }[shape]
    parts: NDArray[np.int16] = inside.reshape(CELL, FINE, CELL, FINE).sum((1, 3), dtype=np.int16)
    return parts
