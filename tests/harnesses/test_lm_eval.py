from datetime import UTC, datetime
from pathlib import Path
from statistics import mean
from typing import Any

import pytest

from monitor.benchmarks.evaluation import Evaluation
from monitor.benchmarks.protocol import apart
from monitor.errors import BadInput
from monitor.harnesses.lm_eval import HARNESS, find, pretrained
from monitor.harnesses.lm_scales import is_better_higher, scale_of
from monitor.harnesses.records import Refused
from monitor.harnesses.tree import open_tree
from tests.harnesses.made import all_of, headline, only, tree_of

TIME = "2026-11-20T12-53-35.621212"
RESULTS = f"org__m/results_{TIME}.json"
SAMPLES = f"org__m/samples_qa_{TIME}.jsonl"


def document(results: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "results": results,
        "configs": {
            "qa": {
                "dataset_path": "org/data",
                "dataset_name": "main",
                "test_split": "test",
                "doc_to_text": "Q: {{question}}",
                "generation_kwargs": {"until": ["\n"], "temperature": 0.0},
                "output_type": "generate_until",
                "metric_list": [{"metric": "exact_match"}],
            }
        },
        "versions": {"qa": 2.0},
        "n-shot": {"qa": 5},
        "config": {"model": "hf", "model_args": "pretrained=org/m,dtype=float16", "model_sha": "abc123"},
        "date": 1795179215.25,
        "lm_eval_version": "0.4.13",
        "chat_template_sha": "c0ffee",
    } | more


def sample(index: int, value: Any, name: str = "none", **more: Any) -> dict[str, Any]:
    return {
        "doc_id": index,
        "doc": {"question": f"Q{index}", "image_id": f"picture {index // 2}"},
        "target": "yes",
        "arguments": {"gen_args_0": {"arg_0": f"examples Q{index}", "arg_1": {}}},
        "resps": [["yes!"]],
        "filtered_resps": ["yes"],
        "filter": name,
        "doc_hash": f"d{index}",
        "target_hash": "t",
        "exact_match": value,
    } | more


QA = {"qa": {"alias": "qa", "exact_match,none": 0.5, "exact_match_stderr,none": "N/A"}}


def test_the_sample_reads_with_the_figures_and_items_of_the_harness(shared: Path) -> None:
    with open_tree(shared / "samples/lm_eval_0.4.13") as tree:
        (run,) = find(tree)
        found = [one for one in run.read() if isinstance(one, Evaluation)]
    assert [(one.benchmark, one.protocol.filter) for one in found] == [
        ("local_qa", "strict-match"),
        ("local_qa", "none"),
        ("local_mcq", "none"),
    ]
    for one in found:
        assert one.model == "i82qcls7"
        assert one.at == datetime.fromtimestamp(1795179215.2958965, UTC)
        assert (one.protocol.version, one.protocol.shots, one.protocol.split) == ("0.4.13", "0", "train")
        assert (headline(one).value, headline(one).stderr) == (0.3333333333333333, 0.33333333333333337)
        for score in one.scores:
            assert mean(item.scores[score.metric] for item in one.items) == pytest.approx(score.value)
            assert (score.n, score.most) == (3, 1.0)
        assert one.notes == ()
    assert [item.answer for item in found[2].items] == ["lol", "no", "no"]  # the likeliest option, in words
    assert found[2].scores[1].metric == "acc_norm"
    assert [item.item_hash for item in found[0].items] == [item.item_hash for item in found[2].items]
    assert apart(found[0].protocol.known, found[1].protocol.known) == ["filter: strict-match or none"]


