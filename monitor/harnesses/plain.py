"""Reads a plain CSV of results: of scores (benchmark, checkpoint, metric, value) or of items (benchmark, checkpoint,
item, score). For results of scripts that no other importer knows. Any bad line refuses the whole file, all bad lines
are named.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import PurePosixPath

from monitor.benchmarks.evaluation import Evaluation, ItemResult, Score
from monitor.benchmarks.protocol import PARTS, Protocol
from monitor.errors import BadInput
from monitor.harnesses.plain_items import COLUMNS as ITEM_COLUMNS
from monitor.harnesses.plain_items import items_in
from monitor.harnesses.plain_scores import COLUMNS as SCORE_COLUMNS
from monitor.harnesses.plain_scores import scores_in
from monitor.harnesses.plain_table import Problems, Row, columns_of, rows_of
from monitor.harnesses.records import Found, Harness, Refused
from monitor.harnesses.strict import source_hash
from monitor.harnesses.tree import Tree
from monitor.harnesses.values import moment

NAME = "plain"
COLUMNS = ("benchmark", "checkpoint", "model", "step", "date", *PARTS)
"""What both kinds of table may have besides their own columns."""

SNIFFED_BYTES = 65_536
MAX_STEP = 10**15
_SUFFIXES = (".csv", ".tsv")


def find(tree: Tree) -> Iterator[Found]:
    """Tables whose header names a benchmark and a checkpoint."""
    for path in tree.sizes:
        if PurePosixPath(path).suffix.lower() in _SUFFIXES and _names_both(_header(tree, path)):
            yield Found(NAME, path, (path,), partial(_read, tree, path))


def _names_both(names: list[str]) -> bool:
    return "benchmark" in names and bool({"checkpoint", "model"} & set(names))


def _header(tree: Tree, path: str) -> list[str]:
    try:
        head = tree.read(path)[:SNIFFED_BYTES]
    except BadInput:
        return []
    encoding = "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    return columns_of(head.decode(encoding, "replace"))


@dataclass(slots=True)
class Group:
    """The rows of one evaluation: one checkpoint on one benchmark, run in one way."""

    benchmark: str
    model: str
    family: str | None
    protocol: Protocol
    at: datetime | None
    step: int | None
    notes: list[str]
    rows: list[Row] = field(default_factory=list)


def _read(tree: Tree, path: str) -> Iterator[Evaluation | Refused]:
    problems = Problems(path)
    names, rows = rows_of(tree, path, problems)
    of_items = {"item", "score"} <= set(names)
    if not of_items and not {"metric", "value"} <= set(names):
        raise BadInput(
            f"{path}: has the columns {', '.join(names)[:300]}; needed are benchmark and checkpoint, and either metric "
            "and value (a score a line) or item and score (an item a line)"
        )
    known = {*COLUMNS, *(ITEM_COLUMNS if of_items else SCORE_COLUMNS)}
    unknown = [name or "(no name)" for name in names if name not in known]
    notes = [f"columns that are not known were left out: {', '.join(unknown)[:300]}"] if unknown else []
    made: list[tuple[Group, tuple[tuple[Score, ...], tuple[ItemResult, ...]]]] = []
    for group in _groups(names, rows, notes):
        found = items_in(group.rows, group.notes) if of_items else (scores_in(group.rows, group.notes), ())
        made.append((group, found))
    problems.raise_any()
    for group, (scores, items) in made:
        yield Evaluation(
            benchmark=group.benchmark,
            model=group.model,
            protocol=group.protocol,
            source=path,
            source_sha256=source_hash(tree, (path,)),
            scores=scores,
            items=items,
            at=group.at,
            family=group.family,
            step=group.step,
            notes=tuple(group.notes),
        )


def _groups(names: list[str], rows: list[Row], notes: list[str]) -> list[Group]:
    """Rows by all that tells evaluations apart, in the order of the file."""
    telling = [name for name in COLUMNS if name in names]
    groups: dict[tuple[str | None, ...], Group] = {}
    for row in rows:
        key = tuple(map(row.cells.get, telling))
        if key not in groups:
            groups[key] = _group(row, notes)
        groups[key].rows.append(row)
    steps: dict[str, int | None] = {}
    for group in groups.values():
        if steps.setdefault(group.model, group.step) != group.step:
            first = group.rows[0]
            first.problems.add(
                first.line, f"{group.model[:60]!a} is of another step here than above; name each checkpoint"
            )
    return list(groups.values())


def _group(row: Row, notes: list[str]) -> Group:
    parts = {name: row.get(name) for name in PARTS if name != "harness"}
    step = row.whole("step", 0, MAX_STEP)
    model = row.get("checkpoint") or (f"{row.needed('model')}-step-{step}" if step is not None else row.get("model"))
    if model is None:
        row.problems.add(row.line, "checkpoint is missing")
    at, guessed = moment(row.get("date"))
    if at is None and row.get("date"):
        written = row.needed("date")[:60]
        row.problems.add(row.line, f"date is {written!a}, allowed is ISO 8601 such as 2026-11-20T13:14Z")
    notes = [*notes, "the date has no zone and was taken as UTC"] if guessed else [*notes]
    protocol = Protocol(row.get("harness") or NAME, **parts)
    family = row.get("model") if row.get("checkpoint") or step is not None else None
    return Group(row.needed("benchmark"), model or "", family, protocol, at, step, notes)


HARNESS = Harness(NAME, "CSV: benchmark, checkpoint, metric, value; or benchmark, checkpoint, item, score", find)
