from datetime import UTC, datetime
from pathlib import Path

import pytest

from monitor.benchmarks.protocol import group_of
from monitor.errors import BadInput
from monitor.harnesses.hf_cards import HARNESS
from monitor.harnesses.published import PUBLISHED
from monitor.harnesses.tree import open_tree
from tests.harnesses.made import all_of, evaluations, headline, only, tree_of

CARD = """---
license: apache-2.0
model-index:
- name: my-model
  results:
  - task: {type: visual-question-answering}
    dataset: {name: DocVQA, type: lmms-lab/DocVQA, config: default, split: validation, revision: abc}
    metrics:
    - {type: anls, value: 0.81}
    - {type: accuracy, value: "73.2 %", verified: true}
    source: {name: Open VLM Leaderboard, url: https://example.org}
  - task: {type: text-generation}
    dataset: {name: Speech, type: speech, args: {num_few_shot: 5}}
    metrics:
    - {type: wer, value: 12.5, name: Test WER}
    - {type: note, value: very good}
---
# My model
"""


def test_the_samples_import_as_claims_with_their_scale(shared: Path) -> None:
    with open_tree(shared / "samples" / "hf_hub") as tree:
        results, hle, card = evaluations(HARNESS, tree)
    for one in (results, hle, card):
        assert one.claimed
        assert one.items == ()
    assert [(one.benchmark, headline(one).value, headline(one).most) for one in (results, hle, card)] == [
        ("MMMU/MMMU", 42.0, 100.0),
        ("cais/hle", 20.9, 100.0),
        ("MMMU/MMMU", 42.0, 100.0),
    ]
    assert results.at == datetime(2025, 2, 20, tzinfo=UTC)
    assert (results.model, card.model) == ("hf_hub", "SmolVLM2-2.2B-Instruct")
    assert card.protocol.split == "validation"
    assert hle.protocol.prompt == "no-tools"


def test_a_card_gives_an_evaluation_for_each_data_set_and_leaves_out_what_is_no_number() -> None:
    docvqa, speech = evaluations(HARNESS, tree_of({"README.md": CARD}))
    assert {score.metric: (score.value, score.most) for score in docvqa.scores} == {
        "anls": (0.81, None),
        "accuracy": (73.2, 100.0),
    }
    assert docvqa.notes == (
        "source: Open VLM Leaderboard https://example.org",
        "anls: the card does not say the scale",
        "accuracy: the hub says that it was verified",
    )
    assert (docvqa.protocol.task, docvqa.protocol.data) == ("default", "abc")
    (wer,) = speech.scores
    assert (wer.value, wer.most, wer.higher_is_better) == (12.5, None, False)
    assert speech.protocol.shots == "5"
    assert "note is 'very good', no number, and was left out" in speech.notes


def test_claims_of_two_sources_are_kept_apart() -> None:
    other = CARD.replace("Open VLM Leaderboard", "our own run")
    first, second = (evaluations(HARNESS, tree_of({"README.md": card}))[0] for card in (CARD, other))
    assert group_of(first.protocol.known) != group_of(second.protocol.known)


def test_a_share_or_percentage_of_at_most_one_has_no_known_scale() -> None:
    entry = "- {dataset: {id: MMMU/MMMU, task_id: val}, value: 0.9}"
    found = only(HARNESS, tree_of({"my-model/.eval_results/mmmu.yaml": entry}))
    assert (found.model, headline(found).most) == ("my-model", None)
    assert found.notes == ("value: the card does not say the scale",)


@pytest.mark.parametrize("value, most", [("729", 1000.0), ("72.9", 100.0)])
def test_ocrbench_is_in_points_or_percent(value: str, most: float) -> None:
    entry = f"- {{dataset: {{id: echo840/OCRBench, task_id: test}}, value: {value}}}"
    assert headline(only(HARNESS, tree_of({"m/.eval_results/a.yaml": entry}))).most == most


def test_two_values_of_one_metric_are_refused() -> None:
    twice = CARD.replace("type: note, value: very good", "type: wer, name: Test WER, value: 13")
    with pytest.raises(BadInput, match=r"Test WER of speech is given twice, 12.5 and 13"):
        all_of(HARNESS, tree_of({"README.md": twice}))


def test_a_card_whose_values_are_no_numbers_has_failed() -> None:
    entry = "- {dataset: {id: a/b, task_id: c}, value: soon}"
    found = only(HARNESS, tree_of({"m/.eval_results/a.yaml": entry}))
    assert (found.state, found.problem, found.scores) == ("failed", "the card gives no number", ())


def test_a_card_with_the_mark_and_line_ends_of_windows_is_read() -> None:
    content = b"\xef\xbb\xbf" + CARD.replace("\n", "\r\n").encode()
    assert len(all_of(HARNESS, tree_of({"README.md": content}))) == 2


def test_a_readme_and_a_yaml_without_results_are_not_taken() -> None:
    assert all_of(HARNESS, tree_of({"README.md": "# model-index:", "docker-compose.yaml": "services: {}"})) == []


@pytest.mark.parametrize(
    "text, message",
    [
        (
            "- dataset: {id: a, task_id: b}\n  value: 1\n  date: yesterday",
            r"entry 1: date is 'yesterday', allowed is a day",
        ),
        ("- dataset: {id: a}\n  value: 1", r"entry 1: dataset: task_id is missing"),
        ("- 5", r"entry 1: is 5, allowed is an object"),
        ("dataset: {}", r"is an object, allowed is a list of results"),
        ("- &a [1]\n- *a", r"a.yaml:1: holds a YAML anchor or alias"),
        ("- {dataset: [", r"a.yaml:\d: is not YAML"),
        ("- dataset: {id: a, task_id: b}\n  value: 1\n  date: 2026-99-99", r"is not YAML: month must be in 1..12"),
        ("[" * 5_000, r"is nested too deeply"),
        ("- !!python/object:os.system {}", r"is not YAML"),
        ("", r"is empty"),
        ("a: 1\n---\nb: 2", r"holds 2 YAML documents"),
        ("a: " + "x" * 2**20, r"characters of YAML, at most"),
    ],
)
def test_damaged_results_are_refused_with_their_place(text: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        all_of(HARNESS, tree_of({"m/.eval_results/a.yaml": text}))


def test_the_published_rows_are_those_of_the_model_card() -> None:
    figures = {(one.model, one.benchmark): one.value for one in PUBLISHED}
    assert len(figures) == len(PUBLISHED) == 18
    assert figures["SmolVLM2-2.2B", "MMMU_DEV_VAL"] == 42.0
    assert figures["SmolVLM-2.2B", "DocVQA_VAL"] == 79.7
    assert all(0 < one.value <= one.most and one.url.startswith("https://") for one in PUBLISHED)
