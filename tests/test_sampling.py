"""Drawing tokens: seeds, top-p, temperature, logprobs, and rows that are broken."""

import pytest
import torch

from monitor.chat import Generation
from monitor.inference.sampling import Sampler, choose

LOGITS = torch.tensor([2.0, 1.0, 0.0, -1.0])


def drawn(count: int, **settings: float | int) -> list[int]:
    """So many draws of one row."""
    sampler = Sampler.of(Generation(**settings))  # type: ignore[arg-type]  # a test passes what it means
    return [choose(LOGITS[None], [sampler])[0].token for _ in range(count)]


def test_a_draw_follows_the_probabilities() -> None:
    tokens = drawn(4000, temperature=1.0, seed=1)
    shares = torch.bincount(torch.tensor(tokens), minlength=4) / len(tokens)
    assert torch.allclose(shares, torch.softmax(LOGITS, dim=-1), atol=0.03)


def test_top_p_keeps_the_likeliest_tokens_that_reach_it() -> None:
    assert {*drawn(300, temperature=1.0, top_p=0.6, seed=1)} == {0}
    assert {*drawn(300, temperature=1.0, top_p=0.7, seed=1)} == {0, 1}
    assert {*drawn(300, temperature=100.0, top_p=1.0, seed=1)} == {0, 1, 2, 3}


def test_the_same_seed_gives_the_same_draws_whatever_the_other_rows_do() -> None:
    alone = drawn(50, temperature=1.0, seed=7)
    mine, other = (Sampler.of(Generation(temperature=1.0, seed=seed)) for seed in (7, 8))
    greedy = Sampler.of(Generation())
    both = torch.stack([LOGITS.flip(0), LOGITS, LOGITS])
    together = [[choice.token for choice in choose(both, [other, mine, greedy])] for _ in range(50)]
    assert [tokens[1] for tokens in together] == alone
    assert {tokens[2] for tokens in together} == {0}
    assert drawn(50, temperature=1.0, seed=8) != alone


def test_without_a_seed_draws_differ() -> None:
    assert drawn(60, temperature=1.0) != drawn(60, temperature=1.0)


def test_logprobs_are_those_of_the_model_before_temperature_and_top_p() -> None:
    settings = Generation(temperature=0.5, top_p=0.5, seed=1, top_logprobs=2)
    choice, plain = choose(torch.stack([LOGITS, LOGITS]), [Sampler.of(settings), Sampler.of(Generation())])
    known = torch.log_softmax(LOGITS, dim=-1).tolist()
    assert choice.logprob == pytest.approx(known[choice.token])
    assert [token for token, _ in choice.top] == [0, 1]
    assert [logprob for _, logprob in choice.top] == pytest.approx(known[:2])
    assert (plain.logprob, plain.top) == (None, ())


def test_a_row_with_values_that_are_no_numbers_is_told_apart_from_the_others() -> None:
    rows = torch.stack([LOGITS] * 4)
    rows[1, 2], rows[2, 0] = float("nan"), float("inf")
    samplers = [Sampler.of(Generation(temperature=1.0, seed=1, top_logprobs=1))] * 4
    assert [choice.broken for choice in choose(rows, samplers)] == [False, True, True, False]
