"""Prompts about shapes in German, with their true answers: what the text-only checkpoint never learned.

`shifted` draws from them; `texts` has the English ones that it did learn.
"""

from dataclasses import dataclass

import msgspec
import numpy as np

from monitor.demo.questions import Asked, Kind, Scenes, one_of
from monitor.demo.scenes import Scene, Thing, scene
from monitor.demo.texts import FEW, PAGES, no_image

Rng = np.random.Generator

COLOURS = {
    "red": "rot",
    "green": "grün",
    "blue": "blau",
    "yellow": "gelb",
    "purple": "violett",
    "orange": "orangefarben",
}
PLACES = {
    "upper left": "oben links",
    "upper right": "oben rechts",
    "lower left": "unten links",
    "lower right": "unten rechts",
}


@dataclass(frozen=True, slots=True)
class Noun:
    """A shape with its articles, and the ending of an adjective after the indefinite one."""

    name: str
    definite: str
    ending: str


SHAPES = {
    "circle": Noun("Kreis", "der", "er"),
    "square": Noun("Quadrat", "das", "es"),
    "triangle": Noun("Dreieck", "das", "es"),
    "cross": Noun("Kreuz", "das", "es"),
}


def named(thing: Thing) -> str:
    """Such as "roter Kreis"."""
    noun = SHAPES[thing.shape]
    return f"{COLOURS[thing.colour]}{noun.ending} {noun.name}"


def pointed(thing: Thing) -> str:
    """Such as "der rote Kreis"."""
    noun = SHAPES[thing.shape]
    return f"{noun.definite} {COLOURS[thing.colour]}e {noun.name}"


def joined(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} und {names[-1]}"


def _caption(rng: Rng, scenes: Scenes) -> Asked:
    image = scene(rng)
    listed = "; ".join(f"{named(thing)} ({PLACES[thing.place]})" for thing in image.things)
    forms = ("Schreibe einen Satz über ein Bild mit: {}.", "Bildunterschrift für ein Bilderbuch, Gegenstände: {}.")
    names = [f"{PLACES[thing.place]} ein {named(thing)}" for thing in image.things]
    return Asked(one_of(rng, forms).format(listed), f"Auf einer weißen Seite ist {joined(names)}.")


def _extract(rng: Rng, scenes: Scenes) -> Asked:
    image = scene(rng)
    forms = ("Gib Farbe und Form als JSON zurück: {}", "Welche Gegenstände nennt der Text? Antworte als JSON-Liste. {}")
    pairs = [[COLOURS[thing.colour], SHAPES[thing.shape].name] for thing in image.things]
    return Asked(one_of(rng, forms).format(_sentences(rng, image)), msgspec.json.encode(pairs).decode())


def _classify(rng: Rng, scenes: Scenes) -> Asked:
    image = scene(rng)
    forms = (
        "Sind es wenige oder viele Gegenstände? Antworte mit einem Wort. {}",
        "Wenige Gegenstände oder viele? {}",
    )
    return Asked(one_of(rng, forms).format(_sentences(rng, image)), "wenige" if len(image.things) <= FEW else "viele")


def _summary(rng: Rng, scenes: Scenes) -> Asked:
    """Pages of one sentence each; the answer says how many there are and what is on them."""
    pages = [scene(rng, most=1) for _ in range(int(rng.integers(PAGES[0], PAGES[1] + 1)))]
    text = "\n".join(f"Seite {number}. {_sentences(rng, page)}" for number, page in enumerate(pages, 1))
    forms = ("Fasse den Bericht zusammen.\n{}", "Gib eine kurze Zusammenfassung dieser Seiten.\n{}")
    shown = ", ".join(named(page.things[0]) for page in pages)
    return Asked(one_of(rng, forms).format(text), f"{len(pages)} Seiten: {shown}")


def _sentences(rng: Rng, image: Scene) -> str:
    return " ".join(_sentence(rng, thing) for thing in image.things)


def _sentence(rng: Rng, thing: Thing) -> str:
    place = PLACES[thing.place]
    forms = ("{it} ist {place}.", "{place} ist ein {name}.", "{place} ist ein {name}, und nichts liegt daneben.")
    told = one_of(rng, forms).format(it=pointed(thing), place=place, name=named(thing))
    return told[0].upper() + told[1:]


GERMAN_KINDS: dict[str, Kind] = {
    "caption": Kind("a German sentence from a list of things", no_image, _caption),
    "extract": Kind("the things of a German text as JSON", no_image, _extract),
    "classify": Kind("whether a German text names few things or many", no_image, _classify),
    "summary": Kind("the number of pages of a German report, and what is on each", no_image, _summary),
}
