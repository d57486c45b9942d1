import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from monitor.errors import BadInput
from monitor.features.describe import describe
from monitor.features.images import SIDE, describe_image, distance


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def scene(size: tuple[int, int] = (96, 64), background: str = "white") -> Image.Image:
    image = Image.new("RGB", size, background)
    draw = ImageDraw.Draw(image)
    width, height = size
    draw.ellipse((width * 0.1, height * 0.2, width * 0.4, height * 0.7), fill="red")
    draw.rectangle((width * 0.6, height * 0.5, width * 0.9, height * 0.9), fill="blue")
    return image


def described(image: Image.Image) -> dict[str, Any]:
    return describe_image(encoded(image))


def test_a_picture_is_described_by_size_light_and_colour() -> None:
    found = described(scene())
    assert (found["width"], found["height"], found["aspect"]) == (96, 64, 1.5)
    assert 0.7 < found["brightness"] < 1
    assert 0.1 < found["contrast"] < 0.5
    assert found["colourfulness"] > 59
    assert found["blank"] is False
    assert len(found["hash"]) == 16


def test_plain_colours_have_known_figures() -> None:
    grey = described(Image.new("RGB", (8, 8), (128, 128, 128)))
    assert grey["brightness"] == pytest.approx(128 / 255)
    assert (grey["contrast"], grey["sharpness"], grey["colourfulness"], grey["saturation"]) == (0, 0, 0, 0)
    assert described(Image.new("RGB", (8, 8), "red"))["saturation"] == 1.0
    assert described(Image.new("RGB", (8, 8), "red"))["brightness"] == pytest.approx(0.299)


def test_a_darker_copy_is_darker_and_as_sharp() -> None:
    bright = described(scene())
    dark = described(scene().point(lambda level: level * 0.4))
    assert dark["brightness"] == pytest.approx(0.4 * bright["brightness"], rel=0.02)
    assert dark["sharpness"] == pytest.approx(bright["sharpness"], rel=0.02)
    assert distance(dark["hash"], bright["hash"]) <= 6


def test_a_blurred_copy_is_less_sharp_and_noise_is_as_sharp_as_noise() -> None:
    blurred = described(scene().filter(ImageFilter.GaussianBlur(2)))
    assert blurred["sharpness"] < 0.3 * described(scene())["sharpness"]
    noise = np.random.default_rng(7).normal(128, 30, (200, 200)).clip(0, 255).astype(np.uint8)
    assert described(Image.fromarray(noise))["sharpness"] == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("colour", ["white", "black", "red", (90, 100, 110)])
def test_a_picture_of_one_colour_is_blank_with_noise_too(colour: str | tuple[int, ...]) -> None:
    plain = Image.new("RGB", (64, 64), colour)
    assert described(plain)["blank"] is True
    noisy = np.asarray(plain, np.int64) + np.random.default_rng(3).normal(0, 3, (64, 64, 3)).round().astype(int)
    assert described(Image.fromarray(noisy.clip(0, 255).astype(np.uint8)))["blank"] is True


def test_a_small_thing_on_a_page_is_not_blank() -> None:
    page = Image.new("RGB", (64, 64), "white")
    page.putpixel((30, 30), (0, 0, 0))
    page.paste("black", (10, 10, 15, 15))
    assert described(page)["blank"] is False


def test_colours_of_equal_light_are_not_blank() -> None:
    image = Image.new("RGB", (64, 64), (200, 0, 0))
    image.paste((0, 102, 0), (32, 0, 64, 64))
    found = described(image)
    assert found["contrast"] < 0.02
    assert found["blank"] is False


def test_versions_of_one_picture_have_like_hashes_and_others_do_not() -> None:
    first = described(scene((400, 300)))["hash"]
    smaller = described(scene((400, 300)).resize((200, 150)))["hash"]
    jpeg = describe_image(encoded(scene((400, 300)), "JPEG", quality=60))["hash"]
    mirrored = described(scene((400, 300)).transpose(Image.Transpose.FLIP_LEFT_RIGHT))["hash"]
    assert distance(first, smaller) <= 8
    assert distance(first, jpeg) <= 8
    assert distance(first, mirrored) >= 16


def test_hashes_of_different_noise_differ_in_half_of_their_bits() -> None:
    rng = np.random.default_rng(11)
    hashes = [described(Image.fromarray(rng.integers(0, 256, (64, 64, 3)).astype(np.uint8)))["hash"] for _ in range(12)]
    apart = [distance(one, other) for place, one in enumerate(hashes) for other in hashes[:place]]
    assert 28 < np.mean(apart) < 36


