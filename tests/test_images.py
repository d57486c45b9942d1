"""Image files of every kind become RGB pictures, or a refusal that says why."""

import io
import struct
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from PIL import Image

from monitor.config import Settings
from monitor.errors import BadInput, TooLarge, UnsupportedMedia
from monitor.inference.images import MAX_SIDE, ImageLimits, read_picture

LIMITS = ImageLimits(max_bytes=20_000_000, max_pixels=50_000_000)
RED, WHITE = (255, 0, 0), (255, 255, 255)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def noise(width: int = 40, height: int = 30) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


def pixel(image: Image.Image, x: int, y: int) -> tuple[int, ...]:
    return tuple(np.asarray(image)[y, x].tolist())


def png_header(width: int, height: int) -> bytes:
    """A PNG file that claims a size and has no pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "BMP", "TIFF"])
def test_a_picture_comes_out_as_it_went_in(kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    picture = read_picture(encoded(noise(), kind, **options), LIMITS)
    assert picture.image.mode == "RGB"
    assert np.array_equal(np.asarray(picture.image), np.asarray(noise()))
    assert picture.notes == ()


def test_a_truncated_file_is_refused_with_its_kind_and_size() -> None:
    for kind in ("PNG", "JPEG", "GIF"):
        whole = encoded(noise(200, 150), kind)
        with pytest.raises(BadInput, match=f"the {kind} image of 200 x 150 is damaged: .*; save it again"):
            read_picture(whole[: len(whole) // 2], LIMITS)


def test_a_corrupt_file_is_refused() -> None:
    whole = bytearray(encoded(noise(200, 150)))
    whole[len(whole) // 2] ^= 0xFF
    with pytest.raises(BadInput, match="the PNG image of 200 x 150 is damaged"):
        read_picture(bytes(whole), LIMITS)


@pytest.mark.parametrize(
    "data, says",
    [
        (b"", "the image is empty: 0 bytes"),
        (b"hello", "the file is no image, or is damaged in its first bytes .*; allowed are PNG, JPEG"),
        (b"%PDF-1.7 ...", "the file is no image"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG drawing, which has no pixels"),
        (b" <svg/>", "an SVG drawing"),
        (b"\x89PNG\r\n\x1a\n", "damaged"),
    ],
)
def test_what_is_no_image_is_refused(data: bytes, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        read_picture(data, LIMITS)


def test_a_file_of_another_kind_is_an_unsupported_medium() -> None:
    with pytest.raises(UnsupportedMedia):
        read_picture(b"hello", LIMITS)


def test_an_image_bomb_is_refused_from_its_header() -> None:
    tracemalloc.start()
    for side in (7_072, 12_000, 50_000):
        with pytest.raises(TooLarge, match="pixels"):
            read_picture(png_header(side, side), LIMITS)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000
    with pytest.raises(TooLarge, match=r"7072 x 7072 pixels; allowed are 50000000 in all \(WATCHPOINT_MAX_IMAGE_PIX"):
        read_picture(png_header(7_072, 7_072), LIMITS)


def test_a_file_of_too_many_bytes_is_refused() -> None:
    with pytest.raises(TooLarge, match=r"allowed are 100 \(WATCHPOINT_MAX_IMAGE_BYTES\)"):
        read_picture(encoded(noise()), ImageLimits(100, 10**6))


def test_a_photograph_of_fifty_megapixels_is_taken_at_half_its_size() -> None:
    photograph = encoded(Image.new("RGB", (8_660, 5_773), RED), "JPEG")
    picture = read_picture(photograph, LIMITS)
    assert max(picture.image.size) <= MAX_SIDE
    assert picture.image.width / picture.image.height == pytest.approx(8_660 / 5_773, rel=0.01)
    assert picture.notes == (f"reduced from 8660 x 5773 to {picture.image.width} x {picture.image.height}",)
    red, green, blue = pixel(picture.image, 100, 100)
    assert red > 250 > 5 > max(green, blue)


def test_a_long_narrow_image_keeps_at_least_a_pixel_across() -> None:
    picture = read_picture(encoded(Image.new("RGB", (20_000, 1), RED)), LIMITS)
    assert picture.image.size == (4_000, 1)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_an_animation_the_first_frame_is_used_and_a_note_says_so(kind: str) -> None:
    frames = [Image.new("RGB", (20, 10), colour) for colour in ("red", "lime", "blue")]
    options = {"lossless": True} if kind == "WEBP" else {}
    picture = read_picture(encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options), LIMITS)
    assert pixel(picture.image, 5, 5) == RED
    assert picture.notes == (f"{kind} with several frames: the first one was used",)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_rotation_in_the_exif_data_is_applied(orientation: int) -> None:
    upright = Image.new("RGB", (64, 32), "white")
    upright.paste(RED, (0, 0, 16, 16))  # in the corner at the upper left
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(undo[orientation]) if orientation in undo else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = read_picture(encoded(stored, "JPEG", exif=exif, quality=100, subsampling=0), LIMITS)
    assert picture.image.size == (64, 32)
    assert pixel(picture.image, 4, 4)[1] < 60
    assert pixel(picture.image, 60, 4)[1] > 200
    assert picture.notes == ()


def test_transparent_pixels_become_white() -> None:
    clear = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    clear.paste((255, 0, 0, 255), (0, 0, 4, 8))
    clear.paste((255, 0, 0, 128), (0, 0, 1, 1))
    grey = Image.new("LA", (8, 8), (0, 0))
    palette = clear.convert("RGB").quantize(4)
    palette.info["transparency"] = palette.getpixel((7, 7))
    for image, left in ((clear, RED), (grey, WHITE)):
        picture = read_picture(encoded(image), LIMITS)
        assert (pixel(picture.image, 2, 7), pixel(picture.image, 7, 7)) == (left, WHITE)
    half = read_picture(encoded(clear), LIMITS).image.getpixel((0, 0))
    assert half == (255, 127, 127)
    transparent = encoded(palette, transparency=palette.getpixel((7, 7)))
    assert read_picture(transparent, LIMITS).image.getpixel((7, 7)) == WHITE


def test_other_colour_modes_become_rgb() -> None:
    cmyk = read_picture(encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG"), LIMITS)
    red, green, blue = pixel(cmyk.image, 4, 4)
    assert (cmyk.image.mode, red > 200, green < 60, blue < 60) == ("RGB", True, True, True)
    for mode, value, expected in (("P", 1, None), ("1", 1, WHITE), ("L", 77, (77, 77, 77))):
        picture = read_picture(encoded(Image.new(mode, (8, 8), value)), LIMITS)
        assert picture.image.mode == "RGB"
        assert expected in (None, pixel(picture.image, 4, 4))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_become_the_upper_eight(kind: str) -> None:
    steps = np.array([[0, 255, 256, 0x7FFF, 0x8000, 0xFFFF]], dtype=np.uint16)
    picture = read_picture(encoded(Image.fromarray(steps), kind), LIMITS)
    assert np.asarray(picture.image)[0, :, 0].tolist() == [0, 0, 1, 127, 128, 255]


def test_floating_point_samples_are_refused() -> None:
    with pytest.raises(UnsupportedMedia, match="floating point"):
        read_picture(encoded(Image.new("F", (4, 4)), "TIFF"), LIMITS)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_damaged_exif_data_cost_only_the_rotation() -> None:
    photograph = encoded(noise(), "JPEG", exif=b"Exif\x00\x00MM\x00*\x00\x00\xff\xff\x00\x00")
    assert read_picture(photograph, LIMITS).image.size == (40, 30)


def test_many_threads_read_the_same() -> None:
    files = [encoded(noise(300, 200 + number), "JPEG") for number in range(8)]
    expected = [read_picture(data, LIMITS).image.tobytes() for data in files]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            assert [*pool.map(lambda data: read_picture(data, LIMITS).image.tobytes(), files)] == expected


def test_the_limits_come_from_the_settings(settings: Settings) -> None:
    limits = ImageLimits.of(settings)
    assert (limits.max_bytes, limits.max_pixels) == (settings.max_image_bytes, settings.max_image_pixels)
