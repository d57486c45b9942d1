import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from monitor.stats.intervals import clopper_pearson, newcombe_difference, poisson_rate_interval, wilson, wilson_arrays

COUNTS = st.integers(0, 5_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@pytest.mark.parametrize(
    "k, n, low, high",
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_gives_the_published_examples(k: int, n: int, low: float, high: float) -> None:
    """Newcombe (1998), Statistics in Medicine 17:857, table I, method 3."""
    assert wilson(k, n) == pytest.approx((low, high), abs=5e-5)


@given(COUNTS, st.sampled_from([0.8, 0.95, 0.99]))
def test_wilson_agrees_with_scipy(count: tuple[int, int], confidence: float) -> None:
    k, n = count
    ours = wilson(k, n, confidence)
    if n == 0:
        assert all(math.isnan(end) for end in ours)
        return
    theirs = stats.binomtest(k, n).proportion_ci(confidence, method="wilson")
    assert ours == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    assert 0 <= ours.low <= k / n <= ours.high <= 1


def test_wilson_of_many_is_wilson_of_each_and_unknown_where_nothing_was_counted() -> None:
    low, high = wilson_arrays([0, 3, 0, 10], [0, 10, 20, 10])
    assert np.isnan([low[0], high[0]]).all()
    assert [(low[i], high[i]) for i in (1, 2, 3)] == [wilson(3, 10), wilson(0, 20), wilson(10, 10)]
    assert (low[2], high[3]) == (0.0, 1.0)


def test_wilson_of_no_rows_is_no_rows() -> None:
    low, high = wilson_arrays([], [])
    assert low.shape == high.shape == (0,)


@pytest.mark.parametrize("k, n", [(-1, 3), (4, 3), (0, -1), (math.nan, 3)])
def test_impossible_counts_are_named(k: float, n: int) -> None:
    with pytest.raises(ValueError, match="expected 0 <= k <= n"):
        wilson_arrays(k, n)


@pytest.mark.parametrize("confidence", [0, 1, 95, math.nan])
def test_an_impossible_confidence_is_named(confidence: float) -> None:
    with pytest.raises(ValueError, match="lies between 0 and 1"):
        wilson(1, 2, confidence)
    with pytest.raises(ValueError, match="lies between 0 and 1"):
        poisson_rate_interval(1, 1, confidence)


def test_wilson_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(11)
    for p, n in [(0.01, 1000), (0.05, 200), (0.3, 50), (0.5, 20)]:
        low, high = wilson_arrays(rng.binomial(n, p, 20_000), n)
        assert 0.93 < np.mean((low <= p) & (p <= high)) < 0.975


@given(st.integers(0, 100_000), st.floats(0.5, 1e6), st.sampled_from([0.8, 0.95]))
def test_the_interval_of_a_rate_agrees_with_the_chi_square_form(count: int, seconds: float, confidence: float) -> None:
    tail = (1 - confidence) / 2
    low = stats.chi2.ppf(tail, 2 * count) / 2 / seconds if count else 0.0
    high = stats.chi2.ppf(1 - tail, 2 * count + 2) / 2 / seconds
    assert poisson_rate_interval(count, seconds, confidence) == pytest.approx((low, high), rel=1e-9)


def test_the_interval_of_a_rate_gives_the_published_limits() -> None:
    """Garwood (1936); the table of Ulm (1990), American Journal of Epidemiology 131:373."""
    assert poisson_rate_interval(0, 1) == pytest.approx((0, 3.689), abs=5e-4)
    assert poisson_rate_interval(1, 1) == pytest.approx((0.025, 5.572), abs=5e-4)
    assert poisson_rate_interval(10, 10) == pytest.approx((0.4795, 1.8390), abs=5e-5)


def test_a_rate_over_no_time_is_unknown_and_over_negative_time_refused() -> None:
    assert all(math.isnan(end) for end in poisson_rate_interval(0, 0))
    with pytest.raises(ValueError, match="count is 1 and seconds is -60"):
        poisson_rate_interval(1, -60)


@pytest.mark.parametrize(
    "k1, n1, k2, n2, low, high",
    [
        (56, 70, 48, 80, 0.0524, 0.3339),
        (9, 10, 3, 10, 0.1705, 0.8090),
        (6, 7, 2, 7, 0.0582, 0.8062),
        (5, 56, 0, 29, -0.0381, 0.1926),
        (0, 10, 0, 20, -0.1611, 0.2775),
        (0, 10, 0, 10, -0.2775, 0.2775),
        (10, 10, 0, 20, 0.6791, 1.0000),
        (10, 10, 0, 10, 0.6075, 1.0000),
    ],
)
def test_newcombe_gives_the_published_table(k1: int, n1: int, k2: int, n2: int, low: float, high: float) -> None:
    """Newcombe (1998), Statistics in Medicine 17:873, table II, contrasts (a) to (h), method 10."""
    assert newcombe_difference(k1, n1, k2, n2) == pytest.approx((low, high), abs=5e-5)


@given(COUNTS, COUNTS)
def test_newcombe_turns_its_sign_when_the_sides_are_exchanged(a: tuple[int, int], b: tuple[int, int]) -> None:
    forth, back = newcombe_difference(*a, *b), newcombe_difference(*b, *a)
    if a[1] == 0 or b[1] == 0:
        assert all(math.isnan(end) for end in forth)
        return
    assert (forth.low, forth.high) == pytest.approx((-back.high, -back.low), abs=1e-12)
    assert -1 <= forth.low <= a[0] / a[1] - b[0] / b[1] + 1e-12
    assert forth.high <= 1


def test_newcombe_shows_a_difference_where_there_is_none_at_most_one_time_in_twenty() -> None:
    rng = np.random.default_rng(12)
    for p, n1, n2 in [(0.02, 500, 500), (0.1, 100, 300)]:
        pairs = zip(rng.binomial(n1, p, 2_000), rng.binomial(n2, p, 2_000), strict=True)
        shown = [low > 0 or high < 0 for low, high in (newcombe_difference(a, n1, b, n2) for a, b in pairs)]
        assert np.mean(shown) < 0.06


@given(COUNTS, st.sampled_from([0.8, 0.95, 0.99]))
def test_clopper_pearson_agrees_with_scipy(count: tuple[int, int], confidence: float) -> None:
    k, n = count
    ours = clopper_pearson(k, n, confidence)
    if n == 0:
        assert all(math.isnan(end) for end in ours)
        return
    theirs = stats.binomtest(k, n).proportion_ci(confidence, method="exact")
    assert ours == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_clopper_pearson_gives_the_published_examples() -> None:
    """Newcombe (1998), Statistics in Medicine 17:857, table I, method 5."""
    assert clopper_pearson(81, 263) == pytest.approx((0.2527, 0.3676), abs=5e-5)
    assert clopper_pearson(15, 148) == pytest.approx((0.0578, 0.1617), abs=5e-5)
    assert clopper_pearson(0, 20) == pytest.approx((0, 0.1684), abs=5e-5)
    assert clopper_pearson(1, 29) == pytest.approx((0.0009, 0.1776), abs=5e-5)


def test_clopper_pearson_refuses_what_cannot_be() -> None:
    with pytest.raises(ValueError, match="expected 0 <= k <= n"):
        clopper_pearson(3, 2)
    with pytest.raises(ValueError, match="lies between 0 and 1"):
        clopper_pearson(1, 2, 95)
