"""Prompts of like lengths go through the model together, as far as that saves more than the passes cost."""

import random
from itertools import combinations

import pytest
import torch

from monitor.inference.checkpoint import Loaded
from monitor.inference.engine import Engine, EngineOptions
from monitor.inference.grouping import FIRST_GUESS, LEAST, MOST_TOKENS, PassCost, split
from tests.checkpoints import ask, load, running


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


# -- in the engine


@pytest.fixture(scope="module")
def vlm(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    return load(tmp_path_factory.mktemp("vlm"), "vlm")


def test_rows_join_in_the_order_of_arrival_and_a_lone_one_when_it_is_the_oldest(vlm: Loaded) -> None:
    engine = Engine(vlm, EngineOptions(max_rows=8))  # not started: everything waits
    rows = [ask(engine, "word " * (1 + number % 3 * 40), max_tokens=2).ticket._row for number in range(6)]
    waiting = engine._waiting
    rows[2].alone = True
    assert waiting.pick(0, idle=True) == []
    assert waiting.pick(3, idle=False) == [rows[0], rows[1], rows[3]]
    assert waiting.pick(8, idle=False) == [], "a lone row that is the oldest holds back the others"
    assert waiting.pick(8, idle=True) == [rows[2]]
    assert waiting.pick(8, idle=False) == rows[4:]
    assert len(waiting) == 0
    assert waiting.bytes == 0
    engine.stop()


def test_what_joins_between_two_steps_is_bounded_and_the_oldest_is_never_put_back(
    vlm: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.inference.batch.MOST_TOKENS", 300)
    engine = Engine(vlm, EngineOptions(max_rows=8))
    rows = [ask(engine, "word " * words, max_tokens=3).ticket._row for words in (2, 40, 3, 45, 4, 50)]
    batch = engine._batch
    batch._cost.tokens = 1.0  # each length by itself
    with torch.inference_mode():
        back = batch.join(rows)
    assert rows[0] in batch.rows
    assert back == [row for row in rows if row not in batch.rows] != []
    assert sum(row.width for row in batch.rows) <= 300
    queued = [row.picked for row in back]
    assert queued == [0.0] * len(back), "what has to wait is still waiting"
    engine.stop()


def test_all_are_answered_whatever_is_put_back(vlm: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["word " * words for words in (90, 2, 80, 3, 70, 4, 60, 5)]
    with running(vlm, max_rows=1) as engine:
        alone = [ask(engine, text, max_tokens=6).outcome().text for text in texts]
    monkeypatch.setattr("monitor.inference.batch.MOST_TOKENS", 100)
    with running(vlm, max_rows=4) as engine:
        together = [call.outcome() for call in [ask(engine, text, max_tokens=6) for text in texts]]
    assert [outcome.text for outcome in together] == alone
    assert all(outcome.queue_ms >= 0 and outcome.prefill_ms > 0 for outcome in together)
