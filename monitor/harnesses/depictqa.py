"""Reads answers of DepictQA ({task}_{data set}.json or .jsonl) and scores them with the ground truth beside them.

The harness prints its scores and writes none, and its answers hold neither question nor target: those are in the meta
file of the data set, which has to be imported along. `depictqa_rules` holds what an answer counts. Files that its GPT-4
judge has written are read by `depictqa_judged`.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath

from monitor.benchmarks.evaluation import Evaluation, ItemResult, Score
from monitor.benchmarks.protocol import Protocol, fingerprint
from monitor.errors import BadInput
from monitor.harnesses.depictqa_judged import is_judged, read_judged
from monitor.harnesses.depictqa_rules import Rule, interval_of, rule_for
from monitor.harnesses.records import Found, Harness, Refused
from monitor.harnesses.sheets import read_table
from monitor.harnesses.strict import Part, first_object, parts_of, read_text, source_hash, yaml_value
from monitor.harnesses.tree import Tree
from monitor.harnesses.values import mapping
from monitor.harnesses.values import text as kept

NAME = "depictqa"
TASKS = (
    "quality_compare_noref",
    "quality_compare",
    "quality_single_A_noref",
    "quality_single_A",
    "quality_single_B_noref",
    "quality_single_B",
)
"""The harness's tasks, the longer names first, as a file's name begins with one of them."""

_ANSWER = {"id", "text", "output_id", "prob", "confidence"}
_DECODING = ("temperature", "top_p", "max_new_tokens")


def find(tree: Tree) -> Iterator[Found]:
    """Answer files, with the ground truth that they share, and what the judge has written."""
    tables = [path for path in tree.sizes if PurePosixPath(path).suffix.lower() in (".json", ".jsonl")]
    heads = {path: first_object(tree, path) for path in tables}
    truths = tuple(path for path, head in heads.items() if {"id", "query", "answer"} <= set(head))
    for path, head in heads.items():
        if is_judged(head):
            yield Found(NAME, path, (path,), partial(read_judged, tree, path, model_of(tree, path)))
        if set(head) >= _ANSWER and not (path.endswith("l") and set(heads.get(path[:-1], ())) >= _ANSWER):
            same = (path + "l",) if path + "l" in heads else ()
            yield Found(NAME, path, (path, *same, *truths), partial(_read, tree, path, truths))


def model_of(tree: Tree, path: str) -> str:
    """The folder of the experiment: answers lie in its folder `answers`. The files themselves name no model."""
    folders = [tree.parent, PurePosixPath(tree.name).stem, *PurePosixPath(path).parent.parts]
    if path == tree.name:
        del folders[1]
    named = [folder for folder in folders if folder and folder != "answers"]
    return named[-1] if named else NAME


@dataclass(frozen=True, slots=True)
class Truth:
    """The ground truth of a data set, by the id of its items."""

    path: str
    entries: dict[str, Part]


def _read(tree: Tree, path: str, truth_files: tuple[str, ...]) -> Iterator[Evaluation | Refused]:
    answers = parts_of(read_table(tree, path), path)
    stem = PurePosixPath(path).stem
    task = next((name for name in TASKS if stem.startswith(name + "_")), None)
    dataset = stem.removeprefix(f"{task}_") if task else stem
    notes: list[str] = []
    truth = _truth(tree, truth_files, answers, task, notes)
    rule = rule_for(dataset, [entry.text("answer") for entry in truth.entries.values()]) if truth else None
    if truth and not rule:
        notes.append("no score: the answers are free text, which the harness has judged by GPT-4 in another file")
    items = _items(answers, truth, rule, notes)
    if path.endswith(".jsonl"):
        notes.append("only the .jsonl is there, which the harness writes while it runs: it may not have finished")
    scores = _scores(rule, items, notes) if rule else ()
    files = (path, truth.path) if truth else (path,)
    yield Evaluation(
        benchmark=dataset,
        model=model_of(tree, path),
        protocol=Protocol(
            NAME,
            task=task,
            data=tree.sha256(truth.path)[:16] if truth else None,
            decoding=_decoding(tree, path, notes),
            filter=rule.name if rule else None,
        ),
        source=path,
        source_sha256=source_hash(tree, files),
        scores=scores,
        items=items,
        notes=tuple(notes),
    )


def _truth(tree: Tree, paths: tuple[str, ...], answers: list[Part], task: str | None, notes: list[str]) -> Truth | None:
    """The ground truth that holds most of the answered items, of those for the same task where they say so."""
    wanted = {answer.label("id") for answer in answers}
    found: list[tuple[int, Truth]] = []
    for path in paths:
        entries = parts_of(read_table(tree, path), path)
        meant = {entry.maybe_text("task_type") for entry in entries} - {None}
        if task and meant and task not in meant:
            continue
        by_id = {entry.label("id"): entry for entry in entries}
        if len(by_id) < len(entries):
            raise BadInput(f"{path}: has {len(entries) - len(by_id)} ids twice; nobody can tell which answer is meant")
        found.append((len(wanted & set(by_id)), Truth(path, by_id)))
    most = max((shared for shared, _ in found), default=0)
    best = [truth for shared, truth in found if shared == most and most]
    if len(best) == 1:
        return best[0]
    why = "more than one fits: " + ", ".join(one.path for one in best)[:300] if best else "none lies beside them"
    notes.append(f"no score: the answers need the meta file of the data set (id, query, answer), and {why}")
    return None


def _items(answers: list[Part], truth: Truth | None, rule: Rule | None, notes: list[str]) -> tuple[ItemResult, ...]:
    """The answers that there is ground truth for; all of them where there is none at all."""
    seen: dict[str, int] = {}
    items, unknown = [], 0
    for answer in answers:
        name = answer.label("id")
        seen[name] = seen.get(name, 0) + 1
        entry = truth.entries.get(name) if truth else None
        if truth and entry is None:
            unknown += 1
            continue
        items.append(_item(answer, entry, rule, name if seen[name] == 1 else f"{name}#{seen[name]}"))
    if unknown:
        notes.append(f"{unknown} answers are to no item of the ground truth; the harness leaves them out")
    if twice := sum(count - 1 for count in seen.values()):
        notes.append(f"{twice} items are answered more than once; the harness counts each answer")
    if truth and (missing := len(truth.entries.keys() - seen.keys())):
        notes.append(f"{missing} of {len(truth.entries)} items have no answer; the harness leaves them out")
    return tuple(items)


def _item(answer: Part, entry: Part | None, rule: Rule | None, name: str) -> ItemResult:
    text = answer.text("text")
    question = entry.text("query") if entry else None
    target = entry.text("answer") if entry else None
    images = [entry.maybe_text(key) for key in ("image_ref", "image_A", "image_B")] if entry else []
    confidence = answer.number("confidence") if "confidence" in answer else None
    return ItemResult(
        item=name,
        item_hash=fingerprint([question, images, target] if entry else [name]),
        scores={"accuracy": rule.counts(text, target)} if rule and target is not None else {},
        categories=(f"confidence={interval_of(confidence, answer.where)}",) if confidence is not None else (),
        group=kept(" ".join(image for image in images if image)) or None,
        question=kept(question),
        target=kept(target),
        answer=kept(text),
    )


def _scores(rule: Rule, items: tuple[ItemResult, ...], notes: list[str]) -> tuple[Score, ...]:
    """The average accuracy, and that of each range of the model's confidence where all answers have one."""
    scored = [(item.categories, item.scores["accuracy"]) for item in items if item.scores]
    if not scored:
        return ()
    groups: dict[str, list[float]] = {"": [value for _, value in scored]}
    if all(categories for categories, _ in scored):
        for categories, value in scored:
            groups.setdefault(categories[0], []).append(value)
    elif any(categories for categories, _ in scored):
        notes.append("some answers have no confidence, so there is no accuracy by confidence")
    notes.append(f"scored as the harness's {rule.name} does, with the ground truth that was imported along")
    return tuple(
        Score("accuracy", math.fsum(values) / len(values), category=name, n=len(values), headline=not name)
        for name, values in sorted(groups.items())
    )


def _decoding(tree: Tree, path: str, notes: list[str]) -> str | None:
    """How answers were sampled, from the config.yaml of the experiment where it was imported along."""
    folder = PurePosixPath(path).parent
    config = str((folder.parent if folder.name == "answers" else folder) / "config.yaml")
    if config not in tree.sizes:
        return None
    try:
        infer = mapping(mapping(yaml_value(read_text(tree, config), config)).get("infer"))
    except BadInput as error:
        notes.append(f"how it was sampled is not known: {error}")
        return None
    return " ".join(f"{name}={infer[name]}" for name in _DECODING if isinstance(infer.get(name), (int, float))) or None


HARNESS = Harness(NAME, "DepictQA: answers/{task}_{data set}.json with the meta file of the data set", find)
