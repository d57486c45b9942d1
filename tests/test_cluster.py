import math
import statistics
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from monitor.stats.cluster import clustered_stderr, clustered_wilson, group_places, paired_t
from monitor.stats.intervals import wilson

SCORES = st.lists(st.tuples(st.sampled_from([0.0, 0.3, 0.6, 1.0]), st.sampled_from("abcd")), min_size=2, max_size=12)


def equation_4(scores: list[float], clusters: list[str]) -> float:
    """Miller (2024), equation 4, term by term: every pair of two items of one cluster."""
    n, mean = len(scores), sum(scores) / len(scores)
    members = defaultdict(list)
    for score, cluster in zip(scores, clusters, strict=True):
        members[cluster].append(score - mean)
    pairs = sum(
        one * other for of in members.values() for i, one in enumerate(of) for j, other in enumerate(of) if i != j
    )
    return math.sqrt(max(0.0, statistics.variance(scores) / n + pairs / n**2))


@given(SCORES)
def test_the_standard_error_is_that_of_equation_4(items: list[tuple[float, str]]) -> None:
    scores, clusters = [each[0] for each in items], [each[1] for each in items]
    if len(set(clusters)) < 2:
        assert math.isnan(clustered_stderr(scores, clusters))  # equation 4 says nearly 0 of a single cluster
        return
    assert clustered_stderr(scores, clusters) == pytest.approx(equation_4(scores, clusters), abs=1e-7)


def test_without_groups_it_is_the_usual_standard_error() -> None:
    scores = [0.2, 0.9, 0.4, 0.4, 1.0]
    assert clustered_stderr(scores) == pytest.approx(stats.sem(scores))
    assert clustered_stderr(scores, [None] * 5) == clustered_stderr(scores, "abcde") == clustered_stderr(scores)
    assert math.isnan(clustered_stderr([0.5]))
    assert math.isnan(clustered_stderr([]))


def test_it_is_what_lmms_eval_prints_for_the_same_numbers() -> None:
    """Its functions `clustered_stderr` and `paired_ttest` gave these figures for these lists."""
    a, b = [1, 0, 1, 1, 0, 1, 0.5, 1], [1, 0, 0, 1, 0, 0.5, 0.5, 0]
    clusters = ["v1", "v1", "v2", "v2", "v2", "v3", "v3", "v4"]
    assert clustered_stderr(a, clusters) == pytest.approx(0.08547970597708307, rel=1e-12)
    found = paired_t(a, b)
    assert found.difference == pytest.approx(0.3125, rel=1e-12)
    assert found.stderr == pytest.approx(0.16194961738586655, rel=1e-12)
    assert found.interval == pytest.approx((-0.07044999280679243, 0.6954499928067924), rel=1e-10)
    assert found.p_value == pytest.approx(0.09497649243577522, rel=1e-10)


def test_the_t_test_is_that_of_scipy() -> None:
    rng = np.random.default_rng(71)
    a, b = rng.random(30), rng.random(30)
    theirs = stats.ttest_rel(a, b)
    assert paired_t(a, b).p_value == pytest.approx(theirs.pvalue, rel=1e-9)
    assert paired_t(a, b).interval == pytest.approx(theirs.confidence_interval(), rel=1e-9)


def test_groups_of_the_t_test_are_its_degrees_of_freedom() -> None:
    """Groups of one size: the clustered test is nearly the plain one of the groups' means."""
    rng = np.random.default_rng(72)
    a, b = np.repeat(rng.random(12), 5) + 0.01 * rng.random(60), np.zeros(60)
    groups = np.repeat(np.arange(12), 5)
    found, means = paired_t(a, b, groups), a.reshape(12, 5).mean(axis=1)
    assert found.n_groups == 12
    assert found.stderr == pytest.approx(stats.sem(means), rel=0.05)
    assert found.interval == pytest.approx(stats.ttest_1samp(means, 0).confidence_interval(), rel=0.05)


def test_a_t_test_without_spread_or_with_one_group_says_what_it_can() -> None:
    assert paired_t([1, 1, 1], [0, 0, 0]).p_value == 0.0
    assert paired_t([1, 1, 1], [1, 1, 1]).p_value == 1.0
    alone = paired_t([1, 0, 1], [0, 0, 0], "aaa")
    assert alone.n_groups == 1
    assert alone.difference == pytest.approx(2 / 3)
    assert all(math.isnan(number) for number in (alone.stderr, *alone.interval, alone.p_value))
    assert math.isnan(paired_t([], []).difference)


def test_wilsons_interval_of_items_without_a_common_group_is_the_plain_one() -> None:
    assert clustered_wilson([1, 0, 1, 1], [None, "a", None, "b"]) == wilson(3, 4)
    assert all(math.isnan(end) for end in clustered_wilson([]))


def test_items_that_are_copies_of_each_other_are_worth_one() -> None:
    """Forty groups of five equal items: nearly the interval of forty items, up to t in place of z."""
    passes = np.repeat([1] * 28 + [0] * 12, 5)
    low, high = clustered_wilson(passes, np.repeat(np.arange(40), 5))
    assert (low, high) == pytest.approx(wilson(28, 40), abs=0.01)
    assert high - low > 2 * np.diff(wilson(140, 200))[0]


def test_items_that_all_pass_are_worth_as_many_as_there_are_groups() -> None:
    assert clustered_wilson([1] * 50, np.repeat(np.arange(10), 5)) == pytest.approx(wilson(10, 10))
    assert all(math.isnan(end) for end in clustered_wilson([1, 0, 1], "aaa"))


def test_items_that_balance_each_other_in_a_group_are_worth_no_more_than_themselves() -> None:
    low, high = clustered_wilson([1, 0] * 30, np.repeat(np.arange(30), 2))
    assert high - low >= np.diff(wilson(30, 60))[0]


def test_groups_are_names_of_any_kind_and_none_is_one_by_itself() -> None:
    assert group_places(["x", None, "x", None, math.nan], 5).tolist() == [0, 1, 0, 2, 3]
    assert group_places(None, 3).tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="2 groups of 3 items"):
        group_places(["a", "b"], 3)


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(ValueError, match="2 and 3 numbers"):
        paired_t([1, 0], [1, 0, 1])
    with pytest.raises(ValueError, match="passes are 0 or 1"):
        clustered_wilson([0.5, 1])
