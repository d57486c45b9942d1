import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.chat import Token
from monitor.stats.points import MOST, Shape, confidences, shapes

SHARE = st.floats(0, 1).map(lambda x: round(x, 3))


@pytest.mark.parametrize(
    "text, expected",
    [
        ("(0.35, 0.60)", [(0.35, 0.6)]),
        ("[(0.461, 0.527), (0.498, 0.521)]", [(0.461, 0.527), (0.498, 0.521)]),
        ("It is at (0.35,0.6).", [(0.35, 0.6)]),
        ("( .5 , 1 )", [(0.5, 1.0)]),
        ("[0.1, 0.2, 0.3, 0.4]", [(0.1, 0.2, 0.3, 0.4)]),
        ("(0.3, 0.4, 0.1, 0.2)", [(0.1, 0.2, 0.3, 0.4)]),
        ("[[10, 20, 30, 40], [5, 6, 7, 8]]", [(10, 20, 30, 40), (5, 6, 7, 8)]),
        ("a (0.1, 0.2) and a box [0.1, 0.2, 0.3, 0.4]", [(0.1, 0.2), (0.1, 0.2, 0.3, 0.4)]),
        ("(0.1, 0.2, 0.3)", []),
        ("(0.1, 0.2]", []),
        ("(-0.1, 0.2)", []),
        ("0.1, 0.2", []),
        ("f(x, y) = (a, b)", []),
        ("(0.1, 0.2", []),
        ("", []),
    ],
)
def test_points_and_boxes_are_read_in_both_brackets(text: str, expected: list[tuple[float, ...]]) -> None:
    assert [shape.numbers for shape in shapes(text)] == expected


@given(st.lists(st.tuples(SHARE, SHARE), max_size=8), st.sampled_from(["{}", "[{}]", "The points are {}."]))
def test_what_is_written_is_read_back_with_its_place_in_the_text(
    points: list[tuple[float, float]], around: str
) -> None:
    written = [f"({x}, {y})" for x, y in points]
    text = around.format(", ".join(written))
    found = shapes(text)
    assert [shape.numbers for shape in found] == points
    assert [text[shape.start : shape.end] for shape in found] == written


def test_one_number_beyond_the_image_makes_all_of_an_answer_pixels() -> None:
    assert [shape.in_pixels for shape in shapes("(0.5, 0.6), (0.7, 1.02)")] == [False, False]
    pixels = shapes("(1, 1), (120, 40)")
    assert [shape.in_pixels for shape in pixels] == [True, True]
    assert pixels[1].shares(240, 160) == (0.5, 0.25)
    assert shapes("[12, 8, 24, 16]")[0].shares(48, 32) == (0.25, 0.25, 0.5, 0.5)
    assert shapes("(0.5, 0.25)")[0].shares(48, 32) == (0.5, 0.25)


def test_an_answer_that_repeats_itself_is_read_up_to_a_bound() -> None:
    assert len(shapes("(0.1, 0.2), " * 10_000)) == MOST


def token(text: str, probability: float | None) -> Token:
    return Token(text, None if probability is None else math.log(probability))


def test_the_confidence_of_a_point_is_the_geometric_mean_of_its_own_tokens() -> None:
    text = "[(0.3, 0.6), (0.1, 0.2)]"
    tokens = [
        token(one, p) for one, p in (("[", 0.1), ("(0.3", 0.5), (", 0.6)", 0.5), (", ", 0.1), ("(0.1, 0.2)", 0.9))
    ]
    assert confidences(text, [*tokens, token("]", 0.1)], shapes(text)) == pytest.approx([0.5, 0.9])


def test_a_token_that_reaches_into_a_point_counts_for_it() -> None:
    text = "at (0.3, 0.6)"
    tokens = [token("at (", 0.25), token("0.3, 0.6)", 1.0)]
    assert confidences(text, tokens, shapes(text)) == pytest.approx([0.5])


def test_blanks_and_marks_around_the_text_do_not_shift_the_tokens() -> None:
    text = "(0.3, 0.6)"
    tokens = [token(" ", 0.1), token("(0.3, 0.6)", 0.8), token("</s>", 0.1)]
    assert confidences(text, tokens, shapes(text)) == pytest.approx([0.8])


def test_without_logprobs_or_with_other_tokens_the_confidence_is_not_known() -> None:
    text = "(0.3, 0.6) (0.1, 0.2)"
    found = shapes(text)
    assert confidences(text, [], found) == [None, None]
    assert confidences(text, [token("(0.3,\ufffd 0.6)", 0.5)], found) == [None, None]
    half = [token("(0.3, 0.6)", None), token(" (0.1, 0.2)", 0.5)]
    assert confidences(text, half, found) == [None, pytest.approx(0.5)]


def test_a_shape_is_a_box_when_it_has_four_numbers() -> None:
    assert [Shape((0.1, 0.2), 0, 1).is_box, Shape((0.1, 0.2, 0.3, 0.4), 0, 1).is_box] == [False, True]
