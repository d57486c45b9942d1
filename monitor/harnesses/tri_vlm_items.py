"""What one example of TRI-ML's vlm-evaluation counts, worked out as its scorers do; for `tri_vlm`.

Only where the results file holds all that they look at. VQAv2, TextVQA and VizWiz compare with answers of ten people
after a long list of spellings, RefCOCO's examples belong to one of three sets: that stands in annotation files, which
are no results, so these examples come without scores.
"""

import re
import string
from collections.abc import Callable

from monitor.benchmarks.evaluation import ItemResult
from monitor.benchmarks.protocol import fingerprint
from monitor.errors import BadInput
from monitor.harnesses.strict import Part, kind
from monitor.harnesses.values import text as kept

_TEN_ANSWERS = "the examples carry no scores: the official script compares them with ten answers each, not in this file"
NOT_IN_FILE = {
    "vqa-v2": _TEN_ANSWERS,
    "text-vqa": _TEN_ANSWERS,
    "vizwiz": _TEN_ANSWERS.replace(", not in this file", " after unifying their spelling, which is not done here"),
    "refcoco": "the examples carry no scores: whether one is of RefCOCO, RefCOCO+ or RefCOCOg is not in this file",
}
"""Why the examples of a family carry no scores."""

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_NUMBER = r"\s*([-+]?(?:(?:[1-9]\d*|0+)|(?:\d+\.\d*|\.\d+)(?:[eE][-+]?\d+)?|\d+[eE][-+]?\d+))\s*"
_BOX = re.compile(rf"[ \t]*\[{_NUMBER},{_NUMBER},{_NUMBER},{_NUMBER},?\s*\]\s*")
_OCID_LEAST_OVERLAP = 0.25
_MAX_BOX_TEXT = 1_000

Judged = tuple[str | None, str | None, float, str | None]
"""Target and answer as they are shown, what the example counts, and why the answer could not be read."""


def _gqa(example: Part) -> Judged:
    answer, target = example.text("model_output"), example.text("ground_truth_answer")
    return target, answer, float(answer.translate(_PUNCTUATION).lower() == target), None


def _pope(example: Part) -> Judged:
    target = example.text("ground_truth_answer")
    answer = ("yes", "no")[_largest(example, "yes_no_probabilities", 2)]
    return target, answer, float(answer == target), None


def _vsr(example: Part) -> Judged:
    target = example.value.get("ground_truth_answer")
    if not isinstance(target, (bool, int)):
        raise BadInput(f"{example.where}: ground_truth_answer is {kind(target)}, allowed is true or false")
    answer = (True, False)[_largest(example, "true_false_probabilities", 2)]
    return str(bool(target)).lower(), str(answer).lower(), float(answer == target), None


def _choice(example: Part) -> Judged:
    """AI2D (the index of a letter) and TallyQA (a count): the place of the largest probability."""
    target, answer = int(example.number("ground_truth_answer")), _largest(example, "mc_probabilities", 0)
    return str(target), str(answer), float(answer == target), None


def _ocid(example: Part) -> Judged:
    text, target = example.text("model_output"), example.numbers("ground_truth_bbox")
    if len(target) != 4:
        raise BadInput(f"{example.where}: ground_truth_bbox has {len(target)} numbers, allowed are 4")
    box = box_of(text)
    counts = float(box is not None and overlap(box, target) >= _OCID_LEAST_OVERLAP)
    return str(target), text, counts, None if box else f"no box in the answer: {text[:200]}"


def _largest(example: Part, name: str, length: int) -> int:
    values = example.numbers(name)
    if length and len(values) != length:
        raise BadInput(f"{example.where}: {name} has {len(values)} numbers, allowed are {length}")
    return values.index(max(values))


SCORERS: dict[str, Callable[[Part], Judged]] = {
    "gqa": _gqa,
    "pope": _pope,
    "vsr": _vsr,
    "ai2d": _choice,
    "tally-qa": _choice,
    "ocid-ref": _ocid,
}


def item_of(family: str, metric: str, example_id: str, example: Part) -> ItemResult:
    """One example; `metric` is the score that it counts towards."""
    question = next((example.text(name) for name in ("question", "caption", "ref_exp") if name in example), None)
    scorer = SCORERS.get(family)
    if scorer:
        target, answer, counts, failed = scorer(example)
    else:
        target, answer, counts, failed = *_as_written(example), 0.0, None
    return ItemResult(
        item=kept(example_id) or "",
        item_hash=fingerprint([question, None, target]),
        scores={metric: counts} if scorer else {},
        question=kept(question),
        target=kept(target),
        answer=kept(answer),
        failed=kept(failed),
    )


def _as_written(example: Part) -> tuple[str | None, str | None]:
    target = next(
        (example.value[name] for name in ("ground_truth_answer", "ground_truth_bbox") if name in example), None
    )
    answer = next((example.value[name] for name in ("model_output", "model_output_ocr") if name in example), None)
    return _shown(target), _shown(answer)


def _shown(value: object) -> str | None:
    """A value as text; the ten answers of VizWiz as their words."""
    if isinstance(value, list):
        return "; ".join(_word(one.get("answer") if isinstance(one, dict) else one) for one in value)
    return None if value is None else _word(value)


def _word(value: object) -> str:
    return value if isinstance(value, str) else kind(value)


def box_of(text: str) -> list[float] | None:
    """The box of an answer that is nothing but a list of four shares, left, top, right, bottom; None: there is none.

    >>> box_of("[0.1, 0.2, 0.5, 1.0]")
    [0.1, 0.2, 0.5, 1.0]
    >>> box_of("[0.5, 0.2, 0.1, 1.0]") is None and box_of("a cup") is None
    True
    """
    found = _BOX.fullmatch(text) if len(text) <= _MAX_BOX_TEXT else None
    box = [float(number) for number in found.groups()] if found else []
    if box and all(0 <= number <= 1 for number in box) and box[0] < box[2] and box[1] < box[3]:
        return box
    return None


def overlap(box: list[float], other: list[float]) -> float:
    """Intersection over union of two boxes.

    >>> overlap([0, 0, 1, 1], [0, 0, 0.5, 1])
    0.5
    """
    across = min(box[2], other[2]) - max(box[0], other[0])
    down = min(box[3], other[3]) - max(box[1], other[1])
    shared = max(0.0, across) * max(0.0, down)
    areas = sum((one[2] - one[0]) * (one[3] - one[1]) for one in (box, other))
    return shared / (areas - shared) if areas > shared else 0.0
