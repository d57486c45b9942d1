"""All pairs of candidates at once, against a plain reckoning, and how often they are wrong."""

import itertools
import time
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from monitor.stats import allpairs
from monitor.stats.allpairs import shown_lower
from monitor.stats.holm import holm
from monitor.stats.paired import mcnemar_exact
from monitor.stats.signflip import sign_flip

Floats = NDArray[np.float64]


def plainly(sums: Floats, level: float) -> NDArray[np.bool_]:
    """By every way to flip the groups, in as many steps as it takes; sums are (groups, candidates)."""
    k = sums.shape[1]
    pairs = [(i, j) for i, j in itertools.combinations(range(k), 2) if np.any(sums[:, i] != sums[:, j])]
    apart = np.column_stack([sums[:, j] - sums[:, i] for i, j in pairs])
    ways = np.array(list(itertools.product((1, -1), repeat=len(sums)))) @ apart / np.sqrt((apart**2).sum(axis=0))
    seen, shown = ways[0], np.zeros((k, k), dtype=bool)
    while True:
        left = [number for number, (i, j) in enumerate(pairs) if not shown[i, j] and not shown[j, i]]
        if not left:
            return shown
        largest = np.abs(ways[:, left]).max(axis=1)
        new = [number for number in left if np.mean(largest >= abs(seen[number]) - 1e-9) < level]
        if not new:
            return shown
        for number in new:
            low, high = pairs[number] if seen[number] > 0 else pairs[number][::-1]
            shown[low, high] = True


@pytest.mark.parametrize("kind", ["passes", "graded", "grouped"])
def test_it_is_what_going_through_all_ways_shows(kind: str) -> None:
    rng = np.random.default_rng(201)
    shown = 0
    for _ in range(30):
        able = rng.choice([0.0, 0.1, 0.9], 4)
        values = (rng.random((12, 4)) < able + 0.05).astype(float)
        if kind == "graded":
            values = values + 0.4 * rng.random((12, 4))
        expected = plainly(values, 0.05)
        if kind == "grouped":
            groups = np.repeat(np.arange(12), 3).tolist()
            assert shown_lower(np.repeat(values, 3, axis=0), groups).tolist() == expected.tolist()
        else:
            assert shown_lower(values).tolist() == expected.tolist()
        shown += expected.sum()
    assert shown > 30


def test_random_ways_agree_with_all_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(202)
    tables = [rng.random((13, 5)) + rng.choice([0.0, 0.15, 0.3], 5) for _ in range(40)]
    every = np.array([shown_lower(table) for table in tables])
    monkeypatch.setattr(allpairs, "COUNTED", 0)
    drawn = np.array([shown_lower(table) for table in tables])
    assert every.sum() > 40
    assert (every != drawn).sum() <= 3  # within the error of 10,000 draws of 5 %


@pytest.mark.parametrize("won", range(3, 12))
def test_two_are_tested_by_themselves(won: int) -> None:
    values = np.array([[1.0, 0.0]] * won + [[0.0, 1.0]] * 2 + [[1.0, 1.0]] * 20)
    assert shown_lower(values)[1, 0] == (mcnemar_exact(won, 2) < 0.05)
    assert not shown_lower(values)[0, 1]


@pytest.mark.parametrize("k", [20, 60])
def test_one_that_is_far_better_is_shown_however_many_there_are(k: int) -> None:
    values = 0.5 + 0.05 * np.random.default_rng(203).normal(size=(300, k))
    values[:, 3] += 0.27
    shown = shown_lower(values)
    assert shown[:, 3].sum() == k - 1 == shown.sum()
    pairs = list(itertools.combinations(range(k), 2))
    assert holm([0.0001] * len(pairs))[0] > 0.05 or k < 33  # what 10,000 flips of each pair could show at best


