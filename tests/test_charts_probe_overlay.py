import io

import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError

from monitor.charts.overlay import LONGEST, SHORTEST, Overlay, shapes_over_image
from monitor.stats.points import Shape, shapes

GREY = (128, 128, 128)


def image(width: int = 64, height: int = 48, kind: str = "PNG", colour: object = GREY, mode: str = "RGB") -> bytes:
    out = io.BytesIO()
    Image.new(mode, (width, height), colour).save(out, kind)  # type: ignore[arg-type]  # a colour of any mode
    return out.getvalue()


def pixels(overlay: Overlay) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    with Image.open(io.BytesIO(overlay.png)) as opened:
        assert opened.format == "PNG"
        return np.asarray(opened.convert("RGB"))


def changed(overlay: Overlay) -> "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]":
    different: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] = np.any(pixels(overlay) != np.array(GREY), axis=2)
    return different


def test_a_point_is_marked_where_the_answer_says() -> None:
    drawn = changed(shapes_over_image(image(), shapes("(0.25, 0.75)")))
    height, width = drawn.shape
    assert drawn[int(0.75 * height), int(0.25 * width)]
    rows, columns = np.nonzero(drawn)
    assert abs(rows.mean() / height - 0.75) < 0.1
    assert abs(columns.mean() / width - 0.25) < 0.1


def test_small_images_are_enlarged_by_whole_pixels_and_large_ones_made_smaller() -> None:
    assert pixels(shapes_over_image(image(64, 48), [])).shape == (48 * 8, 64 * 8, 3)
    assert max(pixels(shapes_over_image(image(3000, 1000), [])).shape) == LONGEST
    assert max(pixels(shapes_over_image(image(SHORTEST, 10), [])).shape) == SHORTEST


def test_a_box_is_a_frame_and_leaves_what_it_frames_visible() -> None:
    drawn = changed(shapes_over_image(image(), shapes("[0.2, 0.2, 0.8, 0.8]")))
    height, width = drawn.shape
    assert drawn[int(0.2 * height), width // 2]
    assert not drawn[height // 2, width // 2]


def test_pixels_of_the_image_and_shares_mark_the_same_place() -> None:
    by_pixel = shapes_over_image(image(64, 48), shapes("(32, 24)"))
    by_share = shapes_over_image(image(64, 48), shapes("(0.5, 0.5)"))
    assert by_pixel.png == by_share.png


def test_shapes_below_the_threshold_are_left_out_and_told() -> None:
    found = shapes("(0.2, 0.2), (0.8, 0.8)")
    both = shapes_over_image(image(), found, [0.9, 0.4])
    one = shapes_over_image(image(), found, [0.9, 0.4], threshold=0.5)
    assert [mark.drawn for mark in both.marks] == [True, True]
    assert [mark.drawn for mark in one.marks] == [True, False]
    assert changed(one).sum() < changed(both).sum()
    assert one.alt == "1: point (0.2, 0.2), 90 % sure. 2: point (0.8, 0.8), 40 % sure, not drawn: below the threshold."


def test_a_shape_of_unknown_confidence_is_drawn_whatever_the_threshold() -> None:
    assert shapes_over_image(image(), shapes("(0.2, 0.2)"), [None], threshold=0.99).marks[0].drawn
    assert shapes_over_image(image(), shapes("(0.2, 0.2)"), threshold=0.99).marks[0].drawn


def test_numbers_stay_when_the_threshold_hides_an_earlier_shape() -> None:
    found = shapes("(0.2, 0.2), (0.8, 0.8)")
    hidden = shapes_over_image(image(), found, [0.1, 0.9], threshold=0.5)
    assert [(mark.number, mark.drawn) for mark in hidden.marks] == [(1, False), (2, True)]
    alone = shapes_over_image(image(), found[1:], [0.9])
    assert hidden.png != alone.png  # the one that is left is marked 2, not 1


def test_how_sure_a_mark_is_is_told_in_words_as_well_as_by_colour() -> None:
    sure, unsure = (shapes_over_image(image(), shapes("(0.5, 0.5)"), [p]) for p in (0.95, 0.2))
    assert sure.png != unsure.png
    assert "95 % sure" in sure.alt
    assert "20 % sure" in unsure.alt


def test_a_shape_outside_of_the_image_is_told_and_one_at_its_edge_is_drawn() -> None:
    overlay = shapes_over_image(image(), shapes("(1.2, 0.5), (1.0, 1.0), (0, 0)"))
    assert [mark.drawn for mark in overlay.marks] == [False, True, True]
    assert "not drawn: outside of the image" in overlay.alt
    wide = shapes_over_image(image(), [Shape((-0.5, 0.2, 1.4, 0.8), 0, 1)])
    assert wide.marks[0].drawn
    assert changed(wide).any()


def test_an_answer_without_shapes_leaves_the_image_as_it_is() -> None:
    overlay = shapes_over_image(image(), [])
    assert not changed(overlay).any()
    assert overlay.alt == "The answer names no point and no box."


@pytest.mark.parametrize(
    "mode, kind, colour",
    [
        ("RGBA", "PNG", (10, 20, 30, 0)),
        ("CMYK", "JPEG", (0, 0, 0, 0)),
        ("L", "PNG", 128),
        ("P", "GIF", 3),
        ("1", "PNG", 1),
    ],
)
def test_images_of_every_mode_are_drawn_on(mode: str, kind: str, colour: object) -> None:
    before = pixels(shapes_over_image(image(64, 48, kind, colour, mode), []))
    after = pixels(shapes_over_image(image(64, 48, kind, colour, mode), shapes("(0.5, 0.5)")))
    assert (before != after).any()


def test_a_turned_photograph_is_drawn_upright() -> None:
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    Image.new("RGB", (64, 48), GREY).save(out, "JPEG", exif=exif)
    assert pixels(shapes_over_image(out.getvalue(), [])).shape[:2] == (512, 384)


def test_two_hundred_boxes_and_a_tiny_image_are_drawn() -> None:
    many = shapes("[0.1, 0.1, 0.1, 0.1] (0.99, 0.01) " * 100)
    assert all(mark.drawn for mark in shapes_over_image(image(1, 1), many).marks)


def test_what_is_no_image_is_refused() -> None:
    with pytest.raises(UnidentifiedImageError):
        shapes_over_image(b"no image", [])
