"""Reads results of TRI-ML's vlm-evaluation: results/{family}/{data set}/{model}/metrics.json, one evaluation each.

The scale is mixed inside the harness: scripts of VQAv2, GQA and VizWiz print percentages, the others shares. What an
example counts is worked out again where the file holds all that the script looks at; see `tri_vlm_items`.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath

from monitor.benchmarks.evaluation import Evaluation, ItemResult, Score
from monitor.benchmarks.protocol import Protocol
from monitor.errors import BadInput
from monitor.harnesses.records import Found, Harness, Refused
from monitor.harnesses.sheets import read_json
from monitor.harnesses.strict import Part, kind, mean_differs, source_hash
from monitor.harnesses.tree import Tree
from monitor.harnesses.tri_vlm_items import NOT_IN_FILE, SCORERS, item_of

NAME = "tri-vlm"
WORKINGS = (
    "full-results.json",
    "-formatted-predictions.json",
    "-formatted-predictions-with-ocr.json",
    "-formatted-predictions-without-ocr.json",
    "-eval-output.txt",
)
"""Files that its scorers write for themselves; there is nothing in them that metrics.json does not have."""

DERIVED = ("-z_score", "-mean", "-std_dev")
"""What its compute_z_scores adds to a file: figures about many models, none of this one."""


@dataclass(frozen=True, slots=True)
class Family:
    """A kind of data set: its scale, its main figure, and the split that the harness takes for it."""

    most: float
    headline: str
    split: str | None


FAMILIES = {
    "vqa-v2": Family(100, "accuracy", "val"),
    "gqa": Family(100, "accuracy", "testdev_balanced"),
    "vizwiz": Family(100, "accuracy__VizWiz-Overall", "val"),
    "text-vqa": Family(1, "accuracy__TextVQA-OCR", "val"),
    "vsr": Family(1, "accuracy__VSR-ExactMatch", "zeroshot-test"),
    "pope": Family(1, "accuracy__POPE-final-Accuracy", "eval"),
    "refcoco": Family(1, "accuracy__RefCOCO", "val"),
    "ocid-ref": Family(1, "accuracy__OCIDRef-All", "val"),
    "tally-qa": Family(1, "accuracy__TallyQA-final-Accuracy", "test"),
    "ai2d": Family(1, "accuracy__AI2D-final-Accuracy", "eval"),
}


def find(tree: Tree) -> Iterator[Found]:
    """Folders with a metrics.json of the harness, or with shards of a run that was never scored."""
    folders: dict[str, list[str]] = {}
    for path in tree.sizes:
        name = PurePosixPath(path).name
        if name == "metrics.json" or (name.startswith("results+rank") and name.endswith(".json")):
            folders.setdefault(PurePosixPath(path).parent.as_posix(), []).append(path)
    for folder, named in folders.items():
        metrics = next((path for path in named if path.endswith("metrics.json")), None)
        shards = tuple(path for path in named if path != metrics)
        if not shards and not (metrics and _looks_ours(tree, metrics)):
            continue
        beside = [path for path in tree.sizes if PurePosixPath(path).parent.as_posix() == folder]
        files = (*named, *(path for path in beside if path.endswith(WORKINGS)))
        read = partial(_scored, tree, metrics) if metrics else partial(_not_scored, tree, folder, shards)
        yield Found(NAME, metrics or folder, files, read)


def _looks_ours(tree: Tree, path: str) -> bool:
    try:
        content = tree.read(path)
    except BadInput:
        return False
    return all(name in content for name in (b'"n_examples"', b'"experiment_tags"'))


def _family(dataset: str) -> tuple[str, Family | None]:
    name = next((name for name in FAMILIES if dataset == name or dataset.startswith(name + "-")), "")
    return name, FAMILIES.get(name)


def _scored(tree: Tree, path: str) -> Iterator[Evaluation | Refused]:
    whole = Part.of(read_json(tree, path), path)
    dataset = whole.label("dataset")
    name, family = _family(dataset)
    examples = whole.part("examples")
    notes: list[str] = []
    items = tuple(
        item_of(name, family.headline if family else "", example_id, examples.part(example_id))
        for example_id in examples.value
    )
    scores = _scores(whole.part("summary"), family, len(items), notes)
    n = int(whole.number("n_examples"))
    if n != len(items):
        notes.append(f"the file says that there are {n} examples and holds {len(items)}")
    notes += _about_items(name, scores, items)
    yield Evaluation(
        benchmark=dataset,
        model=whole.label("model"),
        protocol=Protocol(NAME, data=f"{n} examples", split=family.split if family else None),
        source=path,
        source_sha256=source_hash(tree, (path,)),
        scores=tuple(scores),
        items=items,
        state="done" if scores else "failed",
        problem=None if scores else "the summary holds no accuracy",
        notes=tuple(notes),
    )


def _scores(summary: Part, family: Family | None, n: int, notes: list[str]) -> list[Score]:
    found: dict[str, float] = {}
    for key, value in summary.value.items():
        if not (key == "accuracy" or key.startswith("accuracy__")) or key.endswith(DERIVED):
            continue
        if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) > 1e300 or math.isnan(value):
            notes.append(f"{key[:100]} is {kind(value)} in the file and was left out")
        else:
            found[key] = float(value)
    headline = family.headline if family and family.headline in found else None
    headline = headline or (next(iter(found)) if len(found) == 1 else None)
    most: float | None = family.most if family else None
    if family is None:
        notes.append("the data set is none of the harness's own, so the scale of its scores is not known")
    elif any(not 0 <= value <= family.most for value in found.values()):
        most = None
        notes.append(f"a score lies outside 0 to {family.most:g}, so the scale of the scores is not known")
    return [
        Score(key, value, most, n=n if key == headline else None, headline=key == headline)
        for key, value in found.items()
    ]


def _about_items(name: str, scores: list[Score], items: tuple[ItemResult, ...]) -> list[str]:
    notes = [NOT_IN_FILE[name]] if name in NOT_IN_FILE else []
    if name in SCORERS and items:
        notes.append("the file does not say which examples share an image: intervals take each as its own")
    unreadable = sum(item.failed is not None for item in items)
    if unreadable:
        notes.append(f"{unreadable} of {len(items)} answers hold no box that the harness can read and count as wrong")
    for score in scores:
        if score.headline:
            rounding = 0.005 if score.most == 100 else 0.0
            notes += filter(None, [mean_differs(score, items, rounding)])
    return notes


def _not_scored(tree: Tree, folder: str, shards: tuple[str, ...]) -> Iterator[Evaluation | Refused]:
    """A run that was begun: its shards are written even when it dies, its metrics.json by another script."""
    parts = PurePosixPath(folder).parts
    if len(parts) < 2:
        raise BadInput(
            f"{folder}: holds answers without a metrics.json, and not the folders that name data set and model; "
            "give the results folder, as in results/gqa/gqa-slim/my-model"
        )
    answers = sum(len(Part.of(read_json(tree, path), path).value) for path in shards)
    yield Evaluation(
        benchmark=parts[-2],
        model=parts[-1],
        protocol=Protocol(NAME, split=(found.split if (found := _family(parts[-2])[1]) else None)),
        source=folder,
        source_sha256=source_hash(tree, shards),
        state="failed",
        problem=f"there is no metrics.json: {answers} answers were written and never scored; run scripts/score.py",
    )


HARNESS = Harness(NAME, "TRI-ML vlm-evaluation: {data set}/{model}/metrics.json", find)
