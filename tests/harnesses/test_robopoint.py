from typing import Any

import pytest

from monitor.errors import BadInput
from monitor.harnesses.robopoint import HARNESS
from monitor.harnesses.robopoint_points import Unreadable, marks_in
from tests.harnesses.made import all_of, evaluations, grey, headline, only, tree_of

TASK = "Find free space. Your answer should be formatted as a list of tuples."
# White on the right half, and a grey stripe: 640 x 480, as the images of the data set.
MASK = grey([[0] * 320 + [255] * 310 + [51] * 10 for _ in range(480)])

ANSWERS = {
    "[(0.75, 0.5), (0.25, 0.5)]": 0.5,
    "[(400, 100)]": 1.0,
    "[(0.99, 0.5)]": 0.2,  # the stripe
    "[(1, 0.5)]": 0.0,  # one number with a point makes both shares: 640 is just outside
    "[(0.5, 0.0, 1.0, 1.0)]": (310 + 10 * 0.2) / 320,  # a box is all of its pixels
    "I see none": 0.0,
    "[0.75, 0.5] and (.75, .5)": 0.0,  # neither is a tuple of this pattern
    "(700, 100), (400, 100)": 0.5,
    "(1, 2, 3.5, 4)": None,  # the harness stumbles here and leaves the answer out
}
PRINTED = 0.396875
"""What the harness's own summarize_vqa.py prints for these files (commit adbee8d, numpy 2.4)."""


def answer(index: int, text: str, **more: Any) -> dict[str, Any]:
    return {
        "question_id": index,
        "prompt": TASK,
        "text": text,
        "answer_id": f"a{index}",
        "model_id": "robopoint-13b",
        "category": "free space",
    } | more


def question(index: int, text: str = TASK) -> dict[str, Any]:
    return {"question_id": index, "image": f"{index // 2:02d}.jpg", "text": f"<image>\n{text}", "category": "point"}


def files(**more: Any) -> dict[str, Any]:
    n = len(ANSWERS)
    return (
        {
            "output/robopoint-13b.jsonl": [answer(index, text) for index, text in enumerate(ANSWERS)],
            "where2place/point_questions.jsonl": [question(index) for index in range(n)],
            "where2place/bbox_questions.jsonl": [question(index, "Draw boxes.") for index in range(n)],
        }
        | {f"where2place/masks/{index:02d}.jpg": MASK for index in range(n)}
        | more
    )


def test_the_accuracy_is_what_the_harness_prints() -> None:
    found = only(HARNESS, tree_of(files()))
    assert (found.benchmark, found.model, found.protocol.task) == ("where2place", "robopoint-13b", "point_questions")
    assert [item.scores.get("accuracy") for item in found.items] == pytest.approx(list(ANSWERS.values()), abs=1e-12)
    score = headline(found)
    assert (score.metric, score.most, score.n) == ("accuracy", 1.0, 8)
    assert score.value == pytest.approx(PRINTED, abs=1e-12)


def test_the_rule_and_what_was_left_out_are_said() -> None:
    found = only(HARNESS, tree_of(files()))
    assert "1 of 9 answers are missing or cannot be read; the harness leaves them out" in found.notes
    assert "2 of 9 answers hold no points (22.2%)" in found.notes
    assert any("share of 640 x 480 whatever the image's size" in note for note in found.notes)
    assert found.items[8].failed == "the box (1, 2, 3.5, 4) begins with a whole number and goes on with fractions"


def test_items_of_one_image_are_a_group_and_know_question_and_category() -> None:
    found = only(HARNESS, tree_of(files()))
    assert [item.group for item in found.items[:4]] == ["00.jpg", "00.jpg", "01.jpg", "01.jpg"]
    assert found.items[0].categories == ("category=free space",)
    assert found.items[0].question == f"<image>\n{TASK}"


