import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from monitor.stats.bootstrap import mean_bootstrap, mean_expanded, paired_bootstrap


def test_it_agrees_with_the_bootstrap_of_scipy() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.beta(6, 2, 80), rng.beta(5, 2, 80)
    difference, (low, high) = paired_bootstrap(a, b, n=20_000)
    theirs = stats.bootstrap((a - b,), np.mean, n_resamples=20_000, method="BCa", rng=np.random.default_rng(2))
    assert difference == pytest.approx(float((a - b).mean()))
    assert (low, high) == pytest.approx(theirs.confidence_interval, abs=0.004)


def test_the_interval_of_a_weighted_mean_is_near_that_of_the_normal_distribution() -> None:
    rng = np.random.default_rng(3)
    a, b, w = rng.normal(1, 1, 400), rng.normal(0, 1, 400), rng.uniform(0.5, 2, 400)
    difference, (low, high) = paired_bootstrap(a, b, weights=w)
    middle = np.average(a - b, weights=w)
    error = math.sqrt((w**2 * (a - b - middle) ** 2).sum()) / w.sum()
    assert difference == pytest.approx(float(middle))
    assert (low, high) == pytest.approx((middle - 1.96 * error, middle + 1.96 * error), abs=0.03)


def coverage(grouped: bool) -> float:
    """How often the truth, 0, is inside, where the five items of an image are right or wrong together."""
    rng = np.random.default_rng(4)
    held = 0
    for _ in range(300):
        shared = np.repeat(rng.normal(0, 1, 30), 5)
        a, b = shared + 0.3 * rng.normal(size=150), np.zeros(150)
        _, (low, high) = paired_bootstrap(a, b, groups=np.repeat(np.arange(30), 5) if grouped else None, n=500)
        held += low <= 0 <= high
    return held / 300


def test_items_that_share_an_image_are_drawn_together() -> None:
    assert coverage(grouped=True) > 0.9
    assert coverage(grouped=False) < 0.7


def test_groups_are_names_of_any_kind_and_one_alone_has_no_interval() -> None:
    names = ["a", "a", "b", "b", "c", "c"]
    a, b = [1, 0, 1, 1, 0, 1], [0, 0, 1, 0, 0, 0]
    assert paired_bootstrap(a, b, names) == paired_bootstrap(a, b, [0, 0, 1, 1, 2, 2])
    difference, interval = paired_bootstrap(a, b, ["x"] * 6)
    assert difference == pytest.approx(0.5)
    assert all(math.isnan(end) for end in interval)


def test_the_same_seed_gives_the_same_interval_and_turning_around_turns_it() -> None:
    rng = np.random.default_rng(5)
    a, b = rng.random(60), rng.random(60)
    assert paired_bootstrap(a, b) == paired_bootstrap(a, b)
    assert paired_bootstrap(a, b, seed=1) != paired_bootstrap(a, b)
    forth, back = paired_bootstrap(a, b), paired_bootstrap(b, a)
    assert (-back[1].high, -back[1].low) == pytest.approx(forth[1], abs=1e-9)


def test_nothing_is_unknown_and_equal_differences_do_not_vary() -> None:
    difference, interval = paired_bootstrap([], [])
    assert all(math.isnan(number) for number in (difference, *interval))
    assert paired_bootstrap([1, 1, 1], [1, 1, 1]) == (0.0, (0.0, 0.0))


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"first": [1], "second": [1, 2]}, "1 and 2 numbers"),
        ({"first": [1], "second": [math.nan]}, "not finite"),
        ({"first": [1], "second": [2], "weights": [0]}, "weight 0: expected"),
        ({"first": [1, 2], "second": [2, 3], "groups": ["a"]}, "1 groups of 2 items"),
    ],
)
def test_what_does_not_fit_is_named(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        paired_bootstrap(**arguments)


def test_the_interval_of_one_mean_agrees_with_scipy() -> None:
    x = np.random.default_rng(6).beta(8, 2, 60)
    mean, (low, high) = mean_bootstrap(x, n=20_000)
    theirs = stats.bootstrap((x,), np.mean, n_resamples=20_000, method="BCa", rng=np.random.default_rng(7))
    assert mean == pytest.approx(float(x.mean()))
    assert (low, high) == pytest.approx(theirs.confidence_interval, abs=0.002)


def test_the_difference_is_the_mean_of_the_differences() -> None:
    rng = np.random.default_rng(8)
    a, b, groups = rng.random(90), rng.random(90), np.repeat(np.arange(30), 3)
    assert paired_bootstrap(a, b, groups) == mean_bootstrap(a - b, groups)


def test_a_hundred_thousand_graded_items_agree_with_the_normal_distribution() -> None:
    x = np.random.default_rng(9).beta(2, 2, 100_000)
    mean, (low, high) = mean_bootstrap(x)
    error = 1.96 * x.std() / math.sqrt(x.size)
    assert (low, high) == pytest.approx((mean - error, mean + error), abs=0.06 * error)


@pytest.mark.parametrize("n", [100, 400])
@pytest.mark.parametrize("kind", ["soft accuracy", "skewed", "nearly all right"])
def test_of_many_items_the_expansion_is_what_resampling_comes_to(kind: str, n: int) -> None:
    rng = np.random.default_rng(79)
    values = {
        "soft accuracy": rng.choice([0.0, 0.3, 0.6, 0.9, 1.0], n, p=[0.25, 0.05, 0.1, 0.1, 0.5]),
        "skewed": rng.exponential(size=n),
        "nearly all right": rng.choice([0.0, 0.5, 1.0], n, p=[0.03, 0.03, 0.94]),
    }[kind]
    drawn = mean_bootstrap(values, n=20_000)[1]
    width = drawn.high - drawn.low
    assert mean_expanded(values) == pytest.approx(drawn, abs=0.025 * width)
    assert mean_expanded(np.full(120, 0.3)) == pytest.approx((0.3, 0.3))