def test_the_protocol_says_all_that_moves_a_score() -> None:
    limited = document(QA, task_hashes={"qa": "f" * 64})
    limited["config"] = limited["config"] | {"limit": 100, "gen_kwargs": {"temperature": 0.7}}
    plain, other = (only(HARNESS, tree_of({RESULTS: content})) for content in (document(QA), limited))
    assert (plain.model, plain.revision) == ("org/m", "abc123")
    assert plain.protocol.task == "2"
    assert plain.protocol.data == "org/data/main"
    assert plain.protocol.decoding == '{"kind": "generate_until", "temperature": 0.0, "until": ["\\n"]}'
    assert [line.partition(":")[0] for line in apart(plain.protocol.known, other.protocol.known)] == [
        "task",
        "data",
        "decoding",
    ]
    for name, value in (("chat_template_sha", "other"), ("fewshot_as_multiturn", True)):
        changed = only(HARNESS, tree_of({RESULTS: document(QA, **{name: value})}))
        assert [line[:6] for line in apart(plain.protocol.known, changed.protocol.known)] == ["prompt"]


def test_a_missing_error_is_none_and_files_without_samples_say_so() -> None:
    one = only(HARNESS, tree_of({RESULTS: document(QA)}))
    assert (headline(one).value, headline(one).stderr, headline(one).n) == (0.5, None, None)
    assert one.notes == ("the files have no items",)


def test_lines_are_kept_once_for_each_document_and_filter() -> None:
    results = {"qa": {"exact_match,none": 0.5, "exact_match,strict": 0.0}}
    lines = [sample(0, 1.0), sample(0, 0.0, "strict"), sample(1, 0.0), sample(1, 0.0, "strict"), sample(1, 1.0)]
    first, second = all_of(HARNESS, tree_of({RESULTS: document(results), SAMPLES: lines}))
    assert isinstance(first, Evaluation)
    assert isinstance(second, Evaluation)
    assert [item.scores["exact_match"] for item in first.items] == [1.0, 0.0]
    assert first.notes == ("1 samples stand twice in the file, only the first of each was taken",)
    assert [item.scores["exact_match"] for item in second.items] == [0.0, 0.0]
    assert (first.items[0].question, first.items[0].answer, first.items[1].group) == ("Q0", "yes", "picture 0")
    assert headline(first).n == 2


def test_hashes_differ_with_the_document_and_the_target() -> None:
    def hashes(**more: Any) -> str:
        one = only(HARNESS, tree_of({RESULTS: document(QA), SAMPLES: [sample(0, 0.5, **more)]}))
        return one.items[0].item_hash

    old = {"doc_hash": None, "target_hash": None}
    assert hashes() == hashes(filtered_resps=["no"], resps=[["no"]], prompt_hash="other")
    assert len({hashes(), hashes(doc_hash="e"), hashes(target_hash="u"), hashes(doc_id=1)}) == 4
    assert hashes(**old) == hashes(**old, resps=[["no"]]) != hashes(**old, target="no")


def test_items_that_do_not_make_the_figure_are_noted() -> None:
    one = only(HARNESS, tree_of({RESULTS: document(QA), SAMPLES: [sample(0, 1.0), sample(1, True)]}))
    assert "exact_match: the mean of the items is 1, the file says 0.5" in one.notes


def test_perplexities_have_no_scale_and_less_is_better() -> None:
    results = {"qa": {"word_perplexity,none": 12.5, "bits_per_byte,none": 0.7, "exact_match,none": 0.5}}
    lines = [sample(0, 0.5, word_perplexity=[-12.5, 4])]
    one = only(HARNESS, tree_of({RESULTS: document(results), SAMPLES: lines}))
    assert [(score.metric, score.most, score.higher_is_better, score.headline) for score in one.scores] == [
        ("word_perplexity", None, False, False),
        ("bits_per_byte", None, False, False),
        ("exact_match", 1.0, True, True),
    ]
    assert one.items[0].scores == {"exact_match": 0.5}
    assert is_better_higher("acc", told=False) is False


