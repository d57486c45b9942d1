import json
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean
from typing import Any

import pytest

from monitor.benchmarks.evaluation import Evaluation
from monitor.benchmarks.protocol import group_of
from monitor.harnesses.records import Refused
from monitor.harnesses.tree import open_tree
from monitor.harnesses.vlmevalkit import HARNESS, find
from monitor.harnesses.vlmevalkit_answers import inferred, ocr_hit, task_hit
from monitor.harnesses.vlmevalkit_files import datasets_of
from monitor.harnesses.vlmevalkit_flat import primary
from tests.harnesses.made import all_of, headline, only, tree_of

RUN = "M/T20260815-101500"
RUN_FILES = f"{RUN}/M_"


def csv(*rows: list[Any]) -> str:
    """As the harness writes it: every cell in quotes."""
    return "".join(",".join(f'"{cell}"' for cell in row) + "\n" for row in rows)


def status(**datasets: Any) -> dict[str, Any]:
    return {"schema_version": "1.0", "eval_id": "T20260815-101500", "model_name": "M", "commit": "e8e78f05"} | {
        "created_at": "2026-08-15T10:15:00+02:00",
        "datasets": datasets,
    }


def of(tree_files: dict[str, Any]) -> dict[tuple[str, str | None], Evaluation]:
    found = all_of(HARNESS, tree_of(tree_files))
    evaluations = [one for one in found if isinstance(one, Evaluation)]
    assert len(evaluations) == len(found), found
    return {(one.benchmark, one.protocol.split): one for one in evaluations}


def value(evaluation: Evaluation, metric: str, category: str = "") -> float:
    (score,) = (one for one in evaluation.scores if (one.metric, one.category) == (metric, category))
    return score.value


@pytest.fixture
def sample(shared: Path) -> dict[tuple[str, str | None], Evaluation]:
    with open_tree(shared / "samples/vlmevalkit") as tree:
        (found,) = find(tree)
        assert found.path == "SmolVLM2/T20260815-101500"
        assert set(found.files) == set(tree.sizes)
        return {(one.benchmark, one.protocol.split): one for one in found.read() if isinstance(one, Evaluation)}


def test_the_figures_are_those_that_the_harness_prints(sample: dict[tuple[str, str | None], Evaluation]) -> None:
    printed = {}
    for (name, split), one in sample.items():
        if one.state == "done":
            score = headline(one)
            failed = sum(item.failed is not None for item in one.items)
            assert score.most is not None
            printed[name, split] = (f"{score.value / score.most * 100:.4g}", len(one.items), failed)
    assert printed == {
        ("MMMU_DEV_VAL", "validation"): ("8.333", 12, 3),
        ("MMMU_DEV_VAL", "dev"): ("25", 12, 3),
        ("DocVQA_VAL", "val"): ("62.5", 8, 0),
        ("MathVista_MINI", None): ("50", 8, 0),
    }


def test_values_stay_as_the_file_has_them_with_their_own_scale(
    sample: dict[tuple[str, str | None], Evaluation],
) -> None:
    mmmu, doc, math = (
        sample[key] for key in (("MMMU_DEV_VAL", "validation"), ("DocVQA_VAL", "val"), ("MathVista_MINI", None))
    )
    assert [(headline(one).value, headline(one).most) for one in (mmmu, doc, math)] == [
        (0.08333333333333333, 1.0),
        (62.5, 100.0),
        (50.0, 100.0),
    ]
    assert value(mmmu, "Overall", "category=Science") == 0.25
    assert value(math, "acc", "Task&Skill=statistical reasoning") == 60.0
    assert [item.scores["Overall"] for item in doc.items] == [1.0, 1.0, 0.5, 0.0] * 2  # not the distances of the file


def test_each_figure_is_the_mean_of_its_items(sample: dict[tuple[str, str | None], Evaluation]) -> None:
    checked = 0
    for one in sample.values():
        for score in one.scores:
            items = [item for item in one.items if not score.category or score.category in item.categories]
            assert mean(item.scores[score.metric] for item in items) == pytest.approx(score.value / (score.most or 1))
            assert score.n == len(items)
            checked += 1
    assert checked == 7 + 7 + 1 + 6


