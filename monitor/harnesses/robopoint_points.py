"""Points in the text of an answer and how many of them lie on a mask, by RoboPoint's own rule; for `robopoint`.

The rule is kept with its oddities, so that the figure is the one which the harness prints: tuples are found by one
pattern (`(.5, .5)` and `[0.5, 0.5]` hold no point), and an answer that its parser stumbles over is left out. Boxes are
counted by their corners, where the harness lists each pixel, so that a text of a thousand boxes stays small.
"""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 640, 480
"""What shares are multiplied by, whatever the size of the image."""

_NUMBER_TEXT = r"[-+]?\d+(?:\.\d*)?"  # the pattern of the harness, written so that no text takes long
_TUPLE = re.compile(rf"\(({_NUMBER_TEXT}(?:,\s*{_NUMBER_TEXT})*)\)")
_MAX_DIGITS = 4_300
"""Longer whole numbers are no numbers to Python."""


class Unreadable(ValueError):
    """An answer that the harness leaves out."""


@dataclass(frozen=True, slots=True)
class Marks:
    """Single points (x, y) and boxes (left, top, right, bottom; right and bottom outside), in pixels."""

    points: tuple[tuple[int, int], ...] = ()
    boxes: tuple[tuple[int, int, int, int], ...] = ()

    @property
    def count(self) -> int:
        """Points in all, each pixel of a box being one."""
        return len(self.points) + sum(_area(*box) for box in self.boxes)

    def inside(self, width: int, height: int) -> int:
        """How many of the points lie in an image of that size."""
        single = sum(0 <= x < width and 0 <= y < height for x, y in self.points)
        return single + sum(_area(x0, y0, min(x1, width), min(y1, height)) for x0, y0, x1, y1 in self.boxes)


def _area(x0: int, y0: int, x1: int, y1: int) -> int:
    return max(0, x1 - x0) * max(0, y1 - y0)


def marks_in(text: str) -> Marks:
    """The points and boxes of an answer.

    >>> marks_in("[(0.25, 0.5), (1, 1)]").points
    ((160, 240), (1, 1))
    >>> marks_in("(0.5, 0.5, 1.0, 1.0)").boxes
    ((320, 240, 640, 480),)
    >>> marks_in("[0.25, 0.75] or (.5, .5)").count
    0
    """
    points, boxes = [], []
    for numbers in _TUPLE.findall(text):
        vector = [_number(number.strip()) for number in numbers.split(",")]
        if len(vector) == 2:
            points.append(_point(*vector))
        elif len(vector) == 4:
            boxes.append(_box(*vector))
    return Marks(tuple(points), tuple(boxes))


def _number(text: str) -> int | float:
    if "." in text:
        return float(text)
    if len(text.lstrip("+-")) > _MAX_DIGITS:
        raise Unreadable(f"a whole number of {len(text)} digits")
    return int(text)


def _point(x: int | float, y: int | float) -> tuple[int, int]:
    if isinstance(x, int) and isinstance(y, int):
        return x, y
    return _pixels(x, WIDTH), _pixels(y, HEIGHT)


def _box(x0: int | float, y0: int | float, x1: int | float, y1: int | float) -> tuple[int, int, int, int]:
    """A box as slices of an image take it: negative corners count from the far side."""
    if isinstance(x0, float):
        x0, x1, y0, y1 = _pixels(x0, WIDTH), _pixels(x1, WIDTH), _pixels(y0, HEIGHT), _pixels(y1, HEIGHT)
    if not (isinstance(x0, int) and isinstance(y0, int) and isinstance(x1, int) and isinstance(y1, int)):
        raise Unreadable(f"the box ({x0}, {y0}, {x1}, {y1}) begins with a whole number and goes on with fractions")
    left, right, _ = slice(x0, x1).indices(WIDTH)
    top, bottom, _ = slice(y0, y1).indices(HEIGHT)
    return left, top, right, bottom


def _pixels(share: int | float, size: int) -> int:
    try:
        return int(share * size)
    except OverflowError:
        raise Unreadable("a number without end") from None


def accuracy_on(marks: Marks, mask: NDArray[np.uint8]) -> float:
    """The mean of the mask (rows first, 255 for right) over all points, 0 for those outside; 0 without points."""
    if not marks.count:
        return 0.0
    height, width = mask.shape
    on = sum(int(mask[y, x]) for x, y in marks.points if 0 <= x < width and 0 <= y < height)
    on += sum(int(mask[y0:y1, x0:x1].sum()) for x0, y0, x1, y1 in marks.boxes)
    return on / 255 / marks.count
