"""The requests of `bench.inference`: questions about rendered scenes, mixed in text, answer and number of images."""

from dataclasses import dataclass

import numpy as np

from monitor.chat import Generation, Image, Message
from monitor.demo.questions import ask, one_of
from monitor.demo.render import png
from monitor.demo.scenes import Scene, scene
from monitor.demo.texts import TEXT_KINDS

MAX_TOKENS = 24
IMAGES = {0: 0.10, 1: 0.68, 2: 0.12, 3: 0.04, 4: 0.03, 8: 0.03}
"""Share of the requests with so many images."""

ABOUT_ONE = ("colour", "shape", "count", "exist", "list", "point", "describe")
ABOUT_MANY = ("any", "images")
ABOUT_NONE = ("How many shapes are there?", "Which colour is it?", "List the shapes.")

PREFACES = (0, 0, 0, 0, 0, 1, 2, 4)
"""Descriptions of other scenes before the question: five requests of eight have none."""

Rng = np.random.Generator


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: what is asked, and how to answer it."""

    messages: tuple[Message, ...]
    settings: Generation

    @property
    def images(self) -> int:
        return sum(len(message.images) for message in self.messages)


def mixed(n: int, seed: int) -> list[Asked]:
    """`n` requests with the shares of IMAGES, the same for the same seed."""
    rng = np.random.default_rng(seed)
    counts = rng.choice([*IMAGES], n, p=[*IMAGES.values()]).tolist()
    return [_request(rng, count, one_of(rng, PREFACES)) for count in counts]


def with_images(n: int, images: int, seed: int) -> list[Asked]:
    """`n` requests of so many images each, without prefaces."""
    rng = np.random.default_rng(seed)
    return [_request(rng, images, 0) for _ in range(n)]


def texts(n: int, seed: int, max_tokens: int) -> list[Asked]:
    """`n` requests without images, for a model of texts: one word to several sentences as answers."""
    rng = np.random.default_rng(seed)
    prompts = [TEXT_KINDS[one_of(rng, [*TEXT_KINDS])].ask(rng, ()).prompt for _ in range(n)]
    return [Asked((Message("user", (prompt,)),), Generation(max_tokens=max_tokens)) for prompt in prompts]


def _request(rng: Rng, images: int, prefaces: int) -> Asked:
    scenes = tuple(scene(rng) for _ in range(images))
    said = [_said(scene(rng)) for _ in range(prefaces)]
    parts: list[str | Image] = [Image(png(one)) for one in scenes]
    parts.append(" ".join([*said, _question(rng, scenes)]))
    return Asked((Message("user", tuple(parts)),), Generation(max_tokens=MAX_TOKENS))


def _question(rng: Rng, scenes: tuple[Scene, ...]) -> str:
    """A question of the kinds that the checkpoints were trained on; answers of one word or of a sentence."""
    if not scenes:
        return one_of(rng, ABOUT_NONE)
    kind = {1: one_of(rng, ABOUT_ONE), 2: "compare"}.get(len(scenes)) or one_of(rng, ABOUT_MANY)
    return ask(kind, scenes, rng).prompt


def _said(image: Scene) -> str:
    return " ".join(f"There is {thing.with_article} at {thing.point}." for thing in image.things)
