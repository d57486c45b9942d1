"""Items from a plain CSV that has one on each line, or one for each of its metrics; for `plain`."""

import math

from monitor.benchmarks.evaluation import ItemResult, Score
from monitor.benchmarks.protocol import fingerprint
from monitor.harnesses.plain_scores import most_of
from monitor.harnesses.plain_table import Row

COLUMNS = (
    *("item", "score", "metric", "question", "target", "answer", "category", "group"),
    *("scale", "most", "higher_is_better"),
)
METRIC = "score"
"""What the score is called where no column says it."""

_SAME = ("question", "target", "answer", "category", "group")


def items_in(rows: list[Row], notes: list[str]) -> tuple[tuple[Score, ...], tuple[ItemResult, ...]]:
    """The items of one evaluation, and for each metric the mean over them; the first metric is the headline."""
    scores: dict[str, dict[str, float]] = {}
    first: dict[str, Row] = {}
    scales: dict[str, tuple[float, bool]] = {}
    for row in rows:
        name, metric = row.needed("item"), row.get("metric") or METRIC
        most = most_of(row)[0] or 1.0
        score = row.number("score", 0, most)
        if score is None and not row.get("score"):
            row.problems.add(row.line, "score is missing")
        scale = most, row.yes_no("higher_is_better", otherwise=True)
        if scales.setdefault(metric, scale) != scale:
            row.problems.add(row.line, f"{metric[:60]!a} has another scale or direction here than above")
        before = first.setdefault(name, row)
        if before is not row and any(row.get(column) != before.get(column) for column in _SAME):
            row.problems.add(row.line, f"item {name[:60]!a} stands in line {before.line} with another text")
        of_item = scores.setdefault(name, {})
        if metric in of_item:
            row.problems.add(row.line, f"item {name[:60]!a} has a {metric[:60]!a} in line {before.line} already")
        of_item[metric] = (score or 0.0) / most
    if not any(row.get("question") or row.get("target") for row in rows):
        notes.append("items are told by their names alone: the file has neither question nor target")
    return _means(scores, scales), tuple(_item(row, name, scores[name]) for name, row in first.items())


def _item(row: Row, name: str, scores: dict[str, float]) -> ItemResult:
    question, target, category = row.get("question"), row.get("target"), row.get("category")
    return ItemResult(
        item=name,
        item_hash=fingerprint([question, None, target] if question else [name, None, target]),
        scores=scores,
        categories=(f"category={category}",) if category else (),
        group=row.get("group"),
        question=question,
        target=target,
        answer=row.get("answer"),
    )


def _means(scores: dict[str, dict[str, float]], scales: dict[str, tuple[float, bool]]) -> tuple[Score, ...]:
    found: list[Score] = []
    for metric, (most, higher) in scales.items():
        values = [of_item[metric] for of_item in scores.values() if metric in of_item]
        mean = math.fsum(values) / len(values)
        found.append(Score(metric, mean * most, most, higher, n=len(values), headline=not found))
    return tuple(found)
