"""Reads what DepictQA's GPT-4 judge has written, one line for each answer; for `depictqa`.

The second version gives each answer 0 to 10; the first one gives ground truth and answer a score each and counts their
ratio, at most 1. A judgement that could not be read is -1 and left out. The judge's name is in the scripts only.
"""

import math
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from monitor.benchmarks.evaluation import Evaluation, ItemResult, Score
from monitor.benchmarks.protocol import Protocol, fingerprint
from monitor.errors import BadInput
from monitor.harnesses.records import Refused
from monitor.harnesses.sheets import read_jsonl
from monitor.harnesses.strict import Part, parts_of, source_hash
from monitor.harnesses.tree import Tree
from monitor.harnesses.values import text as kept

METRIC = "GPT4 Score"
BEST = 10.0
_JUDGES = {"score": "gpt-4-turbo", "scores": "gpt-4-0314"}


def is_judged(head: Mapping[str, object]) -> bool:
    """Whether the first object of a file is such a line."""
    return {"id", "answer_gt", "answer_pred", "content"} <= set(head) and bool({"score", "scores"} & set(head))


def read_judged(tree: Tree, path: str, model: str) -> Iterator[Evaluation | Refused]:
    """The evaluation of one such file."""
    lines = parts_of(read_jsonl(tree, path), path)
    column = "score" if "score" in lines[0] else "scores"
    most = BEST if column == "score" else 1.0
    names = [line.label("id") for line in lines]
    if len(set(names)) < len(names):
        twice = next(name for at, name in enumerate(names) if name in names[:at])
        raise BadInput(f"{path}: {twice[:60]!a} is judged twice; nobody can tell which judgement is meant")
    items = tuple(_item(line, column, most) for line in lines)
    values = [item.scores[METRIC] for item in items if item.scores]
    notes = [f"the file does not name its judge; the harness's script calls {_JUDGES[column]}"]
    if unread := len(items) - len(values):
        notes.append(f"{unread} of {len(items)} judgements could not be read and are left out, as the harness does")
    score = (
        Score(METRIC, math.fsum(values) / len(values) * most, most, n=len(values), headline=True) if values else None
    )
    yield Evaluation(
        benchmark=PurePosixPath(path).stem,
        model=model,
        protocol=Protocol(
            "depictqa", judge=_JUDGES[column], filter=f"cal_gpt4_score_detail_v{2 - (column != 'score')}"
        ),
        source=path,
        source_sha256=source_hash(tree, (path,)),
        scores=(score,) if score else (),
        items=items,
        state="done" if score else "failed",
        problem=None if score else "not one judgement could be read",
        notes=tuple(notes),
    )


def _item(line: Part, column: str, most: float) -> ItemResult:
    target = line.text("answer_gt")
    counts = _single(line) if column == "score" else _ratio(line)
    return ItemResult(
        item=line.label("id"),
        item_hash=fingerprint([line.label("id"), None, target]),
        scores={} if counts is None else {METRIC: counts / most},
        target=kept(target),
        answer=kept(line.text("answer_pred")),
        failed=None
        if counts is not None
        else kept(f"the judgement could not be read: {line.maybe_text('content')}"[:300]),
    )


def _single(line: Part) -> float | None:
    score = line.number("score")
    if score > BEST:
        raise BadInput(f"{line.where}: score is {score:g}, allowed is 0 to {BEST:g}, or -1 for none")
    return score if score >= 0 else None


def _ratio(line: Part) -> float | None:
    scores = line.numbers("scores")
    if len(scores) != 2 or scores[0] == 0 or (scores[0] > 0 and scores[1] < 0):
        raise BadInput(f"{line.where}: scores is {scores}, allowed are two numbers, the first above 0, or -1 for none")
    return min(scores[1] / scores[0], 1.0) if scores[0] > 0 else None