@pytest.mark.parametrize("wrong", ["", "12", "g" * 16, "0" * 17, " " * 16])
def test_a_wrong_hash_is_refused(wrong: str) -> None:
    with pytest.raises(BadInput, match="expected 16 hex digits"):
        distance(wrong, "0" * 16)


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1", "RGBA", "LA", "CMYK", "I;16", "YCbCr", "PA"])
def test_pictures_of_every_mode_are_described(mode: str) -> None:
    kind = "TIFF" if mode == "CMYK" else "JPEG" if mode == "YCbCr" else "PNG"
    base = scene().convert("L")
    image = Image.fromarray(np.asarray(base, np.uint16) * 257) if mode == "I;16" else scene().convert(mode)
    if mode == "PA":
        image, kind = scene().convert("P"), "GIF"
    found = describe_image(encoded(image, kind))
    assert found["brightness"] == pytest.approx(described(base)["brightness"], abs=0.05)


def test_what_is_transparent_is_white() -> None:
    assert described(Image.new("RGBA", (8, 8), (0, 0, 0, 0)))["brightness"] == 1.0


def test_a_picture_that_lies_on_its_side_is_turned() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    found = describe_image(encoded(scene((1200, 600)), "JPEG", exif=exif))
    assert (found["width"], found["height"]) == (600, 1200)


def test_a_large_photograph_is_described_as_its_smaller_copy() -> None:
    large = describe_image(encoded(scene((3000, 2000)), "JPEG", quality=92))
    small = described(scene((3000, 2000)).resize((SIDE, SIDE * 2 // 3), Image.Resampling.BOX))
    assert (large["width"], large["height"]) == (3000, 2000)
    for name in ("brightness", "contrast", "saturation"):
        assert large[name] == pytest.approx(small[name], abs=0.02)


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (1, 700), (700, 1), (3, 2000)])
def test_odd_sizes_are_described(size: tuple[int, int]) -> None:
    found = described(Image.new("RGB", size, "blue"))
    assert (found["width"], found["height"], found["blank"]) == (*size, True)


@pytest.mark.parametrize(
    "content, said",
    [
        (b"", "is no image of PNG"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is no image of PNG"),
        (encoded(scene())[:200], "cannot be decoded"),
        (b"\xff\xd8\xff" + bytes(100), "is no image|cannot be decoded"),
    ],
)
def test_what_cannot_be_decoded_is_refused_with_the_reason(content: bytes, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        describe_image(content)


def bomb(width: int, height: int) -> bytes:
    """A PNG that claims to be this large."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(10_000, 10_000), (12_000, 12_000), (60_000, 60_000)])
def test_a_bomb_is_refused_unread(size: tuple[int, int]) -> None:
    with pytest.raises(BadInput, match="pixels"):
        describe_image(bomb(*size))


def features(media: object, images: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {name: values[0] for name, values in describe([{"media": media}], images).items() if "image" in name}


KNOWN = {
    "a": describe_image(encoded(scene((100, 50)))),
    "b": describe_image(encoded(Image.new("RGB", (100, 100), "black"))),
}


def test_a_request_has_the_mean_of_its_images() -> None:
    found = features([{"sha256": "a", "width": 100, "height": 50}, {"sha256": "b", "width": 100, "height": 100}], KNOWN)
    assert (found["images"], found["image_width"], found["image_height"], found["image_aspect"]) == (2, 100, 75, 1.5)
    assert found["image_brightness"] == pytest.approx(KNOWN["a"]["brightness"] / 2)
    assert found["image_blank"] == "yes"


def test_an_image_that_was_not_kept_has_the_size_that_the_event_tells() -> None:
    found = features([{"sha256": "gone", "width": 30, "height": 20}], KNOWN)
    assert (found["images"], found["image_width"], found["image_brightness"], found["image_blank"]) == (
        1,
        30,
        None,
        None,
    )
    assert features([{"sha256": None, "width": None, "height": None}], {})["image_aspect"] is None


def test_a_request_without_images_has_none() -> None:
    for media in (None, ()):
        found = features(media, KNOWN)
        assert found.pop("images") == 0
        assert {*found.values()} == {None}


def test_other_files_are_no_images() -> None:
    assert features([{"sha256": "x", "mime": "audio/wav"}, {"sha256": "a", "mime": "image/png"}], KNOWN)["images"] == 1
