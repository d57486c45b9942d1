"""The prompts of each planted shift, with their images: what `record` asks, and what the demo keeps of the images.

Darker, blank and larger images go with questions of the demo's own sample, so that nothing but the image is another.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from zlib import crc32

import numpy as np
from PIL import Image

from monitor.demo import asked, questions, render, texts
from monitor.demo.asked import Prompt
from monitor.demo.deployments import VISION_KINDS
from monitor.demo.german import GERMAN_KINDS
from monitor.demo.questions import Kind, Question, Scenes
from monitor.demo.scenes import SHAPES, SIDE, Scene, Thing, scene

Rng = np.random.Generator

STAR = "star"
GREY = (128, 128, 128)
DARK = 0.6
LARGER = 2
PAGES, THINGS = (6, 9), (8, 16)
"""Pages of a long report, and things of a long text, from and up to."""

SHORT = 32
"""The limit of tokens that came with the German prompts: the stammer would go on to any limit."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the prompts of a shift come about."""

    prompts: Callable[[], tuple[Prompt, ...]]
    picture: Callable[[Scene], Image.Image] = render.image
    max_tokens: int | None = None  # None: that of the model


PLAIN = Recipe(tuple)
"""How a prompt of the demo's own sample is asked."""


def files(recipe: Recipe, prompt: Prompt) -> list[bytes]:
    """The images of a prompt as PNG files."""
    return [render.to_png(recipe.picture(one)) for one in prompt.question.scenes]


def all_files() -> Iterator[bytes]:
    """Every image of every shift, some of them more than once."""
    for recipe in RECIPES.values():
        for prompt in recipe.prompts():
            yield from files(recipe, prompt)


def darker(image: Scene) -> Image.Image:
    return Image.fromarray((render.pixels(image) * DARK).astype(np.uint8))


def blank(image: Scene) -> Image.Image:
    return Image.new("RGB", (SIDE, SIDE), GREY)


def larger(image: Scene) -> Image.Image:
    size = (LARGER * SIDE, LARGER * SIDE)
    return render.image(image).resize(size, Image.Resampling.NEAREST)


def _sampled(every: int) -> tuple[Prompt, ...]:
    """Of each kind about images every so-manieth prompt of the demo's sample, in order of its brightness."""
    found: list[Prompt] = []
    for kind in VISION_KINDS:
        ordered = sorted(asked.prompts(kind), key=_brightness)
        found += ordered[every // 2 :: every]
    return tuple(found)


def _brightness(prompt: Prompt) -> float:
    return float(np.mean([render.planes(one).mean() for one in prompt.question.scenes]))


def _drawn(seed: str, counts: Mapping[str, int], draw: Callable[[str, Rng], Question]) -> tuple[Prompt, ...]:
    """So many fresh prompts of each kind."""
    found: list[Prompt] = []
    for kind, count in counts.items():
        rng = np.random.default_rng([asked.SEED, crc32(seed.encode()), crc32(kind.encode())])
        found += (Prompt(f"{kind}-{i:03d}", draw(kind, rng)) for i in range(count))
    return tuple(found)


def _of(kinds: Mapping[str, Kind]) -> Callable[[str, Rng], Question]:
    return lambda kind, rng: questions.sample(kind, rng, kinds)


def _about_a_star(kind: str, rng: Rng) -> Question:
    """A question about images with a star; where one can be named, it is."""
    if kind == "exist" and rng.random() < 0.5:
        return _without_a_star(rng)
    nameless = kind in ("count", "images", "any", "compare")
    while True:
        question = questions.ask(kind, _starred(rng, questions.KINDS[kind].draw(rng)), rng)
        if nameless or STAR in f"{question.prompt} {question.label}":
            return question


def _without_a_star(rng: Rng) -> Question:
    """Whether a star is on an image that has none."""
    while True:
        question = questions.sample("exist", rng)
        if question.label == "no":
            shape = next(shape for shape in SHAPES if shape in question.prompt)
            return replace(question, prompt=question.prompt.replace(shape, STAR))


def _starred(rng: Rng, scenes: Scenes) -> Scenes:
    """The scenes with a star for every thing of one of their shapes."""
    shape = questions.one_of(rng, [thing.shape for image in scenes for thing in image.things])
    return tuple(
        replace(image, things=tuple(replace(t, shape=STAR) if t.shape == shape else t for t in image.things))
        for image in scenes
    )


def _long_summary(rng: Rng, scenes: Scenes) -> questions.Asked:
    return texts.summary(rng, PAGES)


def _long_classify(rng: Rng, scenes: Scenes) -> questions.Asked:
    """Few or many, of a text about the things of several scenes."""
    things: list[Thing] = []
    wanted = int(rng.integers(THINGS[0], THINGS[1] + 1))
    while len(things) < wanted:
        things += scene(rng).things
    return texts.classify(rng, Scene(tuple(things)))


LONG_KINDS = {
    "summary": Kind("a summary of a long report", texts.no_image, _long_summary),
    "classify": Kind("whether a long text names few things or many", texts.no_image, _long_classify),
}

STARS = dict.fromkeys(VISION_KINDS, 16) | {"compare": 12, "any": 6, "images": 4}
REPORTS = {"summary": 28, "classify": 14}
GERMAN = dict.fromkeys(GERMAN_KINDS, 24)

RECIPES: dict[str, Recipe] = {
    "longer_prompts": Recipe(lambda: _drawn("longer", REPORTS, _of(LONG_KINDS))),
    "new_shape": Recipe(lambda: _drawn("star", STARS, _about_a_star)),
    "darker_images": Recipe(lambda: _sampled(5), darker),
    "german_prompts": Recipe(lambda: _drawn("german", GERMAN, _of(GERMAN_KINDS)), max_tokens=SHORT),
    "blank_images": Recipe(lambda: _sampled(8), blank),
    "larger_images": Recipe(lambda: _sampled(5), larger),
}
"""The prompts of each shift of `shifts`."""
