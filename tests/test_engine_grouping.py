"""Prompts of like lengths go through the model together, as far as that saves more than the passes cost."""

import random
from itertools import combinations

import pytest

from monitor.inference.grouping import FIRST_GUESS, LEAST, MOST_TOKENS, PassCost, split


def cost(groups: list[list[int]], pass_cost: float) -> float:
    return sum(pass_cost + len(group) * max(group) for group in groups)


@pytest.mark.parametrize("pass_cost", [1.0, 30.0, 100.0, 400.0, 5000.0])
def test_no_other_split_of_neighbours_costs_less(pass_cost: float) -> None:
    dice = random.Random(1)
    for _ in range(20):
        lengths = [dice.choice((31, 33, 50, 90, 164)) + dice.randrange(5) for _ in range(7)]
        ordered = sorted(lengths)
        cheapest = min(
            cost([ordered[a:b] for a, b in zip((0, *cuts), (*cuts, 7), strict=True)], pass_cost)
            for count in range(7)
            for cuts in combinations(range(1, 7), count)
        )
        groups = split(lengths, int, pass_cost)
        assert sorted(item for group in groups for item in group) == ordered
        assert cost(groups, pass_cost) == pytest.approx(cheapest)


def test_the_oldest_is_in_the_first_group() -> None:
    for oldest in (10, 400):
        items = [oldest, *[200] * 6, *[20] * 6]
        assert oldest in split(items, int, pass_cost=10)[0]


def test_a_prefill_is_bounded_unless_one_prompt_alone_is_longer() -> None:
    groups = split([MOST_TOKENS * 2, *[1000] * 40], int, pass_cost=10_000)
    assert sorted(map(len, groups), reverse=True)[:2] == [16, 16]
    assert all(len(group) * max(group) <= MOST_TOKENS or len(group) == 1 for group in groups)


def test_the_cost_of_a_pass_is_learnt_from_those_that_ran() -> None:
    known, dice = PassCost(), random.Random(1)
    assert known.tokens == FIRST_GUESS
    for _ in range(60):
        tokens = dice.randrange(30, 2000)
        known.learn(tokens, 0.006 + tokens * 0.00002 + dice.random() * 0.0005)
    assert 250 < known.tokens < 380
    for _ in range(400):  # another machine, where a pass by itself is nearly free
        tokens = dice.randrange(30, 2000)
        known.learn(tokens, tokens * 0.002)
    assert known.tokens == LEAST


def test_prefills_of_one_size_teach_nothing() -> None:
    known = PassCost()
    for _ in range(50):
        known.learn(100, 0.01)
    assert known.tokens == FIRST_GUESS
