"""Masks of Where2Place: where in an image a point is right; for `robopoint`."""

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from monitor.errors import BadInput, TooLarge
from monitor.harnesses.tree import Tree

MAX_MASK_PIXELS = 4_000_000
"""Those of the data set have 640 x 480."""


@dataclass(frozen=True, slots=True)
class Mask:
    """Where a point is right, 0 to 255 for each pixel, rows first."""

    path: str
    sha256: str
    pixels: NDArray[np.uint8]


def read_mask(tree: Tree, path: str) -> Mask:
    """One mask; BadInput where it is no image, a damaged or a coloured one."""
    try:
        with Image.open(io.BytesIO(tree.read(path)), formats=("JPEG", "PNG")) as image:
            if image.width * image.height > MAX_MASK_PIXELS:
                raise TooLarge(
                    f"{path}: has {image.width} x {image.height} pixels, at most {MAX_MASK_PIXELS:,} are read"
                )
            if image.mode != "L":
                raise BadInput(f"{path}: is in {image.mode}, the harness takes masks in grey only")
            pixels = np.array(image)
    except (UnidentifiedImageError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadInput(f"{path}: is no image that can be read: {error}") from None
    except (OSError, ValueError, SyntaxError) as error:  # what Pillow raises over damaged files
        raise BadInput(f"{path}: is a damaged image: {error}") from None
    return Mask(path, tree.sha256(path), pixels)