def test_done_may_mean_left_out_or_crashed(sample: dict[tuple[str, str | None], Evaluation]) -> None:
    skipped, crashed = sample["DocVQA_TEST", None], sample["MMStar", None]
    assert (skipped.state, skipped.problem, skipped.scores) == ("skipped", "test_split_without_ground_truth", ())
    assert (crashed.state, crashed.scores) == ("failed", ())
    assert str(crashed.problem).startswith("CUDA out of memory")


def test_failed_answers_are_told_and_kept_apart(sample: dict[tuple[str, str | None], Evaluation]) -> None:
    mmmu = sample["MMMU_DEV_VAL", "validation"]
    failed = [item for item in mmmu.items if item.failed]
    assert {item.failed for item in failed} == {"Failed to obtain answer via API."}
    assert {item.answer for item in failed} == {None}
    assert mmmu.notes == ("3 of 12 answers failed, the harness counts them as wrong",)


def test_the_protocol_says_commit_judge_and_split(sample: dict[tuple[str, str | None], Evaluation]) -> None:
    known = [one.protocol.known for one in sample.values() if one.state == "done"]
    assert {part["version"] for part in known} == {"e8e78f05"}
    assert [part["judge"] for part in known] == ["none", "exact_matching", "exact_matching", "gpt-4o-mini"]
    assert len({group_of(part) for part in known}) == 4
    assert sample["MMMU_DEV_VAL", "dev"].at == datetime(2026, 11, 20, 12, 55, 58, 129909, UTC)


def test_importing_a_zip_of_the_folder_gives_the_same(
    shared: Path, tmp_path: Path, sample: dict[tuple[str, str | None], Evaluation]
) -> None:
    import shutil

    packed = shutil.make_archive(str(tmp_path / "SmolVLM2"), "zip", shared / "samples/vlmevalkit/SmolVLM2")
    with open_tree(packed) as tree:
        found = all_of(HARNESS, tree)
    assert [
        (one.benchmark, one.model, one.items, one.scores, one.source_sha256)
        for one in found
        if isinstance(one, Evaluation)
    ] == [(one.benchmark, one.model, one.items, one.scores, one.source_sha256) for one in sample.values()]


def mcq_rows(hits: list[int], log: str = "Match Log: ", **more: Any) -> list[dict[str, Any]]:
    return [
        {"index": index, "question": f"Q{index}", "A": "one", "B": "two", "answer": "A", "category": "logic_reasoning"}
        | {"prediction": "A" if hit else "B", "hit": hit, "log": log}
        | more
        for index, hit in enumerate(hits)
    ]


MCQ = {
    f"{RUN_FILES}MMBench_DEV_EN_acc.csv": csv(["split", "Overall", "LR"], ["none", 0.5, 0.5]),
    f"{RUN_FILES}MMBench_DEV_EN_openai_result.json": mcq_rows([1, 0]),
    f"{RUN_FILES}MMBench_DEV_EN.json": [
        {key: row[key] for key in row if key not in ("hit", "log")} for row in mcq_rows([1, 0])
    ],
    f"{RUN_FILES}MMBench_DEV_EN_checkpoint.pkl": b"never opened",
}


def test_a_run_without_status_reads_its_judge_and_time_from_names() -> None:
    one = only(HARNESS, tree_of(MCQ))
    assert (one.benchmark, one.model, headline(one).value, headline(one).most) == ("MMBench_DEV_EN", "M", 0.5, 1.0)
    assert one.protocol.known == {"harness": "vlmevalkit", "judge": "chatgpt-0125"}
    assert one.at == datetime(2026, 8, 15, 10, 15, tzinfo=UTC)
    assert "no zone" in one.notes[0]
    assert one.items[0].categories == ("category=LR",)
    assert one.items[0].question == "Q0\nA. one\nB. two"


def test_a_data_set_whose_name_begins_with_anothers_keeps_its_files() -> None:
    longer = {path.replace("_EN", "_EN_V11"): content for path, content in MCQ.items()}
    longer[f"{RUN_FILES}MMBench_DEV_EN_V11_openai_result.json"] = mcq_rows([1, 0], category="ocr")
    found = of(MCQ | longer)
    assert {key[0]: one.items[0].categories for key, one in found.items()} == {
        "MMBench_DEV_EN": ("category=LR",),
        "MMBench_DEV_EN_V11": ("category=ocr",),
    }
    rests = {"Own", "Own_acc", "Own_results", "Own_v2", "Own_v2_acc", "OCRBench", "OCRBench_v2", "OCRBench_v2_score"}
    assert datasets_of(rests) == ["OCRBench_v2", "OCRBench", "Own_v2", "Own"]


