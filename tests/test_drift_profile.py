"""Profiles of features: bins, sums, points and names, and that merging loses nothing."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.drift.profile import (
    BINS,
    EXACT_NAMES,
    KEPT_NAMES,
    MERGED_POINTS,
    POINTS,
    Category,
    Floats,
    Numeric,
    category,
    edges_of,
    merge,
    profile_names,
    profile_numbers,
    without,
)

numbers = st.lists(st.floats(-1e6, 1e6) | st.just(math.nan) | st.integers(-3, 3).map(float), max_size=120)


def same(one: Numeric, two: Numeric) -> None:
    assert (one.n, one.missing) == (two.n, two.missing)
    assert one.counts.tolist() == two.counts.tolist()
    assert one.sums == pytest.approx(two.sums, rel=1e-9, abs=1e-3)
    assert (one.low, one.high, one.sd) == pytest.approx((two.low, two.high, two.sd), rel=1e-6, abs=1e-3, nan_ok=True)
    assert (one.points is None) == (two.points is None)
    if one.points is not None and one.point_counts is not None and two.point_counts is not None:
        assert one.points.tolist() == pytest.approx(two.points)
        assert one.point_counts.tolist() == two.point_counts.tolist()


def test_quantile_edges_hold_equal_shares() -> None:
    values = np.random.default_rng(1).normal(size=64_000)
    found = profile_numbers(values, edges_of(values))
    assert found.counts.tolist() == [1000] * BINS
    assert found.sums.sum() == pytest.approx(values.sum())
    assert found.sd == pytest.approx(values.std())


def test_few_distinct_values_have_a_bin_each_and_lower_ones_are_apart() -> None:
    edges = edges_of(np.array([3.0, 1.0, 2.0, 2.0]))
    found = profile_numbers(np.array([0.0, 1.0, 2.0, 2.0, 3.0, 9.0]), edges)
    assert found.counts.tolist() == [1, 1, 2, 1, 1]


def test_sixty_four_distinct_values_have_a_bin_each() -> None:
    values = np.arange(64.0)
    assert profile_numbers(values, edges_of(values)).counts.tolist() == [1] * 64


def test_a_value_that_is_frequent_does_not_share_its_bin() -> None:
    values = np.concatenate([np.linspace(0, 10, 5000), np.full(5000, 5.0)])
    edges = edges_of(values)
    assert edges.size <= BINS - 1
    moved = profile_numbers(np.where(values == 5.0, 4.999999, values), edges)
    assert abs(profile_numbers(values, edges).counts - moved.counts).max() >= 4998


@pytest.mark.parametrize("values", [[], [math.nan, math.inf]])
def test_nothing_finite_is_one_bin_without_values(values: list[float]) -> None:
    found = profile_numbers(np.array(values), edges_of(np.array(values)))
    assert (found.n, found.missing, found.counts.tolist()) == (0, len(values), [0])
    assert math.isnan(found.low)
    assert math.isnan(found.sd)


def test_numbers_near_the_largest_raise_no_warning() -> None:
    values = np.array([1.7e308, 1.6e308, -1.7e308] * 10)
    found = profile_numbers(values, edges_of(values))
    assert found.n == 30
    assert found.high == 1.7e308


@given(numbers, st.integers(2, BINS))
@settings(max_examples=60, deadline=None)
def test_every_value_is_in_the_bin_between_its_cuts(values: list[float], bins: int) -> None:
    given_values = np.array(values, dtype=float)
    edges = edges_of(given_values, bins)
    assert edges.size <= bins - 1
    assert (np.diff(edges) > 0).all()
    found = profile_numbers(given_values, edges)
    finite = given_values[np.isfinite(given_values)]
    limits = np.concatenate([[-np.inf], edges, [np.inf]])
    expected = [int(((finite > a) & (finite <= b)).sum()) for a, b in pairwise(limits)]
    assert found.counts.tolist() == expected
    assert found.n + found.missing == len(values)


@given(st.lists(numbers, min_size=1, max_size=5))
@settings(max_examples=60, deadline=None)
def test_merged_profiles_are_the_profile_of_all_values(parts: list[list[float]]) -> None:
    whole = np.concatenate([np.array(part, dtype=float) for part in parts])
    edges = edges_of(whole)
    merged = merge([profile_numbers(np.array(part, dtype=float), edges) for part in parts])
    assert isinstance(merged, Numeric)
    same(merged, profile_numbers(whole, edges))


def test_points_are_kept_up_to_their_bounds() -> None:
    def part(values: Floats) -> Numeric:
        return profile_numbers(values, np.array([0.5]))

    few, many = np.linspace(0, 1, POINTS), np.linspace(0, 1, POINTS + 1)
    assert part(few).points is not None
    assert part(many).points is None
    assert merge([part(few), part(many)]).points is None  # type: ignore[union-attr]
    hours = [part(few + hour) for hour in range(MERGED_POINTS // POINTS + 2)]
    assert merge(hours[: MERGED_POINTS // POINTS]).points is not None  # type: ignore[union-attr]
    assert merge(hours).points is None  # type: ignore[union-attr]


def test_names_are_exact_up_to_a_bound_and_then_the_most_frequent() -> None:
    exact = profile_names([f"n{i}" for i in range(EXACT_NAMES)])
    assert (len(exact.names), exact.other) == (EXACT_NAMES, 0)
    many = profile_names([f"n{i}" for i in range(EXACT_NAMES + 1)] + ["n7"] * 3 + [None])
    assert (len(many.names), many.names[0], many.counts[0]) == (KEPT_NAMES, "n7", 4)
    assert (many.n, many.missing, many.other) == (EXACT_NAMES + 4, 1, EXACT_NAMES + 1 - KEPT_NAMES)


def test_counted_names_and_names_one_by_one_are_the_same() -> None:
    one, two = category(["b", "a", "c", "a"], [2, 1, 0, 1], 1), profile_names(["a", "b", "b", None, "a"])
    assert (one.names, one.counts.tolist(), one.missing) == (two.names, two.counts.tolist(), two.missing)
    assert one.names == ("a", "b")


def test_merged_names_add_up_with_what_was_not_kept() -> None:
    many = profile_names([f"n{i}" for i in range(EXACT_NAMES + 1)])
    merged = merge([many, profile_names(["n0", "x", None])])
    assert isinstance(merged, Category)
    assert (merged.n, merged.missing, merged.other) == (EXACT_NAMES + 3, 1, many.other)
    assert int(merged.counts.sum()) + merged.other == merged.n


def test_what_is_left_without_a_part_is_the_others_merged() -> None:
    rng = np.random.default_rng(2)
    parts = [profile_numbers(rng.integers(0, 9, size=n).astype(float), np.arange(9.0)) for n in (30, 0, 50)]
    left, others = without(merge(parts), parts[0]), merge(parts[1:])
    assert isinstance(left, Numeric)
    assert isinstance(others, Numeric)
    assert (left.n, left.counts.tolist()) == (others.n, others.counts.tolist())
    assert left.sums == pytest.approx(others.sums)
    names = [profile_names(list(text)) for text in ("aab", "bc")]
    rest = without(merge(names), names[0])
    assert isinstance(rest, Category)
    assert {name: count for name, count in zip(rest.names, rest.counts.tolist(), strict=True) if count} == {
        "b": 1,
        "c": 1,
    }


def test_profiles_that_do_not_fit_are_refused() -> None:
    one, two = profile_numbers(np.ones(3), np.array([1.0])), profile_numbers(np.ones(3), np.array([2.0]))
    with pytest.raises(ValueError, match="different edges"):
        merge([one, two])
    with pytest.raises(ValueError, match="one kind"):
        merge([one, profile_names(["a"])])
    with pytest.raises(ValueError, match="at least one"):
        merge([])
