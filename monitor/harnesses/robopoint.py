"""Reads answers of RoboPoint (output/{model}.jsonl) and scores them on the masks of Where2Place, as its script does.

There is no file with a score: the harness prints it. `robopoint_points` holds the rule. Without masks, what can be
said of the answers alone is kept: how often there is no point, how many there are, and whether they lie in the image.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from monitor.benchmarks.evaluation import Evaluation, ItemResult, Score
from monitor.benchmarks.protocol import Protocol, fingerprint
from monitor.errors import BadInput
from monitor.harnesses.records import Found, Harness, Refused
from monitor.harnesses.robopoint_masks import read_mask
from monitor.harnesses.robopoint_points import HEIGHT, WIDTH, Marks, Unreadable, accuracy_on, marks_in
from monitor.harnesses.sheets import read_jsonl
from monitor.harnesses.strict import Part, first_object, parts_of, source_hash
from monitor.harnesses.tree import Tree
from monitor.harnesses.values import text as kept

NAME = "robopoint"
UNNAMED = "where2place"
"""What the harness scores on unless it is told otherwise."""

_ANSWER = ("question_id", "prompt", "text", "answer_id", "model_id", "category")
_RULE = (
    "accuracy is the share of an answer's points that lie on the mask, averaged over the answers; (x, y) with a "
    f"decimal point is a share of {WIDTH} x {HEIGHT} whatever the image's size, whole numbers are pixels, four numbers "
    "a filled box; points outside count 0, and so does an answer without points"
)


@dataclass(frozen=True, slots=True)
class Masked:
    """An answer on its mask; without an accuracy where it cannot be read."""

    path: str
    sha256: str
    accuracy: float | None


@dataclass(frozen=True, slots=True)
class Asked:
    """The questions of a data set, in its order, and the folder that holds them with their masks."""

    path: str
    folder: str
    questions: tuple[Part, ...]

    def fits(self, answers: list[Part]) -> int:
        """To how many questions the answer in the same place belongs."""
        return sum(
            bool(prompt := answer.text("prompt").strip()) and prompt in question.text("text")
            for question, answer in zip(self.questions, answers, strict=False)
        )


def find(tree: Tree) -> Iterator[Found]:
    """Answer files; questions and masks are shared by all of them."""
    heads = {path: first_object(tree, path) for path in tree.sizes if path.endswith(".jsonl")}
    answers = [path for path, head in heads.items() if all(name in head for name in _ANSWER)]
    questions = [path for path, head in heads.items() if {"image", "text"} <= set(head) and "answer_id" not in head]
    masks = tuple(path for path in tree.sizes if PurePosixPath(path).parent.name == "masks")
    for path in answers:
        yield Found(NAME, path, (path, *questions, *masks), partial(_read, tree, path, tuple(questions)))


def _read(tree: Tree, path: str, question_files: tuple[str, ...]) -> Iterator[Evaluation | Refused]:
    answers = parts_of(read_jsonl(tree, path), path)
    models = sorted({answer.label("model_id") for answer in answers})
    if len(models) > 1:
        raise BadInput(
            f"{path}: holds answers of {len(models)} models ({', '.join(models)[:200]}); give a file for each"
        )
    asked = _asked(tree, question_files, answers)
    notes: list[str] = []
    masked = _masked(tree, asked, answers, notes)
    items = _items(asked, answers, masked, notes)
    files = (path, *((asked.path,) if asked else ()), *(one.path for one in masked))
    yield Evaluation(
        benchmark=(PurePosixPath(asked.folder).name if asked else "") or UNNAMED,
        model=models[0],
        protocol=Protocol(
            NAME,
            task=PurePosixPath(asked.path).stem if asked else None,
            data=source_hash(tree, files[1:])[:16] if len(files) > 1 else None,
            filter=f"points and boxes in the text, shares of {WIDTH} x {HEIGHT}",
        ),
        source=path,
        source_sha256=source_hash(tree, files),
        scores=_scores(items),
        items=items,
        notes=tuple(notes),
    )


def _asked(tree: Tree, paths: tuple[str, ...], answers: list[Part]) -> Asked | None:
    """The questions that were answered: points and boxes of one data set have the same ids, so their texts decide."""
    found = []
    for path in paths:
        questions = tuple(parts_of(read_jsonl(tree, path), path))
        found.append(Asked(path, PurePosixPath(path).parent.as_posix().removeprefix("."), questions))
    best = max(found, key=lambda one: one.fits(answers), default=None)
    return best if best and best.fits(answers) else None


def _masked(tree: Tree, asked: Asked | None, answers: list[Part], notes: list[str]) -> list[Masked]:
    """Each question's answer on its mask, one mask after the other as they are large.

    None, and a note, where one of them is missing or no mask.
    """
    folders = {str(PurePosixPath(path).parent) for path in tree.matching("*masks/00.jpg")}
    if asked and (own := str(PurePosixPath(asked.folder, "masks"))) in folders:
        folders = {own}
    if len(folders) != 1:
        how_many = f"there are {len(folders)} folders of masks" if folders else "there is no folder of masks"
        notes.append(f"no accuracy: {how_many}; import the answers with the folder that holds questions and masks/")
        return []
    folder = folders.pop()
    found = []
    try:
        for index in range(len(asked.questions) if asked else len(answers)):
            mask = read_mask(tree, str(PurePosixPath(folder, f"{index:02d}.jpg")))
            text = answers[index].text("text") if index < len(answers) else None
            found.append(Masked(mask.path, mask.sha256, _accuracy(text, mask.pixels)))
    except BadInput as error:
        notes.append(f"no accuracy: {error}")
        return []
    return found


def _accuracy(text: str | None, mask: NDArray[np.uint8]) -> float | None:
    try:
        return None if text is None else accuracy_on(marks_in(text), mask)
    except Unreadable:
        return None


def _items(asked: Asked | None, answers: list[Part], masked: list[Masked], notes: list[str]) -> tuple[ItemResult, ...]:
    """An item for each question, or each answer where there are no questions; the harness pairs them by their place."""
    n = len(asked.questions) if asked else len(answers)
    items = []
    for index in range(n):
        question = asked.questions[index] if asked else None
        answer = answers[index] if index < len(answers) else None
        items.append(_item(index, question, answer, masked[index] if masked else None))
    if masked:
        notes.append(_RULE)
    if unreadable := sum(item.failed is not None for item in items):
        notes.append(f"{unreadable} of {n} answers are missing or cannot be read; the harness leaves them out")
    without = sum(item.scores.get("no_points", 0.0) for item in items)
    if without:
        notes.append(f"{without:.0f} of {n} answers hold no points ({without / n:.1%})")
    moved = sum(
        question.label("question_id") != answer.label("question_id")
        for question, answer in zip(asked.questions if asked else (), answers, strict=False)
        if "question_id" in question
    )
    if moved:
        notes.append(
            f"{moved} answers name another question than the one in their place; the harness goes by the place"
        )
    if len(answers) > n:
        notes.append(f"{len(answers) - n} answers after the last question are not counted")
    return tuple(items)


def _item(index: int, question: Part | None, answer: Part | None, masked: Masked | None) -> ItemResult:
    text = answer.text("text") if answer else None
    prompt = question.text("text") if question else answer.text("prompt") if answer else None
    image = question.maybe_text("image") if question else None
    scores: dict[str, float] = {}
    failed = None
    try:
        if text is None:
            raise Unreadable("there is no answer in this place")
        scores = _of_answer(marks_in(text))
        if masked and masked.accuracy is not None:
            scores["accuracy"] = masked.accuracy
    except Unreadable as error:
        failed = str(error)
    category = answer.maybe_label("category") if answer else None
    return ItemResult(
        item=f"{index:02d}",
        item_hash=fingerprint([prompt, image, masked.sha256 if masked else None]),
        scores=scores,
        categories=(f"category={category}",) if category else (),
        group=kept(image),
        question=kept(prompt),
        answer=kept(text),
        failed=kept(failed),
    )


def _of_answer(marks: Marks) -> dict[str, float]:
    """What an answer shows without a mask; of where its points lie only if it has any."""
    found = {"no_points": float(marks.count == 0), "points": float(marks.count)}
    return found | ({"points_in_image": marks.inside(WIDTH, HEIGHT) / marks.count} if marks.count else {})


def _scores(items: tuple[ItemResult, ...]) -> tuple[Score, ...]:
    """The means over the items; nothing bounds the number of points."""
    found = []
    for metric, most, higher in (
        ("accuracy", 1.0, True),
        ("no_points", 1.0, False),
        ("points_in_image", 1.0, True),
        ("points", None, True),
    ):
        values = [item.scores[metric] for item in items if metric in item.scores]
        if values:
            mean = math.fsum(values) / len(values)
            found.append(Score(metric, mean, most, higher, n=len(values), headline=metric == "accuracy"))
    return tuple(found)


HARNESS = Harness(NAME, "RoboPoint: {model}.jsonl of answers, with {data set}/{questions}.jsonl and masks/", find)
