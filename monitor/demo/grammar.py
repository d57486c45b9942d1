"""Template answers about coloured shapes: fills the seam of `answers` while no real checkpoint does.

A checkpoint has a skill, the share of labelled prompts that it answers rightly; wrong answers are plausible ones.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from monitor.demo.answers import MAX_TOKENS, Answer, Answers
from monitor.demo.scenes import COLOURS, SHAPES, Scene, Thing, scene

SKILL = {
    "shapes-vlm-step-450": 0.88,
    "shapes-vlm-step-600": 0.94,
    "shapes-vlm-step-900": 0.98,
    "shapes-lm-step-1200": 0.96,
}
OTHER_SKILL = 0.9
IMAGE_TOKENS = 81
TEMPLATE_TOKENS = 14
LETTERS_PER_TOKEN = 4.2

Rng = np.random.Generator


@dataclass(frozen=True, slots=True)
class Draft:
    """A prompt with its right answer and the wrong ones that a model might give; without those it has no label."""

    prompt: str
    right: str
    wrong: tuple[str, ...] = ()
    images: tuple[Scene, ...] = ()


def template_answers(kind: str, checkpoint: str, n: int, rng: Rng) -> Sequence[Answer]:
    """`n` prompts of the kind with the answers that a checkpoint of that skill would give."""
    write = WRITERS[kind]
    skill = SKILL.get(checkpoint, OTHER_SKILL)
    return [_answer(write(rng), skill, rng) for _ in range(n)]


ANSWERS: Answers = template_answers


def _answer(draft: Draft, skill: float, rng: Rng) -> Answer:
    fails = bool(draft.wrong) and rng.random() > skill
    text = _cut(_pick(rng, draft.wrong) if fails else draft.right)
    surety = (5.0, 4.0) if fails else (14.0, 2.0) if draft.wrong else (9.0, 3.0)
    return Answer(
        input_text=draft.prompt,
        output_text=text,
        media=tuple(image.media() for image in draft.images),
        label=_cut(draft.right) if draft.wrong else None,
        confidence=round(float(rng.beta(*surety)), 4),
        tokens_in=_tokens(draft.prompt) + TEMPLATE_TOKENS + IMAGE_TOKENS * len(draft.images),
        tokens_out=_tokens(text),
    )


def _tokens(text: str) -> int:
    return min(max(round(len(text) / LETTERS_PER_TOKEN), 1), 4096)


def _cut(text: str) -> str:
    return text[: int(MAX_TOKENS * LETTERS_PER_TOKEN)]


def _pick(rng: Rng, choices: Sequence[str]) -> str:
    return choices[int(rng.integers(len(choices)))]


def _one(rng: Rng, image: Scene) -> Thing:
    return image.things[int(rng.integers(len(image.things)))]


def _others(choices: Sequence[str], right: str) -> tuple[str, ...]:
    return tuple(choice for choice in choices if choice != right)


def _colour(rng: Rng) -> Draft:
    image = scene(rng)
    thing = _one(rng, image)
    ask = _pick(rng, ("What colour is the {}?", "Which colour does the {} have?", "Name the colour of the {}."))
    return Draft(ask.format(thing.shape), thing.colour, _others(COLOURS, thing.colour), (image,))


def _shape(rng: Rng) -> Draft:
    image = scene(rng)
    thing = _one(rng, image)
    ask = _pick(rng, ("What shape is {}?", "Which shape is the {} one?", "Look at the image. What is {} in it?"))
    return Draft(ask.format(thing.colour), thing.shape, _others(SHAPES, thing.shape), (image,))


def _count(rng: Rng) -> Draft:
    image = scene(rng)
    right = str(len(image.things))
    ask = _pick(rng, ("How many shapes are there?", "Count the shapes.", "How many objects do you see on this image?"))
    return Draft(ask, right, _others(("1", "2", "3", "4", "5"), right), (image,))


def _exists(rng: Rng) -> Draft:
    image = scene(rng)
    there = rng.random() < 0.5
    asked = _one(rng, image) if there else Thing(_pick(rng, COLOURS), _pick(rng, SHAPES), 0, 0)
    right = "yes" if any(thing.name == asked.name for thing in image.things) else "no"
    ask = _pick(rng, ("Is there {}?", "Does the image show {}?", "Can you see {} here?"))
    return Draft(ask.format(asked.with_article), right, _others(("yes", "no"), right), (image,))


def _point(rng: Rng) -> Draft:
    image = scene(rng)
    thing = _one(rng, image)
    wrong = Thing(thing.colour, thing.shape, (thing.row + 1) % 4, thing.column).point
    ask = _pick(rng, ("Where is the {}?", "Point at the {}.", "Give the position of the {} as (x, y)."))
    return Draft(ask.format(thing.name), thing.point, (wrong,), (image,))


def _compare(rng: Rng) -> Draft:
    first, second = scene(rng), scene(rng)
    verdicts = ("both the same", "the first", "the second")
    right = verdicts[int(np.sign(len(first.things) - len(second.things)))]
    ask = _pick(rng, ("Which image has more shapes?", "Compare the two images: on which are more objects?"))
    return Draft(ask, right, _others(verdicts, right), (first, second))


def _describe(rng: Rng) -> Draft:
    image = scene(rng, least=2)
    ask = _pick(rng, ("Describe the image.", "What do you see?", "Describe this image for someone who cannot see it."))
    return Draft(ask, " ".join([f"The image shows {_counted(image)}.", *_sentences(rng, image)]), images=(image,))


def _caption(rng: Rng) -> Draft:
    image = scene(rng, least=2)
    listed = "; ".join(f"{thing.name} ({thing.place})" for thing in image.things)
    ask = _pick(rng, ("Write one sentence about an image with: {}.", "Caption for a picture book, objects: {}."))
    names = [f"{thing.with_article} in the {thing.place}" for thing in image.things]
    return Draft(ask.format(listed), f"On a white page there is {_joined(names)}.")


def _extract(rng: Rng) -> Draft:
    image = scene(rng)
    ask = _pick(rng, ("Extract colour and shape as JSON: {}", "Return a JSON list of the objects in this text. {}"))
    pairs = [[thing.colour, thing.shape] for thing in image.things]
    wrong = ([*pairs, ["red", "circle"]], pairs[:-1])
    text = " ".join(_sentences(rng, image))
    return Draft(ask.format(text), _json(pairs), tuple(_json(pair) for pair in wrong))


def _classify(rng: Rng) -> Draft:
    image = scene(rng)
    right = "few" if len(image.things) < 3 else "many"
    text = " ".join(_sentences(rng, image))
    return Draft(f"Are there few objects or many? Answer with one word. {text}", right, _others(("few", "many"), right))


def _summary(rng: Rng) -> Draft:
    pages = [scene(rng, least=2) for _ in range(int(rng.integers(3, 12)))]
    text = "\n".join(f"Page {number}. {' '.join(_sentences(rng, page))}" for number, page in enumerate(pages, start=1))
    things = [thing for page in pages for thing in page.things]
    most = max(COLOURS, key=lambda colour: sum(thing.colour == colour for thing in things))
    first = f"The {len(pages)} pages show {len(things)} shapes, most of them {most}."
    more = f" The first page has {_counted(pages[0])}; the last one has {_counted(pages[-1])}."
    return Draft(f"Summarise the report.\n{text}", first + (more if rng.random() < 0.6 else ""))


def _sentences(rng: Rng, image: Scene) -> list[str]:
    forms = ("The {0} is in the {2}.", "In the {2} there is {1}.", "{1} is drawn in the {2}, and nothing touches it.")
    said = [_pick(rng, forms).format(thing.name, thing.with_article, thing.place) for thing in image.things]
    return [f"{sentence[0].upper()}{sentence[1:]}" for sentence in said]


def _counted(image: Scene) -> str:
    return f"{len(image.things)} shapes: {_joined([thing.with_article for thing in image.things])}"


def _joined(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _json(value: list[list[str]]) -> str:
    return msgspec.json.encode(value).decode()


WRITERS: dict[str, Callable[[Rng], Draft]] = {
    "colour": _colour,
    "shape": _shape,
    "count": _count,
    "exists": _exists,
    "point": _point,
    "compare": _compare,
    "describe": _describe,
    "caption": _caption,
    "extract": _extract,
    "classify": _classify,
    "summary": _summary,
}
