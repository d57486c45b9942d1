import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from monitor.stats.paired import mcnemar_exact, mcnemar_midp, paired_difference
from monitor.stats.signed_rank import lowest_rank, paired_ratio, pseudomedian

COUNTS = st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(0, 300)).map(
    lambda counts: (counts[0], counts[1], max(1, sum(counts)))
)


def quartic(b: int, c: int, n: int, z: float = 1.959963984540054) -> list[float]:
    """The polynomial whose outer roots are Tango's limits: Yang, Sun and Hardin (2013), Statistics in Medicine 32."""
    g, d = z * z, b - c
    return [
        n**2 * (n / g + 1) ** 2,
        -n * d * (n / g + 1) * (4 * n / g + 1),
        2 * n * d**2 * (3 * n / g + 2) / g - n**2 * ((b + c) / g + 1),
        n * d * (2 * (b + c) / g + 1) - d**3 * (4 * n / g + 1) / g,
        d**2 * (d**2 / g - (b + c)) / g,
    ]


@pytest.mark.parametrize("b, c, n", [(1, 7, 21), (12, 2, 44), (9, 5, 44), (0, 0, 20), (30, 12, 500), (3, 0, 2000)])
def test_the_interval_agrees_with_the_closed_form_of_tangos_limits(b: int, c: int, n: int) -> None:
    roots = np.roots(quartic(b, c, n))
    real = roots[np.abs(roots.imag) < 1e-6].real
    assert paired_difference(b, c, n) == pytest.approx((real.min(), real.max()), abs=1e-6)


@given(COUNTS)
def test_the_interval_contains_the_difference_and_stays_between_minus_one_and_one(counts: tuple[int, int, int]) -> None:
    only_first, only_second, n = counts
    low, high = paired_difference(*counts)
    assert -1 <= low <= (only_first - only_second) / n <= high <= 1


@given(COUNTS)
def test_turning_the_two_around_turns_the_interval_around(counts: tuple[int, int, int]) -> None:
    only_first, only_second, n = counts
    low, high = paired_difference(only_first, only_second, n)
    assert paired_difference(only_second, only_first, n) == pytest.approx((-high, -low), abs=1e-9)


@given(COUNTS)
def test_the_interval_leaves_out_zero_exactly_when_mcnemars_statistic_exceeds_its_limit(
    counts: tuple[int, int, int],
) -> None:
    only_first, only_second, _ = counts
    low, high = paired_difference(*counts)
    apart = only_first + only_second
    score = abs(only_first - only_second) / math.sqrt(apart) if apart else 0.0
    if abs(score - 1.96) > 0.001:
        assert (low > 0 or high < 0) == (score > 1.96)


def test_where_the_two_never_part_a_difference_within_some_percent_is_still_possible() -> None:
    assert paired_difference(0, 0, 20) == pytest.approx((-0.161125, 0.161125), abs=1e-6)
    assert paired_difference(0, 0, 2000) == pytest.approx((-0.001917, 0.001917), abs=1e-6)
    assert all(math.isnan(end) for end in paired_difference(0, 0, 0))


@given(st.integers(0, 200), st.integers(0, 200))
def test_the_p_value_is_the_exact_binomial_one_less_half_of_the_chance_of_what_was_seen(b: int, c: int) -> None:
    n = b + c
    seen = stats.binom.pmf(min(b, c), n, 0.5)
    expected = min(1.0, 2 * stats.binom.cdf(min(b, c), n, 0.5) - seen)
    assert mcnemar_midp(b, c) == pytest.approx(expected, abs=1e-12)
    assert mcnemar_midp(b, c) == mcnemar_midp(c, b)


def test_counts_that_cannot_be_are_refused() -> None:
    for counts in ((-1, 2, 5), (3, 3, 5)):
        with pytest.raises(ValueError, match=f"only_first is {counts[0]}"):
            paired_difference(*counts)
    with pytest.raises(ValueError, match="only_second is -1"):
        mcnemar_midp(3, -1)


# -- ratios


def walsh(x: np.ndarray) -> np.ndarray:
    """All averages of two, each with itself too: what the search must find without building them."""
    i, j = np.triu_indices(x.size)
    return np.sort((x[i] + x[j]) / 2)


