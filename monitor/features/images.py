"""What a picture is like: size, light, colours, detail, and a hash by which pictures that look alike are found.

`jobs/drift.py` calls it once for each image file that was kept. Pictures are reduced to `SIDE` pixels first, so that
figures of photographs of different sizes may be compared and a large one takes no longer than it must.
"""

import io
import math
import warnings
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from monitor.errors import BadInput

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
SIDE = 512
MAX_PIXELS = 50_000_000
"""Larger images are refused from their header, before anything is decoded."""

BLANK_CONTRAST = 0.02
"""Below this standard deviation in each colour a picture shows nothing: five of 255 levels, about a camera's noise."""

_FULL = 255.0
_HASH_SIDE = 32
_HASH_DIGITS = 16
_ORIENTATION, _ON_THE_SIDE = 0x0112, (5, 6, 7, 8)


def describe_image(content: bytes) -> dict[str, Any]:
    """The descriptors of an encoded image: its first frame, upright, over white.

    width, height (pixels) and aspect are those of the whole image; brightness and contrast (mean and standard deviation
    of the luma of ITU-R BT.601), saturation (of HSV, mean) are in 0..1; sharpness is 0 for what is smooth and 1 for
    white noise; colourfulness is on the scale of its paper, about 0..150; blank is a bool; hash has 16 hex digits.
    Raises BadInput for what cannot be decoded.
    """
    size, planes = _read(content)
    red, green, blue = planes
    luma = (0.299 * red + 0.587 * green + 0.114 * blue) / _FULL
    contrast = float(luma.std())
    return {
        "width": size[0],
        "height": size[1],
        "aspect": size[0] / size[1],
        "brightness": float(luma.mean()),
        "contrast": contrast,
        "sharpness": _sharpness(luma),
        "colourfulness": _colourfulness(red, green, blue),
        "saturation": _saturation(red, green, blue),
        "blank": max(float(plane.std()) for plane in planes) / _FULL < BLANK_CONTRAST,
        "hash": _hash(luma),
    }


def distance(hash_a: str, hash_b: str) -> int:
    """In how many of 64 bits two hashes differ: up to about 10 for versions of one picture, 32 by chance.

    >>> distance("ffffffffffffffff", "fffffffffffffff0")
    4
    """
    return (_bits(hash_a) ^ _bits(hash_b)).bit_count()


def _bits(digits: str) -> int:
    try:
        if len(digits) == _HASH_DIGITS:
            return int(digits, 16)
    except ValueError:
        pass
    raise BadInput(f"{digits[:40]!r} is no hash of an image: expected {_HASH_DIGITS} hex digits")