def test_the_root_may_be_the_run_the_model_or_above_and_old_runs_are_named_by_commit() -> None:
    inside = {path.removeprefix(f"{RUN}/"): content for path, content in MCQ.items()}
    for tree in (
        tree_of(inside, "T20260815-101500", parent="M"),
        tree_of(inside, "T20260815-101500.zip"),  # nothing says the model but the files
        tree_of({f"T20260815-101500/{path}": content for path, content in inside.items()}, "M"),
        tree_of({f"outputs/{path}": content for path, content in MCQ.items()}),
        tree_of({f"M/{path}": content for path, content in inside.items()}),  # before there were runs
    ):
        assert (only(HARNESS, tree).model, headline(only(HARNESS, tree)).value) == ("M", 0.5)
    legacy = only(HARNESS, tree_of({f"M/T20250102_Gabcdef0123/{path}": content for path, content in inside.items()}))
    assert (legacy.protocol.version, legacy.at) == ("abcdef01", datetime(2025, 1, 2, tzinfo=UTC))


def test_copies_of_the_newest_files_beside_the_runs_are_no_run_of_their_own() -> None:
    copies = {path.replace("T20260815-101500/", ""): content for path, content in MCQ.items()}
    assert len(all_of(HARNESS, tree_of(MCQ | copies))) == 1


def test_the_file_of_the_judge_that_gave_the_figure_is_taken_and_named() -> None:
    files = MCQ | {f"{RUN_FILES}MMBench_DEV_EN_gpt-4o-mini_result.json": mcq_rows([1, 1])}
    one = only(HARNESS, tree_of(files))
    assert (one.protocol.judge, [item.scores["Overall"] for item in one.items]) == ("chatgpt-0125", [1.0, 0.0])


def test_random_choices_of_a_judge_are_counted() -> None:
    log = "Failed to predict, thus randomly generate one. "
    one = only(HARNESS, tree_of(MCQ | {f"{RUN_FILES}MMBench_DEV_EN_openai_result.json": mcq_rows([1, 0], log)}))
    assert "for 2 of 2 answers the judge found no choice and drew one at random" in one.notes


def test_a_failed_answer_that_chance_made_right_is_told() -> None:
    rows = mcq_rows(
        [1, 0], prediction="Failed to obtain answer: <class 'OutOfMemory'>", comment="Failed to obtain answer"
    )
    one = only(HARNESS, tree_of(MCQ | {f"{RUN_FILES}MMBench_DEV_EN_openai_result.json": rows}))
    assert "2 of 2 answers failed, the harness counts 1 of them as right" in one.notes
    assert "the judge failed on 2 of 2 answers" in one.notes


def test_items_that_do_not_make_the_figure_are_noted_and_neither_is_changed() -> None:
    one = only(HARNESS, tree_of(MCQ | {f"{RUN_FILES}MMBench_DEV_EN_openai_result.json": mcq_rows([1, 1])}))
    assert headline(one).value == 0.5
    assert [item.scores["Overall"] for item in one.items] == [1.0, 1.0]
    assert "Overall: the mean of the items is 1, the file says 0.5, and 1 more" in one.notes


def test_hashes_are_of_what_was_asked_and_the_same_in_every_format() -> None:
    rows = mcq_rows([1, 0])
    table = csv(list(rows[0]), *[list(row.values()) for row in rows])
    path = f"{RUN_FILES}MMBench_DEV_EN_openai_result"
    as_json = only(HARNESS, tree_of(MCQ)).items
    as_csv = only(
        HARNESS, tree_of({key: MCQ[key] for key in MCQ if "result" not in key} | {f"{path}.csv": table})
    ).items
    assert [item.item_hash for item in as_csv] == [item.item_hash for item in as_json]
    rows[0]["answer"], rows[1]["B"] = "B", "three"
    other = only(HARNESS, tree_of(MCQ | {f"{path}.json": rows})).items
    assert not {item.item_hash for item in other} & {item.item_hash for item in as_json}
    same = only(HARNESS, tree_of(MCQ | {f"{path}.json": mcq_rows([0, 1])})).items
    assert [item.item_hash for item in same] == [item.item_hash for item in as_json]


