"""Questions about images of shapes: how they are asked, their true answers, and who judges what a model said.

The trainer of the small checkpoints, their evaluation and the demo draw questions here; chance comes only from the
generator that is passed in.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from monitor.demo.scenes import COLOURS, SHAPES, Scene, Thing, album, pair, scene
from monitor.stats.points import shapes as points_of

T = TypeVar("T")
Rng = np.random.Generator
Scenes = tuple[Scene, ...]

ALBUM_SIZES = (3, 4, 5, 6, 7, 8)
ALBUM_SHARES = (0.3, 0.2, 0.15, 0.12, 0.11, 0.12)


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt about some images with its true answer; `target` is the thing that a point has to hit."""

    kind: str
    scenes: Scenes
    prompt: str
    label: str
    target: Thing | None = None

    def right(self, answer: str) -> bool:
        """Whether a model that gives this answer is right: it hits the target, or it says what the label says."""
        return same_text(self.label, answer) if self.target is None else hits(self.target, answer)


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked about images that are known, with the true answer."""

    prompt: str
    label: str
    target: Thing | None = None


def same_text(label: str, answer: str) -> bool:
    """The same words, whatever the case, blanks around them and a full stop at the end."""
    return _plain(answer) == _plain(label)


def hits(target: Thing, answer: str) -> bool:
    """One point, and it lies in the circle around the thing."""
    found = points_of(answer)
    if len(found) != 1 or found[0].is_box or found[0].in_pixels:
        return False
    x, y = found[0].numbers
    return target.covers(x, y)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of question: how its images are drawn, and how it is asked about given images."""

    about: str
    draw: Callable[[Rng], Scenes]
    ask: Callable[[Rng, Scenes], Asked]


def sample(kind: str, rng: Rng, kinds: Mapping[str, Kind] | None = None) -> Question:
    """A question of the kind about fresh images."""
    one = (kinds or KINDS)[kind]
    scenes = one.draw(rng)
    asked = one.ask(rng, scenes)
    return Question(kind, scenes, asked.prompt, asked.label, asked.target)


def ask(kind: str, scenes: Scenes, rng: Rng) -> Question:
    """A question of the kind about given images, as many as the kind is about."""
    asked = KINDS[kind].ask(rng, scenes)
    return Question(kind, scenes, asked.prompt, asked.label, asked.target)


def one_image(rng: Rng) -> Scenes:
    return (scene(rng),)


def many_images(rng: Rng) -> Scenes:
    """Three to eight images of one or two things."""
    return album(rng, int(rng.choice(ALBUM_SIZES, p=ALBUM_SHARES)), most=2)


def _colour(rng: Rng, scenes: Scenes) -> Asked:
    thing = one_of(rng, scenes[0].things)
    forms = ("What colour is the {}?", "Which colour has the {}?", "Name the colour of the {}.")
    return Asked(one_of(rng, forms).format(thing.shape), thing.colour)


def _shape(rng: Rng, scenes: Scenes) -> Asked:
    thing = one_of(rng, scenes[0].things)
    forms = ("What shape is {}?", "Which shape do you see in {}?", "Look at the image. What is {}?")
    return Asked(one_of(rng, forms).format(thing.colour), thing.shape)


def _count(rng: Rng, scenes: Scenes) -> Asked:
    forms = ("How many shapes are there?", "Count the shapes.", "How many objects do you see?")
    return Asked(one_of(rng, forms), str(len(scenes[0].things)))


def _exist(rng: Rng, scenes: Scenes) -> Asked:
    """Half of the things that are asked for are there; most others have a colour or a shape of the image."""
    shown = one_of(rng, scenes[0].things)
    there = rng.random() < 0.5
    asked = shown if there else one_of(rng, _absent(scenes, shown))
    forms = ("Is there {}?", "Does the image show {}?", "Can you see {}?")
    return Asked(one_of(rng, forms).format(asked.with_article), "yes" if there else "no")


