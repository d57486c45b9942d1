import math
from collections.abc import Callable

import numpy as np
import pytest

from monitor.stats.knee import knee

DOUBLING = [1, 2, 4, 8, 16]


@pytest.mark.parametrize(
    "per_s, at",
    [
        ([10, 20, 40, 40, 40], 4),  # full from 4 on
        ([10, 20, 40, 42, 44], 4),  # hardly more after it
        ([10, 20, 40, 80, 50], 8),  # breaks down after 8
        ([10, 10, 10, 10, 10], 1),  # one at a time
        ([10, 20, 40, 80, 160], None),  # rises to the end
        ([10, 15, 23, 34, 51], None),  # less than in proportion, and still by half each time
        ([10, 20, 40, 80, 90], 8),  # it can be the last but one
        ([10, 20, 40, 80, 105], None),  # a third more at the last step: not over yet
        ([0, 0, 0, 0, 0], None),  # nothing was answered
        ([10, 20, 40, 0, 0], 4),  # nothing was answered beyond 4
        ([10, math.nan, 40, 41, math.nan], 4),  # steps that were not measured
        ([10, math.nan, math.nan, 12, math.nan], None),  # two steps are no curve
    ],
)
def test_the_knee_is_where_more_concurrency_stops_paying(per_s: list[float], at: int | None) -> None:
    found = knee(DOUBLING, per_s)
    assert (None if found is None else DOUBLING[found]) == at


def test_the_scale_of_the_throughput_does_not_matter() -> None:
    for scale in (1e-3, 1.0, 1e6):
        assert knee(DOUBLING, np.array([10, 20, 40, 41, 40]) * scale) == 2


def test_too_few_or_wrong_steps() -> None:
    assert knee([], []) is None
    assert knee([1, 2], [10, 10]) is None
    with pytest.raises(ValueError, match="expected rising numbers above 0"):
        knee([1, 4, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="expected rising numbers above 0"):
        knee([0, 1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="throughput -2: a rate is at least 0"):
        knee([1, 2, 4], [1, -2, 3])
    with pytest.raises(ValueError, match="3 concurrencies and 2 throughputs"):
        knee([1, 2, 4], [1, 2])


@pytest.mark.parametrize(
    "curve, at",
    [
        (lambda c: np.minimum(c, 4.0), 2),
        (lambda c: c * 1.0, None),
        (lambda c: c**0.75, None),
        (lambda c: 0 * c + 5.0, 0),
    ],
    ids=["full at 4", "in proportion", "less than in proportion", "one at a time"],
)
def test_noise_of_ten_percent_at_each_step_hides_it_one_time_in_twenty_at_most(
    curve: Callable[[np.ndarray], np.ndarray], at: int | None
) -> None:
    rng, c = np.random.default_rng(4), np.array(DOUBLING, dtype=float)
    found = [knee(c, curve(c) * np.exp(rng.normal(0, 0.1, c.size))) for _ in range(1_000)]
    assert found.count(at) >= 950