def _read(content: bytes) -> tuple[tuple[int, int], Floats]:
    """The size of the upright image, and its red, green and blue (3, height, width), reduced to at most SIDE."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is odd in a file; what cannot be read raises
        try:
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise BadInput(
                        f"the image is {image.width} x {image.height} pixels; at most {MAX_PIXELS} in all are described"
                    )
                return _decoded(image)
        except BadInput:
            raise
        except UnidentifiedImageError:
            raise BadInput(f"the file is no image of {', '.join(FORMATS)}, or is damaged in its first bytes") from None
        except Exception as error:  # noqa: BLE001 (a decoder raises whatever it trips over)
            raise BadInput(f"the image cannot be decoded: {error}; save it again") from None


def _decoded(image: Image.Image) -> tuple[tuple[int, int], Floats]:
    full = image.size
    image.draft(None, (SIDE, SIDE))  # a JPEG is decoded at a half, a quarter or an eighth, but not below this
    image.load()
    turned = image.getexif().get(_ORIENTATION) in _ON_THE_SIDE
    colours = ImageOps.exif_transpose(_rgb(image))
    if max(colours.size) > SIDE:
        colours = colours.reduce(-(-max(colours.size) // SIDE))
    planes = np.stack([np.asarray(plane, np.float64) for plane in colours.split()])
    return (full[::-1] if turned else full), planes


def _rgb(image: Image.Image) -> Image.Image:
    """Eight bits in three channels; what is transparent becomes white."""
    if image.mode.startswith("I"):
        samples = np.asarray(image).astype(np.int64)
        image = Image.fromarray(np.clip(samples >> 8, 0, 255).astype(np.uint8))
    if not image.has_transparency_data:
        return image.convert("RGB")
    shown = Image.new("RGB", image.size, "white")
    with_alpha = image.convert("RGBA")
    shown.paste(with_alpha, mask=with_alpha)
    return shown


def _sharpness(luma: Floats) -> float:
    """The standard deviation of the Laplacian against that of white noise with the same contrast.

    The variance of the Laplacian is a measure of focus of Pech-Pacheco et al., 2000, "Diatom autofocusing in
    brightfield microscopy" (ICPR); white noise of variance v has one of 20 v. Divided by the contrast, a darker copy of
    a picture is as sharp as the picture.

    >>> board = np.indices((8, 8)).sum(axis=0) % 2.0
    >>> round(_sharpness(board), 3), _sharpness(np.ones((8, 8)))
    (1.789, 0.0)
    """
    if min(luma.shape) < 3:
        return 0.0
    inside = luma[1:-1, 1:-1]
    edges = 4 * inside - luma[:-2, 1:-1] - luma[2:, 1:-1] - luma[1:-1, :-2] - luma[1:-1, 2:]
    noise = math.sqrt(20.0) * float(luma.std())
    return float(edges.std()) / noise if noise > 1e-9 else 0.0


def _colourfulness(red: Floats, green: Floats, blue: Floats) -> float:
    """M3 of Hasler and Süsstrunk, 2003, "Measuring colourfulness in natural images" (SPIE 5007).

    In the paper people called pictures of 15 slightly, 33 moderately, 59 quite and 109 extremely colourful.

    >>> _colourfulness(*np.full((3, 2, 2), 90.0))
    0.0
    """
    first, second = red - green, (red + green) / 2 - blue
    spread = math.hypot(float(first.std()), float(second.std()))
    return spread + 0.3 * math.hypot(float(first.mean()), float(second.mean()))


def _saturation(red: Floats, green: Floats, blue: Floats) -> float:
    """The mean of the saturation of HSV: what the weakest of three colours is short of the strongest, as a share of it.

    >>> _saturation(np.array([200.0, 0.0]), np.array([100.0, 0.0]), np.array([100.0, 0.0]))
    0.25
    """
    strongest = np.maximum(np.maximum(red, green), blue)
    weakest = np.minimum(np.minimum(red, green), blue)
    return float(((strongest - weakest) / np.maximum(strongest, 1.0)).mean())


def _hash(luma: Floats) -> str:
    """A 64-bit hash of the lowest frequencies: pictures that look alike differ in few bits.

    The signs of coefficients of a discrete cosine transform against their median: Zauner, 2010, "Implementation and
    benchmarking of perceptual image hash functions". Here they are the 64 lowest behind the mean brightness.
    """
    small = Image.fromarray(luma.astype(np.float32)).resize((_HASH_SIDE, _HASH_SIDE), Image.Resampling.BOX)
    waves = _waves()
    found = (waves @ np.asarray(small, np.float64) @ waves.T)[_lowest()].round(6)
    bits = "".join("01"[int(bit)] for bit in found > np.median(found))
    return f"{int(bits, 2):0{_HASH_DIGITS}x}"


@cache
def _waves() -> Floats:
    """The first rows of the discrete cosine transform, one frequency a row."""
    places = (2 * np.arange(_HASH_SIDE) + 1) * math.pi / (2 * _HASH_SIDE)
    return np.asarray(np.cos(np.outer(np.arange(_HASH_SIDE // 2), places)) / _HASH_SIDE)


@cache
def _lowest() -> tuple[Ints, Ints]:
    """Rows and columns of the 64 lowest frequencies, the mean left out."""
    places = sorted(((row, column) for row in range(16) for column in range(16)), key=lambda one: (sum(one), one))
    rows, columns = zip(*places[1:65], strict=True)
    return np.array(rows), np.array(columns)