def _absent(scenes: Scenes, shown: Thing) -> list[Thing]:
    """Things that are on none of the images; those of the colour or shape of the shown one stand there four times."""
    others = (replace(shown, colour=colour, shape=shape) for colour in COLOURS for shape in SHAPES)
    missing = [other for other in others if not any(image.has(other.name) for image in scenes)]
    return [one for one in missing for _ in range(4 if one.colour == shown.colour or one.shape == shown.shape else 1)]


def _list(rng: Rng, scenes: Scenes) -> Asked:
    forms = ("List the shapes.", "Name all shapes.", "Which shapes do you see?")
    return Asked(one_of(rng, forms), ", ".join(thing.name for thing in scenes[0].things))


def _point(rng: Rng, scenes: Scenes) -> Asked:
    thing = one_of(rng, scenes[0].things)
    forms = ("Where is the {}?", "Point at the {}.", "Give the position of the {}.")
    return Asked(one_of(rng, forms).format(thing.name), thing.point, thing)


def _describe(rng: Rng, scenes: Scenes) -> Asked:
    forms = ("Describe the image.", "What do you see?", "Describe this image for someone who cannot see it.")
    return Asked(one_of(rng, forms), f"The image shows {counted(scenes[0])}.")


def _compare(rng: Rng, scenes: Scenes) -> Asked:
    return _more(rng, scenes) if rng.random() < 0.4 else _both(rng, scenes)


def _more(rng: Rng, scenes: Scenes) -> Asked:
    forms = ("Which image has more shapes?", "Compare the two images: on which are more shapes?")
    first, second = (len(image.things) for image in scenes)
    label = "both the same" if first == second else "the first" if first > second else "the second"
    return Asked(one_of(rng, forms), label)


def _both(rng: Rng, scenes: Scenes) -> Asked:
    """Whether a thing that is on at least one of the two images is on both."""
    first, second = scenes
    common = [thing for thing in first.things if second.has(thing.name)]
    single = [thing for image in scenes for thing in image.things if not all(one.has(thing.name) for one in scenes)]
    asked = one_of(rng, common if common and (not single or rng.random() < 0.6) else single)
    forms = ("Do both images show {}?", "Do you see on both images {}?")
    return Asked(one_of(rng, forms).format(asked.with_article), "yes" if asked in common else "no")


def _any(rng: Rng, scenes: Scenes) -> Asked:
    """Whether a colour is on at least one of the images; for half of the questions it is, unless all colours are."""
    shown = {thing.colour for image in scenes for thing in image.things}
    present = [colour for colour in COLOURS if colour in shown]
    absent = [colour for colour in COLOURS if colour not in shown]
    there = not absent or rng.random() < 0.5
    asked = one_of(rng, present if there else absent)
    forms = ("Does any of the images show something {}?", "Is there something {} on any image?")
    return Asked(one_of(rng, forms).format(asked), "yes" if there else "no")


def _images(rng: Rng, scenes: Scenes) -> Asked:
    forms = ("How many images are there?", "Count the images.", "How many images do you see?")
    return Asked(one_of(rng, forms), str(len(scenes)))


KINDS: dict[str, Kind] = {
    "colour": Kind("the colour of a shape", one_image, _colour),
    "shape": Kind("the shape of a colour", one_image, _shape),
    "count": Kind("how many shapes", one_image, _count),
    "exist": Kind("whether a thing is there", one_image, _exist),
    "list": Kind("all shapes in reading order", one_image, _list),
    "point": Kind("where a thing is, as (x, y)", one_image, _point),
    "describe": Kind("a sentence that names all shapes", one_image, _describe),
    "compare": Kind("two images: which has more, is a thing on both", pair, _compare),
    "any": Kind("three to eight images: is a colour on any of them", many_images, _any),
    "images": Kind("three to eight images: how many they are", many_images, _images),
}


def counted(image: Scene) -> str:
    """Such as "2 shapes: a red circle and a blue square"."""
    count = "1 shape" if len(image.things) == 1 else f"{len(image.things)} shapes"
    return f"{count}: {joined([thing.with_article for thing in image.things])}"


def joined(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def one_of(rng: Rng, choices: Sequence[T]) -> T:
    return choices[int(rng.integers(len(choices)))]


def _plain(text: str) -> str:
    return text.strip().removesuffix(".").casefold()
