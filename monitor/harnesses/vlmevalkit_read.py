"""One data set of a VLMEvalKit run: its figures, and the items behind them where their table agrees.

`monitor/harnesses/vlmevalkit.py` calls it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from monitor.benchmarks.evaluation import ItemResult, Score
from monitor.harnesses.sheets import read_json, read_table
from monitor.harnesses.strict import ROUNDING, mean_differs, source_hash
from monitor.harnesses.tree import Tree
from monitor.harnesses.values import mapping
from monitor.harnesses.vlmevalkit_files import Files, judge_in
from monitor.harnesses.vlmevalkit_flat import flattened, unflattened
from monitor.harnesses.vlmevalkit_items import FAILED, RANDOM, items_of, splits_of
from monitor.harnesses.vlmevalkit_scores import Part, parts_of

COMPUTED_HERE = ("tasks", "ocr")
NO_JUDGE = ("answers", "ocr")
JUDGE_COLUMNS = ("judge", "log", "res", "rating", "comment", "response")
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Read:
    """What goes into one evaluation."""

    scores: tuple[Score, ...]
    items: tuple[ItemResult, ...]
    split: str | None
    judge: str | None
    source: str
    source_sha256: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table of results or answers, once it was read."""

    path: str
    rows: list[Row]


def read_dataset(tree: Tree, files: Files, entry: Row, told: tuple[str, str]) -> Iterator[Read]:
    """The evaluations of one data set: one, or one a split where the harness makes no figure over all splits."""
    metrics = mapping(entry.get("metrics"))
    path = _of_judge(files.scores, files.dataset, entry)
    document = (_document(tree, path) if path else None) or unflattened(metrics)
    where = path or told[0]
    notes = _disagree(document, metrics, where) if path else ()
    tables = [Table(one, read_table(tree, one)) for one in _details(files, entry)]
    answers = [Table(one, read_table(tree, one)) for one in files.predictions[:1]]
    for told_part in parts_of(files.dataset, document, where):
        table, found, said = _matching(files.dataset, told_part, [*tables, *answers])
        split = told_part.split or _splits(told_part, table)
        part = _scaled(told_part, found)
        items, more = _checked(part, found, said)
        used = tuple(dict.fromkeys(one for one in (path, table and table.path) if one))
        yield Read(
            _counted(tuple(one for one in part.scores if one.category != f"category={split}"), items),
            tuple(items),
            split,
            _judge(part, files, table),
            where,
            source_hash(tree, used) if path else told[1],
            (*notes, *part.notes, *more, *_failures(part, table, items)),
        )


def _document(tree: Tree, path: str) -> Any:
    return read_json(tree, path) if path.lower().endswith(".json") else read_table(tree, path)


def _of_judge(paths: tuple[str, ...], dataset: str, entry: Row) -> str | None:
    """The file of figures, that of the judge in the status where several judges have been at it."""
    judge = str(entry.get("judge_model") or "")
    return next((path for path in paths if judge and judge_in(path, dataset) == judge), paths[0] if paths else None)


def _details(files: Files, entry: Row) -> list[str]:
    judge = str(entry.get("judge_model") or "")
    return sorted(files.details, key=lambda path: (judge_in(path, files.dataset) != judge, path))


def _disagree(document: Any, metrics: Row, where: str) -> tuple[str, ...]:
    """A note where the status has other figures than the file, as after a second evaluation."""
    found = flattened(document, where)
    told = flattened(metrics, where)
    apart = [key for key in found if key in told and abs(found[key] - told[key]) > 1e-6 * max(1.0, abs(found[key]))]
    if not apart:
        return ()
    return (f"status.json says {told[apart[0]]:g} for {apart[0]}, the file says {found[apart[0]]:g} and is taken",)


def _matching(dataset: str, part: Part, tables: list[Table]) -> tuple[Table | None, list[ItemResult], list[str]]:
    """The items of the first table that gives the figures, else those of the first that has any; and what differs."""
    best: tuple[Table | None, list[ItemResult], list[str]] = (None, [], [])
    for table in tables:
        items = items_of(part.family, dataset, _of_split(part, table), table.path)
        scored = any(item.scores for item in items)
        said = _apart(_scaled(part, items), items)
        if scored and not said:
            return table, items, said
        if items and (best[0] is None or not any(item.scores for item in best[1])):
            best = (table, items, said)
    return best


