"""What the queries about benchmarks say: what may be compared, who is best and how sure that is, and on which items."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats

from monitor.benchmarks.evaluation import Score
from monitor.benchmarks.protocol import Protocol
from monitor.errors import BadInput, NotFound
from monitor.stats.intervals import wilson
from tests.benchmarking import NOON, PROTOCOL, SMALL, Place, bare, evaluation, place, results

HARD = np.arange(200)
"""How hard each of 200 items is: a checkpoint passes those below what it can."""


def passes(able: int, slips: int = 0) -> list[float]:
    """Passes of the items easier than this, but for every tenth of the first `slips`."""
    return [float(hard < able and not (hard < slips and hard % 10 == 0)) for hard in HARD]


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Place]:
    with place(tmp_path, SMALL) as made:
        yield made


def by(rows: list[dict[str, Any]], name: str) -> dict[Any, dict[str, Any]]:
    return {row[name]: row for row in rows}


def test_scores_of_another_protocol_are_apart_and_the_difference_is_named(here: Place) -> None:
    for step, version in ((100, "1.0"), (200, "1.0"), (300, "1.1")):
        here.keep(evaluation(f"small-{step}", passes(step // 2), protocol=replace(PROTOCOL, version=version)))
    groups = {row["checkpoint"]: row["group"] for row in here.query("benchmark_scores", benchmark="maths")}
    assert groups["small-100"] == groups["small-200"] != groups["small-300"]
    told = here.query("benchmark_protocols", benchmark="maths")
    assert [(row["n_checkpoints"], row["is_main"], row["apart"]) for row in told] == [
        (2, True, []),
        (1, False, ["version: 1.1 or 1.0"]),
    ]
    assert {row["checkpoint"] for row in here.query("benchmark_ranking", benchmark="maths")} == {
        "small-100",
        "small-200",
    }
    [row] = here.query("benchmark_comparison", a="small-200", b="small-300")
    assert (row["verdict"], row["why"], row["p_value"]) == ("not_comparable", ["version: 1.0 or 1.1"], None)
    with pytest.raises(NotFound, match="may be compared"):
        here.query("benchmark_flips", a="small-200", b="small-300", benchmark="maths")


def test_a_part_of_the_protocol_is_passed_over_only_when_somebody_says_so(here: Place) -> None:
    here.keep(evaluation("small-200", passes(100)))
    here.keep(evaluation("small-300", passes(150), protocol=Protocol("some-harness", decoding="greedy")))
    assert here.query("benchmark_comparison", a="small-200", b="small-300")[0]["why"] == ["version: 1.0 or not known"]
    [row] = here.query("benchmark_comparison", a="small-200", b="small-300", ignore=["version"])
    assert (row["verdict"], row["better"], row["n"]) == ("b_higher", "small-300", 200)
    assert len(here.query("benchmark_ranking", benchmark="maths", ignore=["version"])) == 2
    with pytest.raises(BadInput, match="ignore is 'kit': allowed are harness, version"):
        here.query("benchmark_ranking", benchmark="maths", ignore=["kit"])


def test_ties_are_ranked_as_ties_and_the_best_is_not_the_last(here: Place) -> None:
    for step, able in ((100, 60), (200, 150), (300, 120)):
        here.keep(evaluation(f"small-{step}", passes(able)))
    here.keep(evaluation("other", passes(150, slips=20)))  # two items less than the best
    rows = here.query("benchmark_ranking", benchmark="maths")
    places = [(row["checkpoint"], row["rank_low"], row["rank_high"], row["tied_with_best"]) for row in rows]
    assert places == [
        ("small-200", 1, 2, True),
        ("other", 1, 2, True),
        ("small-300", 3, 3, False),
        ("small-100", 4, 4, False),
    ]
    assert sum(row["chance_of_best"] for row in rows) == pytest.approx(1)
    assert rows[0]["chance_of_best"] > 0.8 > 0.2 > rows[1]["chance_of_best"]
    found = by(here.query("benchmark_best", model="small"), "benchmark")["maths"]
    assert (found["best"], found["best_step"], found["last"], found["last_is_best"]) == (
        "small-200",
        200,
        "small-300",
        False,
    )
    assert found["last_shown"] is True
    assert found["last_difference"] == pytest.approx(-30 / 200)
    assert found["last_low"] < -0.15 < found["last_high"] < 0


def test_overall_the_lead_of_the_best_has_to_stand_out_among_all_pairs(here: Place) -> None:
    """Of ten equal checkpoints one is first by chance: its own interval against the last may be off 0."""
    rng = np.random.default_rng(7)
    for step in range(10):
        here.keep(evaluation(f"run-step-{step}", (rng.random(200) < 0.5).astype(float).tolist()))
    overall = by(here.query("benchmark_best"), "benchmark")[""]
    assert overall["last_high"] < 0
    assert overall["last_shown"] is False
    here.keep(evaluation("run-step-10", [0.0] * 200))
    assert by(here.query("benchmark_best"), "benchmark")[""]["last_shown"] is True


def test_overall_weighs_the_benchmarks_as_the_fleet_file_says_and_names_what_it_leaves_out(here: Place) -> None:
    for step, maths, charts in ((100, 120, 60), (200, 100, 160)):
        here.keep(evaluation(f"small-{step}", passes(maths)))
        here.keep(evaluation(f"small-{step}", passes(charts), "charts"))
    here.keep(evaluation("small-100", passes(10), "alone"))
    for step in (100, 200):
        odd = bare(f"small-{step}", "odd", items=results([step * 1.0] * 20))
        here.keep(replace(odd, scores=(Score("acc", step * 1.0, most=None, headline=True),)))
    overall = by(here.query("benchmark_best"), "benchmark")[""]
    assert overall["weights"] == ["charts: 1", "maths: 3"]
    assert [text.split(":")[0] for text in overall["left_out"]] == ["alone", "odd"]
    assert overall["best"] == "small-200"  # 3 x 0.1 behind in maths, 0.5 ahead in charts
    assert overall["best_mean"] == pytest.approx((3 * 0.5 + 0.8) / 4)
    ends = [wilson(100, 200), wilson(160, 200)]
    reach = np.hypot(0.75 * (0.5 - ends[0].low), 0.25 * (0.8 - ends[1].low))
    assert overall["best_low"] == pytest.approx(overall["best_mean"] - reach)
    rows = by(here.query("benchmark_best"), "benchmark")
    scales = {name: row["in_shares"] for name, row in rows.items()}
    assert scales == {"": True, "charts": True, "maths": True, "odd": False}
    assert (rows["maths"]["best_low"], rows["maths"]["best_high"]) == pytest.approx(tuple(wilson(120, 200)))
    assert overall["n_items"] == 400


def test_what_somebody_only_published_is_never_ranked_or_compared(here: Place) -> None:
    here.keep(evaluation("small-100", passes(100)))
    here.keep(bare("small-200", claimed=True, scores=(Score("acc", 0.99, headline=True),)))
    assert [row["checkpoint"] for row in here.query("benchmark_ranking", benchmark="maths")] == ["small-100"]
    assert by(here.query("benchmark_scores"), "checkpoint")["small-200"]["origin"] == "claim"
    with pytest.raises(NotFound, match="'small-200' has no figures"):
        here.query("benchmark_comparison", a="small-100", b="small-200")


def test_a_comparison_is_that_of_scipy_on_the_same_items(here: Place) -> None:
    rng = np.random.default_rng(4)
    a, b = (rng.random(200) < 0.6).astype(float), (rng.random(200) < 0.7).astype(float)
    here.keep(evaluation("small-100", a.tolist()))
    here.keep(evaluation("small-200", b.tolist()))
    [row] = here.query("benchmark_comparison", a="small-100", b="small-200")
    only_a, only_b = int((a > b).sum()), int((b > a).sum())
    assert (row["n"], row["only_a"], row["only_b"], row["method"]) == (200, only_a, only_b, "mcnemar")
    assert row["p_value"] == pytest.approx(scipy.stats.binomtest(only_a, only_a + only_b).pvalue)
    assert row["difference"] == pytest.approx((only_b - only_a) / 200)
    flips = here.query("benchmark_flips", a="small-100", b="small-200", benchmark="maths")
    assert len(flips) == only_a + only_b
    assert {(one["better"], one["share_a"] > one["share_b"]) for one in flips} == {
        ("small-100", True),
        ("small-200", False),
    }
    assert flips[0]["question"].startswith("question ")
    assert flips[0]["answer_a"] != flips[0]["answer_b"]


def test_p_values_are_adjusted_for_all_benchmarks_that_are_looked_at(here: Place) -> None:
    for name, better in (("maths", 9), ("charts", 0), ("texts", 0)):
        here.keep(evaluation("small-100", passes(100), name))
        here.keep(evaluation("small-200", [*passes(100)[: 200 - better], *[1.0] * better], name))
    rows = by(here.query("benchmark_comparison", a="small-100", b="small-200"), "benchmark")
    alone = here.query("benchmark_comparison", a="small-100", b="small-200", benchmarks=["maths"])[0]
    assert rows["maths"]["p_value"] == alone["p_value"] == pytest.approx(2 * 0.5**9)
    assert rows["maths"]["p_adjusted"] == pytest.approx(3 * rows["maths"]["p_value"])
    assert rows["charts"]["verdict"] == "no_difference_shown"


def test_categories_are_compared_by_themselves(here: Place) -> None:
    tags = ["even" if hard % 2 == 0 else "odd" for hard in HARD]
    here.keep(evaluation("small-100", [1.0] * 200, tags=tags))
    here.keep(evaluation("small-200", [float(tag == "odd") for tag in tags], tags=tags))
    rows = by(here.query("benchmark_comparison", a="small-100", b="small-200", categories=True), "category")
    assert {name: (row["n"], row["difference"]) for name, row in rows.items()} == {
        "": (200, -0.5),
        "tag=even": (100, -1.0),
        "tag=odd": (100, 0.0),
    }
    assert rows["tag=even"]["better"] == "small-100"
    ranked = here.query("benchmark_ranking", benchmark="maths", category="tag=even")
    assert [(row["checkpoint"], row["mean"]) for row in ranked] == [("small-100", 1.0), ("small-200", 0.0)]


def test_the_margin_decides_whether_a_checkpoint_is_no_worse(here: Place) -> None:
    here.keep(evaluation("small-100", passes(150)))
    here.keep(evaluation("small-200", passes(149)))
    [row] = here.query("benchmark_comparison", a="small-100", b="small-200")
    assert (row["margin"], row["non_inferior"], row["verdict"]) == (0.05, True, "no_difference_shown")
    [strict] = here.query("benchmark_comparison", a="small-100", b="small-200", margin=0.001)
    assert strict["non_inferior"] is False


def test_without_items_in_common_both_intervals_count_as_if_independent(here: Place) -> None:
    for step, value in ((100, 0.5), (200, 0.8)):
        here.keep(bare(f"small-{step}", scores=(Score("acc", value, n=100, stderr=0.04, headline=True),)))
    [row] = here.query("benchmark_comparison", a="small-100", b="small-200")
    assert (row["method"], row["verdict"], row["n"]) == ("unpaired", "b_higher", 0)
    assert row["p_value"] == pytest.approx(2 * scipy.stats.norm.sf(0.3 / 0.04 / 2**0.5))
    assert row["low"] == pytest.approx(0.3 - 1.96 * 0.04 * 2**0.5, abs=1e-3)
    ranked = here.query("benchmark_ranking", benchmark="maths")
    assert [(one["ranked_by"], one["rank_low"], one["rank_high"]) for one in ranked] == [("errors", 1, 2)] * 2
    here.keep(bare("small-300", scores=(Score("acc", 0.9, headline=True),)))
    [unknown] = here.query("benchmark_comparison", a="small-100", b="small-300")
    assert (unknown["verdict"], unknown["low"]) == ("not_enough_data", None)
    reasons = by(here.query("benchmark_scores", benchmark="maths"), "checkpoint")
    assert reasons["small-300"]["reason"] == "the file has neither items nor a standard error"
    assert {one["ranked_by"] for one in here.query("benchmark_ranking", benchmark="maths")} == {"value"}


def test_one_that_was_run_on_other_items_does_not_take_them_from_the_rest(here: Place) -> None:
    for step, able in ((100, 100), (200, 150)):
        here.keep(evaluation(f"small-{step}", passes(able)))
    here.keep(evaluation("small-300", [1.0] * 5))
    rows = by(here.query("benchmark_ranking", benchmark="maths"), "checkpoint")
    assert rows["small-200"]["n_shared"] == 200
    assert (rows["small-300"]["ranked_by"], rows["small-300"]["rank_low"]) == ("value", None)


def test_an_item_with_another_content_is_another_item(here: Place) -> None:
    here.keep(evaluation("small-100", [1.0] * 20))
    changed = evaluation("small-200", [0.0] * 20)
    items = (*changed.items[:15], *(replace(one, item_hash="0" * 16) for one in changed.items[15:]))
    here.keep(replace(changed, items=items))
    [row] = here.query("benchmark_comparison", a="small-100", b="small-200")
    assert row["n"] == 15


def test_items_of_one_image_count_together(here: Place) -> None:
    groups = [f"image-{hard // 10}" for hard in HARD]
    here.keep(evaluation("small-100", [1.0] * 200, groups=groups))
    here.keep(evaluation("small-200", [0.0] * 30 + [1.0] * 170, groups=groups))  # three images of twenty
    [row] = here.query("benchmark_comparison", a="small-100", b="small-200")
    assert (row["n"], row["n_groups"], row["method"]) == (200, 20, "sign_flip")
    assert row["verdict"] == "no_difference_shown", "30 items would be shown, 3 images are not"


def test_of_several_evaluations_the_newest_counts_and_all_are_in_the_trend(here: Place) -> None:
    here.keep(evaluation("small-100", passes(50)))
    here.keep(evaluation("small-100", passes(80), day=2))
    here.keep(evaluation("small-100", passes(60), day=1))
    rows = here.query("benchmark_scores", benchmark="maths")
    assert [(row["value"], row["is_newest"]) for row in rows] == [(0.25, False), (0.3, False), (0.4, True)]
    assert rows[0]["at"] == NOON
    assert here.query("benchmark_ranking", benchmark="maths")[0]["value"] == 0.4
    [told] = here.query("benchmarks")
    assert (told["n_runs"], told["n_checkpoints"], told["n_groups"], told["weight"]) == (3, 1, 1, 3.0)


def test_a_score_without_a_known_scale_is_no_share(here: Place) -> None:
    here.keep(bare("small-100", scores=(Score("points", 812.0, most=None, stderr=9.0, headline=True),)))
    [row] = here.query("benchmark_scores")
    assert (row["value"], row["share"], row["most"], row["how"]) == (812.0, None, None, "stderr")
    assert row["low"] == pytest.approx(812 - 1.96 * 9, abs=0.01)


def test_lower_is_better_where_the_harness_says_so(here: Place) -> None:
    for step, loss in ((100, 3.0), (200, 2.0)):
        scores = (Score("loss", loss, most=None, higher_is_better=False, headline=True),)
        rng = np.random.default_rng(step)
        values = loss + rng.normal(0, 0.1, 50)
        here.keep(
            bare(
                f"small-{step}",
                scores=(replace(scores[0], value=float(values.mean())),),
                items=results(values.tolist(), metric="loss"),
            )
        )
    rows = here.query("benchmark_ranking", benchmark="maths")
    assert [row["checkpoint"] for row in rows] == ["small-200", "small-100"]
    assert rows[0]["mean"] == pytest.approx(2.0, abs=0.1)
    [row] = here.query("benchmark_comparison", a="small-100", b="small-200")
    assert (row["verdict"], row["better"], row["non_inferior"]) == ("b_lower", "small-200", True)


def test_failed_and_skipped_evaluations_are_seen_and_have_no_figures(here: Place) -> None:
    here.keep(bare("small-100", "broken", state="failed", problem="out of memory"))
    here.keep(bare("small-100", "left", state="skipped", problem="test split without answers"))
    assert here.query("benchmark_scores") == []
    rows = by(here.query("benchmark_runs"), "benchmark")
    assert (rows["broken"]["state"], rows["broken"]["problem"]) == ("failed", "out of memory")
    assert (rows["left"]["state"], rows["left"]["problem"]) == ("skipped", "test split without answers")
    counts = by(here.query("benchmarks"), "benchmark")
    assert (counts["broken"]["n_failed"], counts["left"]["n_skipped"], counts["left"]["n_checkpoints"]) == (1, 1, 0)


def test_the_items_of_an_evaluation_come_with_the_worst_first(here: Place) -> None:
    answers = results([1.0, 0.0, 1.0])
    items = (*answers[:2], replace(answers[2], answer=None, failed="no answer"))
    here.keep(bare("small-100", items=items, scores=(Score("acc", 2 / 3, headline=True),)))
    [run] = here.query("benchmark_runs")
    assert (run["done"], run["failed"]) == (3, 1)
    rows = here.query("benchmark_items", run=run["run"])
    assert (rows[0]["item"], rows[0]["share"]) == ("item-1", 0.0)
    assert [row["item"] for row in here.query("benchmark_items", run=run["run"], failed=True)] == ["item-2"]


def test_published_figures_name_their_source(here: Place) -> None:
    rows = here.query("benchmark_published", benchmark="MMMU_DEV_VAL")
    assert {row["model"]: row["value"] for row in rows}["SmolVLM2-2.2B"] == 42
    assert all(row["source"] and row["most"] for row in rows)


def test_items_are_not_ranked_where_the_score_is_not_their_mean(here: Place) -> None:
    """As of lm-eval's perplexity, which is the exponential of a mean: what its items hold is another thing."""
    rng = np.random.default_rng(1)
    for step, loss in ((100, 3.0), (200, 1.0)):
        logs = (-loss + rng.normal(0, 0.3, 60)).tolist()
        score = Score("perplexity", float(np.exp(loss)), most=None, higher_is_better=False, headline=True)
        here.keep(bare(f"small-{step}", scores=(score,), items=results(logs, metric="perplexity")))
    rows = here.query("benchmark_ranking", benchmark="maths")
    assert [(row["checkpoint"], row["ranked_by"], row["chance_of_best"]) for row in rows] == [
        ("small-200", "value", None),
        ("small-100", "value", None),
    ]
    [row] = here.query("benchmark_comparison", a="small-100", b="small-200")
    assert (row["verdict"], row["better"], row["n"]) == ("not_enough_data", None, 0)
    assert row["why"][0] == "not both have items that their score is the mean of"