@pytest.mark.parametrize("kind", ["passes", "rare failures", "skewed", "by image"])
def test_of_equal_candidates_any_is_shown_in_one_case_of_twenty(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allpairs, "_WAYS", (499, 499))
    rng = np.random.default_rng(204)

    def draw() -> tuple[Floats, list[int] | None]:
        hard = rng.normal(size=(120, 1))
        if kind == "skewed":
            return rng.exponential(size=(60, 8)), None
        if kind == "by image":
            of_image = np.repeat(rng.normal(size=(30, 8)), 4, axis=0)
            return (hard + of_image + rng.normal(size=(120, 8)) < 1).astype(float), np.repeat(range(30), 4).tolist()
        return (hard + rng.normal(size=(120, 8)) < (2.3 if kind == "rare failures" else 0.7)).astype(float), None

    wrong = sum(shown_lower(*draw()).any() for _ in range(300))
    assert wrong <= stats.binom.ppf(0.995, 300, 0.05)


def test_true_differences_do_not_make_the_others_look_different(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two far apart, ten equal ones between them: among these any is shown in one case of twenty at most."""
    monkeypatch.setattr(allpairs, "_WAYS", (999, 999))
    rng, wrong = np.random.default_rng(205), 0
    for _ in range(150):
        values = rng.normal(size=(60, 12)) + np.array([-3.0, 3.0] + [0.0] * 10)
        shown = shown_lower(values)
        wrong += int(shown[2:, 2:].any())
        assert shown[0, 1:].all()
        assert shown[2:, 1].all()
    assert wrong <= stats.binom.ppf(0.995, 150, 0.05)


def test_what_was_shown_makes_room_for_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(206)
    tables = [rng.normal(size=(80, 9)) + np.array([0.0, 0.42] + [5.0 * i for i in range(1, 8)]) for _ in range(40)]
    monkeypatch.setattr(allpairs, "_WAYS", (1999, 1999))
    stepwise = sum(shown_lower(table)[0, 1] for table in tables)
    monkeypatch.setattr(allpairs, "_STEPS", 1)
    assert stepwise > sum(shown_lower(table)[0, 1] for table in tables) + 5


def test_many_groups_are_put_together_and_show_the_same() -> None:
    rng = np.random.default_rng(207)
    values = (rng.normal(size=(20_000, 1)) + rng.normal(size=(20_000, 4)) < [0.5, 0.5, 0.55, 0.9]).astype(float)
    shown = shown_lower(values)
    for i, j in itertools.combinations(range(4), 2):
        p_value = sign_flip(values[:, j] - values[:, i])
        if p_value < 0.001 or p_value > 0.05:
            assert (shown[i, j] or shown[j, i]) == (p_value < 0.001)
    assert shown[:3, 3].all()


def test_candidates_that_never_differ_or_hardly_are_not_told_apart() -> None:
    one = np.random.default_rng(208).random(50)
    shown = shown_lower(np.column_stack([one, one, one + 1e-15, one - 0.3]))
    assert shown.astype(int).tolist() == [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [1, 1, 1, 0]]
    assert not shown_lower(np.full((30, 5), 0.7)).any()
    assert shown_lower(np.ones((12, 1))).tolist() == [[False]]


def test_turning_the_scale_around_turns_all_pairs_and_the_seed_decides_nothing_else() -> None:
    values = np.random.default_rng(209).random((60, 6)) + np.linspace(0, 0.3, 6)
    assert shown_lower(-values).tolist() == shown_lower(values).T.tolist()
    assert shown_lower(100 * values + 7).tolist() == shown_lower(values).tolist()


def test_two_hundred_with_a_thousand_items_take_seconds() -> None:
    rng = np.random.default_rng(210)
    values = (rng.normal(size=(1000, 1)) + rng.normal(size=(1000, 200)) < rng.uniform(0.3, 1, 200)).astype(float)
    begin = time.process_time()
    assert shown_lower(values).sum() > 100
    assert time.process_time() - begin < 12


@pytest.mark.parametrize("values", [[0.1, 0.2], [[0.1, float("nan")]]])
def test_what_does_not_fit_is_named(values: Any) -> None:
    with pytest.raises(ValueError, match="expected finite numbers"):
        shown_lower(values)
