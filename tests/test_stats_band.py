import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.stats.band import CHANGES, band, compare_interval_to_band, compare_to_band

nan = math.nan


@given(st.lists(st.floats(0, 1e6) | st.just(nan), max_size=50), st.integers(0, 5))
def test_the_band_is_the_range_of_the_known_neighbours(values: list[float], half_width: int) -> None:
    low, high = band(np.array(values), half_width)
    for i in range(len(values)):
        known = [v for v in values[max(i - half_width, 0) : i + half_width + 1] if not math.isnan(v)]
        expected = (min(known), max(known)) if known else (nan, nan)
        assert (low[i], high[i]) == pytest.approx(expected, nan_ok=True)


def test_a_negative_width_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="half_width is -1"):
        band([1, 2], -1)


@pytest.mark.parametrize(
    "value, low, high, expected",
    [
        (2, 1, 3, "in_band"),
        (1, 1, 3, "in_band"),
        (3, 1, 3, "in_band"),
        (3.1, 1, 3, "above"),
        (0.9, 1, 3, "below"),
        (nan, 1, 3, "no_reference"),
        (None, 1, 3, "no_reference"),
        (2, nan, nan, "no_reference"),
        (2, None, None, "no_reference"),
    ],
)
def test_a_value_is_in_the_band_beside_it_or_without_one(
    value: float | None, low: float | None, high: float | None, expected: str
) -> None:
    assert compare_to_band(value, low, high) == expected
    assert expected in CHANGES


@pytest.mark.parametrize(
    "low, high, expected",
    [
        (0.03, 0.2, "above"),
        (0.0, 0.005, "below"),
        (0.0, 0.2, "in_band"),
        (0.015, 0.2, "in_band"),
        (0.03, math.inf, "above"),
        (None, None, "no_reference"),
    ],
)
def test_a_figure_from_few_events_is_outside_only_with_its_whole_interval(
    low: float | None, high: float | None, expected: str
) -> None:
    assert compare_interval_to_band(low, high, 0.01, 0.02) == expected
