"""Answers in a batch are those of single runs, token for token."""

import random

import pytest
import torch

from monitor.chat import Generation
from monitor.inference.checkpoint import Loaded
from monitor.inference.prepare import Prepared, prepare
from tests.checkpoints import LIMITS, Call, load, png, running, user

TIE = 1e-4
"""Two tokens whose log probabilities are closer than this may change places when rounding changes."""

TEXTS = (
    "Is there a red cross?",
    "What shape is blue? Name it.",
    "List the shapes. " * 8,
    "Count: один два три 😀 " * 3,
    "x",
)


@pytest.fixture(scope="module")
def vlm(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    return load(tmp_path_factory.mktemp("vlm"), "vlm")


@pytest.fixture(scope="module")
def lm(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    return load(tmp_path_factory.mktemp("lm"), "lm")


def single(loaded: Loaded, prepared: Prepared, tokens: int) -> tuple[list[int], list[torch.Tensor]]:
    """What transformers' own `generate` answers to one request by itself, with the logits of each token."""
    ids = torch.tensor([prepared.ids])
    made = loaded.model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        **prepared.pixels,
        do_sample=False,
        max_new_tokens=tokens,
        output_logits=True,
        return_dict_in_generate=True,
    )
    return made.sequences[0, ids.shape[1] :].tolist(), [logits[0].float() for logits in made.logits]


def mixed(loaded: Loaded, count: int, most_images: int) -> list[tuple[Prepared, Generation]]:
    """Requests of different lengths, images and lengths of answer."""
    dice = random.Random(0)
    files = [png(seed, size=(64, 64) if seed % 3 else (90, 41)) for seed in range(12)]
    requests = []
    for _ in range(count):
        images = [dice.choice(files) for _ in range(dice.randint(0, most_images))]
        settings = Generation(max_tokens=dice.randint(1, 7), top_logprobs=2)
        text = f"{dice.choice(TEXTS)} {dice.randrange(100)}"
        requests.append((prepare(loaded, user(text, images), settings, LIMITS), settings))
    return requests


def check_same(loaded: Loaded, requests: list[tuple[Prepared, Generation]], calls: list[Call]) -> int:
    """Compare each answer with a single run; returns how many differ, which only a tie may cause."""
    different = 0
    for (prepared, settings), call in zip(requests, calls, strict=True):
        tokens, logits = single(loaded, prepared, settings.max_tokens)
        given = call.ticket._row.generated
        if given == tokens:
            continue
        different += 1
        at = next(place for place, pair in enumerate(zip(given, tokens, strict=False)) if pair[0] != pair[1])
        best = torch.log_softmax(logits[at], dim=-1).topk(2).values
        assert float(best[0] - best[1]) < TIE, f"token {at}: {given} in the batch, {tokens} alone, and it was no tie"
    return different


def test_two_hundred_mixed_requests_get_the_tokens_of_single_runs(vlm: Loaded) -> None:
    requests = mixed(vlm, 200, most_images=8)
    with running(vlm, max_rows=32) as engine:
        calls = [Call(engine, *request) for request in requests]
        outcomes = [call.outcome() for call in calls]
        figures = engine.figures()
    assert check_same(vlm, requests, calls) <= 2
    assert {outcome.tokens_in for outcome in outcomes} == {prepared.tokens_in for prepared, _ in requests}
    assert {prepared.images for prepared, _ in requests} == {*range(9)}
    assert max(outcome.batch_rows for outcome in outcomes) == 32
    assert figures.images == sum(prepared.images for prepared, _ in requests)


def test_a_text_only_checkpoint_answers_the_same_in_a_batch(lm: Loaded) -> None:
    requests = mixed(lm, 60, most_images=0)
    with running(lm, max_rows=16) as engine:
        calls = [Call(engine, *request) for request in requests]
        for call in calls:
            call.outcome()
    assert check_same(lm, requests, calls) <= 1
