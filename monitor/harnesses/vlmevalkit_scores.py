"""Figures of VLMEvalKit: which of a table's columns are scores, on which scale, and which one is the headline.

Its families write accuracies on different scales: multiple choice from 0 to 1, questions with a free answer and
yes/no sets from 0 to 100, MME and OCRBench in points. `monitor/harnesses/vlmevalkit.py` calls it.
"""

from dataclasses import dataclass, replace
from typing import Any

from monitor.benchmarks.evaluation import Score
from monitor.errors import BadInput
from monitor.harnesses.values import number, text
from monitor.harnesses.vlmevalkit_flat import flattened, primary

WHOLE = ("Overall", "overall", "none")
PERCENT = ("TextVQA", "DocVQA", "InfoVQA", "ChartQA_", "OCRVQA", "GQA", "AMBER", "MathVista", "MathVision", "MMVet")
FRACTION = ("MMVP", "MMT-Bench", "ChartQAPro", "DynaMath")
OWN_METRICS = {"acc", "precision", "recall", "aAcc", "fAcc", "qAcc", "Overall"}
MME_GROUPS = {"perception": 2000.0, "reasoning": 800.0}
OCRBENCH = {
    "Text Recognition": 300.0,
    "Scene Text-centric VQA": 200.0,
    "Doc-oriented VQA": 200.0,
    "Key Information Extraction": 200.0,
    "Handwritten Mathematical Expression Recognition": 100.0,
    "Final Score": 1000.0,
    "Final Score Norm": 100.0,
}
SCALE_NOT_KNOWN = "the scale of its figures is not known; they are shown as they are"


@dataclass(frozen=True, slots=True)
class Part:
    """The scores of one data set, or of one split of it where the harness reports each split by itself."""

    family: str
    scores: tuple[Score, ...]
    split: str | None = None
    notes: tuple[str, ...] = ()


def parts_of(dataset: str, document: Any, where: str) -> list[Part]:
    """The scores in the table or JSON that the harness wrote about a data set."""
    rows = [document] if isinstance(document, dict) else document
    if not isinstance(rows, list) or not rows or not all(row and isinstance(row, dict) for row in rows):
        raise BadInput(f"{where}: is no table of figures")
    columns = list(rows[0])
    if dataset.startswith("OCRBench") and "Final Score" in columns:
        return [_ocrbench(rows[0], where)]
    if dataset == "MME" and "perception" in columns:
        return [_mme(rows[0], where)]
    if {"tot", "acc"} <= set(columns) and columns[0] in ("Task&Skill", "Subject", "Category"):
        return [_by_rows("tasks", columns[0], rows, ("acc",), where)]
    if columns[0] == "split" and set(columns[1:]) <= OWN_METRICS and len(columns) > 2:
        return [_by_rows("yes or no", "split", rows, tuple(columns[1:]), where)]
    if "split" in columns and "Overall" in columns:
        return [_choices(row, where) for row in rows]
    if (
        len(rows) == 1
        and "Overall" in columns
        and not any(isinstance(value, (dict, list)) for value in rows[0].values())
    ):
        return [_free_answers(dataset, rows[0], where)]
    return [_anything(dataset, document, where)]


def _choices(row: dict[str, Any], where: str) -> Part:
    """Multiple choice: a row for each split, a column for each category; shares of 1."""
    split = text(row.get("split")) or "none"
    values = _values({name: value for name, value in row.items() if name != "split"}, where)
    most = 1.0 if all(0 <= value <= 1 for value in values.values()) else None
    scores = _of_columns(values, most)
    notes = () if most else (SCALE_NOT_KNOWN,)
    return Part("choices", scores, None if split == "none" else split, notes)


def _free_answers(dataset: str, row: dict[str, Any], where: str) -> Part:
    """Free answers: one row, a column for each split or category, and Overall."""
    values = _values(row, where)
    most = scale_of(dataset)
    scores = _of_columns(values, most)
    return Part("answers", scores, notes=() if most else (SCALE_NOT_KNOWN,))


def _of_columns(values: dict[str, float], most: float | None) -> tuple[Score, ...]:
    """A figure called Overall, and one for each category."""
    return tuple(
        Score("Overall", value, most, headline=True)
        if name == "Overall"
        else Score("Overall", value, most, category=f"category={name}")
        for name, value in values.items()
    )


def _by_rows(family: str, dimension: str, rows: list[dict[str, Any]], metrics: tuple[str, ...], where: str) -> Part:
    """A row for the whole and for each category, a column for each metric, all of them percentages."""
    scores = []
    for row in rows:
        name = text(row.get(dimension)) or "none"
        count = number(row.get("tot"), f"{where}, tot of {name}")
        for metric, value in _values({metric: row[metric] for metric in metrics if metric in row}, where).items():
            category = "" if name in WHOLE else f"{'category' if dimension == 'split' else dimension}={name}"
            scores.append(Score(metric, value, 100.0, category=category, n=int(count) if count is not None else None))
    return Part(family, _with_headline(scores, metrics))


def _with_headline(scores: list[Score], metrics: tuple[str, ...]) -> tuple[Score, ...]:
    """The harness takes Overall before any other, then the first by its name."""
    first = next((name for name in ("Overall", *sorted(metrics)) if name in metrics), "")
    return tuple(replace(one, headline=one.metric == first and not one.category) for one in scores)


def _mme(row: dict[str, Any], where: str) -> Part:
    """Points: up to 200 for each kind of task, whose sums are perception and reasoning."""
    scores = [
        Score(name, value, MME_GROUPS[name], headline=name == "perception")
        if name in MME_GROUPS
        else Score("points", value, 200.0, category=f"category={name}")
        for name, value in _values(row, where).items()
    ]
    note = "the harness makes no one figure of MME; its headline here is perception, without reasoning"
    return Part("points", tuple(scores), notes=(note,))


def _ocrbench(row: dict[str, Any], where: str) -> Part:
    known = {name: value for name, value in _values(row, where).items() if name in OCRBENCH}
    scores = [
        Score(name, value, OCRBENCH[name], headline=name == "Final Score")
        if name.startswith("Final")
        else Score("Final Score", value, OCRBENCH[name], category=f"category={name}")
        for name, value in known.items()
    ]
    notes = () if len(known) == len(row) else ("some of its figures are not known here and were left out",)
    return Part("ocr", tuple(scores), notes=notes)


def _anything(dataset: str, document: Any, where: str) -> Part:
    """Every figure of a data set that is not known here, named as the harness names it in its status."""
    values = flattened(document, where)
    if not values:
        raise BadInput(f"{where}: has no figures")
    most, headline = scale_of(dataset), primary(values)
    scores = []
    for key, value in values.items():
        dimensions, _, metric = key.rpartition("|")
        kept = "|".join(part for part in dimensions.split("|") if part.rpartition("=")[2] not in (*WHOLE, ""))
        scores.append(Score(metric, value, most, category=kept, headline=key == headline))
    unique = {(one.metric, one.category): one for one in scores}
    if len(unique) < len(scores):
        scores = [Score(key, value, most, headline=key == headline) for key, value in values.items()]
    return Part("other", tuple(scores), notes=() if most else (SCALE_NOT_KNOWN,))


def scale_of(dataset: str) -> float | None:
    """What a perfect model gets on a data set whose scale its files do not tell; None where we do not know."""
    if dataset.startswith(FRACTION):
        return 1.0
    return 100.0 if dataset.startswith(PERCENT) else None


def _values(row: dict[str, Any], where: str) -> dict[str, float]:
    found = {name: number(value, f"{where}, column {name}") for name, value in row.items()}
    return {name: value for name, value in found.items() if value is not None}
