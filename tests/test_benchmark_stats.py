"""Scores with intervals, two checkpoints on the same items, and places in a ranking."""

import doctest
import math
import time
from collections.abc import Sequence
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from monitor.benchmarks import comparing as comparing_module
from monitor.benchmarks import protocol
from monitor.benchmarks import ranking as ranking_module
from monitor.benchmarks.comparing import LEAST_PAIRS, Comparison, compare, compare_errors, corrected
from monitor.benchmarks.evaluation import ItemResult, Score
from monitor.benchmarks.ranking import ranking
from monitor.benchmarks.scoring import METHODS, Scored, scored_all
from monitor.errors import BadInput
from monitor.stats.bootstrap import mean_bootstrap, paired_bootstrap
from monitor.stats.cluster import clustered_wilson, paired_t
from monitor.stats.difference import VERDICTS
from monitor.stats.intervals import wilson
from monitor.stats.paired import mcnemar_exact, paired_difference
from monitor.stats.power import items_needed, smallest_drop


@pytest.mark.parametrize("module", [protocol, comparing_module, ranking_module], ids=lambda module: module.__name__)
def test_every_example_in_a_docstring_is_right(module: ModuleType) -> None:
    found = doctest.testmod(module)
    assert (found.failed, found.attempted > 0) == (0, True)


def items_of(
    shares: Sequence[float], groups: Sequence[str | None] | None = None, category: str = "category=charts"
) -> list[ItemResult]:
    names = groups or [None] * len(shares)
    return [
        ItemResult(str(i), f"{i:016x}", {"acc": share}, (category,), group)
        for i, (share, group) in enumerate(zip(shares, names, strict=True))
    ]


def scored(score: Score, items: Sequence[ItemResult]) -> Scored:
    (found,) = scored_all([score], items)
    return found


