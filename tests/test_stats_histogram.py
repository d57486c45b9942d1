import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from monitor.stats import histogram
from monitor.stats.histogram import ZERO, order_statistic_ranks, quantile_interval, quantiles

ERROR = histogram.relative_error() * (1 + 1e-9)
LATENCIES = st.floats(1e-3, 1e7)


@given(st.lists(LATENCIES, min_size=1))
def test_every_value_lies_inside_its_bucket(values: list[float]) -> None:
    i = histogram.index(values)
    assert (histogram.low(i) <= np.multiply(values, 1 + 1e-12)).all()
    assert (np.array(values) <= histogram.high(i) * (1 + 1e-12)).all()


@given(LATENCIES)
def test_the_estimate_of_a_value_is_off_by_at_most_half_a_percent(value: float) -> None:
    assert float(histogram.estimate(histogram.index(value))) == pytest.approx(value, rel=ERROR)


def test_what_no_latency_ever_is_lands_in_the_outermost_buckets() -> None:
    assert histogram.index([1e-320, 1e300]).tolist() == [histogram.FIRST, histogram.LAST]
    assert np.iinfo(np.int16).min == ZERO
    assert np.iinfo(np.int16).max == histogram.LAST


def test_a_power_of_two_closes_its_bucket_as_opentelemetry_has_it() -> None:
    assert histogram.index([1, 2, 4, 1024, 0.5]).tolist() == [-1, 63, 127, 639, -65]
    assert histogram.index([1, 2, 3, 4], scale=0).tolist() == [-1, 0, 1, 1]
    assert histogram.high([-1, 63]).tolist() == [1, 2]


def test_zero_has_a_bucket_of_its_own_and_is_estimated_as_zero() -> None:
    assert histogram.index([0, -0.0]).tolist() == [ZERO] * 2
    assert histogram.low(ZERO) == histogram.high(ZERO) == histogram.estimate(ZERO) == 0
    assert quantiles([ZERO, 0], [9, 1], [0.5])[0] == 0


@pytest.mark.parametrize("value", [-1, math.nan, math.inf])
def test_what_is_no_latency_is_refused_by_name(value: float) -> None:
    with pytest.raises(ValueError, match=f"value {float(value)}"):
        histogram.index([1, value])


@given(st.lists(LATENCIES | st.just(0.0), min_size=1, max_size=200), st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_any_quantile_of_any_data_is_off_by_at_most_half_a_percent(values: list[float], qs: list[float]) -> None:
    exact = [sorted(values)[math.floor(q * (len(values) - 1))] for q in qs]
    i, counts = np.unique(histogram.index(values), return_counts=True)
    assert quantiles(i, counts, qs) == pytest.approx(exact, rel=ERROR)


@pytest.mark.parametrize("name", ["lognorm", "gamma", "two humps"])
def test_quantiles_of_simulated_latencies_agree_with_the_exact_ones(name: str) -> None:
    rng = np.random.default_rng(21)
    values = {
        "lognorm": rng.lognormal(6, 1, 100_000),
        "gamma": rng.gamma(2, 300, 100_000),
        "two humps": np.r_[rng.normal(200, 10, 90_000), rng.normal(30_000, 900, 10_000)],
    }[name]
    qs = [0, 0.01, 0.5, 0.9, 0.95, 0.99, 0.999, 1]
    i = histogram.index(values)
    assert quantiles(i, np.ones_like(i), qs) == pytest.approx(np.quantile(values, qs, method="lower"), rel=ERROR)


def test_quantiles_of_nothing_are_unknown() -> None:
    assert np.isnan(quantiles([], [], [0.5, 0.9])).all()
    assert np.isnan(quantiles([5], [0], [0.5])).all()
    assert all(math.isnan(end) for end in quantile_interval([], [], 0.5))
    assert math.isnan(histogram.at_most([], [], 5))


def test_merging_two_hours_is_the_same_as_counting_them_together() -> None:
    rng = np.random.default_rng(22)
    first, second = rng.lognormal(6, 1, 500), rng.lognormal(7, 1, 800)
    hours = [np.unique(histogram.index(values), return_counts=True) for values in (first, second)]
    i, counts = histogram.merged(np.concatenate([h[0] for h in hours]), np.concatenate([h[1] for h in hours]))
    together, expected = np.unique(histogram.index(np.r_[first, second]), return_counts=True)
    assert i.tolist() == together.tolist()
    assert counts.tolist() == expected.tolist()


@given(st.lists(LATENCIES | st.just(0.0), min_size=1), st.integers(0, 6))
def test_a_coarser_grid_is_the_one_that_the_values_would_have_given(values: list[float], steps: int) -> None:
    i, counts = histogram.downscale(histogram.index(values), [1] * len(values), steps)
    direct, expected = np.unique(histogram.index(values, scale=6 - steps), return_counts=True)
    assert (i.tolist(), counts.tolist()) == (direct.tolist(), expected.tolist())


def test_wrong_buckets_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="2 bucket numbers and 1 counts"):
        histogram.merged([1, 2], [1])
    with pytest.raises(ValueError, match="count -1"):
        histogram.merged([1], [-1])
    with pytest.raises(ValueError, match="steps is -1"):
        histogram.downscale([1], [1], -1)
    with pytest.raises(ValueError, match="each lies between 0 and 1"):
        quantiles([1], [1], [95])
    with pytest.raises(ValueError, match="q is 1 "):
        quantile_interval([1], [1], 1)