def test_scales_come_from_names_that_fit_their_values_else_from_items() -> None:
    assert (scale_of("acc", 54.3), scale_of("bleu_acc", 0.4), scale_of("bleu_diff", -3.0)) == (None, 1.0, None)
    for values, most in (([1.0, 0.0], 100.0), ([30.0, 70.0], None)):
        lines = [sample(index, 0.5, judge_score=value) for index, value in enumerate(values)]
        content = document({"qa": {"judge_score,none": 50.0, "exact_match,none": 0.5}})
        one = only(HARNESS, tree_of({RESULTS: content, SAMPLES: lines}))
        assert {score.metric: score.most for score in one.scores}["judge_score"] == most
        assert any("the scale of judge_score is not known" in note for note in one.notes) is (most is None)


def test_a_group_is_a_benchmark_of_its_own_whose_items_are_elsewhere() -> None:
    content = document(
        QA | {"both": {"alias": "both"}},
        groups={"both": {"alias": "both", "acc,none": 0.4, "sample_count": {"acc,none": 7}}},
        group_subtasks={"both": ["qa", "mcq"]},
    )
    _, group = all_of(HARNESS, tree_of({RESULTS: content}))
    assert isinstance(group, Evaluation)
    assert (group.benchmark, headline(group).value) == ("both", 0.4)
    assert group.notes == ("a figure over several tasks: qa, mcq; the items are in theirs",)


def test_files_from_an_output_path_that_was_a_file_and_from_old_versions() -> None:
    named = only(HARNESS, tree_of({f"out/mine_{TIME}.json": document(QA)}))
    assert (named.model, named.source) == ("org/m", f"out/mine_{TIME}.json")
    old = {"results": {"hellaswag": {"acc": 0.3, "acc_stderr": 0.01, "acc_norm": 0.4}}, "versions": {"hellaswag": 0}}
    one = only(HARNESS, tree_of({"old.json": old | {"config": {"model": "gpt2", "model_args": None, "limit": None}}}))
    assert [(score.metric, score.value, score.stderr) for score in one.scores] == [
        ("acc", 0.3, 0.01),
        ("acc_norm", 0.4, None),
    ]
    assert (one.model, one.protocol.filter, one.at) == ("gpt2", "none", None)
    assert pretrained("dtype=auto") is None


def test_only_samples_of_the_same_moment_belong_to_a_run_and_lonely_ones_are_told() -> None:
    other = SAMPLES.replace("12-53", "12-54")
    kept, refused = all_of(HARNESS, tree_of({RESULTS: document(QA), other: [sample(0, 1.0)]}))
    assert isinstance(kept, Evaluation)
    assert kept.items == ()
    assert refused == Refused(
        other, "has samples of a run whose file of results, results_{time}.json, is not beside it"
    )


@pytest.mark.parametrize(
    "content,said",
    [
        (b'{"doc_id": 0, "exact_match": 1.0}\n{"doc_id": 1, "exact', "line 2: is not JSON, it may be half written"),
        ([{"exact_match": 1.0}], "has no doc_id"),
        ([sample(0, float("inf"))], "exact_match of sample 0: 'inf' is not a finite number"),
    ],
)
def test_damaged_samples_refuse_their_task_and_no_other(content: Any, said: str) -> None:
    files = {RESULTS: document(QA | {"other": {"acc,none": 1.0}}), SAMPLES: content}
    refused, kept = all_of(HARNESS, tree_of(files))
    assert isinstance(refused, Refused)
    assert refused.path == SAMPLES
    assert said in refused.reason
    assert isinstance(kept, Evaluation)
    assert kept.benchmark == "other"


def test_half_a_results_file_is_refused_by_name() -> None:
    whole = tree_of({RESULTS: document(QA)}).read(RESULTS)
    tree = tree_of({RESULTS: whole[: whole.index(b'"chat_template_sha"')]})
    (run,) = find(tree)
    with pytest.raises(BadInput, match=rf"^{RESULTS}: is not JSON, it may be half written"):
        list(run.read())
