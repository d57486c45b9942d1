"""The sample of prompts that the demo's checkpoints answered: the same images and questions for each of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from zlib import crc32

import numpy as np

from monitor.chat import Generation
from monitor.demo import questions, texts
from monitor.demo.deployments import VISION_KINDS
from monitor.demo.scenes import Scene

SEED = 20_261
"""Not a seed of the training or of the published figures: the demo asks about images that no checkpoint has seen."""

SCENES = 120
"""Images that each kind of question about one image is asked about."""
PAIRS, ALBUMS, TEXTS = 80, 40, 120

SETTINGS = {"shapes-vlm": Generation(max_tokens=48), "shapes-lm": Generation(max_tokens=128)}
"""How each model was asked to generate: greedily, up to so many tokens."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """One of the sample: its place in it, and the question."""

    id: str
    question: questions.Question


def prompts(kind: str) -> tuple[Prompt, ...]:
    """The sample of a kind, always the same."""
    rng = np.random.default_rng([SEED, crc32(kind.encode())])
    return tuple(Prompt(f"{kind}-{i:03d}", question) for i, question in enumerate(_draw(kind, rng)))


def all_scenes() -> Iterator[Scene]:
    """Every image that the sample is about, some of them more than once."""
    for kind in VISION_KINDS:
        for prompt in prompts(kind):
            yield from prompt.question.scenes


def _draw(kind: str, rng: np.random.Generator) -> Iterator[questions.Question]:
    if kind in texts.TEXT_KINDS:
        return (questions.sample(kind, rng, texts.TEXT_KINDS) for _ in range(TEXTS))
    if questions.KINDS[kind].draw is questions.one_image:
        return (questions.ask(kind, (scene,), rng) for scene in _shared_scenes())
    n = PAIRS if kind == "compare" else ALBUMS
    return (questions.sample(kind, rng) for _ in range(n))


@cache
def _shared_scenes() -> tuple[Scene, ...]:
    rng = np.random.default_rng(SEED)
    return tuple(scene for _ in range(SCENES) for scene in questions.one_image(rng))
