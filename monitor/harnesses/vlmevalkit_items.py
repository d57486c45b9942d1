"""Items of VLMEvalKit: what came of each, read from the table that the harness keeps beside its figures.

A table tells its family by its columns. What the harness computes anew whenever it needs it (MathVista, OCRBench) is
computed here by the same rule, and left out where it does not add up to the harness's own figures.
`monitor/harnesses/vlmevalkit.py` calls it.
"""

import re
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from monitor.benchmarks.evaluation import ItemResult
from monitor.benchmarks.protocol import fingerprint
from monitor.harnesses.values import number, numbers_in, text
from monitor.harnesses.vlmevalkit_answers import ocr_hit, strings_in, task_hit

FAILED = "Failed to obtain answer"
RANDOM = "randomly generate one"
SHORT = {
    "coarse_perception": "CP",
    "finegrained_perception (instance-level)": "FP-S",
    "finegrained_perception (cross-instance)": "FP-C",
    "logic_reasoning": "LR",
    "relation_reasoning": "RR",
    "attribute_reasoning": "AR",
}
"""What the harness calls MMBench's categories in its figures."""
OCR_GROUPS = {
    f"{kind} Recognition": "Text Recognition"
    for kind in ("Regular Text", "Irregular Text", "Artistic Text", "Handwriting", "Digit String", "Non-Semantic Text")
}
SAME_IMAGE = ("image_path", "image_id", "img_id", "g_index", "docId", "video")
ASKED = ("question", "hint", "answer")
ANLS_FROM = 0.5
"""An answer that is less similar than this counts nothing."""

Row = dict[str, Any]
Rule = Callable[[Row], dict[str, float]]


def items_of(family: str, dataset: str, rows: list[Row], where: str) -> list[ItemResult]:
    """The items in a table of results or answers, with the scores that they count towards."""
    scores = _rule(family, dataset, rows, where)
    items = []
    for line, row in enumerate(rows, 2):
        answer = text(row.get("prediction"))
        failed = answer[:300] if answer is not None and FAILED in answer else None
        index = text(row.get("index")) or f"row {line}"
        items.append(
            ItemResult(
                item=index,
                item_hash=fingerprint([index, *(text(row.get(name)) for name in ASKED), _options(row)]),
                scores=scores(row),
                categories=_categories(family, row),
                group=_group(dataset, row),
                question=_question(row),
                target=text(row.get("answer")),
                answer=None if failed else answer,
                failed=failed,
            )
        )
    return items


def splits_of(rows: list[Row]) -> list[str | None]:
    """The split of each row; None where the table has none."""
    return [text(row.get("split")) for row in rows]


def _rule(family: str, dataset: str, rows: list[Row], where: str) -> Rule:
    """How a row of this table becomes scores by metric."""
    columns = set(rows[0]) if rows else set()
    if family == "choices" and "hit" in columns:
        return lambda row: _named("Overall", _cell(row, "hit", where))
    if family == "answers" and "eval_match" in columns:
        return lambda row: _named("Overall", _matched(dataset, row, where))
    if family == "yes or no" and "score" in columns:
        metric = "aAcc" if dataset.startswith("Hallusion") else "acc"
        return lambda row: _named(metric, _cell(row, "score", where))
    if family == "points" and "score" in columns:
        return _points(rows, where)
    if family == "tasks" and {"res", "answer_type", "question_type"} <= columns:
        return lambda row: {"acc": float(task_hit(row))}
    if family == "ocr" and {"answer", "category", "prediction"} <= columns:
        return lambda row: {"Final Score": float(ocr_hit(row))}
    return lambda row: {}


def _named(metric: str, value: float | None) -> dict[str, float]:
    return {} if value is None else {metric: value}


def _cell(row: Row, column: str, where: str) -> float | None:
    return number(row.get(column), f"{where}, column {column}, index {row.get('index')}")


def _matched(dataset: str, row: Row, where: str) -> float | None:
    """What the harness aggregates: similarity from a threshold on for ANLS, where the table has distances.

    Source of the measure: Biten et al. 2019, Scene Text Visual Question Answering, https://arxiv.org/abs/1905.13648.
    """
    matches = numbers_in(row.get("eval_match"))
    if matches is None:
        return None
    if "DocVQA" in dataset or "InfoVQA" in dataset:
        similarity = 1 - min(matches)
        return similarity if similarity >= ANLS_FROM else 0.0
    if "ChartQA" in dataset or "OCRVQA" in dataset:
        return max(matches)
    return sum(matches) / len(matches)


def _points(rows: list[Row], where: str) -> Rule:
    """MME: 100 points for a right answer and 100 for an image with no wrong one, so an item counts for half of each."""
    right: dict[tuple[str | None, str | None], list[float]] = defaultdict(list)
    for row in rows:
        right[_image(row)].append(_cell(row, "score", where) or 0.0)
    return lambda row: {"points": ((_cell(row, "score", where) or 0.0) + min(right[_image(row)])) / 2}


def _image(row: Row) -> tuple[str | None, str | None]:
    return text(row.get("category")), text(row.get("image_path"))


def _categories(family: str, row: Row) -> tuple[str, ...]:
    kinds = text(row.get("category"))
    names: list[str | None] = [kinds, text(row.get("l2-category"))]
    if family == "tasks":
        names = [text(row.get("task"))]
        names += strings_in(row.get("skills")) or [text(row.get("skills"))]
        return tuple(dict.fromkeys(f"Task&Skill={name}" for name in names if name))
    if family == "yes or no" and kinds:
        names[:1] = kinds.split(",")
    elif family == "ocr":
        names = [OCR_GROUPS.get(kinds or "", kinds)]
    elif family == "answers":
        names.append(text(row.get("split")))
    return tuple(dict.fromkeys(f"category={SHORT.get(name, name)}" for name in names if name))


def _group(dataset: str, row: Row) -> str | None:
    """What is the same for items about one image, where a column or the name of the item tells it."""
    if dataset.startswith("Hallusion"):
        parts = str(row.get("index")).split("_")
        return f"{row.get('l2-category')}_{parts[3]}_{parts[4]}" if len(parts) >= 5 else None
    return next((found for column in SAME_IMAGE if (found := text(row.get(column)))), None)


def _options(row: Row) -> dict[str, str]:
    found = {name: text(value) for name, value in row.items() if re.fullmatch("[A-Z]", name)}
    return {name: value for name, value in found.items() if value is not None}


def _question(row: Row) -> str | None:
    """The question with its hint and its options, a line each."""
    question = text(row.get("question"))
    options = [f"{name}. {value}" for name, value in _options(row).items()]
    return "\n".join([one for one in (text(row.get("hint")), question, *options) if one]) or None
