"""Points and boxes that an answer names, such as "(0.35, 0.60)", and how sure the model was of each of them.

The probe page draws them over the image (`monitor.charts.overlay`). The notation is that of RoboPoint (Yuan et al.,
2024, arXiv:2406.10721): shares of the width and the height, from the upper left corner; pixels are read as well.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from monitor.chat import Token

MOST = 200
"""Shapes that are read from one answer: a model that repeats itself does not fill the picture."""

LARGEST_SHARE = 1.5
"""An answer in which a number is larger is in pixels. A share may lie a little outside of the image."""

_NUMBER = r"\s*(\d{1,6}(?:\.\d{1,20})?|\.\d{1,20})\s*"
_NUMBERS = ",".join([_NUMBER] * 2) + f"(?:,{_NUMBER},{_NUMBER})?"
_SHAPE = re.compile(rf"\({_NUMBERS}\)|\[{_NUMBERS}\]")


@dataclass(frozen=True, slots=True)
class Shape:
    """A point (x, y) or a box (left, top, right, bottom), and where it stands in the text (end excluded)."""

    numbers: tuple[float, ...]
    start: int
    end: int
    in_pixels: bool = False

    @property
    def is_box(self) -> bool:
        return len(self.numbers) == 4

    def shares(self, width: int, height: int) -> tuple[float, ...]:
        """The numbers as shares of an image of this size in pixels."""
        sizes = (width, height) * 2 if self.in_pixels else (1,) * 4
        return tuple(number / size for number, size in zip(self.numbers, sizes, strict=False))


def shapes(text: str) -> list[Shape]:
    """The points and boxes in the order of the text, in round or square brackets, one by one or in a list.

    All of an answer are in shares, unless one number exceeds LARGEST_SHARE; then all are in pixels. The corners of a
    box are put in order.

    >>> [shape.numbers for shape in shapes("[(0.35, 0.60), (0.1, 0.9)]")]
    [(0.35, 0.6), (0.1, 0.9)]
    >>> [(shape.numbers, shape.in_pixels) for shape in shapes("the cup [120, 80, 10, 44]")]
    [((10.0, 44.0, 120.0, 80.0), True)]
    """
    found = []
    for match in _SHAPE.finditer(text):
        found.append((tuple(float(number) for number in match.groups() if number is not None), match.span()))
        if len(found) == MOST:
            break
    in_pixels = any(number > LARGEST_SHARE for numbers, _ in found for number in numbers)
    return [Shape(_ordered(numbers), *span, in_pixels) for numbers, span in found]


def _ordered(numbers: tuple[float, ...]) -> tuple[float, ...]:
    if len(numbers) == 2:
        return numbers
    x1, y1, x2, y2 = numbers
    return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)


def confidences(text: str, tokens: Sequence[Token], found: Sequence[Shape]) -> list[float | None]:
    """For each shape of the text the geometric mean probability of its tokens; None where the tokens do not tell.

    That is the case without logprobs, and where the tokens do not spell the text.

    >>> sure, unsure = Token("(0.5,", 0.0), Token(" 0.5)", math.log(0.25))
    >>> confidences("(0.5, 0.5)", [sure, unsure], shapes("(0.5, 0.5)"))
    [0.5]
    """
    offset = "".join(token.text for token in tokens).find(text)  # blanks and marks may stand around the text
    if offset < 0:
        return [None] * len(found)
    return [_confidence(tokens, shape.start + offset, shape.end + offset) for shape in found]


def _confidence(tokens: Sequence[Token], start: int, end: int) -> float | None:
    at, logprobs = 0, []
    for token in tokens:
        if at < end and at + len(token.text) > start and token.text:
            logprobs.append(token.logprob)
        at += len(token.text)
    known = [logprob for logprob in logprobs if logprob is not None]
    return math.exp(sum(known) / len(known)) if known and len(known) == len(logprobs) else None
