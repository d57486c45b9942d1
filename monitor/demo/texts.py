"""Prompts about shapes without images, with their true answers: what the small text-only checkpoint learns."""

import msgspec
import numpy as np

from monitor.demo.questions import Asked, Kind, Scenes, joined, one_of
from monitor.demo.scenes import Scene, scene

Rng = np.random.Generator

FEW = 2
"""Up to so many objects are few."""

PAGES = (2, 5)


def no_image(rng: Rng) -> Scenes:
    return ()


def _caption(rng: Rng, scenes: Scenes) -> Asked:
    image = scene(rng)
    listed = "; ".join(f"{thing.name} ({thing.place})" for thing in image.things)
    forms = ("Write one sentence about an image with: {}.", "Caption for a picture book, objects: {}.")
    names = [f"{thing.with_article} in the {thing.place}" for thing in image.things]
    return Asked(one_of(rng, forms).format(listed), f"On a white page there is {joined(names)}.")


def _extract(rng: Rng, scenes: Scenes) -> Asked:
    image = scene(rng)
    forms = ("Extract colour and shape as JSON: {}", "Return a JSON list of the objects in this text. {}")
    pairs = [[thing.colour, thing.shape] for thing in image.things]
    return Asked(one_of(rng, forms).format(_sentences(rng, image)), msgspec.json.encode(pairs).decode())


def _classify(rng: Rng, scenes: Scenes) -> Asked:
    return classify(rng, scene(rng))


def classify(rng: Rng, image: Scene) -> Asked:
    """Whether a text about the things of the scene names few of them or many."""
    forms = ("Are there few objects or many? Answer with one word. {}", "Few or many objects? {}")
    return Asked(one_of(rng, forms).format(_sentences(rng, image)), "few" if len(image.things) <= FEW else "many")


def _summary(rng: Rng, scenes: Scenes) -> Asked:
    return summary(rng, PAGES)


def summary(rng: Rng, pages_between: tuple[int, int]) -> Asked:
    """Pages of one sentence each; the answer says how many there are and what is on them."""
    pages = [scene(rng, most=1) for _ in range(int(rng.integers(pages_between[0], pages_between[1] + 1)))]
    text = "\n".join(f"Page {number}. {_sentences(rng, page)}" for number, page in enumerate(pages, 1))
    forms = ("Summarise the report.\n{}", "Give a short summary of these pages.\n{}")
    shown = ", ".join(page.things[0].name for page in pages)
    return Asked(one_of(rng, forms).format(text), f"{len(pages)} pages: {shown}")


def _sentences(rng: Rng, image: Scene) -> str:
    forms = ("The {0} is in the {2}.", "In the {2} there is {1}.", "There is {1} in the {2}, and nothing touches it.")
    return " ".join(one_of(rng, forms).format(thing.name, thing.with_article, thing.place) for thing in image.things)


TEXT_KINDS: dict[str, Kind] = {
    "caption": Kind("a sentence from a list of things", no_image, _caption),
    "extract": Kind("the things of a text as JSON", no_image, _extract),
    "classify": Kind("whether a text names few things or many", no_image, _classify),
    "summary": Kind("the number of pages of a report, and what is on each", no_image, _summary),
}