@given(st.integers(1, 3_000), st.floats(0.001, 0.999), st.sampled_from([0.8, 0.95, 0.99]))
def test_the_ranks_of_an_interval_are_those_of_the_binomial_distribution(n: int, q: float, confidence: float) -> None:
    tail = (1 - confidence) / 2
    lower, upper = order_statistic_ranks(n, q, confidence)
    assert (lower or 0) == int(stats.binom.ppf(tail, n, q))
    assert (upper or n + 1) == int(stats.binom.ppf(1 - tail, n, q)) + 1


def test_ranks_stay_exact_for_millions_of_requests() -> None:
    for q in (0.5, 0.95, 0.99, 0.999):
        ranks = [int(stats.binom.ppf(p, 50_000_000, q)) for p in (0.025, 0.975)]
        assert order_statistic_ranks(50_000_000, q) == (ranks[0], ranks[1] + 1)


@pytest.mark.parametrize("q, fewest", [(0.5, 6), (0.9, 36), (0.95, 72), (0.99, 368)])
def test_a_quantile_has_an_upper_bound_only_from_enough_values(q: float, fewest: int) -> None:
    bucket = histogram.index([100.0])
    assert quantile_interval(bucket, [fewest - 1], q).high == math.inf
    assert quantile_interval(bucket, [fewest], q).high == pytest.approx(100, rel=2 * ERROR)


def test_a_low_quantile_of_few_values_is_bounded_by_zero_only() -> None:
    assert quantile_interval(histogram.index([100.0]), [5], 0.5).low == 0


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=100), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_the_estimate_lies_inside_its_interval(values: list[float], q: float) -> None:
    i = histogram.index(values)
    low, high = quantile_interval(i, np.ones_like(i), q)
    assert low <= quantiles(i, np.ones_like(i), [q])[0] <= high


@pytest.mark.parametrize("q, n", [(0.5, 30), (0.5, 300), (0.95, 200), (0.99, 800)])
def test_a_quantile_interval_covers_the_truth_at_least_as_often_as_it_says(q: float, n: int) -> None:
    rng = np.random.default_rng(23)
    truth = stats.lognorm(s=1, scale=math.exp(6)).ppf(q)
    draws = histogram.index(rng.lognormal(6, 1, (1_000, n)))
    intervals = [quantile_interval(draw, np.ones_like(draw), q) for draw in draws]
    coverage = np.mean([low <= truth <= high for low, high in intervals])
    assert 0.94 < coverage <= 1


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=100), st.floats(1e-3, 1e6))
def test_the_share_under_a_threshold_is_short_by_at_most_one_bucket(values: list[float], threshold: float) -> None:
    i = histogram.index(values)
    share = histogram.at_most(i, np.ones_like(i), threshold)
    one_bucket = np.mean(i == histogram.index(threshold))
    exact = np.mean(np.array(values) <= threshold)
    assert share - 1e-12 <= exact <= share + one_bucket + 1e-12


def test_the_share_under_a_bound_of_the_grid_is_exact() -> None:
    values = [1023.9, 1024, 1024.1, 2048]
    assert histogram.at_most(histogram.index(values), [1] * 4, 1024) == 0.5
