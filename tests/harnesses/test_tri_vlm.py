from typing import Any

import pytest

from monitor.errors import BadInput
from monitor.harnesses.tri_vlm import HARNESS
from monitor.harnesses.tri_vlm_items import box_of
from tests.harnesses.made import all_of, headline, only, tree_of


def metrics(dataset: str, summary: dict[str, Any], examples: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {
        "dataset": dataset,
        "n_examples": len(examples),
        "model": "prism-clip+7b",
        "experiment_tags": {},
        "summary": summary,
        "examples": {str(index): example for index, example in enumerate(examples)},
    } | more


def read(dataset: str, summary: dict[str, Any], examples: list[dict[str, Any]], **more: Any) -> Any:
    path = f"results/family/{dataset}/prism-clip+7b/metrics.json"
    return only(HARNESS, tree_of({path: metrics(dataset, summary, examples, **more)}))


GQA = [
    {"question_id": 1, "question": "Is it red?", "model_output": "Yes.", "ground_truth_answer": "yes"},
    {"question_id": 2, "question": "What is it?", "model_output": "a cup", "ground_truth_answer": "cup"},
    {"question_id": 3, "question": "Where?", "model_output": "LEFT!", "ground_truth_answer": "left"},
]


def test_gqa_is_a_percentage_and_its_items_are_compared_without_punctuation_and_case() -> None:
    found = read("gqa-slim", {"accuracy": 66.67}, GQA)
    assert (found.benchmark, found.model, found.state) == ("gqa-slim", "prism-clip+7b", "done")
    assert (found.protocol.harness, found.protocol.split, found.protocol.data) == (
        "tri-vlm",
        "testdev_balanced",
        "3 examples",
    )
    score = headline(found)
    assert (score.metric, score.value, score.most, score.n) == ("accuracy", 66.67, 100, 3)
    assert [item.scores["accuracy"] for item in found.items] == [1.0, 0.0, 1.0]
    assert found.items[1].question == "What is it?"
    assert (found.items[1].target, found.items[1].answer) == ("cup", "a cup")
    assert not [note for note in found.notes if "mean of the items" in note], "66.67 is 2/3, rounded"


def test_the_same_example_has_the_same_hash_for_two_models_and_another_when_its_target_differs() -> None:
    first = read("gqa-slim", {"accuracy": 66.67}, GQA)
    second = read("gqa-slim", {"accuracy": 0}, [one | {"model_output": "no"} for one in GQA], model="other")
    third = read("gqa-slim", {"accuracy": 0}, [one | {"ground_truth_answer": "maybe"} for one in GQA])
    assert [item.item_hash for item in first.items] == [item.item_hash for item in second.items]
    assert not {item.item_hash for item in first.items} & {item.item_hash for item in third.items}


def test_a_score_that_its_items_do_not_give_is_kept_with_a_note() -> None:
    found = read("gqa-slim", {"accuracy": 70.0}, GQA)
    assert headline(found).value == 70.0
    assert "accuracy: the mean of the items is 66.6667, the file says 70" in found.notes


def test_pope_is_a_share_and_its_answer_is_the_larger_probability() -> None:
    examples = [
        {"question_id": 1, "question": "A dog?", "yes_no_probabilities": [0.9, 0.1], "ground_truth_answer": "yes"},
        {"question_id": 2, "question": "A cat?", "yes_no_probabilities": [0.5, 0.5], "ground_truth_answer": "no"},
    ]
    summary = {
        "POPE-final-Accuracy": 0.5,
        "accuracy__POPE-random-Accuracy": 0.5,
        "accuracy__POPE-final-Accuracy": 0.5,
        "accuracy__POPE-final-AUCROC": float("nan"),
    }
    found = read("pope-slim", summary, examples)
    assert {score.metric: score.most for score in found.scores} == {
        "accuracy__POPE-random-Accuracy": 1,
        "accuracy__POPE-final-Accuracy": 1,
    }
    assert headline(found).metric == "accuracy__POPE-final-Accuracy"
    assert [item.answer for item in found.items] == ["yes", "yes"], "of equal ones the first"
    assert "accuracy__POPE-final-AUCROC is nan in the file and was left out" in found.notes


@pytest.mark.parametrize(
    "dataset, key, example, answer, counts",
    [
        ("ai2d-full", "AI2D-final-Accuracy", {"mc_probabilities": [0.1, 0.7, 0.1, 0.1]}, "1", 1.0),
        ("tally-qa-slim", "TallyQA-final-Accuracy", {"mc_probabilities": [0.9, 0.1]}, "0", 0.0),
    ],
)
def test_choices_count_where_the_probability_is_largest(
    dataset: str, key: str, example: dict[str, Any], answer: str, counts: float
) -> None:
    examples = [{"question_id": 1, "question": "How many?", "ground_truth_answer": 1} | example]
    found = read(dataset, {f"accuracy__{key}": counts}, examples)
    assert (found.items[0].answer, found.items[0].scores) == (answer, {f"accuracy__{key}": counts})


def test_vsr_has_captions_that_are_true_or_false() -> None:
    examples = [
        {"example_id": 1, "caption": "left of", "true_false_probabilities": [0.2, 0.8], "ground_truth_answer": False}
    ]
    found = read("vsr-full", {"accuracy__VSR-ExactMatch": 1.0, "auc-roc": 0.5}, examples)
    assert (found.items[0].question, found.items[0].target, found.items[0].answer) == ("left of", "false", "false")
    assert found.items[0].scores == {"accuracy__VSR-ExactMatch": 1.0}


def test_ocid_counts_boxes_that_overlap_by_a_quarter_and_notes_those_that_are_none() -> None:
    target = [0.0, 0.0, 0.5, 0.5]
    outputs = ["[0.0, 0.0, 1.0, 0.5]", "[0.4, 0.4, 1.0, 1.0]", "the cup on the left"]
    examples = [
        {"example_id": index, "ref_exp": "the cup", "model_output": output, "ground_truth_bbox": target}
        for index, output in enumerate(outputs)
    ]
    found = read("ocid-ref-slim", {"accuracy__OCIDRef-Minimum": 0.3, "accuracy__OCIDRef-All": 1 / 3}, examples)
    assert [item.scores["accuracy__OCIDRef-All"] for item in found.items] == [1.0, 0.0, 0.0]
    assert found.items[2].failed == "no box in the answer: the cup on the left"
    assert "1 of 3 answers hold no box that the harness can read and count as wrong" in found.notes
    assert not [note for note in found.notes if "mean of the items" in note]


@pytest.mark.parametrize(
    "text",
    ["[0.1, 0.2, 0.3]", "(0.1, 0.2, 0.3, 0.4)", "[0.1, 0.2, 1.3, 0.4]", "[.1, .2, .3, .4] is it", "[01, 0, 1, 1]"],
)
def test_what_is_no_list_of_four_shares_is_no_box(text: str) -> None:
    assert box_of(text) is None


def test_a_box_may_be_written_in_any_way_that_python_reads() -> None:
    assert box_of(" [.1, 2e-1,\n 1, 1.0,]") == [0.1, 0.2, 1.0, 1.0]


@pytest.mark.parametrize(
    "dataset, summary, most, note",
    [
        ("vqa-v2-full", {"accuracy": 76.5, "accuracy-by-answer-type": {"yes/no": 91.2}}, 100, "ten answers each"),
        ("vizwiz-full", {"accuracy__VizWiz-Overall": 52.3}, 100, "unifying their spelling"),
        ("text-vqa-full", {"accuracy__TextVQA-OCR": 0.58, "accuracy__TextVQA-Pure": 0.46}, 1, "ten answers each"),
        ("refcoco-slim", {"accuracy__RefCOCO": 0.63, "accuracy__RefCOCO+": 0.55}, 1, "RefCOCO+ or RefCOCOg"),
    ],
)
def test_families_whose_items_cannot_be_scored_from_the_file_keep_them_without_scores(
    dataset: str, summary: dict[str, Any], most: float, note: str
) -> None:
    example = {"question_id": 1, "question": "What?", "model_output": "cup", "ground_truth_answer": [{"answer": "mug"}]}
    found = read(dataset, summary, [example])
    assert headline(found).value == next(iter(summary.values()))
    assert {score.most for score in found.scores} == {most}
    assert found.items[0].scores == {}
    assert (found.items[0].target, found.items[0].answer) == ("mug", "cup")
    assert any(note in one for one in found.notes), found.notes


def test_z_scores_over_many_models_are_left_out() -> None:
    summary = {"accuracy": 66.67, "accuracy-z_score": 0.3, "accuracy-mean": 60.0, "aggregated-z_score": 0.1}
    assert [score.metric for score in read("gqa-full", summary, GQA).scores] == ["accuracy"]


def test_an_unknown_data_set_and_an_impossible_figure_have_no_scale() -> None:
    unknown = read("our-own", {"accuracy": 0.5}, GQA)
    assert (headline(unknown).most, unknown.protocol.split) == (None, None)
    assert any("scale of its scores is not known" in note for note in unknown.notes)
    impossible = read("pope-full", {"accuracy__POPE-final-Accuracy": 83.0}, [])
    assert headline(impossible).most is None
    assert "a score lies outside 0 to 1, so the scale of the scores is not known" in impossible.notes


def test_a_run_without_metrics_has_failed_and_says_how_far_it_came() -> None:
    folder = "results/gqa/gqa-slim/my-model"
    shards = {f"{folder}/results+rank-{rank}.json": {str(rank): GQA[rank]} for rank in range(2)}
    found = only(HARNESS, tree_of(shards))
    assert (found.benchmark, found.model, found.state) == ("gqa-slim", "my-model", "failed")
    assert found.problem is not None
    assert "2 answers were written and never scored" in found.problem
    with pytest.raises(BadInput, match=r"give the results folder"):
        all_of(HARNESS, tree_of({"results+rank-0.json": {}}))


def test_a_metrics_file_of_another_program_is_not_taken() -> None:
    assert all_of(HARNESS, tree_of({"runs/eval/vila/ai2d/metrics.json": {"accuracy": 0.5}})) == []


@pytest.mark.parametrize(
    "broken, message",
    [
        ({"examples": []}, r"metrics.json: examples: is a list, allowed is an object"),
        ({"summary": 3}, r"summary: is 3, allowed is an object"),
        ({"model": None}, r"model is missing"),
        ({"n_examples": "12"}, r"n_examples is '12', allowed is a number"),
        (
            {"examples": {"1": {"question": 5, "model_output": "", "ground_truth_answer": ""}}},
            r"question is 5, allowed",
        ),
    ],
)
def test_wrong_types_are_refused_with_their_place(broken: dict[str, Any], message: str) -> None:
    written = metrics("gqa-slim", {"accuracy": 66.67}, GQA) | broken
    with pytest.raises(BadInput, match=message):
        only(HARNESS, tree_of({"a/gqa-slim/m/metrics.json": written}))
