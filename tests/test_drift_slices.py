"""Slices that explain a shift are named, with their share of it; noise is not."""

import time

import numpy as np
import pytest
from scipy import stats

from monitor.drift.profile import Floats
from monitor.drift.slices import MISSING, cut, slices

Rng = np.random.Generator


def dimensions(rng: Rng, n: int, count: int = 10, values: int = 6) -> dict[str, list[str | None]]:
    names = np.array([f"v{value}" for value in range(values)], dtype=object)
    return {f"d{at}": names[rng.integers(0, values, n)].tolist() for at in range(count)}


def inside(dimension: list[str | None], value: str) -> Floats:
    return np.array([each == value for each in dimension], dtype=float)


def test_a_shift_inside_one_slice_is_named_and_explained_by_it_alone() -> None:
    rng = np.random.default_rng(1)
    before, now = dimensions(rng, 8000), dimensions(rng, 8000)
    reference = rng.normal(size=8000)
    window = rng.normal(size=8000) - 1.5 * inside(now["d3"], "v2")
    first, *others = slices(reference, window, before, now)
    assert (first.dimension, first.value) == ("d3", "v2")
    assert first.low <= first.explains <= first.high
    assert first.low > 0.7
    assert first.effect_inside == pytest.approx(stats.norm.cdf(0.75) * 2 - 1, abs=0.1)
    assert first.effect_without < 0.03
    assert first.share_reference == pytest.approx(1 / 6, abs=0.02)
    assert others == []


def test_a_slice_that_only_grew_explains_the_shift_though_nothing_changed_inside() -> None:
    rng = np.random.default_rng(2)

    def side(share: float) -> tuple[Floats, list[str | None]]:
        mobile = rng.random(6000) < share
        return rng.normal(size=6000) - 2 * mobile, ["mobile" if each else "web" for each in mobile]

    (reference, before), (window, now) = side(0.2), side(0.6)
    found = slices(reference, window, {"client": before}, {"client": now})
    assert {one.value for one in found} == {"mobile", "web"}  # without either there is only one, with no change in it
    assert all(one.explains > 0.85 for one in found)
    assert all(one.effect_inside < 0.08 for one in found)
    assert [one.share_window for one in found if one.value == "mobile"] == [pytest.approx(0.6, abs=0.03)]


def test_two_slices_share_what_they_explain() -> None:
    rng = np.random.default_rng(3)
    before, now = dimensions(rng, 20_000, 3, 4), dimensions(rng, 20_000, 3, 4)
    window = rng.normal(size=20_000) + inside(now["d0"], "v0") + inside(now["d0"], "v1")
    found = slices(rng.normal(size=20_000), window, before, now)
    assert [(one.dimension, one.value) for one in found[:2]] in (
        [("d0", "v0"), ("d0", "v1")],
        [("d0", "v1"), ("d0", "v0")],
    )
    assert all(0.15 < one.explains < 0.55 for one in found[:2])


def test_a_shift_of_names_is_explained_too_and_missing_is_a_slice() -> None:
    rng = np.random.default_rng(4)
    place: list[str | None] = [None if each else "here" for each in rng.random(6000) < 0.3]
    reference = rng.choice(["de", "en"], 6000, p=[0.1, 0.9]).tolist()
    window = [
        "de" if where is None and rng.random() < 0.7 else each for where, each in zip(place, reference, strict=True)
    ]
    noise = dimensions(rng, 6000, 2)
    (found,) = slices(reference, window, {"place": place, **noise}, {"place": place, **noise})
    assert (found.dimension, found.value) == ("place", MISSING)
    assert found.explains > 0.8


def test_a_shift_everywhere_is_explained_by_nothing() -> None:
    rng = np.random.default_rng(5)
    found = slices(rng.normal(size=8000), rng.normal(1, 1, size=8000), dimensions(rng, 8000), dimensions(rng, 8000))
    assert found == []


@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_noise_is_named_no_more_often_than_promised(shift: float) -> None:
    rng = np.random.default_rng(6)
    named = 0
    for _ in range(40):
        sides = dimensions(rng, 1500, 6), dimensions(rng, 1500, 6)
        named += bool(slices(rng.normal(size=1500), rng.normal(shift, 1, size=1500), *sides))
    assert stats.binomtest(named, 40, 0.01, "greater").pvalue > 1e-3


def test_rows_without_a_target_and_small_sides_are_left_out() -> None:
    rng = np.random.default_rng(7)
    one, two = dimensions(rng, 30), dimensions(rng, 3000)
    assert slices(rng.normal(size=30), rng.normal(5, 1, size=3000), one, two) == []
    gone = np.full(3000, np.nan)
    assert slices(gone, gone, two, two) == []
    assert slices([None] * 3000, ["a"] * 3000, two, two) == []
    assert slices(np.zeros(0), np.zeros(0), {"d": []}, {"d": []}) == []


def test_slices_that_are_all_or_on_one_side_only_do_no_harm() -> None:
    rng = np.random.default_rng(8)
    values = rng.normal(size=2000), rng.normal(2, 1, size=2000)
    all_of_them = {"d": ["all"] * 2000}
    assert slices(*values, all_of_them, all_of_them) == []
    mixed = np.where(rng.random(2000) < 0.5, rng.normal(size=2000), rng.normal(9, 1, size=2000))
    new = ["new" if each > 4 else "old" for each in mixed]
    (found,) = slices(values[0], mixed, {"d": ["old"] * 2000}, {"d": new})
    assert (found.value, found.n_reference) == ("new", 0)
    assert np.isnan(found.effect_inside)


def test_numbers_are_cut_at_the_quarters_of_the_reference() -> None:
    before, now = cut(np.arange(1000.0), np.array([0.0, 249.0, 249.5, 998.0, np.nan, np.inf]))
    assert [before.count(name) for name in dict.fromkeys(before)] == [250] * 4
    assert now == ["up to 249", "up to 249", "249 to 499", "above 749", None, None]
    assert cut(np.full(3, 7.0), np.array([7.0, 8.0])) == (["up to 7"] * 3, ["up to 7", "above 7"])
    assert cut(np.full(2, np.nan), np.array([1.0])) == ([None, None], [None])


def test_a_hundred_thousand_rows_with_ten_dimensions_take_less_than_a_few_seconds() -> None:
    rng = np.random.default_rng(9)
    sides = dimensions(rng, 100_000, 10, 30), dimensions(rng, 100_000, 10, 30)
    values = rng.normal(size=100_000), rng.normal(0.2, 1, size=100_000)
    began = time.process_time()
    slices(*values, *sides)
    print(f"{time.process_time() - began:.2f} s")
    assert time.process_time() - began < 5
