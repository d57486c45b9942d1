"""Encoded image files become RGB pictures, or a refusal that says why; called while a request is prepared. No torch.

Everything here may run in many threads at once. A 50-megapixel photograph costs at most 350 MB while it is decoded, and
is handed on with its longest side at most `MAX_SIDE`: JPEG files are decoded at a half, a quarter or an eighth.
"""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from monitor.config import Settings
from monitor.errors import BadInput, TooLarge, UnsupportedMedia

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")

MAX_SIDE = 4096
"""Longer sides are halved until they fit; no vision encoder looks at more."""

MAX_IMAGES = 8
"""Most images of one request."""


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """What a single request may bring: bytes of a file, pixels of an image (width times height), images."""

    max_bytes: int
    max_pixels: int
    max_images: int = MAX_IMAGES

    @staticmethod
    def of(settings: Settings) -> "ImageLimits":
        return ImageLimits(settings.max_image_bytes, settings.max_image_pixels)


@dataclass(frozen=True, slots=True)
class Picture:
    """An image as the model sees it, in RGB, and what was done to it."""

    image: Image.Image
    notes: tuple[str, ...] = ()


def read_picture(data: bytes, limits: ImageLimits) -> Picture:
    """Decode an image file: first frame, upright, over white, 8 bits, RGB.

    Raises TooLarge beyond the limits (from the header, before any pixel is decoded), UnsupportedMedia for what is no
    image of these formats, BadInput for a damaged one.
    """
    if len(data) > limits.max_bytes:
        raise TooLarge(
            f"the image is {len(data)} bytes; allowed are {limits.max_bytes} (WATCHPOINT_MAX_IMAGE_BYTES): "
            "save it smaller"
        )
    with _opened(data) as image:
        if image.width * image.height > limits.max_pixels:
            raise TooLarge(
                f"the image is {image.width} x {image.height} pixels; allowed are {limits.max_pixels} in all "
                "(WATCHPOINT_MAX_IMAGE_PIXELS): save it smaller"
            )
        return _picture(image)


def _opened(data: bytes) -> Image.Image:
    """The image with its header read and nothing decoded."""
    if not data:
        raise BadInput("the image is empty: 0 bytes; send the bytes of the file")
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooLarge(f"the image has too many pixels: {error}; save it smaller") from None
    except UnidentifiedImageError:
        raise UnsupportedMedia(_not_an_image(data)) from None
    except Exception as error:  # noqa: BLE001 (a broken header raises whatever its reader trips over)
        raise BadInput(f"the header of the image is damaged ({error}); save it again") from None


def _not_an_image(data: bytes) -> str:
    allowed = ", ".join(FORMATS)
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith((b"<svg", b"<?xml")) and b"<svg" in data[:4096].lower():
        return f"the image is an SVG drawing, which has no pixels; save it as one of {allowed}"
    return f"the file is no image, or is damaged in its first bytes ({data[:8]!r}); allowed are {allowed}"


def _picture(image: Image.Image) -> Picture:
    kind, size = image.format, image.size
    notes = []
    try:
        if getattr(image, "is_animated", False):
            notes.append(f"{kind} with several frames: the first one was used")
        image.draft(None, (MAX_SIDE, MAX_SIDE))  # a JPEG is decoded smaller, but not below this; others ignore it
        image.load()
    except Exception as error:  # noqa: BLE001 (a decoder raises whatever it trips over: OSError, SyntaxError, struct.error)
        raise BadInput(f"the {kind} image of {size[0]} x {size[1]} is damaged: {error}; save it again") from None
    try:
        ImageOps.exif_transpose(image, in_place=True)
    except Exception as error:  # noqa: BLE001 (damaged EXIF data say nothing about the pixels)
        notes.append(f"its EXIF data are damaged ({error}): not rotated")
    upright = size if (image.width >= image.height) == (size[0] >= size[1]) else size[::-1]
    image = _rgb(image)
    if max(image.size) > MAX_SIDE:
        image = image.reduce(-(-max(image.size) // MAX_SIDE))
    if image.size != upright and max(upright) > MAX_SIDE:
        notes.append(f"reduced from {upright[0]} x {upright[1]} to {image.width} x {image.height}")
    return Picture(image, tuple(notes))


def _rgb(image: Image.Image) -> Image.Image:
    """Eight bits in three channels; what is transparent becomes white."""
    if image.mode == "RGB":
        return image
    if image.mode == "F":
        raise UnsupportedMedia("the image has floating point samples; save it with 8 or 16 bits a channel")
    if image.mode.startswith("I"):
        return _eight_bits(image).convert("RGB")
    if image.has_transparency_data:
        with_alpha = image.convert("RGBA")
        white = Image.new("RGB", image.size, "white")
        white.paste(with_alpha, mask=with_alpha)
        return white
    return image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """The upper eight of sixteen bits; PIL itself would cut everything above 255."""
    samples = np.asarray(image).astype(np.int64)
    if samples.min() < 0 or samples.max() > 0xFFFF:
        raise UnsupportedMedia("the image has more than 16 bits a channel; save it with 8 or 16")
    return Image.fromarray((samples >> 8).astype(np.uint8))