@pytest.mark.parametrize(
    "dataset,matches,expected",
    [
        ("DocVQA_VAL", ["[0.0, 1.0]", "[0.4]", "[0.5]", "[0.51]"], [1.0, 0.6, 0.5, 0.0]),
        ("InfoVQA_VAL", ["[0.25]", "[1.0]"], [0.75, 0.0]),
        ("TextVQA_VAL", ["[1.0, 1.0, 0.6666666666666666]", "[0.0]"], [8 / 9, 0.0]),
        ("ChartQA_TEST", ["[False, True]", "[False]"], [1.0, 0.0]),
        ("OCRVQA_TEST", ["[np.float64(1.0), 0.0]"], [1.0]),
        ("GQA_TestDev_Balanced", ["[1.0]", "[0.0]"], [1.0, 0.0]),
    ],
)
def test_free_answers_count_as_the_harness_counts_them(dataset: str, matches: list[str], expected: list[float]) -> None:
    rows = [
        {"index": index, "question": "Q", "answer": "a", "prediction": "b", "eval_match": match, "eval_score": 0.9}
        for index, match in enumerate(matches)
    ]
    files = {
        f"{RUN_FILES}{dataset}_results.json": rows,
        f"{RUN_FILES}{dataset}_acc.csv": csv(["Overall"], [mean(expected) * 100]),
    }
    one = only(HARNESS, tree_of(files))
    assert [item.scores["Overall"] for item in one.items] == pytest.approx(expected)
    assert (headline(one).most, one.protocol.judge) == (100.0, "none")
    assert not any("mean" in note for note in one.notes)


def test_splits_with_a_figure_over_all_of_them_stay_one_evaluation() -> None:
    rows = [
        {"index": index, "question": "Q", "answer": "a", "split": split, "prediction": "a", "eval_match": f"[{hit}]"}
        for index, (split, hit) in enumerate([("test_human", True), ("test_human", False), ("test_augmented", True)])
    ]
    files = {
        f"{RUN_FILES}ChartQA_TEST_results.json": rows,
        f"{RUN_FILES}ChartQA_TEST_acc.json": [{"test_augmented": 100.0, "test_human": 50.0, "Overall": 200 / 3}],
    }
    one = only(HARNESS, tree_of(files))
    assert one.protocol.split == "test_augmented+test_human"
    assert headline(one).value == pytest.approx(66.6667)
    assert value(one, "Overall", "category=test_human") == 50.0
    assert one.scores[0].n == 1


def yes_no(rows: list[tuple[str, str, str]], **columns: list[Any]) -> list[dict[str, Any]]:
    return [
        {"index": index, "question": "Is it?", "answer": answer, "extracted": said, "category": category}
        | {"prediction": said, "score": answer == said}
        | {name: values[index] for name, values in columns.items()}
        for index, (category, answer, said) in enumerate(rows)
    ]


def test_pope_has_f1_as_its_headline_and_items_for_accuracy_only() -> None:
    rows = yes_no(
        [("random", "Yes", "Yes"), ("popular", "No", "Yes"), ("random", "No", "No"), ("popular", "Yes", "No")]
    )
    lines = [["Overall", 50, 50, 50, 50], ["random", 100, 100, 100, 100], ["popular", 0, 0, 0, 0]]
    files = {
        f"{RUN_FILES}POPE_auxmatch.json": rows,
        f"{RUN_FILES}POPE_score.csv": csv(["split", "Overall", "acc", "precision", "recall"], *lines),
    }
    one = only(HARNESS, tree_of(files))
    assert (headline(one).metric, headline(one).most) == ("Overall", 100.0)
    assert value(one, "acc", "category=random") == 100.0
    assert [item.scores for item in one.items] == [{"acc": 1.0}, {"acc": 0.0}, {"acc": 1.0}, {"acc": 0.0}]
    assert one.notes[1:] == ()