def test_where_another_metric_is_of_items_that_one_is_named(here: Place) -> None:
    for step, able in ((100, 100), (200, 150)):
        one = evaluation(f"small-{step}", passes(able))
        f1 = Score("f1", able / 210, headline=True)
        here.keep(replace(one, scores=(f1, *(replace(score, headline=False) for score in one.scores))))
    [row] = here.query("benchmark_comparison", a="small-100", b="small-200")
    assert row["why"][0] == "f1 is no mean of its items; metric=acc is, and can be compared item by item"
    [by_items] = here.query("benchmark_comparison", a="small-100", b="small-200", metric="acc")
    assert (by_items["n"], by_items["verdict"]) == (200, "b_higher")


def test_figures_of_different_scales_are_ranked_by_their_shares(here: Place) -> None:
    for model, value, most in (("one", 0.9, 1.0), ("hundred", 45.0, 100.0)):
        here.keep(bare(model, scores=(Score("acc", value, most=most, stderr=0.02 * most, headline=True),)))
    rows = here.query("benchmark_ranking", benchmark="maths")
    assert [row["checkpoint"] for row in rows] == ["one", "hundred"]
    assert rows[0]["chance_of_best"] > 0.99
    [row] = here.query("benchmark_comparison", a="one", b="hundred")
    assert (row["mean_b"], row["verdict"], row["better"]) == (pytest.approx(0.45), "b_lower", "one")
    here.keep(bare("nobody-knows", scores=(Score("acc", 95.0, most=None, stderr=1.0, headline=True),)))
    assert by(here.query("benchmark_comparison", a="one", b="nobody-knows"), "verdict")["not_comparable"]["why"] == [
        "scale: known of one and not of the other, or with another direction"
    ]


