import hashlib
import io
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from monitor.demo.questions import KINDS, Question, ask, hits, same_text, sample
from monitor.demo.render import contact_sheet, image, pixels, png
from monitor.demo.scenes import CELL, COLOURS, SHAPES, SIDE, Scene, Thing, pair, scene
from monitor.demo.texts import TEXT_KINDS

RED_CIRCLE = Thing("red", "circle", row=1, column=2, right=1, down=-2, radius=6)


def drawn(n: int = 300) -> list[Scene]:
    rng = np.random.default_rng(5)
    return [scene(rng) for _ in range(n)]


def asked(kind: str, n: int = 60) -> list[Question]:
    rng = np.random.default_rng(6)
    kinds = KINDS if kind in KINDS else TEXT_KINDS
    return [sample(kind, rng, kinds) for _ in range(n)]


# -- scenes and images


def test_a_scene_has_one_to_four_things_in_reading_order_that_differ_in_colour_and_shape() -> None:
    scenes = drawn()
    assert {len(one.things) for one in scenes} == {1, 2, 3, 4}
    for one in scenes:
        cells = [(thing.row, thing.column) for thing in one.things]
        assert cells == sorted(set(cells))
        assert len({thing.colour for thing in one.things}) == len({thing.shape for thing in one.things}) == len(cells)


def test_both_scenes_of_a_pair_keep_that_rule_and_mostly_share_a_thing() -> None:
    rng = np.random.default_rng(0)
    pairs = [pair(rng) for _ in range(200)]
    shared = sum(any(second.has(thing.name) for thing in first.things) for first, second in pairs)
    assert 150 < shared < 200
    for one in (one for both in pairs for one in both):
        assert len({thing.colour for thing in one.things}) == len({thing.shape for thing in one.things})


def test_the_same_scene_gives_the_same_pixels_whenever_and_wherever_it_is_drawn() -> None:
    first, again = drawn(20), drawn(20)
    assert [png(one) for one in first] == [png(one) for one in again]
    digest = hashlib.sha256(b"".join(pixels(one).tobytes() for one in first)).hexdigest()
    assert digest == "59b1f7d45a3d29350c68a741bb6a0db5ff1fcaaaaa644ade8101ea592f8026c8", (
        "other pixels than those that the figures of the model cards are about"
    )


def test_a_png_holds_the_pixels_without_loss() -> None:
    one = drawn(1)[0]
    with Image.open(io.BytesIO(png(one))) as opened:
        assert (opened.format, opened.size, opened.mode) == ("PNG", (SIDE, SIDE), "RGB")
        assert (np.asarray(opened) == pixels(one)).all()
    assert image(one).size == (SIDE, SIDE)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("colour", COLOURS)
def test_a_thing_is_painted_in_its_cell_and_nowhere_else(colour: str, shape: str) -> None:
    with_it = pixels(Scene((Thing(colour, shape, row=3, column=1),), grain=4)).astype(int)
    paper = pixels(Scene((), grain=4)).astype(int)
    changed = np.argwhere(abs(with_it - paper).max(axis=2) > 60)
    assert (changed.min(axis=0) >= (3 * CELL, CELL)).all()
    assert (changed.max(axis=0) < (4 * CELL, 2 * CELL)).all()
    assert 25 < len(changed) < 140


def test_noise_and_paint_never_leave_the_range_of_a_byte() -> None:
    values = np.stack([pixels(one) for one in drawn(200)])
    assert values.min() > 0
    assert values.max() < 255


def test_a_contact_sheet_shows_scenes_in_rows() -> None:
    assert contact_sheet(drawn(10), columns=4).size == (4 * SIDE, 3 * SIDE)


# -- questions


@pytest.mark.parametrize("kind", [*KINDS, *TEXT_KINDS])
def test_the_true_answer_is_right_and_the_answers_to_other_questions_mostly_are_not(kind: str) -> None:
    questions = asked(kind)
    assert all(question.right(question.label) for question in questions)
    others = [other.label for other in questions[1:]] + [questions[0].label]
    assert sum(question.right(other) for question, other in zip(questions, others, strict=True)) < 0.75 * len(others)
    assert not any(question.right("") or question.right("I do not know") for question in questions)


@pytest.mark.parametrize("kind", [*KINDS, *TEXT_KINDS])
def test_the_same_generator_asks_the_same_and_in_several_forms(kind: str) -> None:
    assert asked(kind) == asked(kind)
    assert len({question.prompt.split()[0] for question in asked(kind)}) >= 2


@pytest.mark.parametrize(
    "kind, least, most",
    [(kind, 1, 1) for kind in ("colour", "shape", "count", "exist", "list", "point", "describe")]
    + [("compare", 2, 2), ("any", 3, 8), ("images", 3, 8)]
    + [(kind, 0, 0) for kind in TEXT_KINDS],
)
def test_a_kind_asks_about_so_many_images(kind: str, least: int, most: int) -> None:
    assert {len(question.scenes) for question in asked(kind, 300)} == {*range(least, most + 1)}


def test_half_of_the_things_asked_for_are_there() -> None:
    for kind in ("exist", "compare", "any"):
        answers = Counter(question.label for question in asked(kind, 600))
        assert 0.7 < answers["yes"] / answers["no"] < 1.4


def test_any_is_about_all_images_and_images_counts_them() -> None:
    for question in asked("any", 200):
        shown = [f" {thing.colour}" in question.prompt for image in question.scenes for thing in image.things]
        assert question.label == ("yes" if any(shown) else "no")
    assert all(question.label == str(len(question.scenes)) for question in asked("images", 200))


def test_when_all_colours_are_on_the_images_any_asks_for_one_of_them() -> None:
    scenes = (Scene(tuple(Thing(colour, "cross", 0, 0) for colour in COLOURS)),) * 3
    rng = np.random.default_rng(0)
    assert {ask("any", scenes, rng).label for _ in range(20)} == {"yes"}


def test_more_shapes_are_where_more_are() -> None:
    one, two = Scene((RED_CIRCLE,)), Scene((RED_CIRCLE, Thing("blue", "cross", 3, 3)))
    found = {"the first": (two, one), "the second": (one, two), "both the same": (one, one)}
    rng = np.random.default_rng(0)
    for label, scenes in found.items():
        questions = [ask("compare", scenes, rng) for _ in range(30)]
        assert {question.label for question in questions if "more" in question.prompt} == {label}


# -- judges


def test_a_text_is_right_whatever_its_case_and_full_stop() -> None:
    assert same_text("red", " Red.\n")
    assert not same_text("red", "red circle")
    assert not same_text("red", "")


def test_a_point_is_right_inside_the_circle_around_the_thing() -> None:
    x, y = RED_CIRCLE.centre
    assert hits(RED_CIRCLE, RED_CIRCLE.point)
    assert hits(RED_CIRCLE, f"({x + 5.9 / SIDE:.3f}, {y:.3f})")
    assert not hits(RED_CIRCLE, f"({x + 6.2 / SIDE:.3f}, {y:.3f})")


@pytest.mark.parametrize(
    "answer", ["", "red", "(0.60)", "(0.65, 0.35), (0.10, 0.10)", "(41, 22)", "(0.6, 0.3, 0.7, 0.4)"]
)
def test_no_point_two_points_pixels_and_boxes_are_wrong(answer: str) -> None:
    assert not hits(RED_CIRCLE, answer)


def test_the_point_of_a_thing_always_lies_inside_of_it() -> None:
    for one in drawn():
        assert all(hits(thing, thing.point) for thing in one.things)
