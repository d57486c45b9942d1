import math

import numpy as np
import pytest

from monitor.stats.sequences import mean_sequence


def by_hand(values: list[float], confidence: float) -> tuple[list[float], list[float]]:
    """Theorem 2 of Waudby-Smith and Ramdas (2023), written out one step after the other."""
    alpha, low, high = 1 - confidence, [], []
    mean, variance, total, weighted, spent, seen = 0.5, 0.25, 0.0, 0.0, 0.0, 0.5
    squares = 0.25
    for t, x in enumerate(values, 1):
        bet = min(math.sqrt(2 * math.log(2 / alpha) / (variance * t * math.log(1 + t))), 0.5)
        cost = (-math.log(1 - bet) - bet) / 4
        total, weighted, spent = total + bet, weighted + bet * x, spent + 4 * (x - mean) ** 2 * cost
        half = (math.log(2 / alpha) + spent) / total
        low.append(max(weighted / total - half, 0.0))
        high.append(min(weighted / total + half, 1.0))
        seen += x
        mean = seen / (t + 1)
        squares += (x - mean) ** 2
        variance = squares / (t + 1)
    return low, high


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_it_is_the_formula_of_the_paper(confidence: float) -> None:
    values = np.random.default_rng(1).beta(8, 2, 300).tolist()
    low, high = mean_sequence(values, confidence)
    expected_low, expected_high = by_hand(values, confidence)
    assert low == pytest.approx(expected_low, abs=1e-12)
    assert high == pytest.approx(expected_high, abs=1e-12)


@pytest.mark.parametrize("mean, spread", [(0.5, 1.0), (0.9, 30.0), (0.98, 5.0)])
def test_all_intervals_together_hold_the_mean_as_often_as_they_say(mean: float, spread: float) -> None:
    rng = np.random.default_rng(2)
    missed = 0
    for _ in range(400):
        low, high = mean_sequence(rng.beta(mean * spread, (1 - mean) * spread, 500), 0.9)
        missed += bool(((low > mean) | (high < mean)).any())
    assert missed / 400 <= 0.1


def test_an_ordinary_interval_that_is_looked_at_always_does_not() -> None:
    rng = np.random.default_rng(3)
    x = rng.random((300, 1000)) < 0.5
    n = np.arange(1, 1001)
    off = np.abs(np.cumsum(x, axis=1) / n - 0.5) > 1.645 * 0.5 / np.sqrt(n)
    assert off[:, 20:].any(axis=1).mean() > 0.3


def test_values_that_hardly_vary_give_narrow_intervals() -> None:
    rng = np.random.default_rng(4)
    steady, rough = mean_sequence(rng.beta(900, 100, 200)), mean_sequence(rng.integers(0, 2, 200))
    assert (steady[1] - steady[0])[-1] < 0.5 * (rough[1] - rough[0])[-1]


def test_nothing_gives_nothing_and_numbers_out_of_range_are_named() -> None:
    low, high = mean_sequence([])
    assert low.size == high.size == 0
    with pytest.raises(ValueError, match=r"value 1\.2: expected a list of numbers between 0 and 1"):
        mean_sequence([0.3, 1.2])
    with pytest.raises(ValueError, match="value nan"):
        mean_sequence([math.nan])
    with pytest.raises(ValueError, match="confidence is 95"):
        mean_sequence([0.3], 95)
