import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import special, stats

from monitor.stats import resample
from monitor.stats.best import (
    Errors,
    Table,
    chance_from_errors,
    chance_of_best,
    chance_of_best_overall,
    overall_difference,
)
from monitor.stats.cluster import paired_t
from monitor.stats.resample import resampled_means


def plainly(values: NDArray[np.float64], groups: NDArray[np.int64], n: int, seed: int) -> NDArray[np.float64]:
    """The same by drawing the groups one after the other."""
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    wins = np.zeros(values.shape[1])
    for _ in range(n):
        drawn = np.concatenate([members[i] for i in rng.integers(0, len(members), len(members))])
        means = values[drawn].mean(axis=0)
        top = np.isclose(means, means.max(), atol=1e-12)
        wins += top / top.sum()
    return wins / n


@pytest.mark.parametrize("graded", [False, True])
def test_it_agrees_with_drawing_the_groups_one_by_one(graded: bool) -> None:
    rng = np.random.default_rng(81)
    groups = np.sort(rng.integers(0, 40, 120))
    values = rng.random((120, 4)) + np.repeat(rng.random((60, 1)), 2, axis=0)
    values = values if graded else (values > 0.8).astype(float)
    mine = chance_of_best(values, groups.tolist(), n=8000)
    assert mine.sum() == pytest.approx(1)
    assert mine == pytest.approx(plainly(values, groups, 3000, seed=82), abs=0.03)


def test_of_two_it_is_what_the_normal_distribution_says() -> None:
    rng = np.random.default_rng(83)
    values = rng.random((400, 2)) + np.array([0.01, 0.0])
    apart = values[:, 0] - values[:, 1]
    expected = special.ndtr(apart.mean() / (apart.std() / math.sqrt(400)))
    assert chance_of_best(values, n=20_000)[0] == pytest.approx(expected, abs=0.015)


def test_many_different_groups_agree_whether_the_rest_is_drawn_or_taken_as_normal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """1,500 skewed rows of which one weighs as much as 100 others."""
    rng = np.random.default_rng(84)
    sums, sizes = rng.exponential(1, (1500, 3)) + np.array([0.0, 0.02, 0.03]), rng.integers(1, 4, 1500).astype(float)
    sums[7], sizes[7] = [80.0, 95.0, 60.0], 100.0
    split = resampled_means(sums, sizes, np.random.default_rng(1), 6000)
    monkeypatch.setattr(resample, "DRAWN", 10_000)
    drawn = resampled_means(sums, sizes, np.random.default_rng(2), 6000)
    assert split.mean(axis=0) == pytest.approx(drawn.mean(axis=0), abs=0.003)
    assert np.cov(split.T).ravel() == pytest.approx(np.cov(drawn.T).ravel(), rel=0.1, abs=2e-5)
    levels = [0.025, 0.25, 0.5, 0.75, 0.975]
    assert np.quantile(split, levels, axis=0) == pytest.approx(np.quantile(drawn, levels, axis=0), abs=0.005)


def test_ties_share_equally_also_where_nothing_can_tell_candidates_apart() -> None:
    assert chance_of_best(np.full((20, 4), 0.3)).tolist() == [0.25] * 4
    rng = np.random.default_rng(85)
    one = rng.random(2000)
    twins = chance_of_best(np.column_stack([one, one, one - 0.2]))
    assert twins.tolist() == [0.5, 0.5, 0.0]


def test_items_that_share_an_image_make_it_less_sure() -> None:
    values = np.repeat([[1.0, 0.0]] * 9 + [[0.0, 1.0]] * 6, 10, axis=0)
    alone = chance_of_best(values)[0]
    together = chance_of_best(values, np.repeat(np.arange(15), 10).tolist())[0]
    assert alone > 0.99
    assert together == pytest.approx(0.78, abs=0.05)


def test_weights_of_items_count() -> None:
    values = [[1.0, 0.0]] * 30 + [[0.0, 1.0]] * 30
    assert chance_of_best(values)[0] == pytest.approx(0.5, abs=0.03)
    assert chance_of_best(values, weights=[3.0] * 30 + [1.0] * 30)[0] > 0.99


def test_of_two_equal_candidates_the_chance_is_anything_equally_often() -> None:
    rng = np.random.default_rng(86)
    chances = [chance_of_best((rng.random((200, 2)) < 0.7).astype(float), n=1000)[0] for _ in range(400)]
    for level in (0.05, 0.25, 0.5, 0.75, 0.95):
        assert np.mean(np.array(chances) < level) == pytest.approx(level, abs=0.07)


def test_overall_the_weights_of_the_benchmarks_decide() -> None:
    first, second = Table([[1, 0]] * 12 + [[0, 1]] * 8), Table([[0, 1]] * 60 + [[1, 0]] * 40)
    alone = chance_of_best_overall([first, second], [1, 0])
    assert alone == pytest.approx(chance_of_best(first.values), abs=1e-12)
    even = chance_of_best_overall([first, second], [1, 1])[0]
    assert 0.4 < even < 0.6 < alone[0]
    assert chance_of_best_overall([first, second], [2, 2])[0] == even


