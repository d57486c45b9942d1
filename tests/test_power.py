import math

import numpy as np
import pytest
from scipy import stats

from monitor.stats.paired import mcnemar_midp
from monitor.stats.power import items_needed, smallest_drop


def exact_power(n: int, drop: float, discordance: float, alpha: float = 0.05) -> float:
    """How often McNemar's test with mid-p shows the drop, summed over everything that can happen."""
    lost = (discordance + drop) / 2 / discordance
    found = 0.0
    for apart in range(n + 1):
        chance = stats.binom.pmf(apart, n, discordance)
        if chance < 1e-10:
            continue
        shown = [k for k in range(apart + 1) if mcnemar_midp(k, apart - k) < alpha]
        found += chance * float(np.sum(stats.binom.pmf(shown, apart, lost)))
    return found


@pytest.mark.parametrize(
    "drop, discordance, power", [(0.1, 0.2, 0.8), (0.2, 0.3, 0.9), (0.05, 0.2, 0.8), (0.15, 0.4, 0.7)]
)
def test_so_many_items_show_the_drop_as_often_as_asked_for(drop: float, discordance: float, power: float) -> None:
    assert exact_power(items_needed(drop, discordance, power), drop, discordance) == pytest.approx(power, abs=0.045)


@pytest.mark.parametrize("drop, discordance", [(0.1, 0.1), (0.05, 0.06)])
def test_where_all_items_part_the_same_way_it_asks_for_a_few_too_many(drop: float, discordance: float) -> None:
    assert 0.8 < exact_power(items_needed(drop, discordance), drop, discordance) < 0.91


def test_it_is_the_formula_of_connor() -> None:
    """(z_a sqrt(psi) + z_b sqrt(psi - d^2))^2 / d^2, with the quantiles of scipy."""
    z_a, z_b = stats.norm.ppf(0.975), stats.norm.ppf(0.8)
    n = (z_a * math.sqrt(0.25) + z_b * math.sqrt(0.25 - 0.01)) ** 2 / 0.01
    assert items_needed(0.1, 0.25) == math.ceil(n) == 194


@pytest.mark.parametrize("discordance", [0.02, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("n", [400, 1000, 20_000])
def test_the_smallest_drop_needs_just_so_many_items(n: int, discordance: float) -> None:
    drop = smallest_drop(n, discordance)
    assert items_needed(drop, discordance) in (n, n + 1)
    assert items_needed(drop * 0.97, discordance) > n


def test_more_items_see_smaller_drops_and_few_see_none() -> None:
    drops = [smallest_drop(n, 0.1) for n in (100, 200, 400, 800)]
    assert (np.diff(drops) < 0).all()
    assert math.isnan(smallest_drop(10, 0.1))
    assert math.isnan(smallest_drop(0, 0.1))


@pytest.mark.parametrize(
    "arguments, words",
    [
        ((0.2, 0.1), "expected 0 < drop <= discordance"),
        ((0.0, 0.1), "expected 0 < drop"),
        ((0.1, 1.1), "discordance is 1.1"),
        ((0.1, 0.2, 80), "power is 80"),
        ((0.1, 0.2, 0.8, 0.0), "alpha 0.0"),
    ],
)
def test_what_cannot_be_is_named(arguments: tuple[float, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        items_needed(*arguments)


def test_fewer_than_no_items_are_named() -> None:
    with pytest.raises(ValueError, match="n is -1"):
        smallest_drop(-1, 0.1)
