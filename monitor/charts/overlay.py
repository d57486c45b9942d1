"""The points and boxes of an answer drawn over the image that it is about: an encoded image in, a PNG out."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont, ImageOps

from monitor.charts import words
from monitor.charts.confidence import level_of
from monitor.stats.points import Shape

SHORTEST, LONGEST = 480, 1024
"""The longer side of what is drawn on, in pixels: small images are enlarged, so that marks stay smaller than things."""

DARK, LIGHT = "#0B131B", "#FFFFFF"

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Mark:
    """A shape with its number in the answer, from 1."""

    number: int
    shape: Shape
    confidence: float | None
    drawn: bool
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Overlay:
    """The picture, each shape of the answer with whether it is drawn, and the same in words."""

    png: bytes
    marks: tuple[Mark, ...]
    alt: str


def shapes_over_image(
    image: bytes, shapes: Sequence[Shape], confidences: Sequence[float | None] = (), threshold: float = 0.0
) -> Overlay:
    """Numbered marks over the image: a ring around each point, a frame around each box.

    Shapes below the threshold are left out, those of unknown confidence are not. Numbers are those in the answer, and
    stay as the threshold moves. The image is turned as its EXIF data say. Raises what PIL raises where it cannot read.
    """
    with Image.open(io.BytesIO(image)) as opened:
        upright = ImageOps.exif_transpose(opened).convert("RGB")
    known = [*confidences, *[None] * (len(shapes) - len(confidences))]
    sizes = [shape.shares(*upright.size) for shape in shapes]
    marks = tuple(
        _mark(number, shape, inside, confidence, threshold)
        for number, (shape, inside, confidence) in enumerate(zip(shapes, sizes, known, strict=True), 1)
    )
    canvas = _enlarged(upright)
    draw = ImageDraw.Draw(canvas)
    for mark, inside in zip(marks, sizes, strict=True):
        if mark.drawn:
            scaled = [share * side for share, side in zip(inside, canvas.size * 2, strict=False)]
            _draw(draw, mark, scaled, canvas.size)
    out = io.BytesIO()
    canvas.save(out, "PNG", compress_level=3)
    return Overlay(out.getvalue(), marks, in_words(marks))


def in_words(marks: Sequence[Mark]) -> str:
    """Every mark of the picture, and what was left out of it."""
    if not marks:
        return "The answer names no point and no box."
    return ". ".join(_told(mark) for mark in marks) + "."


def _mark(number: int, shape: Shape, inside: Sequence[float], confidence: float | None, threshold: float) -> Mark:
    left, top, right, bottom = inside if shape.is_box else (*inside, *inside)
    if right < 0 or bottom < 0 or left > 1 or top > 1:
        return Mark(number, shape, confidence, False, "outside of the image")
    if confidence is not None and confidence < threshold:
        return Mark(number, shape, confidence, False, "below the threshold")
    return Mark(number, shape, confidence, True)


def _told(mark: Mark) -> str:
    name = "box" if mark.shape.is_box else "point"
    numbers = ", ".join(f"{number:g}" for number in mark.shape.numbers)
    sure = f", {words.share(mark.confidence)} sure" if mark.confidence is not None else ""
    return f"{mark.number}: {name} ({numbers}){sure}{'' if mark.drawn else f', not drawn: {mark.why_not}'}"


def _enlarged(image: Image.Image) -> Image.Image:
    """By whole pixels, so that what the model saw is not smoothed over; large images are made smaller."""
    side = max(image.size)
    if side > LONGEST:
        smaller = image.copy()
        smaller.thumbnail((LONGEST, LONGEST))
        return smaller
    factor = -(-SHORTEST // side)
    return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)


def _draw(draw: ImageDraw.ImageDraw, mark: Mark, at: Sequence[float], size: tuple[int, int]) -> None:
    """Three lines, dark, light and coloured, stand out on every ground."""
    reach = max(size) / 60
    colour = level_of(mark.confidence).rgb
    box: Box = (at[0], at[1], at[2], at[3]) if mark.shape.is_box else (
        at[0] - reach, at[1] - reach, at[0] + reach, at[1] + reach
    )  # fmt: skip
    line = draw.rectangle if mark.shape.is_box else draw.ellipse
    for grown, drawn in ((2, DARK), (0, LIGHT), (-2, colour)):
        if box[2] - box[0] + 2 * grown > 0 and box[3] - box[1] + 2 * grown > 0:
            line((box[0] - grown, box[1] - grown, box[2] + grown, box[3] + grown), outline=drawn, width=3)
    if not mark.shape.is_box:
        draw.ellipse((at[0] - 1.5, at[1] - 1.5, at[0] + 1.5, at[1] + 1.5), fill=colour)
    _number(draw, mark.number, box, size)


def _number(draw: ImageDraw.ImageDraw, number: int, box: Box, size: tuple[int, int]) -> None:
    """The number beside the mark, on the side where there is room."""
    font = ImageFont.load_default(max(14, max(size) // 40))
    left, top, right, bottom = draw.textbbox((0, 0), str(number), font=font)
    width, height = right - left + 8, bottom - top + 6
    x = box[2] + 3 if box[2] + 3 + width <= size[0] else box[0] - 3 - width
    x, y = min(max(x, 0), size[0] - width), min(max(box[1] - height / 2, 0), size[1] - height)
    draw.rectangle((x, y, x + width, y + height), fill=DARK, outline=LIGHT)
    draw.text((x + 4 - left, y + 3 - top), str(number), font=font, fill=LIGHT)