def test_hallusionbench_groups_items_by_figure() -> None:
    rows = yes_no([("VD", "Yes", "Yes"), ("VD", "No", "Yes")], **{"l2-category": ["figure", "figure"]})
    for row, index in zip(rows, ("VD_figure_0_1_0_x", "VD_figure_0_1_1_x"), strict=True):
        row["index"] = index
    table = csv(["split", "aAcc", "fAcc", "qAcc"], ["Overall", 50, 0, 50], ["VD", 50, 0, 50], ["figure", 50, 0, 50])
    files = {f"{RUN_FILES}HallusionBench_auxmatch.json": rows, f"{RUN_FILES}HallusionBench_score.csv": table}
    one = only(HARNESS, tree_of(files))
    assert (headline(one).metric, headline(one).value) == ("aAcc", 50.0)
    assert [item.group for item in one.items] == ["figure_1_0", "figure_1_1"]
    assert one.items[0].categories == ("category=VD", "category=figure")


def test_mme_counts_points_of_items_and_of_whole_images() -> None:
    rows = yes_no(
        [("OCR", "Yes", "Yes"), ("OCR", "No", "No"), ("OCR", "Yes", "Yes"), ("OCR", "No", "Yes")],
        image_path=["a.jpg", "a.jpg", "b.jpg", "b.jpg"],
    )
    files = {
        f"{RUN_FILES}MME_auxmatch.json": rows,
        f"{RUN_FILES}MME_score.csv": csv(["perception", "reasoning", "OCR"], [125.0, 0.0, 125.0]),
    }
    one = only(HARNESS, tree_of(files))
    assert [(score.metric, score.most) for score in one.scores] == [
        ("perception", 2000.0),
        ("reasoning", 800.0),
        ("points", 200.0),
    ]
    assert [item.scores["points"] for item in one.items] == [1.0, 1.0, 0.5, 0.0]
    assert mean(item.scores["points"] for item in one.items) * 200 == value(one, "points", "category=OCR")
    assert [item.group for item in one.items] == ["a.jpg", "a.jpg", "b.jpg", "b.jpg"]
    assert not any("mean of the items" in note for note in one.notes)


def test_ocrbench_is_scored_again_and_kept_only_if_it_adds_up() -> None:
    kinds = ["Regular Text Recognition"] * 900 + ["Handwritten Mathematical Expression Recognition"] * 100
    rows: list[dict[str, Any]] = [
        {"index": index, "question": "Q", "answer": "['x ^ 2']", "category": kind, "prediction": "It is X ^ 2"}
        for index, kind in enumerate(kinds)
    ]
    figures = {"Text Recognition": 900, "Handwritten Mathematical Expression Recognition": 0, "Final Score": 900}
    files = {f"{RUN_FILES}OCRBench.json": rows, f"{RUN_FILES}OCRBench_score.json": figures | {"Final Score Norm": 90.0}}
    one = only(HARNESS, tree_of(files))
    assert (headline(one).metric, headline(one).value, headline(one).most) == ("Final Score", 900.0, 1000.0)
    assert sum(item.scores.get("Final Score", 0.0) for item in one.items) == 0  # 900 of 300: not the whole set
    assert any("without scores" in note for note in one.notes)
    whole = [row | {"category": "Doc-oriented VQA" if row["index"] < 900 else row["category"]} for row in rows]
    files |= {f"{RUN_FILES}OCRBench.json": whole}
    files |= {f"{RUN_FILES}OCRBench_score.json": {"Final Score": 900, "Final Score Norm": 90.0}}
    one = only(HARNESS, tree_of(files))
    assert sum(item.scores["Final Score"] for item in one.items) == 900
    assert ocr_hit({"answer": "['a b']", "prediction": "x ab y", "category": kinds[-1]})


def test_mathvista_is_scored_by_its_own_rules() -> None:
    choice = {"question_type": "multi_choice", "choices": "['red', 'blue']", "answer": "blue", "answer_option": "B"}
    free = {"question_type": "free_form", "choices": "[]"}
    assert task_hit(choice | {"res": "B"})
    assert task_hit(choice | {"res": "it is blue"})
    assert not task_hit(choice | {"res": "Failed to obtain answer via API. B"})
    assert task_hit(free | {"answer_type": "integer", "answer": 7, "res": "7"})
    assert not task_hit(free | {"answer_type": "integer", "answer": "7", "res": "7.0"})
    assert task_hit(free | {"answer_type": "float", "answer": "0.50", "res": "0.5"})
    assert not task_hit(free | {"answer_type": "text", "answer": "blue", "res": "blue"})
    assert inferred("A dog is what I see in this picture here", {"A": "cat", "B": "dog"}) is None
    assert inferred("Z", {"A": "cat", "B": "dog"}) == "Z"
    assert inferred("So the answer is **B** since it barks in the night and eats bones", {"A": "c", "B": "d"}) == "B"


