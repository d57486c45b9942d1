import io
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from monitor.benchmarks.evaluation import Evaluation
from monitor.benchmarks.protocol import apart
from monitor.harnesses import lm_eval
from monitor.harnesses.lighteval import HARNESS, find
from monitor.harnesses.records import Refused
from tests.harnesses.made import all_of, headline, only, tree_of

TIME = "2026-05-05T10-11-12.131415"
RESULTS = f"results/org/m/results_{TIME}.json"


def details_of(key: str) -> str:
    return f"details/org/m/{TIME}/details_{key}_{TIME}.parquet"


def document(results: dict[str, Any], **general: Any) -> dict[str, Any]:
    return {
        "config_general": {
            "lighteval_sha": "203045a8431bc9b77245c9998e05fc54509ea07f",
            "max_samples": None,
            "start_time": 620979.879320166,
            "end_time": 621004.632108041,
            "total_evaluation_time_secondes": "24.752787875011563",
            "model_name": "org/m",
            "model_sha": "607a30d7",
        }
        | general,
        "results": results | {"all": {"em": 0.5}},
        "versions": {"gsm8k|0": 1},
        "config_tasks": {
            "lighteval|gsm8k": {
                "name": "gsm8k",
                "prompt_function": "<function gsm8k at 0x7f0011>",
                "hf_repo": "openai/gsm8k",
                "hf_subset": "main",
                "metric": [
                    {"metric_name": "em", "higher_is_better": True},
                    {"metric_name": ["maj@8"], "higher_is_better": {"maj@8": True}},
                ],
                "evaluation_splits": ["test"],
                "generation_size": 256,
                "stop_sequence": ["Question="],
                "effective_num_docs": 2,
            }
        },
    }


def details(rows: list[dict[str, Any]]) -> bytes:
    file = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(rows), file)
    return file.getvalue()


def row(index: int, em: float, *, prefix: str = "", suffix: str = "", **doc: Any) -> dict[str, Any]:
    asked = {"query": f"Question {index}", "choices": ["yes", "no"], "gold_index": [0], "id": str(index)} | doc
    response = {"text": [f"answer {index}"], "logprobs": [], "input": "long" * 100}
    parts = {"doc": asked, "model_response": response, "metric": {"em": em, "maj@8": None}}
    return {f"{prefix}{name}{suffix}": value for name, value in parts.items()}


GSM = {"gsm8k|0": {"maj@8": 0.25, "em": 0.5, "em_stderr": 0.5, "maj@8_stderr": float("nan")}}


def test_figures_time_and_protocol() -> None:
    one = only(HARNESS, tree_of({RESULTS: document(GSM)}))
    assert (one.benchmark, one.model, one.revision) == ("gsm8k", "org/m", "607a30d7")
    assert one.at == datetime(2026, 5, 5, 10, 11, 12, 131415, UTC)
    assert "no zone" in one.notes[0]
    assert one.notes[1:] == ("the files have no items",)
    assert [(score.metric, score.value, score.stderr, score.headline, score.n) for score in one.scores] == [
        ("maj@8", 0.25, None, False, 2),
        ("em", 0.5, 0.5, True, 2),
    ]
    assert {score.most for score in one.scores} == {1.0}
    known = one.protocol.known
    assert (known["version"], known["task"], known["shots"]) == ("203045a8431b", "1", "0")
    assert (known["data"], known["split"]) == ("openai/gsm8k/main", "test")
    assert known["decoding"] == '{"generation_size": 256, "stop_sequence": ["Question="]}'


@pytest.mark.parametrize(
    "key,name,shots,task",
    [
        ("gsm8k|0", "gsm8k", "0", "1"),
        ("harness|arc:challenge|25", "arc:challenge", "25", "harness"),
        ("lighteval|gsm8k|5|0", "gsm8k", "5", "lighteval"),
        ("plain", "plain", None, None),
    ],
)
def test_keys_of_all_versions_are_taken_apart(key: str, name: str, shots: str | None, task: str | None) -> None:
    one = only(HARNESS, tree_of({RESULTS: document({key: {"em": 0.5}})}))
    assert (one.benchmark, one.protocol.shots, one.protocol.task) == (name, shots, task)