def test_the_last_checkpoint_is_the_last_also_where_it_cannot_be_ranked(here: Place) -> None:
    for step, able in ((100, 60), (200, 120)):
        here.keep(evaluation(f"small-{step}", passes(able)))
    here.keep(evaluation("small-300", passes(190), protocol=replace(PROTOCOL, version="1.1")))
    found = by(here.query("benchmark_best", model="small"), "benchmark")["maths"]
    assert (found["best"], found["last"], found["last_is_best"], found["last_mean"]) == (
        "small-200",
        "small-300",
        None,
        None,
    )
    assert found["left_out"] == ["small-300: version: 1.1 or 1.0"]


def test_overall_keeps_what_has_most_answers_and_names_the_rest(here: Place) -> None:
    for number in range(6):
        here.keep(evaluation(f"run-step-{number}", passes(60 + 20 * number), "wide"))
    for number in range(2):
        here.keep(evaluation(f"run-step-{number}", passes(150 - 50 * number), "narrow"))
    overall = by(here.query("benchmark_best"), "benchmark")[""]
    assert (overall["model"], overall["best"], overall["n_checkpoints"]) == ("run", "run-step-5", 6)
    assert overall["left_out"] == ["narrow: of these checkpoints only run-step-0, run-step-1"]


def test_few_items_or_few_images_give_no_chance(here: Place) -> None:
    groups = ["one image"] * 200
    for step, able in ((100, 60), (200, 150)):
        here.keep(evaluation(f"small-{step}", passes(able), groups=groups))
        here.keep(evaluation(f"small-{step}", passes(able)[50:55], "short"))
    for name in ("maths", "short"):
        rows = here.query("benchmark_ranking", benchmark=name)
        assert {(row["chance_of_best"], row["tied_with_best"]) for row in rows} == {(None, True)}
    overall = by(here.query("benchmark_best"), "benchmark")[""]
    assert (overall["chance_of_best"], overall["last_low"], overall["last_difference"]) == (None, None, None)