def test_an_unknown_data_set_gets_its_scale_from_its_items_or_none() -> None:
    rows = [
        {"index": index, "question": "Q", "answer": "a", "prediction": "a", "eval_match": f"[{hit}]"}
        for index, hit in enumerate([1, 0])
    ]
    files = {f"{RUN_FILES}NewSet_acc.csv": csv(["Overall"], [50.0]), f"{RUN_FILES}NewSet_results.json": rows}
    one = only(HARNESS, tree_of(files))
    assert headline(one).most == 100.0
    assert "the scale of its figures was told from its items" in one.notes
    bare = only(HARNESS, tree_of({f"{RUN_FILES}NewSet_acc.csv": csv(["Overall"], [50.0])}))
    assert headline(bare).most is None
    assert bare.notes[1:] == (
        "the scale of its figures is not known; they are shown as they are",
        "the files have no items",
    )


def test_figures_of_any_other_shape_keep_the_harness_own_names() -> None:
    files = {
        f"{RUN_FILES}VideoMME_rating.json": {
            "overall": {"overall": 0.4, "domain": {"Art": 0.5}},
            "short": {"overall": 0.6},
        }
    }
    one = only(HARNESS, tree_of(files))
    assert [(score.metric, score.category, score.value) for score in one.scores] == [
        ("overall", "", 0.4),
        ("Art", "domain", 0.5),
        ("overall", "short", 0.6),
    ]
    assert primary({"b|overall": 1, "overall": 2, "acc": 3}) == "overall"
    assert primary({"x|acc": 1, "split=test|score": 2, "zz": 3}) == "x|acc"


def test_figures_only_in_the_status_are_read_and_others_in_the_file_are_told() -> None:
    metrics = {"split=none|Overall": 0.25, "split=none|LR": 0.25}
    entry = {
        "status": "done",
        "judge_model": "gpt-4o-mini",
        "metrics": metrics,
        "updated_at": "2026-08-15T10:20:00+02:00",
    }
    only_status = of({f"{RUN}/status.json": status(MMStar=entry)})["MMStar", None]
    assert (headline(only_status).value, headline(only_status).most) == (0.25, 1.0)
    assert value(only_status, "Overall", "category=LR") == 0.25
    assert (only_status.source, only_status.protocol.judge) == (f"{RUN}/status.json", "gpt-4o-mini")
    assert only_status.at == datetime(2026, 8, 15, 8, 20, tzinfo=UTC)
    both = of(MCQ | {f"{RUN}/status.json": status(MMBench_DEV_EN=entry)})["MMBench_DEV_EN", None]
    assert headline(both).value == 0.5
    assert both.notes[0] == "status.json says 0.25 for split=none|Overall, the file says 0.5 and is taken"


def test_a_run_that_ended_early_has_failed() -> None:
    answers = {path: MCQ[path] for path in MCQ if path.endswith("EN.json")}
    entry = {"status": "infer", "prediction_file": "outputs/M/T20260815-101500/M_MMBench_DEV_EN.json"}
    told = only(HARNESS, tree_of(answers | {f"{RUN}/status.json": status(MMBench_DEV_EN=entry)}))
    assert told.state == "failed"
    assert told.problem == 'the run ended before there were figures ("infer" in status.json): only answers are there'
    assert only(HARNESS, tree_of(answers)).state == "failed"


def test_one_damaged_data_set_is_refused_by_name_and_the_rest_goes_in() -> None:
    good = {f"{RUN_FILES}POPE_score.csv": csv(["split", "Overall", "acc", "precision"], ["Overall", 1, 2, 3])}
    for path, content in (
        (f"{RUN_FILES}MMBench_DEV_EN_openai_result.json", b'[{"index": 1'),
        (f"{RUN_FILES}MMBench_DEV_EN_acc.csv", b'"split","Overall"\n"none'),
        (f"{RUN_FILES}MMBench_DEV_EN_acc.csv", b'"split","Overall"\n"none","=1+1"\n'),
        (f"{RUN_FILES}MMBench_DEV_EN.json", b""),
    ):
        refused, kept = all_of(HARNESS, tree_of(MCQ | good | {path: content}))
        assert isinstance(refused, Refused)
        assert isinstance(kept, Evaluation)
        assert (refused.path, kept.benchmark) == (f"{RUN}: MMBench_DEV_EN", "POPE")
        assert path in refused.reason