@given(st.lists(st.floats(-50, 50).map(lambda x: round(x, 1)), min_size=1, max_size=40))
def test_the_median_and_the_ends_are_averages_of_two_differences(values: list[float]) -> None:
    averages, rank = walsh(np.array(values)), lowest_rank(len(values))
    middle, (low, high) = pseudomedian(values)
    assert middle == pytest.approx(np.median(averages), abs=1e-12)
    if rank:
        assert (low, high) == (averages[rank - 1], averages[-rank])
    else:
        assert (low, high) == (-math.inf, math.inf)


@pytest.mark.parametrize("n, critical", [(6, 0), (7, 2), (8, 3), (10, 8), (15, 25), (20, 52), (25, 89), (30, 137)])
def test_the_rank_is_that_of_the_published_table_of_wilcoxons_test(n: int, critical: int) -> None:
    """Two-sided 5 % points: the interval begins at the average after as many as the critical value."""
    assert lowest_rank(n) == critical + 1


@pytest.mark.parametrize("n", [25, 60, 61, 200])
def test_a_difference_is_shown_when_scipys_wilcoxon_test_shows_it(n: int) -> None:
    rng = np.random.default_rng(n)
    for shift in np.linspace(0, 0.7, 12):
        x = rng.normal(shift, 1, n)
        p = float(stats.wilcoxon(x, method="exact" if n <= 60 else "approx").pvalue)
        low, high = pseudomedian(x)[1]
        if abs(p - 0.05) > 0.002:
            assert (low > 0 or high < 0) == (p < 0.05)


def test_equal_latencies_have_the_ratio_one_and_nothing_else() -> None:
    assert paired_ratio([5.0, 7, 9, 11, 3, 2, 8], [5.0, 7, 9, 11, 3, 2, 8]) == (1.0, (1.0, 1.0))


def test_few_pairs_give_a_ratio_and_no_bound() -> None:
    ratio, ends = paired_ratio([20, 22], [10, 11])
    assert ratio == pytest.approx(2)
    assert ends == (0.0, math.inf)
    ratio, ends = paired_ratio([], [])
    assert all(math.isnan(number) for number in (ratio, *ends))


@settings(max_examples=30)
@given(st.integers(6, 200), st.integers(0, 2**32 - 1))
def test_turning_the_two_around_gives_the_inverse_ratio(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.lognormal(6, 1, n), rng.lognormal(6, 1, n)
    ratio, (low, high) = paired_ratio(a, b)
    other, (other_low, other_high) = paired_ratio(b, a)
    assert (1 / other, 1 / other_high, 1 / other_low) == pytest.approx((ratio, low, high), rel=1e-9)


def test_one_wild_request_does_not_move_the_ratio() -> None:
    rng = np.random.default_rng(3)
    b: np.ndarray[tuple[int], np.dtype[np.float64]] = rng.lognormal(5, 1, 100)
    a = 1.2 * b * rng.lognormal(0, 0.05, 100)
    ratio, (low, high) = paired_ratio(a, b)
    a[7] = 1e9
    assert paired_ratio(a, b)[0] == pytest.approx(ratio, rel=0.01)
    assert 1.15 < low < ratio < high < 1.25


def test_what_has_no_ratio_is_refused() -> None:
    with pytest.raises(ValueError, match="pair 0 and 3: a ratio needs two finite numbers above 0"):
        paired_ratio([1, 0], [2, 3])
    with pytest.raises(ValueError, match="2 and 1 numbers"):
        paired_ratio([1, 2], [3])
    with pytest.raises(ValueError, match="not finite"):
        pseudomedian([1, math.nan])


@given(st.integers(0, 200), st.integers(0, 200))
def test_mcnemars_exact_test_agrees_with_the_binomial_test_of_scipy(only_first: int, only_second: int) -> None:
    n = only_first + only_second
    expected = stats.binomtest(only_first, n, 0.5).pvalue if n else 1.0
    assert mcnemar_exact(only_first, only_second) == pytest.approx(expected, rel=1e-9)
    assert mcnemar_midp(only_first, only_second) <= mcnemar_exact(only_first, only_second)


def test_mcnemars_exact_test_gives_the_published_example() -> None:
    """The airway hyper-responsiveness before and after transplantation of Fagerland, Lydersen and Laake (2013)."""
    assert mcnemar_exact(1, 7) == pytest.approx(0.0703, abs=5e-5)
    with pytest.raises(ValueError, match="both are at least 0"):
        mcnemar_exact(-1, 3)