def test_two_models_have_the_same_items_and_another_mask_makes_another_item() -> None:
    other = [answer(index, "[(0.1, 0.1)]", model_id="gpt-4o") for index in range(len(ANSWERS))]
    first, second = evaluations(HARNESS, tree_of(files(**{"output/gpt-4o.jsonl": other})))[::-1]
    assert [item.item_hash for item in first.items] == [item.item_hash for item in second.items]
    third = only(HARNESS, tree_of(files(**{"where2place/masks/00.jpg": grey([[0, 255]])})))
    assert third.items[0].item_hash != first.items[0].item_hash


def test_without_masks_there_is_no_accuracy_but_what_the_answers_show() -> None:
    found = only(HARNESS, tree_of({"m.jsonl": [answer(0, "[(0.75, 0.5), (700, 0)]"), answer(1, "none")]}))
    scores = {score.metric: (score.value, score.most, score.higher_is_better, score.n) for score in found.scores}
    assert scores == {
        "no_points": (0.5, 1.0, False, 2),
        "points_in_image": (0.5, 1.0, True, 1),
        "points": (1.0, None, True, 2),
    }
    assert not [score for score in found.scores if score.headline]
    assert any(note.startswith("no accuracy: there is no folder of masks") for note in found.notes)


@pytest.mark.parametrize(
    "mask, why",
    [
        (grey([[0, 255]], "RGB"), "no accuracy: where2place/masks/03.jpg: is in RGB"),
        (MASK[:60], "no accuracy: where2place/masks/03.jpg: is a damaged image"),
        (b"no image", "no accuracy: where2place/masks/03.jpg: is no image that can be read"),
    ],
)
def test_a_mask_that_cannot_be_used_leaves_no_accuracy_at_all(mask: bytes, why: str) -> None:
    found = only(HARNESS, tree_of(files(**{"where2place/masks/03.jpg": mask})))
    assert "accuracy" not in {score.metric for score in found.scores}
    assert any(note.startswith(why) for note in found.notes), found.notes


def test_a_missing_mask_is_named() -> None:
    without = files()
    del without["where2place/masks/02.jpg"]
    found = only(HARNESS, tree_of(without))
    assert any("where2place/masks/02.jpg: there is no such file" in note for note in found.notes)


def test_answers_are_paired_by_their_place_as_the_harness_does_and_that_is_said() -> None:
    moved = [answer(1, "[(0.75, 0.5)]"), answer(0, "[(0.25, 0.5)]")]
    asked = [question(0), question(1), question(2)]
    tree = tree_of(files(**{"output/robopoint-13b.jsonl": moved, "where2place/point_questions.jsonl": asked}))
    found = only(HARNESS, tree)
    assert [item.scores.get("accuracy") for item in found.items] == [1.0, 0.0, None]
    assert found.items[2].failed == "there is no answer in this place"
    assert "2 answers name another question than the one in their place; the harness goes by the place" in found.notes


def test_a_file_of_two_models_is_refused() -> None:
    with pytest.raises(BadInput, match=r"holds answers of 2 models \(a, b\)"):
        all_of(HARNESS, tree_of({"m.jsonl": [answer(0, "", model_id="a"), answer(1, "", model_id="b")]}))


def test_other_jsonl_is_not_taken() -> None:
    assert all_of(HARNESS, tree_of({"a.jsonl": [{"doc_id": 1, "resps": []}], "b.jsonl": "", "c.jsonl": "{"})) == []


@pytest.mark.parametrize("text", ["(" + "9" * 5000 + ", 1)", "(" + "9" * 400 + ".0, 0.5)"])
def test_numbers_without_end_are_unreadable(text: str) -> None:
    with pytest.raises(Unreadable):
        marks_in(text)


def test_a_thousand_whole_image_boxes_are_counted_without_listing_their_pixels() -> None:
    assert marks_in("(0.0, 0.0, 1.0, 1.0) " * 1000).count == 1000 * 640 * 480


def test_a_long_text_of_digits_takes_no_time() -> None:
    assert marks_in("(" + "1" * 200_000).count == 0


def test_corners_count_from_the_far_side_where_they_are_negative_as_slices_do() -> None:
    assert marks_in("(-10, -20, 640, 480)").boxes == ((630, 460, 640, 480),)