def test_a_damaged_status_is_refused_and_the_files_are_read_without_it() -> None:
    broken = json.dumps(status(MMBench_DEV_EN={"status": "done"}))[:-5]
    refused, kept = all_of(HARNESS, tree_of(MCQ | {f"{RUN}/status.json": broken}))
    assert isinstance(refused, Refused)
    assert refused.path == f"{RUN}/status.json"
    assert isinstance(kept, Evaluation)


def test_a_formula_where_a_number_is_needed_is_refused_by_its_cell() -> None:
    from tests.harnesses.test_sheets import changed, workbook

    rows = mcq_rows([1, 0])
    table = changed(
        workbook([list(rows[0]), *[list(row.values()) for row in rows]]),
        "xl/worksheets/sheet1.xml",
        b'<c r="H2" t="n"><v>1</v></c>',
        b'<c r="H2"><f>1+0</f><v>1</v></c>',
    )
    files = {path: MCQ[path] for path in MCQ if "result" not in path}
    (refused,) = all_of(HARNESS, tree_of(files | {f"{RUN_FILES}MMBench_DEV_EN_openai_result.xlsx": table}))
    assert isinstance(refused, Refused)
    assert "cell H2 holds a formula, not a number" in refused.reason


def test_folders_of_others_are_not_taken_for_runs() -> None:
    others = {
        "web/status.json": {"ok": True},
        "m/results_2026-11-20T12-53-35.621212.json": {"results": {}},
        "m/m_notes.csv": "a,b\n1,2\n",
        "results/results_2026.json": {},
    }
    assert not list(find(tree_of(others)))


def test_figures_nested_too_deeply_are_refused() -> None:
    deep: Any = 1.0
    for _ in range(30):
        deep = {"a": deep}
    (refused,) = all_of(HARNESS, tree_of({f"{RUN_FILES}NewSet_score.json": deep}))
    assert isinstance(refused, Refused)
    assert "nested more than 20 deep" in refused.reason
    endless = csv(["split", "acc", "recall"], ["Overall", "inf", 1])
    (refused,) = all_of(HARNESS, tree_of({f"{RUN_FILES}POPE_score.csv": endless}))
    assert isinstance(refused, Refused)
    assert "column acc: 'inf' is not a finite number" in refused.reason


def test_what_a_run_was_told_on_its_command_line_keeps_it_apart() -> None:
    def group(argv: Any) -> str:
        entry = {"status": "done", "metrics": {"split=none|Overall": 0.25}}
        told = status(MMStar=entry) | ({"argv": argv} if argv else {})
        return group_of(of({f"{RUN}/status.json": told})["MMStar", None].protocol.known)

    plain = group(["run.py", "--data", "MMStar", "--model", "M", "--work-dir", "here"])
    assert plain == group(["other/run.py", "--model", "N", "--verbose", "--data", "MMMU", "--api-nproc=8", "--reuse"])
    frames = group(["run.py", "--data", "MMStar", "--nframe", "8", "--use-vllm"])
    assert frames == group(["run.py", "--use_vllm", "--nframe=8", "--model", "N"])
    assert len({plain, frames, group(["run.py", "--nframe", "16", "--use-vllm"]), group(None)}) == 4
    long = group(["run.py", "--system-prompt", "a" * 500])
    assert long != group(["run.py", "--system-prompt", "a" * 501])


def test_a_split_that_is_a_number_finds_its_items() -> None:
    rows = [row | {"split": 1 + number % 2} for number, row in enumerate(mcq_rows([1, 0, 1, 0]))]
    files = {
        f"{RUN_FILES}MMMU_DEV_VAL_exact_matching_result.json": rows,
        f"{RUN_FILES}MMMU_DEV_VAL_acc.csv": csv(["split", "Overall"], ["1", "1.0"], ["2", "0.0"]),
    }
    found = of(files)
    assert {split: len(one.items) for (_, split), one in found.items()} == {"1": 2, "2": 2}
    assert not [note for one in found.values() for note in one.notes if "mean" in note]
