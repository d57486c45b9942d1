from datetime import UTC, datetime
from typing import Any

from monitor.benchmarks.evaluation import Evaluation
from monitor.harnesses import lm_eval
from monitor.harnesses.lmms_eval import HARNESS, find
from monitor.harnesses.records import Refused
from tests.harnesses.made import all_of, headline, only, tree_of

RESULTS = "org__vlm/20260806_101112_results.json"


def document(results: dict[str, Any], **configs: Any) -> dict[str, Any]:
    return {
        "results": results,
        "configs": configs,
        "versions": dict.fromkeys(results, "Yaml"),
        "n-shot": dict.fromkeys(results, 0),
        "higher_is_better": {name: {} for name in results},
        "n-samples": {name: {"original": 900, "effective": 2} for name in results},
        "config": {"model": "llava", "model_args": "pretrained=org/vlm,conv_template=qwen", "limit": 2.0},
        "git_hash": "75571cf",
        "lmms_eval_version": "0.7.1",
        "date": "20260806_101112",
        "task_hashes": {},
        "model_name": "org/vlm",
        "throughput": {"total_gen_tokens": 10},
    }


def sample(index: int, **values: Any) -> dict[str, Any]:
    return {
        "doc_id": index,
        "input": f"<image> What is {index}?",
        "target": "yes",
        "filtered_resps": "yes" if index else ["no"],
        "doc_hash": f"d{index}",
        "token_counts": [{"input_tokens": 3, "output_tokens": 1, "reasoning_tokens": None}],
    } | values


def samples_of(task: str) -> str:
    return f"org__vlm/20260806_101112_samples_{task}.jsonl"


def test_figures_items_and_the_time_in_singapore() -> None:
    results = {
        "docvqa_val": {"alias": "docvqa_val", "anls,none": 0.75, "anls_stderr,none": 0.1, "submission,none": None}
    }
    lines = [sample(0, anls=1.0), sample(1, anls=0.5)]
    one = only(HARNESS, tree_of({RESULTS: document(results), samples_of("docvqa_val"): lines}))
    assert (one.benchmark, one.model, one.protocol.version) == ("docvqa_val", "org/vlm", "0.7.1")
    assert one.at == datetime(2026, 8, 6, 2, 11, 12, tzinfo=UTC)
    assert "Singapore" in one.notes[0]
    assert one.notes[1:] == ()
    assert [(score.metric, score.value, score.most, score.stderr, score.n) for score in one.scores] == [
        ("anls", 0.75, 1.0, 0.1, 2)
    ]
    assert [(item.scores, item.answer, item.question) for item in one.items] == [
        ({"anls": 1.0}, "no", "<image> What is 0?"),
        ({"anls": 0.5}, "yes", "<image> What is 1?"),
    ]
    assert one.protocol.data == "limit=2"


def test_values_in_objects_give_the_score_and_the_cluster() -> None:
    key = "videomme_perception_score"
    figures = {f"{key},none": 50.0, f"{key}_stderr,none": "N/A", f"{key}_stderr_clt,none": 40.0}
    figures |= {f"{key}_stderr_clustered,none": 45.0, f"{key}_expected_accuracy,none": 0.5, "paired_ci_lower": 1.0}
    lines = [sample(index, **{key: {"score": index, "videoID": f"v{index}"}}) for index in range(2)]
    content = document({"videomme": figures}, videomme={"cluster_key": "videoID", "dataset_path": "org/videomme"})
    one = only(HARNESS, tree_of({RESULTS: content, samples_of("videomme"): lines}))
    assert [item.scores for item in one.items] == [{key: 0.0}, {key: 1.0}]
    assert [item.group for item in one.items] == ["v0", "v1"]
    score = headline(one)
    assert (score.value, score.stderr, score.most) == (50.0, 45.0, 100.0)
    assert "paired_ci_lower" not in {other.metric for other in one.scores}


def test_items_without_a_score_of_their_own_are_kept_as_answers() -> None:
    lines = [sample(0, mmmu_acc={"id": "val_Art_1", "subdomain": "Art", "parsed_pred": "A"})]
    files = {RESULTS: document({"mmmu_val": {"mmmu_acc,none": 0.5067}}), samples_of("mmmu_val"): lines}
    one = only(HARNESS, tree_of(files))
    assert (headline(one).value, headline(one).most) == (0.5067, 1.0)
    assert one.items[0].scores == {}


def test_hashes_are_equal_for_two_models_and_differ_with_the_target() -> None:
    def hash_of(**more: Any) -> str:
        files = {RESULTS: document({"t": {"acc,none": 1.0}}), samples_of("t"): [sample(0, acc=1.0) | more]}
        return only(HARNESS, tree_of(files)).items[0].item_hash

    assert hash_of() == hash_of(filtered_resps="other", acc=0.0) != hash_of(target="no")


def test_points_of_mme_have_their_own_scale() -> None:
    content = document({"mme": {"mme_perception_score,none": 1500.0, "mme_cognition_score,none": 300.0}})
    one = only(HARNESS, tree_of({RESULTS: content}))
    assert [(score.most, score.headline) for score in one.scores] == [(2000.0, True), (800.0, False)]


def test_its_files_are_not_those_of_the_harness_it_comes_from() -> None:
    tree = tree_of({RESULTS: document({"t": {"acc,none": 1.0}}), samples_of("t"): [sample(0, acc=1.0)]})
    assert not list(lm_eval.find(tree))
    (found,) = find(tree)
    assert found.files == (RESULTS, samples_of("t"))
    ours = {"m/results_2026-11-20T12-53-35.621212.json": {"results": {"t": {}}, "lm_eval_version": "0.4.13"}}
    assert not list(find(tree_of(ours)))


def test_damaged_samples_refuse_their_task_and_no_other() -> None:
    results = {"a": {"acc,none": 1.0}, "b": {"acc,none": 1.0}}
    files = {RESULTS: document(results), samples_of("a"): b'{"doc_id": 0', samples_of("lonely"): [sample(0)]}
    refused, kept = all_of(HARNESS, tree_of(files))
    assert isinstance(refused, Refused)
    assert refused.path == samples_of("a")
    assert "line 1: is not JSON" in refused.reason
    assert isinstance(kept, Evaluation)
    (alone,) = all_of(HARNESS, tree_of({samples_of("lonely"): [sample(0)]}))
    assert isinstance(alone, Refused)
    assert "{time}_results.json, is not beside it" in alone.reason