def test_verdicts_without_items_are_adjusted_as_well(here: Place) -> None:
    for number in range(20):
        for step, value in ((100, 0.5), (200, 0.59 if number == 0 else 0.5)):
            score = Score("acc", value, stderr=0.03, headline=True)
            here.keep(bare(f"small-{step}", f"bench-{number}", scores=(score,)))
    rows = by(here.query("benchmark_comparison", a="small-100", b="small-200"), "benchmark")
    assert rows["bench-0"]["p_value"] == pytest.approx(2 * scipy.stats.norm.sf(0.09 / 0.03 / 2**0.5))
    assert rows["bench-0"]["p_adjusted"] == pytest.approx(20 * rows["bench-0"]["p_value"])
    assert rows["bench-0"]["verdict"] == "no_difference_shown"


def test_groups_and_categories_are_those_of_the_evaluation_not_of_an_earlier_one(here: Place) -> None:
    here.keep(evaluation("small-100", [1.0] * 200, tags=["old"] * 200, day=-1))
    [before] = here.query("benchmark_runs")
    here.door.write("benchmark-forget", {"run": before["run"]})
    groups, tags = [f"image-{hard // 40}" for hard in HARD], ["new" if hard < 100 else "other" for hard in HARD]
    for step, able in ((100, 60), (200, 150)):
        here.keep(evaluation(f"small-{step}", passes(able), groups=groups, tags=tags))
    [row] = here.query("benchmark_comparison", a="small-100", b="small-200")
    assert (row["n_groups"], row["verdict"]) == (5, "not_enough_data")
    [flip, *_] = here.query("benchmark_flips", a="small-100", b="small-200", benchmark="maths")
    assert flip["categories"] in (["tag=new"], ["tag=other"])
    assert here.query("benchmark_ranking", benchmark="maths", category="tag=new")[0]["n_shared"] == 100


