import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from monitor.stats import signflip
from monitor.stats.cluster import group_places
from monitor.stats.paired import mcnemar_exact
from monitor.stats.signflip import sign_flip


def all_ways(differences: list[float], groups: list[str] | None = None) -> float:
    """By going through every way to flip the groups."""
    sums = np.bincount(group_places(groups, len(differences)), differences)
    totals = [abs(float(np.dot(signs, sums))) for signs in itertools.product((1, -1), repeat=sums.size)]
    return float(np.mean(np.array(totals) >= abs(sum(differences)) - 1e-9))


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 20))
def test_of_right_and_wrong_answers_it_is_mcnemars_exact_test(lost: int, won: int, same: int) -> None:
    if lost + won + same:
        expected = mcnemar_exact(won, lost)
        assert sign_flip([1] * won + [-1] * lost + [0] * same) == pytest.approx(expected, abs=1e-12)


@given(
    st.lists(
        st.tuples(st.sampled_from([-1.0, -0.7, -1 / 3, 0.0, 0.1, 0.25, 0.5, math.pi / 4]), st.sampled_from("abcde")),
        min_size=1,
        max_size=10,
    )
)
def test_it_is_the_share_of_all_ways_to_flip_the_groups(items: list[tuple[float, str]]) -> None:
    differences, groups = [each[0] for each in items], [each[1] for each in items]
    assert sign_flip(differences) == pytest.approx(all_ways(differences), abs=1e-12)
    assert sign_flip(differences, groups) == pytest.approx(all_ways(differences, groups), abs=1e-12)


def test_it_agrees_with_the_permutation_test_of_scipy() -> None:
    rng = np.random.default_rng(62)
    for n, shift in ((12, 0.3), (60, 0.25), (60, 0.05)):
        a, b = rng.beta(2, 2, n), rng.beta(2, 2, n) - shift / 3
        theirs = stats.permutation_test(
            (a, b), lambda x, y, axis: (x - y).mean(axis), permutation_type="samples", n_resamples=20_000, rng=rng
        )
        assert sign_flip(a - b) == pytest.approx(theirs.pvalue, abs=0.012)


@pytest.mark.parametrize("n, shift", [(40, 2), (3000, 0.2)])
def test_tenths_counted_exactly_agree_with_random_flips(n: int, shift: float, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(63)
    tenths = (rng.integers(-10, 11, n) + rng.binomial(10, shift / 10, n)) / 10
    exact = sign_flip(tenths)
    monkeypatch.setattr(signflip, "_whole", lambda sums: None)
    drawn = sign_flip(tenths, n=40_000)
    assert 0.002 < exact < 0.5
    assert drawn == pytest.approx(exact, abs=0.03 if exact > 0.1 else 0.003)


def test_few_groups_that_differ_much_are_drawn_and_not_taken_as_normal() -> None:
    """Three large ones, all one way: of their 8 ways 2 are as far out, in half of which the small ones are, too."""
    large, small = np.array([60.7, 80.3, 100.1]), 1e-3 * np.random.default_rng(64).normal(size=1000)
    p_value = sign_flip(np.concatenate([large, small, -small]))
    assert p_value == pytest.approx(2 / 8 / 2, abs=0.02)
    assert 2 * stats.norm.sf(large.sum() / np.sqrt((large**2).sum())) < 0.09


@pytest.mark.parametrize("grouped", [False, True])
def test_equal_checkpoints_differ_in_one_case_of_twenty(grouped: bool) -> None:
    rng = np.random.default_rng(65)
    groups = np.repeat(np.arange(25), 4)
    wrong = 0
    for _ in range(400):
        shared = np.repeat(rng.normal(size=25), 4) if grouped else 0.0
        wrong += sign_flip(shared + rng.normal(size=100), groups if grouped else None, n=999) <= 0.05
    assert stats.binomtest(wrong, 400, 0.05).pvalue > 0.01


def test_items_that_move_together_are_no_evidence_by_themselves() -> None:
    together = [1.0] * 7 + [0.0] * 33
    assert sign_flip(together) == pytest.approx(2 / 2**7)
    assert sign_flip(together, ["one picture"] * 7 + [None] * 33) == 1.0  # one group: it could as well be the other way


def test_the_same_seed_gives_the_same_p_value_and_turning_around_changes_nothing() -> None:
    differences = np.random.default_rng(66).normal(0.2, 1, 100)
    assert sign_flip(differences) == sign_flip(differences) == sign_flip(-differences)
    assert sign_flip(differences, seed=1) != sign_flip(differences)


def test_large_whole_numbers_are_drawn_where_counting_would_take_too_much() -> None:
    points = np.random.default_rng(67).integers(-(10**12), 10**12, 50)
    assert sign_flip(points) == pytest.approx(sign_flip(points / 7.3e11), abs=0.03)
    assert signflip.COUNTED < 50


def test_nothing_is_unknown_and_no_difference_has_p_one() -> None:
    assert math.isnan(sign_flip([]))
    assert sign_flip([0.0, 0.0]) == 1.0
    assert sign_flip([0.3, -0.3], ["a", "a"]) == 1.0
    assert sign_flip([1] * 500) == pytest.approx(0.5**499)


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(ValueError, match="finite numbers"):
        sign_flip([0.1, math.nan])
    with pytest.raises(ValueError, match="1 groups of 2 items"):
        sign_flip([0.1, 0.2], ["a"])
