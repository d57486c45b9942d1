"""Writes the canary suites of the small checkpoints: `python -m monitor.demo.suites`.

Questions come from `questions` and `texts` with a seed of their own, so that no checkpoint was taught or judged on
them. Images are drawn as in training and then kept in 64 shades a colour, which makes their files half as large.
"""

import hashlib
import io
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
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

SEED = 4_000_037
"""Not a seed of the training, of the published figures, or of the demo's log."""

SINGLES, PAIRS, ALBUMS = 10, 3, (3, 4, 5)
EACH = 6
"""Questions of each kind about images."""
TEXTS = 10
"""Questions of each kind about texts."""

BITS = 6
MAX_TOKENS = {"shapes": 48, "shapes-text": 128}

ABOUT = {
    "shapes": "What the small vision checkpoints can do: ten kinds of questions about images of coloured shapes.",
    "shapes-text": "What the small text checkpoints can do: captions, JSON, classes and summaries about shapes.",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with the files of its images."""

    question: Question
    files: tuple[str, ...]


def main() -> None:
    """Write both suites over what lies there."""
    folder = SHIPPED["shapes"]
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for name, content in images().items():
        (folder / "images" / name).write_bytes(content)
    write(folder, "shapes", shapes_items())
    write(SHIPPED["shapes-text"], "shapes-text", text_items())


def write(folder: Path, suite: str, items: Iterable[dict[str, Any]]) -> None:
    """One suite file; each item is written as a person would."""
    folder.mkdir(parents=True, exist_ok=True)
    head = {"suite": suite, "about": ABOUT[suite], "settings": {"max_tokens": MAX_TOKENS[suite], "temperature": 0}}
    body = {"items": list(items)}
    text = "".join(yaml.safe_dump(part, sort_keys=False, allow_unicode=True, width=110) for part in (head, body))
    (folder / NAME).write_text(f"# Written by `python -m monitor.demo.suites`.\n{text}", "utf-8")


def shapes_items() -> Iterator[dict[str, Any]]:
    """Sixty items about images, tagged by kind and by how many images they have."""
    for kind in questions.KINDS:
        for number, asked in enumerate(_asked(kind), 1):
            yield {
                "id": f"{kind}-{number}",
                "tags": [kind, "one-image" if len(asked.files) == 1 else "several-images"],
                "group": _group(asked.files),
                "images": [f"images/{name}" for name in asked.files],
                "prompt": asked.question.prompt,
                "checks": [check(asked.question)],
            }


def text_items() -> Iterator[dict[str, Any]]:
    """Forty items without images."""
    rng = np.random.default_rng([SEED, 2])
    for kind in texts.TEXT_KINDS:
        for number in range(1, TEXTS + 1):
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


def images() -> dict[str, bytes]:
    """The image files of the suite by name."""
    return dict(_file(one) for scenes in (*_singles(), *_pairs(), *_albums()) for one in scenes)


def _asked(kind: str) -> list[Asked]:
    """Six questions of a kind: about single images in turn, so that each is asked about four times, or all of a few."""
    place = list(questions.KINDS).index(kind)
    rng = np.random.default_rng([SEED, 1, place])
    draw = questions.KINDS[kind].draw
    pool = _singles() if draw is questions.one_image else _pairs() if draw is pair else _albums()
    start = EACH * place if draw is questions.one_image else 0
    found: list[Asked] = []
    while len(found) < EACH:
        scenes = pool[(start + len(found)) % len(pool)]
        files = tuple(_file(one)[0] for one in scenes)
        asked = Asked(questions.ask(kind, scenes, rng), files)
        if all((one.files, one.question.prompt) != (files, asked.question.prompt) for one in found):
            found.append(asked)
    return found


def _singles() -> list[Scenes]:
    rng = _rng(0)
    return [(scene(rng),) for _ in range(SINGLES)]


def _pairs() -> list[Scenes]:
    rng = _rng(1)
    return [pair(rng) for _ in range(PAIRS)]


def _albums() -> list[Scenes]:
    rng = _rng(2)
    return [album(rng, n, most=2) for n in ALBUMS]


def _rng(part: int) -> Rng:
    return np.random.default_rng([SEED, 0, part])


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