def test_what_was_limited_or_asked_in_other_words_is_apart_and_an_address_is_not() -> None:
    plain, limited, system = (
        only(HARNESS, tree_of({RESULTS: document(GSM, **more)}))
        for more in ({}, {"max_samples": 10}, {"model_config": {"system_prompt": "Think."}})
    )
    assert apart(plain.protocol.known, limited.protocol.known) == [
        "data: openai/gsm8k/main or openai/gsm8k/main limit=10"
    ]
    assert [line[:6] for line in apart(plain.protocol.known, system.protocol.known)] == ["prompt"]
    moved = document(GSM)
    moved["config_tasks"]["lighteval|gsm8k"]["prompt_function"] = "<function gsm8k at 0x99ff>"
    assert only(HARNESS, tree_of({RESULTS: moved})).protocol == plain.protocol


@pytest.mark.parametrize("prefix,suffix", [("", ""), ("__", "__")])
def test_items_come_from_the_details_of_the_same_moment(prefix: str, suffix: str) -> None:
    rows = [row(index, float(index), prefix=prefix, suffix=suffix) for index in range(2)]
    other = details_of("gsm8k|0").replace("10-11", "10-12")
    files = {RESULTS: document(GSM), details_of("gsm8k|0"): details(rows), other: b"another run"}
    (found,) = find(tree_of(files))
    assert found.files == (RESULTS, details_of("gsm8k|0"))
    (one,) = found.read()
    assert isinstance(one, Evaluation)
    assert [(item.item, item.scores, item.question, item.target, item.answer) for item in one.items] == [
        ("0", {"em": 0.0}, "Question 0", "yes", "answer 0"),
        ("1", {"em": 1.0}, "Question 1", "yes", "answer 1"),
    ]
    assert one.notes[1:] == ()


def test_many_items_keep_their_places_and_choices_are_told_in_words() -> None:
    rows = [row(0, 1.0, id="") for _ in range(1500)]
    for index, one in enumerate(rows):
        one["model_response"] = {"text": [], "logprobs": [-2.0, -1.0 - index]}
    files = {RESULTS: document({"gsm8k|0": {"em": 1.0}}), details_of("gsm8k|0"): details(rows)}
    items = only(HARNESS, tree_of(files)).items
    assert [item.item for item in items] == [str(index) for index in range(1500)]
    assert len({item.item_hash for item in items}) == 1500
    assert (items[0].answer, items[2].answer) == ("no", "yes")


def test_hashes_are_equal_for_two_models_and_differ_with_the_target() -> None:
    def hash_of(em: float, **doc: Any) -> str:
        files = {RESULTS: document(GSM), details_of("gsm8k|0"): details([row(0, em, **doc)])}
        return only(HARNESS, tree_of(files)).items[0].item_hash

    assert hash_of(0.0) == hash_of(1.0)
    assert len({hash_of(0.0), hash_of(0.0, gold_index=[1]), hash_of(0.0, query="Other")}) == 3


def test_averages_say_so_and_the_sum_of_everything_is_left_out() -> None:
    results = {"mmlu:a|5": {"acc": 0.5}, "mmlu:b|5": {"acc": 0.7}, "mmlu:_average|5": {"acc": 0.6}}
    found = [one for one in all_of(HARNESS, tree_of({RESULTS: document(results)})) if isinstance(one, Evaluation)]
    assert [one.benchmark for one in found] == ["mmlu:a", "mmlu:b", "mmlu:_average"]
    assert "an average over its subtasks" in found[2].notes[1]
    assert headline(found[2]).value == 0.6


def test_a_task_without_a_finite_figure_has_failed() -> None:
    one = only(HARNESS, tree_of({RESULTS: document({"gsm8k|0": {"em": float("nan")}})}))
    assert (one.state, one.problem) == ("failed", "the file has no finite figure of this task")


def test_damaged_details_refuse_their_task_and_no_other() -> None:
    content = details([row(0, 1.0)])
    for damaged in (content[:-20], b"", content[:50] + b"\0" * 60 + content[110:]):
        files = {RESULTS: document(GSM | {"other|0": {"acc": 1.0}}), details_of("gsm8k|0"): damaged}
        refused, kept = all_of(HARNESS, tree_of(files))
        assert isinstance(refused, Refused)
        assert refused.path == details_of("gsm8k|0")
        assert refused.reason.startswith(f"{details_of('gsm8k|0')}: is not a Parquet file that can be read")
        assert isinstance(kept, Evaluation)


def test_its_files_are_not_those_of_another_harness() -> None:
    tree = tree_of({RESULTS: document(GSM)})
    assert not list(lm_eval.find(tree))
    assert not list(find(tree_of({"m/results_1.json": {"results": {}, "lm_eval_version": "0.4.13"}})))