def _of_split(part: Part, table: Table) -> list[Row]:
    """The rows that a figure is over; the harness calls the sum of all splits ALL."""
    if part.split in (None, "ALL"):
        return table.rows
    return [row for row, split in zip(table.rows, splits_of(table.rows), strict=True) if split == part.split]


def _apart(part: Part, items: list[ItemResult]) -> list[str]:
    """What the items do not agree with, of the figures over all of them and of each category."""
    said = []
    for score in part.scores:
        of = tuple(item for item in items if not score.category or score.category in item.categories)
        note = mean_differs(score, of, ROUNDING * (score.most or 1.0))
        if note is not None:
            said.append(f"{score.category}: {note}" if score.category else note)
    return said


def _scaled(part: Part, items: list[ItemResult]) -> Part:
    """Where nobody says the scale, the items may: their mean is the score, or a hundredth of it."""
    headline = next((one for one in part.scores if one.headline), None)
    values = [item.scores[headline.metric] for item in items if headline and headline.metric in item.scores]
    if headline is None or headline.most is not None or not any(values):
        return part
    mean = sum(values) / len(values)
    most = next((most for most in (1.0, 100.0) if abs(mean * most - headline.value) <= ROUNDING * most), None)
    if most is None:
        return part
    scores = tuple(replace(one, most=most) if one.metric == headline.metric else one for one in part.scores)
    return replace(part, scores=scores, notes=(*part.notes[1:], "the scale of its figures was told from its items"))


def _checked(part: Part, items: list[ItemResult], said: list[str]) -> tuple[list[ItemResult], tuple[str, ...]]:
    """Notes where items and figures differ; scores that were computed here have to agree, or are left out."""
    if not said:
        return items, ()
    if part.family in COMPUTED_HERE:
        kept = [replace(item, scores={}) for item in items]
        return kept, (f"the items are without scores, they cannot be told from the files ({said[0]})",)
    more = f", and {len(said) - 1} more" if len(said) > 1 else ""
    why = "; an item of several categories counts once for each" if part.family == "yes or no" else ""
    return items, (f"{said[0]}{more}{why}",)


def _counted(scores: tuple[Score, ...], items: list[ItemResult]) -> tuple[Score, ...]:
    """Scores with the number of items behind them, where the file does not say it."""
    if not items:
        return scores
    counts: dict[str, int] = {"": len(items)}
    for item in items:
        for category in item.categories:
            counts[category] = counts.get(category, 0) + 1
    return tuple(one if one.n is not None else replace(one, n=counts.get(one.category)) for one in scores)


def _splits(part: Part, table: Table | None) -> str | None:
    """The splits that a figure is over, where the harness makes one of all."""
    if table is None or part.family not in ("answers", "choices"):
        return None
    return "+".join(sorted({split for split in splits_of(table.rows) if split})) or None


def _judge(part: Part, files: Files, table: Table | None) -> str | None:
    if table is not None and (found := judge_in(table.path, files.dataset)):
        return found
    return (
        "none" if part.family in NO_JUDGE and not any(judge_in(path, files.dataset) for path in files.scores) else None
    )


def _failures(part: Part, table: Table | None, items: list[ItemResult]) -> list[str]:
    """What a person has to know of answers that are none, of judges that failed and of marks by chance."""
    if table is None:
        return ["the files have no items"]
    notes = []
    failed = [item for item in items if item.failed is not None]
    if failed:
        lucky = sum(any(item.scores.values()) for item in failed)
        counted = f", the harness counts {lucky} of them as right" if lucky else ", the harness counts them as wrong"
        known = any(item.scores for item in failed)
        notes.append(f"{len(failed)} of {len(items)} answers failed{counted if known else ''}")
    rows = _of_split(part, table)
    drawn = sum(RANDOM in str(row.get("log")) for row in rows)
    if drawn:
        notes.append(f"for {drawn} of {len(rows)} answers the judge found no choice and drew one at random")
    unjudged = sum(_judge_failed(row) for row in rows)
    if unjudged:
        notes.append(f"the judge failed on {unjudged} of {len(rows)} answers")
    return notes


def _judge_failed(row: Row) -> bool:
    return any(
        FAILED in value
        for name, value in row.items()
        if isinstance(value, str) and name != "prediction" and any(tag in name.lower() for tag in JUDGE_COLUMNS)
    )