def test_overall_takes_a_benchmark_of_which_only_standard_errors_are_known() -> None:
    chances = chance_of_best_overall([Errors([0.7, 0.6], [0.03, 0.04]), Errors([0.5, 0.5], [0.05, 0.05])], [1, 1])
    assert chances[0] == pytest.approx(special.ndtr(0.1 / math.hypot(0.05, 0.05, 0.05)), abs=0.02)


def test_below_ten_groups_no_chance_is_given() -> None:
    rng = np.random.default_rng(88)
    many = rng.random((500, 3)) + np.array([0.3, 0.0, 0.0])
    for values, groups in ((many[:9], None), (many[:1], None), (many, ["one image"] * 500)):
        assert np.isnan(chance_of_best(values, groups)).tolist() == [True] * 3
    assert chance_of_best(many[:10]).sum() == pytest.approx(1)
    few, enough = Table(many, [str(i % 9) for i in range(500)]), Table(many)
    assert np.isnan(chance_of_best_overall([enough, few], [1, 1])).all()
    assert chance_of_best_overall([enough, few], [1, 0]).tolist() == chance_of_best(many).tolist()


def test_of_one_benchmark_the_overall_difference_is_the_clustered_t_test() -> None:
    values = np.random.default_rng(89).random((60, 3))
    groups = np.repeat(np.arange(12), 5).tolist()
    difference, interval = overall_difference([Table(values, groups)], [2.0], 2, 0)
    expected = paired_t(values[:, 2], values[:, 0], groups)
    assert difference == pytest.approx(expected.difference)
    assert interval == pytest.approx(expected.interval)


def test_the_overall_difference_of_two_samples_is_welchs_t_test() -> None:
    rng = np.random.default_rng(90)
    first, second = rng.normal(0.3, 1, 9), rng.normal(0.1, 2, 14)
    tables = [Table(np.column_stack([x, np.zeros(x.size)])) for x in (first, -second)]
    difference, interval = overall_difference(tables, [1, 1], 0, 1)
    theirs = stats.ttest_ind(first, second, equal_var=False).confidence_interval()
    assert 2 * difference == pytest.approx(first.mean() - second.mean())
    assert [2 * end for end in interval] == pytest.approx([theirs.low, theirs.high])


def test_weights_of_items_count_in_the_overall_difference_and_its_error() -> None:
    rng = np.random.default_rng(91)
    values = rng.random((40, 2))
    weights = rng.integers(1, 4, 40)
    difference, interval = overall_difference([Table(values, None, weights)], [1], 0, 1)
    apart = values[:, 0] - values[:, 1]
    assert difference == pytest.approx(np.average(apart, weights=weights))
    pulls = weights * (apart - difference)
    stderr = math.sqrt((pulls**2).sum() / 39 * 40) / weights.sum()
    assert interval.high - difference == pytest.approx(stats.t.ppf(0.975, 39) * stderr)
    once = overall_difference([Table(values, None, np.ones(40))], [1], 0, 1)
    assert once == overall_difference([Table(values)], [1], 0, 1)


def test_the_overall_difference_has_no_interval_where_a_benchmark_cannot_give_one() -> None:
    rng = np.random.default_rng(92)
    good = Table(rng.random((300, 2)))
    one_image = Table(rng.random((300, 2)), ["picture"] * 300)
    constant = Table(np.tile([0.4, 0.3], (30, 1)))
    balanced = Table(np.tile([[0.1, 0.0], [0.5, 0.0]], (15, 1)), np.repeat(np.arange(15), 2).tolist())
    for poor in (one_image, constant, balanced, Table([[1.0, 0.0]])):
        for tables, weights in (([poor], [1.0]), ([good, poor], [1.0, 2.0])):
            difference, interval = overall_difference(tables, weights, 0, 1)
            assert math.isfinite(difference)
            assert all(math.isnan(end) for end in interval)
        assert overall_difference([good, poor], [1, 0], 0, 1) == overall_difference([good], [1], 0, 1)


def test_standard_errors_alone_make_it_less_sure_than_the_items_do() -> None:
    rng = np.random.default_rng(87)
    hard = rng.random(500)
    values = np.column_stack([hard + 0.25 * rng.normal(size=500) < able for able in (0.68, 0.70)]).astype(float)
    errors = values.std(axis=0, ddof=1) / math.sqrt(500)
    paired, unpaired = chance_of_best(values)[1], chance_from_errors(values.mean(axis=0), errors)[1]
    assert 0.5 < unpaired < paired - 0.03


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: chance_of_best([0.1, 0.2]), r"shape \(2,\)"),
        (lambda: chance_of_best([[0.1, math.nan]]), "leave out the items"),
        (lambda: chance_of_best([[0.1, 0.2]], weights=[0]), "finite weight above 0"),
        (lambda: chance_of_best([[0.1, 0.2]], groups=["a", "b"]), "2 groups of 1 items"),
        (lambda: chance_of_best_overall([], []), "0 benchmarks"),
        (lambda: chance_of_best_overall([Table([[1, 0]])], [0]), "not all of them 0"),
        (lambda: chance_of_best_overall([Table([[1, 0]]), Table([[1]])], [1, 1]), r"\[2, 1\] candidates"),
        (lambda: chance_from_errors([0.5], [math.nan]), "standard errors finite"),
        (lambda: chance_from_errors([0.5, 0.4], [0.1]), "2 values and 1 standard errors"),
    ],
)
def test_what_does_not_fit_is_named(call: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()
