from typing import Any

import pytest

from monitor.errors import BadInput
from monitor.harnesses.depictqa import HARNESS
from tests.harnesses.made import all_of, headline, only, tree_of

FOLDER = "experiments/DQ495K/answers"
DISTORTIONS = (
    # answer, target, confidence, what it counts
    ("blur", "blur", 0.99, 1.0),
    ("Noise and blur", "blur and noise", 0.97, 1.0),
    ("blur", "blur and noise", 0.85, 0.5),
    ("blur and rain and blur", "blur and noise", 0.55, 0.5),
    ("rain", "noise", 0.4, 0.0),
    ("pixelation and blur and noise", "noise and blur", 1.0000001, 2 / 3),
)
PRINTED = 0.6111
"""What the harness's own cal_acc_multi_distortion.py prints for these files (commit 22f5795)."""
PRINTED_BY_CONFIDENCE = {"[0,0.5]": 0.0, "[0.5,0.6]": 0.5, "[0.8,0.9]": 0.5, "[0.95,1]": 0.8889}


def answer(name: str, text: str, confidence: float | None = None) -> dict[str, Any]:
    return {"id": name, "text": text, "output_id": None, "prob": None, "confidence": confidence}


def truth(name: str, target: str, task: str = "quality_single_A_noref", **more: Any) -> dict[str, Any]:
    return {
        "id": name,
        "image_ref": None,
        "image_A": f"img/{name}.png",
        "image_B": None,
        "task_type": task,
        "query": "What distortion is there?",
        "answer": target,
    } | more


def multi() -> dict[str, Any]:
    return {
        f"{FOLDER}/quality_single_A_noref_kadis_A_md_brief.json": [
            answer(f"i{index}", text, confidence) for index, (text, _, confidence, _) in enumerate(DISTORTIONS)
        ],
        "metas/test_A_md_single.json": [truth(f"i{index}", row[1]) for index, row in enumerate(DISTORTIONS)],
    }


def test_several_distortions_count_in_parts_as_the_harness_prints() -> None:
    found = only(HARNESS, tree_of(multi()))
    assert (found.benchmark, found.model, found.state) == ("kadis_A_md_brief", "DQ495K", "done")
    assert (found.protocol.task, found.protocol.filter) == ("quality_single_A_noref", "cal_acc_multi_distortion")
    assert [item.scores["accuracy"] for item in found.items] == pytest.approx([row[3] for row in DISTORTIONS])
    assert (round(headline(found).value, 4), headline(found).most, headline(found).n) == (PRINTED, 1.0, 6)


def test_accuracy_by_confidence_is_a_category_with_the_ranges_that_the_harness_prints() -> None:
    found = only(HARNESS, tree_of(multi()))
    by_range = {score.category: round(score.value, 4) for score in found.scores if score.category}
    assert by_range == {f"confidence={name}": value for name, value in PRINTED_BY_CONFIDENCE.items()}
    assert found.items[5].categories == ("confidence=[0.95,1]",), "a hair above 1 is rounded"


def test_ratings_compare_the_whole_text_and_group_by_images() -> None:
    pairs = {"image_A": "a.png", "image_B": "b.png", "task_type": "quality_compare_noref"}
    files = {
        f"{FOLDER}/quality_compare_noref_bapps_AB.json": [answer("1", "Image A "), answer("2", "image b")],
        "bapps.json": [truth("1", "Image A", **pairs), truth("2", "Image B", **pairs), truth("3", "Image B", **pairs)],
    }
    found = only(HARNESS, tree_of(files))
    assert found.protocol.filter == "cal_acc_rating"
    assert [item.scores for item in found.items] == [{"accuracy": 1.0}, {"accuracy": 0.0}], "case matters here"
    assert found.items[0].group == "a.png b.png"
    assert "1 of 3 items have no answer; the harness leaves them out" in found.notes
    assert [score.category for score in found.scores] == [""], "no confidences, no ranges"


def test_single_distortions_compare_the_whole_text() -> None:
    files = {
        f"{FOLDER}/quality_single_A_noref_kadis_A_sd_brief.json": [answer("1", "Blur"), answer("2", "blur")],
        "sd.json": [truth("1", "blur"), truth("2", "blur")],
    }
    found = only(HARNESS, tree_of(files))
    assert (headline(found).value, found.protocol.filter) == (0.5, "cal_acc_single_distortion")


def test_free_text_has_no_score_and_says_why() -> None:
    files = {
        f"{FOLDER}/quality_single_A_noref_kadis_A_sd_detail.json": [answer("1", "It is blurred.")],
        "detail.json": [truth("1", "The image is blurred.")],
    }
    found = only(HARNESS, tree_of(files))
    assert (found.scores, found.items[0].scores, found.items[0].target) == ((), {}, "The image is blurred.")
    assert any("free text" in note for note in found.notes)


def test_without_ground_truth_the_answers_come_without_scores() -> None:
    files = {f"{FOLDER}/quality_compare_tid_AB.json": [answer("1", "Image A")]}
    found = only(HARNESS, tree_of(files))
    assert (found.benchmark, found.scores, found.items[0].answer) == ("tid_AB", (), "Image A")
    assert any("need the meta file of the data set" in note for note in found.notes)


