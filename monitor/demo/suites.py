"""Writes suites of questions for the small checkpoints: the shipped canaries (`python -m monitor.demo.suites`), and the
benchmarks of the demo, which `make demo` draws.

Questions come from `questions` and `texts` with seeds of their own, so that no checkpoint was taught or judged on them.
Images are drawn as in training and then kept in 64 shades a colour, which makes their files half as large.
"""

import hashlib
import io
import json
import math
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import ImageOps

from monitor.canary.suites import NAME, SHIPPED
from monitor.demo import questions, texts
from monitor.demo.questions import Question, Rng, Scenes
from monitor.demo.render import image
from monitor.demo.scenes import SIDE, Scene, Thing, album, pair, scene


@dataclass(frozen=True, slots=True)
class Draw:
    """How much is drawn; the seed is none of the training, of the published figures, or of the demo's log."""

    seed: int
    singles: int  # images
    pairs: int
    albums: tuple[int, ...]  # images of each album
    each: int  # questions of each kind about images
    texts: int  # questions of each kind about texts


CANARIES = Draw(seed=4_000_037, singles=10, pairs=3, albums=(3, 4, 5), each=6, texts=10)
BENCHMARKS = Draw(seed=5_000_011, singles=50, pairs=25, albums=(3, 4, 5, 6) * 5, each=50, texts=40)

BITS = 6
MAX_TOKENS = {"shapes": 48, "shapes-text": 128, "shapes-lm": 128}

ABOUT = {
    "shapes": "What the small vision checkpoints can do: ten kinds of questions about images of coloured shapes.",
    "shapes-text": "What the small text checkpoints can do: captions, JSON, classes and summaries about shapes.",
    "shapes-vqa": "Questions about one image of coloured shapes: colour, shape, count, presence, list, description.",
    "shapes-point": "Where a shape is: one point (x, y) in shares of the image.",
    "shapes-multi": "Questions about two to six images: comparison, presence on any, how many.",
    "shapes-lm": "Captions, JSON, classes and summaries about shapes, without an image.",
}
SEVERAL = ("compare", "any", "images")
VISION = {
    "shapes-vqa": tuple(kind for kind in questions.KINDS if kind not in ("point", *SEVERAL)),
    "shapes-point": ("point",),
    "shapes-multi": SEVERAL,
}
"""The benchmarks about images, and the kinds of questions in each."""

ITEMS = "items.jsonl"


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with the files of its images."""

    question: Question
    files: tuple[str, ...]


def main() -> None:
    """Write both canary suites over what lies there."""
    write_images(SHIPPED["shapes"], CANARIES)
    write(SHIPPED["shapes"], "shapes", shapes_items(CANARIES, questions.KINDS))
    write(SHIPPED["shapes-text"], "shapes-text", text_items(CANARIES))


def write_benchmarks(folder: Path) -> None:
    """The benchmarks of the demo, a folder each, with their items as JSON Lines."""
    for name, kinds in VISION.items():
        write_images(folder / name, BENCHMARKS, kinds)
        write_lines(folder / name, name, shapes_items(BENCHMARKS, kinds))
    write_lines(folder / "shapes-lm", "shapes-lm", text_items(BENCHMARKS))


def write(folder: Path, suite: str, items: Iterable[dict[str, Any]]) -> None:
    """One suite file; each item is written as a person would."""
    folder.mkdir(parents=True, exist_ok=True)
    text = "".join(_yaml(part) for part in (_head(suite), {"items": list(items)}))
    (folder / NAME).write_text(f"# Written by `python -m monitor.demo.suites`.\n{text}", "utf-8")


def write_lines(folder: Path, suite: str, items: Iterable[dict[str, Any]]) -> None:
    """A suite file whose items stand in another, one a line."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ITEMS).write_text("".join(f"{json.dumps(item)}\n" for item in items), "utf-8")
    (folder / NAME).write_text(_yaml(_head(suite) | {"items": ITEMS}), "utf-8")


