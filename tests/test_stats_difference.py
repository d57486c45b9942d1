import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from monitor.stats import histogram
from monitor.stats.difference import VERDICTS, mean_interval, mover_difference, verdict
from monitor.stats.intervals import newcombe_difference, wilson


def test_mover_of_two_wilson_intervals_is_newcombes_interval() -> None:
    """Zou and Donner (2008), section 2, name Newcombe's interval as this special case."""
    assert mover_difference(0.8, *wilson(56, 70), 0.6, *wilson(48, 80)) == pytest.approx(
        newcombe_difference(56, 70, 48, 80)
    )
    assert mover_difference(0.8, *wilson(56, 70), 0.6, *wilson(48, 80)) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_mover_of_two_symmetric_intervals_adds_their_squares() -> None:
    assert mover_difference(10, 7, 13, 4, 0, 8) == pytest.approx((6 - 5, 6 + 5))


def test_mover_keeps_a_side_open_that_was_open() -> None:
    low, high = mover_difference(100, 90, math.inf, 50, 40, 60)
    assert math.isfinite(low)
    assert high == math.inf
    assert mover_difference(50, 40, 60, 100, 90, math.inf).low == -math.inf


def test_mover_of_something_unknown_is_unknown() -> None:
    for position in range(6):
        known = [5.0, 4.0, math.inf, 2.0, 1.0, math.inf]
        known[position] = math.nan
        assert all(math.isnan(end) for end in mover_difference(*known))


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.integers(2, 10_000), st.sampled_from([0.9, 0.95]))
def test_the_interval_of_a_mean_agrees_with_scipy(mean: float, sd: float, n: int, confidence: float) -> None:
    expected = stats.t.interval(confidence, n - 1, loc=mean, scale=sd / math.sqrt(n))
    assert mean_interval(mean, sd, n, confidence) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_the_mean_of_one_value_has_no_interval() -> None:
    assert all(math.isnan(end) for n in (0, 1) for end in mean_interval(5, math.nan, n))
    with pytest.raises(ValueError, match="confidence is 95"):
        mean_interval(5, 1, 10, 95)


@pytest.mark.parametrize(
    "low, high, expected",
    [
        (-2, -1, "b_lower"),
        (1, 2, "b_higher"),
        (-1, 2, "no_difference_shown"),
        (0, 2, "no_difference_shown"),
        (-2, 0, "no_difference_shown"),
        (math.nan, 1, "not_enough_data"),
        (-1, math.inf, "not_enough_data"),
        (-math.inf, math.inf, "not_enough_data"),
        (1, math.inf, "b_higher"),
        (-math.inf, -1, "b_lower"),
    ],
)
def test_the_verdict_says_what_the_interval_shows(low: float, high: float, expected: str) -> None:
    assert verdict(low, high) == expected
    assert expected in VERDICTS


def _p95(values: np.ndarray) -> tuple[float, float, float]:
    i = histogram.index(values)
    ones = np.ones_like(i)
    return (float(histogram.quantiles(i, ones, [0.95])[0]), *histogram.quantile_interval(i, ones, 0.95))


def test_two_equal_deployments_are_told_apart_at_most_one_time_in_twenty() -> None:
    rng = np.random.default_rng(31)
    verdicts = [
        verdict(*mover_difference(*_p95(rng.lognormal(6, 1, 500)), *_p95(rng.lognormal(6, 1, 300))))
        for _ in range(1_000)
    ]
    assert 1 - verdicts.count("no_difference_shown") / 1_000 < 0.05


def test_a_deployment_that_became_half_as_slow_again_is_found_from_a_thousand_requests() -> None:
    rng = np.random.default_rng(32)
    found = [
        verdict(*mover_difference(*_p95(rng.lognormal(6.4, 0.5, 1_000)), *_p95(rng.lognormal(6, 0.5, 1_000))))
        for _ in range(100)
    ]
    assert found.count("b_higher") >= 99