def test_an_import_without_items_does_not_take_the_place_of_one_with_items(here: Place) -> None:
    for step, able in ((100, 60), (200, 150)):
        here.keep(evaluation(f"small-{step}", passes(able)))
    whole = evaluation("small-200", passes(150))
    here.keep(replace(whole, items=(), source_sha256="results alone"))
    here.keep(replace(evaluation("small-200", passes(10)), at=None, source_sha256="nobody knows when"))
    rows = here.query("benchmark_ranking", benchmark="maths")
    assert [(row["checkpoint"], row["ranked_by"], row["value"]) for row in rows] == [
        ("small-200", "items", 0.75),
        ("small-100", "items", 0.3),
    ]


def test_evaluations_that_share_nothing_with_each_other_are_not_ranked_together(here: Place) -> None:
    one, items = evaluation("whole", passes(100)), evaluation("half", passes(150)).items
    here.keep(one)
    for name, part in (("first", items[:100]), ("second", items[100:])):
        mean = sum(item.scores["acc"] for item in part) / 100
        here.keep(bare(name, items=part, scores=(Score("acc", mean, headline=True),)))
    rows = by(here.query("benchmark_ranking", benchmark="maths"), "ranked_by")
    assert set(rows) == {"items", "value"}
    assert rows["items"]["n_shared"] == 100


def test_models_that_nobody_registered_are_families_by_their_names(here: Place) -> None:
    for name in ("org/a-step-100", "org/a-step-200", "org/b-step-300"):
        here.keep(evaluation(name, passes(100)))
    rows = here.query("benchmark_best")
    assert {row["model"] for row in rows} == {"org/a"}
    assert {row["last"] for row in here.query("benchmark_best", by="all")} == {"org/b-step-300"}


def test_of_checkpoints_with_the_same_score_the_newest_is_named(here: Place) -> None:
    for step in (100, 200, 300):
        here.keep(evaluation(f"small-{step}", passes(150 if step > 100 else 100)))
    overall, found = here.query("benchmark_best", model="small")
    assert (overall["best"], found["best"], found["last_is_best"], found["tied"]) == (
        "small-300",
        "small-300",
        True,
        ["small-200"],
    )