def write_images(folder: Path, draw: Draw, kinds: Collection[str] = tuple(questions.KINDS)) -> None:
    """The images of a draw that questions of these kinds are about."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for name, content in images(draw, kinds).items():
        (folder / "images" / name).write_bytes(content)


def _head(suite: str) -> dict[str, Any]:
    return {
        "suite": suite,
        "about": ABOUT[suite],
        "settings": {"max_tokens": MAX_TOKENS.get(suite, 48), "temperature": 0},
    }


def _yaml(part: dict[str, Any]) -> str:
    return str(yaml.safe_dump(part, sort_keys=False, allow_unicode=True, width=110))


def shapes_items(draw: Draw, kinds: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Items about images, tagged by kind and by how many images they have."""
    for kind in kinds:
        for number, asked in enumerate(_asked(draw, kind), 1):
            yield {
                "id": f"{kind}-{number}",
                "tags": [kind, "one-image" if len(asked.files) == 1 else "several-images"],
                "group": _group(asked.files),
                "images": [f"images/{name}" for name in asked.files],
                "prompt": asked.question.prompt,
                "checks": [check(asked.question)],
            }


def text_items(draw: Draw) -> Iterator[dict[str, Any]]:
    """Items without images."""
    rng = np.random.default_rng([draw.seed, 2])
    for kind in texts.TEXT_KINDS:
        for number in range(1, draw.texts + 1):
            question = questions.sample(kind, rng, texts.TEXT_KINDS)
            yield {"id": f"{kind}-{number}", "tags": [kind], "prompt": question.prompt, "checks": [check(question)]}


def check(question: Question) -> dict[str, Any]:
    """What `Question.right` judges, as a check: a point in the circle around the thing, JSON, or the words."""
    if question.target is not None:
        return {"kind": "point_in", "circle": circle(question.target), "most_points": 1}
    if question.kind == "extract":
        return {"json_schema": {"const": yaml.safe_load(question.label)}}
    return {"normalised": question.label}


def circle(thing: Thing) -> list[float]:
    """The circle around a thing in shares of the image, its radius rounded up."""
    return [*thing.centre, math.ceil(thing.radius / SIDE * 1e6) / 1e6]


def images(draw: Draw, kinds: Collection[str] = tuple(questions.KINDS)) -> dict[str, bytes]:
    """The image files of a suite by name."""
    pools = {id(pool): pool for kind in kinds for pool in (_pool(draw, kind),)}.values()
    return dict(_file(one) for pool in pools for scenes in pool for one in scenes)


def _asked(draw: Draw, kind: str) -> list[Asked]:
    """Questions of a kind: about single images in turn, so that each is asked about a few times, or all of a few."""
    place = list(questions.KINDS).index(kind)
    rng = np.random.default_rng([draw.seed, 1, place])
    pool = _pool(draw, kind)
    start = draw.each * place if questions.KINDS[kind].draw is questions.one_image else 0
    found: list[Asked] = []
    while len(found) < draw.each:
        scenes = pool[(start + len(found)) % len(pool)]
        files = tuple(_file(one)[0] for one in scenes)
        asked = Asked(questions.ask(kind, scenes, rng), files)
        if all((one.files, one.question.prompt) != (files, asked.question.prompt) for one in found):
            found.append(asked)
    return found


def _pool(draw: Draw, kind: str) -> tuple[Scenes, ...]:
    """The images that questions of a kind are about."""
    drawn = questions.KINDS[kind].draw
    return _singles(draw) if drawn is questions.one_image else _pairs(draw) if drawn is pair else _albums(draw)


@cache
def _singles(draw: Draw) -> tuple[Scenes, ...]:
    rng = _rng(draw, 0)
    return tuple((scene(rng),) for _ in range(draw.singles))


@cache
def _pairs(draw: Draw) -> tuple[Scenes, ...]:
    rng = _rng(draw, 1)
    return tuple(pair(rng) for _ in range(draw.pairs))


@cache
def _albums(draw: Draw) -> tuple[Scenes, ...]:
    rng = _rng(draw, 2)
    return tuple(album(rng, n, most=2) for n in draw.albums)


def _rng(draw: Draw, part: int) -> Rng:
    return np.random.default_rng([draw.seed, 0, part])


@cache
def _file(one: Scene) -> tuple[str, bytes]:
    """The PNG file of a scene, and its name after its pixels, which are the same whatever zlib there is."""
    posterised = ImageOps.posterize(image(one), BITS)
    buffer = io.BytesIO()
    posterised.save(buffer, "PNG", optimize=True)
    return f"{hashlib.sha256(posterised.tobytes()).hexdigest()[:12]}.png", buffer.getvalue()


def _group(files: tuple[str, ...]) -> str:
    """The same for all items about the same images."""
    return hashlib.sha256("".join(files).encode()).hexdigest()[:12]


if __name__ == "__main__":
    main()