class TestScored:
    def test_passes_get_wilsons_interval_in_the_unit_of_the_file(self) -> None:
        found = scored(Score("acc", 75.0, most=100.0), items_of([1, 1, 1, 0] * 10))
        assert (found.low, found.high) == pytest.approx([100 * end for end in wilson(30, 40)])
        assert (found.value, found.share, found.n, found.n_groups) == (75.0, 0.75, 40, 40)
        assert (found.how, found.reason) == ("wilson", "")

    def test_passes_that_share_an_image_get_a_wider_one(self) -> None:
        shares, groups = [1.0] * 30 + [0.0] * 10, [str(i // 5) for i in range(40)]
        found = scored(Score("acc", 0.75), items_of(shares, groups))
        assert (found.low, found.high) == pytest.approx(clustered_wilson(shares, groups))
        assert (found.n, found.n_groups, found.how) == (40, 8, "wilson")
        assert found.high - found.low > 2 * np.diff(wilson(30, 40))[0]

    def test_graded_items_get_the_bootstrap(self) -> None:
        shares = np.random.default_rng(91).beta(4, 2, 60).tolist()
        groups = [str(i // 2) for i in range(60)]
        found = scored(Score("acc", 1000 * float(np.mean(shares)), most=1000.0), items_of(shares, groups))
        assert (found.low, found.high) == pytest.approx([1000 * end for end in mean_bootstrap(shares, groups)[1]])
        assert (found.how, found.n_groups) == ("bootstrap", 30)

    def test_a_scale_that_nobody_knows_stays_as_it_is(self) -> None:
        found = scored(Score("acc", 11.2, most=None), items_of([3.0, 20.0, 9.5, 12.0, 11.5]))
        assert found.share is None
        assert 3 < found.low < 11.2 < found.high < 20

    def test_only_the_items_of_the_category_and_metric_count(self) -> None:
        items = items_of([1, 0] * 5, category="category=charts") + items_of([1] * 4, category="category=maps")
        items += [ItemResult("x", "f" * 16, {"other": 0.5}, ("category=maps",))]
        assert scored(Score("acc", 0.5, category="category=charts"), items).n == 10
        assert scored(Score("acc", 1.0, category="category=maps"), items).n == 4
        assert scored(Score("acc", 9 / 14), items).n == 14

    @pytest.mark.parametrize(
        "score, shares, groups, reason",
        [
            (Score("acc", 0.5), [], None, "the file has neither items nor a standard error"),
            (
                Score("acc", 0.9),
                [1, 0] * 6,
                None,
                "the score is no mean of its items, and the file has no standard error",
            ),
            (Score("f1", 0.5), [1, 0] * 6, None, "the items have no f1, and the file has no standard error"),
            (
                Score("acc", 0.5, category="category=maps"),
                [1, 0] * 6,
                None,
                "the items of category=maps have no acc, and the file has no standard error",
            ),
            (Score("acc", 1.0), [1], None, "one item"),
            (Score("acc", 0.5), [1, 0], ["a", "a"], "all 2 items belong to one group"),
            (Score("acc", 0.3), [0.3] * 9, None, "all 9 items have the same graded score"),
            (Score("acc", 0.3), [0.1, 0.5] * 4, list("aabbccdd"), "all 4 groups have the same mean score"),
            (Score("acc", 0.5, stderr=0.0), [], None, "the standard error of the file is 0, which says nothing"),
            (Score("acc", 0.5, stderr=math.nan), [], None, "the file has neither items nor a standard error"),
        ],
    )
    def test_where_there_is_no_interval_it_says_why(
        self, score: Score, shares: list[float], groups: list[str] | None, reason: str
    ) -> None:
        found = scored(score, items_of(shares, groups))
        assert (found.how, found.reason) == ("none", reason)
        assert math.isnan(found.low)
        assert math.isnan(found.high)
        assert found.how in METHODS

    def test_without_items_the_standard_error_of_the_harness_is_used_and_cut_at_the_ends_of_the_scale(self) -> None:
        found = scored(Score("acc", 0.98, n=60, stderr=0.018), [])
        assert (found.low, found.high) == pytest.approx((0.98 - 1.959964 * 0.018, 1.0), abs=1e-6)
        assert (found.how, found.n, found.n_groups) == ("stderr", 60, None)
        assert scored(Score("acc", 1.0, most=100.0, stderr=2.0), []).low == 0.0
        assert scored(Score("loss", 0.1, most=None, stderr=0.1), []).low == pytest.approx(0.1 - 0.1959964)

    def test_a_score_that_is_no_mean_of_its_items_falls_back_to_its_standard_error(self) -> None:
        assert scored(Score("acc", 0.9, stderr=0.02), items_of([1, 0] * 6)).how == "stderr"

    def test_items_stand_for_a_score_only_where_it_is_their_mean(self) -> None:
        """A perplexity over log-likelihoods: ranked by its items the bad one would come first."""
        likelihoods = [-1.0, -1.5, -0.5, -1.0] * 10
        perplexity = scored(Score("acc", math.e, most=None, higher_is_better=False), items_of(likelihoods))
        assert (perplexity.by_items, perplexity.how) == (False, "none")
        assert scored(Score("acc", -1.0, most=None), items_of(likelihoods)).by_items
        assert scored(Score("acc", 0.75), items_of([1, 1, 1, 0] * 10)).by_items
        assert not scored(Score("acc", 0.75, stderr=0.02), []).by_items
        assert not scored(Score("acc", 0.75), items_of([1, 1, 1, math.inf])).by_items
        for shares in ([1.0], [0.3] * 9):  # no spread, and still their mean
            found = scored(Score("acc", shares[0]), items_of(shares))
            assert (found.how, found.by_items) == ("none", True)

    def test_many_scores_at_once_are_each_what_they_are_alone(self) -> None:
        rng = np.random.default_rng(96)
        items = [
            ItemResult(
                str(i),
                f"{i:016x}",
                {"acc": float(rng.integers(0, 2)), "soft": float(rng.random())} if i % 7 else {"acc": 1.0},
                (f"tag={i % 3}", f"kind={i % 2}", f"tag={i % 3}"),
                str(i // 3) if i % 2 else None,
            )
            for i in range(120)
        ]

        def mean_of(metric: str, category: str) -> float:
            of = [x.scores[metric] for x in items if metric in x.scores and (not category or category in x.categories)]
            return float(np.mean(of))

        names = ["", "tag=0", "tag=2", "kind=1"]
        scores = [Score(metric, mean_of(metric, name), category=name) for metric in ("acc", "soft") for name in names]
        scores += [Score("f1", 0.4), Score("acc", 0.2)]
        found = scored_all(scores, items)
        assert [str(each) for each in found] == [str(scored(score, items)) for score in scores]
        assert [each.n for each in found[:4]] == [120, 40, 40, 60]
        assert [each.by_items for each in found] == [True] * 8 + [False] * 2

    def test_a_thousand_categories_do_not_walk_all_items_a_thousand_times(self) -> None:
        items = [
            ItemResult(str(i), "f" * 16, {"acc": i % 2}, (f"tag={i % 1000}", f"kind={i % 500}")) for i in range(20_000)
        ]
        scores = [Score("acc", i % 2, category=f"tag={i}") for i in range(1000)]
        begin = time.process_time()
        found = scored_all(scores, items)
        assert time.process_time() - begin < 2.5
        assert {each.n for each in found} == {20}

    def test_scores_that_were_rounded_in_the_file_are_still_means_of_their_items(self) -> None:
        assert scored(Score("acc", 66.67, most=100.0), items_of([1, 1, 0] * 10)).how == "wilson"
        assert scored(Score("acc", 66.7, most=100.0), items_of([1, 1, 0] * 10)).how == "wilson"

    def test_items_that_all_pass_do_not_make_it_sure(self) -> None:
        assert scored(Score("acc", 1.0), items_of([1] * 20)).low == pytest.approx(wilson(20, 20).low)
        grouped = scored(Score("acc", 1.0), items_of([1] * 20, [str(i // 4) for i in range(20)]))
        assert grouped.low == pytest.approx(wilson(5, 5).low)


def passes(only_a: int, only_b: int, both: int, neither: int) -> tuple[list[int], list[int]]:
    a = [1] * only_a + [0] * only_b + [1] * both + [0] * neither
    return a, [0] * only_a + [1] * only_b + [1] * both + [0] * neither


class TestCompare:
    @given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 20), st.integers(1, 20))
    def test_passes_are_compared_by_tango_and_mcnemar(self, only_a: int, only_b: int, both: int, neither: int) -> None:
        found = compare(*passes(only_a, only_b, both, neither), None, 0.02)
        n = only_a + only_b + both + neither
        assert (found.low, found.high) == paired_difference(only_b, only_a, n)
        assert found.p_value == mcnemar_exact(only_b, only_a) == found.p_adjusted
        if only_a + only_b:
            assert found.p_value == pytest.approx(stats.binomtest(only_b, only_a + only_b).pvalue, abs=1e-12)
        assert found.difference == pytest.approx((only_b - only_a) / n)
        assert (found.n, found.n_groups, found.only_a, found.only_b) == (n, n, only_a, only_b)
        assert (found.method, found.verdict in VERDICTS) == ("mcnemar", True)
        if n >= LEAST_PAIRS:
            agree = found.p_value < 0.05 and (found.low > 0 or found.high < 0)
            assert found.verdict.startswith("b_") == agree

    def test_graded_items_are_compared_by_bootstrap_and_sign_flips_over_groups(self) -> None:
        rng = np.random.default_rng(92)
        a, b = rng.beta(2, 2, 120), rng.beta(3, 2, 120)
        groups = [str(i // 3) for i in range(120)]
        found = compare(a, b, groups, 0.02)
        assert (found.low, found.high) == pytest.approx(paired_bootstrap(b, a, groups)[1])
        assert (found.only_a, found.only_b, found.method) == (None, None, "sign_flip")
        assert found.verdict == "b_higher"
        assert found.p_value == pytest.approx(paired_t(b, a, groups).p_value, abs=0.01)
        assert (found.low, found.high) == pytest.approx(paired_t(b, a, groups).interval, abs=0.02)

    def test_items_of_one_image_that_all_flip_are_no_difference(self) -> None:
        a, b = passes(0, 7, 20, 13)
        assert compare(a, b).verdict == "b_higher"
        together = compare(a, b, ["picture"] * 7 + [None] * 33)
        assert (together.verdict, together.n, together.n_groups) == ("no_difference_shown", 40, 34)
        assert (together.only_b, together.method) == (7, "sign_flip")

    def test_below_ten_groups_there_is_no_verdict(self) -> None:
        a, b = passes(0, 9, 0, 0)
        assert compare(a, b, None, 0.1).verdict == "not_enough_data"
        assert compare(a, b, None, 0.1).non_inferior is None
        few = compare([0] * 90, [1] * 90, [str(i // 10) for i in range(90)])
        assert few.verdict == "not_enough_data"
        assert compare([0] * 100, [1] * 100, [str(i // 10) for i in range(100)]).verdict == "b_higher"

    def test_nothing_to_compare_is_not_known(self) -> None:
        found = compare([], [])
        assert (found.n, found.verdict, found.items_needed, found.smallest) == (0, "not_enough_data", None, None)
        assert all(math.isnan(x) for x in (found.mean_a, found.difference, found.low, found.p_value))

    def test_equal_answers_are_not_equal_checkpoints(self) -> None:
        """Nothing differs on 20 items: 16 points either way are possible, so that 2 are not shown."""
        for a in ([1, 0] * 10, [0.25, 0.5] * 10):
            found = compare(a, a, None, 0.02)
            assert (found.low, found.high) == pytest.approx((-0.161, 0.161), abs=5e-4)
            assert (found.verdict, found.non_inferior) == ("no_difference_shown", False)
            assert (found.items_needed, found.smallest) == (None, None)
        grouped = compare([1, 0] * 10, [1, 0] * 10, [str(i // 2) for i in range(20)], 0.02)
        assert grouped.high == pytest.approx(paired_difference(0, 0, 10).high)
        unbounded = compare([12.0] * 20, [12.0] * 20)  # a scale without an end gives no bound
        assert math.isnan(unbounded.low)
        assert (unbounded.verdict, unbounded.non_inferior, unbounded.p_value) == ("no_difference_shown", None, 1.0)

    def test_where_every_group_differs_alike_the_interval_has_a_width_all_the_same(self) -> None:
        found = compare([0.3] * 50, [0.4] * 50)
        unseen = wilson(0, 50).high
        assert (found.low, found.high) == pytest.approx((0.1 - 1.1 * unseen, 0.1 + 0.9 * unseen))
        assert (found.verdict, found.items_needed, found.smallest) == ("b_higher", 0, None)
        few = compare([0.3] * 12, [0.4] * 12)
        assert few.p_value < 0.001
        assert few.low < 0 < few.high
        assert (few.verdict, few.items_needed, few.smallest) == ("no_difference_shown", None, None)
        pairs = [str(i // 2) for i in range(60)]
        balanced = compare([0.5, 0.5] * 30, [0.2, 0.8] * 30, pairs, 0.02)  # each image gains and loses the same
        assert (balanced.high, balanced.low) == pytest.approx((wilson(0, 30).high, -wilson(0, 30).high))
        assert (balanced.verdict, balanced.non_inferior, balanced.items_needed) == ("no_difference_shown", False, None)

    def test_below_ten_groups_nothing_is_said_of_power(self) -> None:
        rng = np.random.default_rng(97)
        for groups in (["picture"] * 300, [str(i % 9) for i in range(300)]):
            found = compare(rng.random(300), rng.random(300) + 0.1, groups)
            assert (found.verdict, found.items_needed, found.smallest) == ("not_enough_data", None, None)

    def test_not_worse_than_the_margin_is_read_in_the_direction_of_the_score(self) -> None:
        a, b = passes(30, 34, 900, 36)
        forth = compare(a, b, None, 0.02)
        assert forth.non_inferior is True
        assert forth.verdict == "no_difference_shown"
        assert compare(a, b, None, 0.005).non_inferior is False
        worse = passes(60, 20, 800, 120)
        assert compare(*worse, None, 0.02).non_inferior is False
        assert compare(*worse, None, 0.02, higher_is_better=False).non_inferior is True
        assert compare(*worse, None, 0.02, higher_is_better=False).verdict == "b_lower"

    def test_what_it_would_take_is_connors_number_less_what_is_there(self) -> None:
        found = compare(*passes(20, 30, 100, 50))
        assert found.verdict == "no_difference_shown"
        assert found.items_needed == items_needed(0.05, 0.25) - 200
        assert found.smallest == smallest_drop(200, 0.25)
        assert compare(*passes(10, 60, 100, 50)).items_needed == 0

    def test_so_many_more_graded_items_show_the_difference_four_times_in_five(self) -> None:
        rng = np.random.default_rng(93)
        apart = rng.normal(0, 0.3, 60)
        apart += 0.06 - apart.mean()
        start = compare(0.5 - apart / 2, 0.5 + apart / 2)
        assert start.verdict == "no_difference_shown"
        assert start.items_needed is not None
        n = 60 + start.items_needed
        shown = sum(
            compare(np.full(n, 0.5), 0.5 + rng.normal(0.06, apart.std(), n)).verdict == "b_higher" for _ in range(40)
        )
        assert stats.binomtest(shown, 40, 0.8).pvalue > 0.01

    def test_several_at_once_need_smaller_p_values(self) -> None:
        single = compare(*passes(1, 9, 40, 10))
        assert single.verdict == "b_higher"
        assert single.p_value == pytest.approx(0.0215, abs=1e-4)
        clear, too_few = compare(*passes(0, 25, 40, 10)), compare([1, 0], [0, 1])
        first, second, third = corrected([single, clear, too_few])
        assert first.p_adjusted == pytest.approx(single.p_value)  # the last of two that have a verdict
        assert (first.verdict, second.verdict, third.verdict) == ("b_higher", "b_higher", "not_enough_data")
        both = corrected([single, single, single])
        assert [each.verdict for each in both] == ["no_difference_shown"] * 3
        assert both[0].p_adjusted == pytest.approx(3 * single.p_value)
        assert single.items_needed == 0
        assert all(each.items_needed and each.items_needed > 0 for each in both)  # not shown: it takes more
        assert both[0].items_needed == items_needed(8 / 60, 10 / 60, alpha=0.05 / 3) - 60
        assert both[0].smallest == smallest_drop(60, 10 / 60, alpha=0.05 / 3)
        assert (first.items_needed, second.items_needed, third.items_needed) == (0, 0, None)
        assert math.isnan(third.p_adjusted)
        assert corrected([]) == []

    def test_graded_ones_that_are_no_longer_shown_need_more_items(self) -> None:
        rng = np.random.default_rng(98)
        apart = rng.normal(0, 0.3, 60)
        apart += 0.09 - apart.mean()
        single = compare(np.full(60, 0.5), 0.5 + apart)
        assert (single.verdict, single.items_needed) == ("b_higher", 0)
        found = corrected([single] * 6)[0]
        assert found.verdict == "no_difference_shown"
        assert found.items_needed
        assert found.smallest is not None
        assert single.smallest is not None
        assert found.smallest > single.smallest
        assert found.items_needed == math.ceil(60 * (found.smallest / found.difference) ** 2) - 60

    def test_two_scores_with_standard_errors_are_compared_by_the_z_test(self) -> None:
        found = compare_errors(0.70, 0.03, 0.82, 0.04, 0.02)
        assert found.p_value == pytest.approx(2 * stats.norm.sf(0.12 / 0.05))
        assert (found.low, found.high) == pytest.approx((0.12 - 1.959964 * 0.05, 0.12 + 1.959964 * 0.05))
        assert (found.n, found.n_groups, found.method, found.verdict) == (0, 0, "unpaired", "b_higher")
        assert (found.non_inferior, found.only_a, found.items_needed) == (True, None, 0)
        assert found.smallest == pytest.approx((1.959964 + 0.841621) * 0.05)
        worse = compare_errors(0.70, 0.03, 0.82, 0.04, 0.02, higher_is_better=False)
        assert (worse.verdict, worse.non_inferior) == ("b_higher", False)
        unsure = compare_errors(0.70, 0.03, 0.75, 0.04)
        assert (unsure.verdict, unsure.items_needed) == ("no_difference_shown", None)

    @pytest.mark.parametrize("stderr", [0.0, math.nan, math.inf])
    def test_without_a_standard_error_of_both_nothing_is_said(self, stderr: float) -> None:
        for found in (compare_errors(0.7, stderr, 0.9, 0.01), compare_errors(0.7, 0.01, 0.9, stderr)):
            assert (found.verdict, found.non_inferior, found.smallest) == ("not_enough_data", None, None)
            assert all(math.isnan(x) for x in (found.low, found.high, found.p_value, found.stderr))
            assert found.difference == pytest.approx(0.2)

    def test_sixty_benchmarks_of_equal_checkpoints_show_no_difference(self) -> None:
        """By themselves three are expected to; those by items and those by standard errors are one family."""
        rng = np.random.default_rng(99)
        found = [compare_errors(0.7, 0.02, 0.7 + 0.02 * math.sqrt(2) * rng.normal(), 0.02) for _ in range(60)]
        assert sum(each.verdict.startswith("b_") for each in found) >= 1
        same = compare(*passes(12, 13, 40, 35))
        after = corrected([*found, same])
        assert {each.verdict for each in after} == {"no_difference_shown"}
        assert after[-1].p_adjusted == 1.0

    @pytest.mark.parametrize("margin", [-0.01, math.nan, math.inf])
    def test_a_margin_that_cannot_be_is_named(self, margin: float) -> None:
        with pytest.raises(BadInput, match="margin is"):
            compare([1], [0], None, margin)

    def test_scores_that_do_not_fit_are_named(self) -> None:
        with pytest.raises(ValueError, match="1 and 2 scores"):
            compare([1], [0, 1])
        with pytest.raises(ValueError, match="not finite"):
            compare([math.nan], [0])
        with pytest.raises(ValueError, match="1 groups of 2 items"):
            compare([1, 0], [0, 1], ["a"])

    def test_turning_the_two_around_turns_everything(self) -> None:
        rng = np.random.default_rng(94)
        a, b = rng.random(40), rng.random(40) + 0.2

        def numbers(found: Comparison, sign: int) -> list[float]:
            ends = sorted([sign * found.low, sign * found.high])
            return [sign * found.difference, *ends, found.p_value]

        assert numbers(compare(a, b), 1) == pytest.approx(numbers(compare(b, a), -1), abs=1e-9)


class TestRanking:
    def test_places_are_bounds_and_ties_stay_ties(self) -> None:
        rng = np.random.default_rng(95)
        hard = rng.random((600, 1))
        values = (hard + 0.1 * rng.normal(size=(600, 4)) < [0.5, 0.8, 0.81, 0.2]).astype(float)
        places = ranking(values)
        assert [(each.rank_low, each.rank_high) for each in places] == [(1, 2), (1, 2), (3, 3), (4, 4)]
        assert [each.tied_with_best for each in places] == [True, True, False, False]
        assert {each.candidate for each in places[:2]} == {1, 2}
        assert [each.mean for each in places] == sorted(values.mean(axis=0), reverse=True)
        assert sum(each.chance_of_best for each in places) == pytest.approx(1)

    def test_two_have_the_same_verdict_as_their_comparison(self) -> None:
        for flips in ((2, 9), (2, 12), (0, 6), (0, 5)):
            a, b = passes(*flips, 30, 30)
            found = ranking(np.column_stack([a, b]))
            assert (not found[1].tied_with_best) == (compare(a, b).verdict == "b_higher")

    def test_one_far_better_of_many_graded_ones_is_shown_to_be(self) -> None:
        values = 0.5 + 0.05 * np.random.default_rng(100).normal(size=(300, 40))
        values[:, 7] += 0.27
        places = ranking(values)
        assert (places[0].candidate, places[0].rank_high, places[0].chance_of_best) == (7, 1, 1.0)
        assert sum(place.tied_with_best for place in places) == 1
        assert {place.rank_low for place in places[1:]} == {2}

    def test_few_groups_have_no_chance_of_being_best(self) -> None:
        values = np.random.default_rng(101).random((500, 3))
        for groups, known in ((["one image"] * 500, False), ([str(i % 9) for i in range(500)], False), (None, True)):
            assert [math.isfinite(each.chance_of_best) for each in ranking(values, groups)] == [known] * 3
        assert math.isnan(ranking([[1.0, 0.0]])[0].chance_of_best)

    def test_few_groups_show_nothing(self) -> None:
        values = np.tile([1.0, 0.0], (90, 1))
        assert [each.rank_high for each in ranking(values, [str(i // 10) for i in range(90)])] == [2, 2]
        assert [each.rank_high for each in ranking(values, [str(i // 9) for i in range(90)])] == [1, 2]

    def test_one_candidate_is_the_best_of_itself(self) -> None:
        (place,) = ranking([[0.5]] * 12)
        assert (place.rank_low, place.rank_high, place.tied_with_best, place.chance_of_best) == (1, 1, True, 1.0)