def test_the_ground_truth_is_that_of_the_task_and_two_that_fit_are_not_guessed_between() -> None:
    files = multi() | {"other.json": [truth(f"i{index}", "x", task="quality_compare") for index in range(6)]}
    assert round(headline(only(HARNESS, tree_of(files))).value, 4) == PRINTED
    files["third.json"] = [truth(f"i{index}", "x") for index in range(6)]
    found = only(HARNESS, tree_of(files))
    assert found.scores == ()
    assert any("more than one fits: metas/test_A_md_single.json, third.json" in note for note in found.notes)


def test_an_answer_without_ground_truth_and_one_given_twice_are_noted() -> None:
    files = {
        f"{FOLDER}/quality_single_A_noref_x_sd.json": [answer("1", "blur"), answer("1", "rain"), answer("9", "blur")],
        "sd.json": [truth("1", "blur")],
    }
    found = only(HARNESS, tree_of(files))
    assert [(item.item, item.scores["accuracy"]) for item in found.items] == [("1", 1.0), ("1#2", 0.0)]
    assert "1 answers are to no item of the ground truth; the harness leaves them out" in found.notes
    assert "1 items are answered more than once; the harness counts each answer" in found.notes


def test_ground_truth_with_an_id_twice_is_refused() -> None:
    files = {
        f"{FOLDER}/quality_single_A_noref_x_sd.json": [answer("1", "blur")],
        "sd.json": [truth("1", "blur"), truth("1", "rain")],
    }
    with pytest.raises(BadInput, match=r"sd.json: has 1 ids twice"):
        all_of(HARNESS, tree_of(files))


def test_the_lines_of_a_run_that_stopped_are_read_with_a_note_and_not_twice_after_one_that_ended() -> None:
    rows = [answer("1", "blur")]
    lines = {f"{FOLDER}/quality_single_A_x.jsonl": rows, "sd.json": [truth("1", "blur", task="quality_single_A")]}
    assert any("may not have finished" in note for note in only(HARNESS, tree_of(lines)).notes)
    assert len(all_of(HARNESS, tree_of(lines | {f"{FOLDER}/quality_single_A_x.json": rows}))) == 1


def test_how_it_was_sampled_comes_from_the_config_of_the_experiment() -> None:
    config = "infer:\n  temperature: 0.0\n  top_p: 0.9\n  max_new_tokens: 400\n  answer_dir: ./answers/\n"
    found = only(HARNESS, tree_of(multi() | {"experiments/DQ495K/config.yaml": config}))
    assert found.protocol.decoding == "temperature=0.0 top_p=0.9 max_new_tokens=400"
    damaged = only(HARNESS, tree_of(multi() | {"experiments/DQ495K/config.yaml": "a: &x [*x]"}))
    assert damaged.protocol.decoding is None
    assert any("holds a YAML anchor or alias" in note for note in damaged.notes)


def test_the_model_is_the_folder_of_the_experiment_wherever_the_import_begins() -> None:
    rows = [answer("1", "blur")]
    assert only(HARNESS, tree_of({"quality_single_A_x.json": rows}, "answers", "DQ495K")).model == "DQ495K"
    assert only(HARNESS, tree_of({"answers/quality_single_A_x.json": rows}, "DQ495K.zip")).model == "DQ495K"
    one = tree_of({"quality_single_A_x.json": rows}, "quality_single_A_x.json")
    assert only(HARNESS, one).model == "depictqa"


@pytest.mark.parametrize("confidence, shown", [(-0.1, "-0.1"), (1.5, "1.5")])
def test_an_impossible_confidence_is_refused(confidence: float, shown: str) -> None:
    files = {f"{FOLDER}/quality_single_A_x.json": [answer("1", "blur", confidence)]}
    with pytest.raises(BadInput, match=rf"entry 1: confidence is {shown}, allowed is 0 to 1"):
        all_of(HARNESS, tree_of(files))


def judged(name: str, **score: Any) -> dict[str, Any]:
    return {"index": 0, "id": name, "answer_gt": "soft", "answer_pred": "blurred", "content": "8\nbecause"} | score


def test_judgements_of_the_second_version_are_of_ten_and_unread_ones_are_left_out() -> None:
    lines = [judged("1", score=8.0), judged("2", score=3.0), judged("3", score=-1)]
    found = only(HARNESS, tree_of({"DQ495K/eval/kadis_A_sd_detail.jsonl": lines}))
    assert (headline(found).value, headline(found).most, headline(found).n) == (5.5, 10.0, 2)
    assert found.protocol.judge == "gpt-4-turbo"
    assert found.items[2].failed is not None
    assert "1 of 3 judgements could not be read and are left out, as the harness does" in found.notes


def test_judgements_of_the_first_version_are_ratios_of_at_most_one() -> None:
    lines = [judged("1", scores=[8.0, 4.0]), judged("2", scores=[5.0, 9.0]), judged("3", scores=[-1, -1])]
    found = only(HARNESS, tree_of({"eval.jsonl": lines}))
    assert [item.scores.get("GPT4 Score") for item in found.items] == [0.5, 1.0, None]
    assert (headline(found).value, headline(found).most) == (0.75, 1.0)


def test_a_judgement_out_of_its_range_is_refused() -> None:
    with pytest.raises(BadInput, match=r"entry 1: score is 80, allowed is 0 to 10"):
        all_of(HARNESS, tree_of({"eval.jsonl": [judged("1", score=80)]}))
