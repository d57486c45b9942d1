"""lighteval: `results/{model}/results_{time}.json`, items in `details/{model}/{time}/details_{task}_{time}.parquet`.

Its `start_time` and `end_time` are readings of a stop-watch; the only time of a clock is in the file's name.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from monitor.benchmarks.evaluation import Evaluation, ItemResult, Score
from monitor.errors import BadInput
from monitor.harnesses.lighteval_details import items_of
from monitor.harnesses.lighteval_protocol import NAME, Run, Task, config_of, protocol_of
from monitor.harnesses.lm_scales import is_better_higher, scale_of, told_by_items
from monitor.harnesses.records import Found, Harness, Refused
from monitor.harnesses.sheets import read_json
from monitor.harnesses.strict import odd_scores, source_hash
from monitor.harnesses.tree import Tree
from monitor.harnesses.values import mapping, moment, number, text

TIMED = re.compile(r"_(\d{4}-\d\d-\d\d)T(\d\d)-(\d\d)-(\d\d(?:\.\d+)?)\.(?:json|parquet)$")
AVERAGE = ":_average"


def find(tree: Tree) -> Iterator[Found]:
    """Files of results by what stands in them, each with the details of the same time."""
    for path in tree.sizes:
        named = re.search(r"(^|/)[^/]*results[^/]*\.json$", path) or len(tree.sizes) == 1
        if not named or not path.endswith(".json") or not _is_one(tree, path):
            continue
        details = _details(tree, path)
        yield Found(NAME, path, (path, *details.values()), partial(_read, tree, path, details))


def _is_one(tree: Tree, path: str) -> bool:
    try:
        content = tree.read(path)
    except BadInput:
        return False
    return b'"config_general"' in content and b'"results"' in content


def _details(tree: Tree, path: str) -> dict[str, str]:
    """Files of items of the same moment; of two models that were evaluated at once, those under the same name."""
    time = TIMED.search(path)
    if time is None:
        return {}
    end = path[time.start() : -len("json")] + "parquet"
    model = path.rpartition("/")[0].rpartition("/")[2]
    found = [one for one in tree.sizes if one.endswith(end) and "details_" in one.rpartition("/")[2]]
    same = [one for one in found if f"/{model}/" in f"/{one}"] or found
    return {_plain(one.rpartition("/")[2][len("details_") : -len(end)]): one for one in same}


def _plain(task: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", task)


def _read(tree: Tree, path: str, details: dict[str, str]) -> Iterator[Evaluation | Refused]:
    document = read_json(tree, path)
    if not isinstance(document, dict) or not mapping(document.get("results")):
        raise BadInput(f"{path}: has no results of any task")
    run = Run(tree, path, document, details)
    for key, results in mapping(document["results"]).items():
        if key == "all":
            continue  # an average over tasks that have nothing in common
        try:
            yield _evaluation(run, Task.of(key), mapping(results))
        except BadInput as error:
            yield Refused(details.get(_plain(key), f"{path}: {key}"), str(error))


def _evaluation(run: Run, task: Task, results: dict[str, Any]) -> Evaluation:
    config = config_of(run, task)
    metrics = _metrics(config)
    scores = _scores(run, task, results, metrics, config)
    path = run.details.get(_plain(task.key))
    items = items_of(run.tree, path, [score.metric for score in scores]) if path and scores else ()
    scaled = _headed([told_by_items(score, items) for score in scores], list(metrics))
    at, _ = _time(run.path)
    evaluation = Evaluation(
        task.name,
        text(run.general.get("model_name")) or text(run.model_config.get("model_name")) or _folder(run),
        protocol_of(run, task, config),
        run.path,
        source_hash(run.tree, (run.path, path) if path else (run.path,)),
        scaled,
        items,
        at=at,
        revision=text(run.general.get("model_sha")) or None,
        notes=tuple(_notes(run, task, scaled, items)),
    )
    if scaled:
        return evaluation
    return replace(evaluation, items=(), state="failed", problem="the file has no finite figure of this task")


def _folder(run: Run) -> str:
    return run.path.rpartition("/")[0].rpartition("/")[2] or run.tree.parent or "unknown"


def _metrics(config: dict[str, Any]) -> dict[str, bool | None]:
    """The task's metrics in its own order, and whether more is better where it says so."""
    listed = config.get("metric") or config.get("metrics") or config.get("metric_list")
    found: dict[str, bool | None] = {}
    for one in map(mapping, listed if isinstance(listed, list) else []):
        names, higher = one.get("metric_name"), one.get("higher_is_better")
        for name in names if isinstance(names, list) else [names]:
            told = higher.get(str(name)) if isinstance(higher, dict) else higher
            found[str(name)] = told if isinstance(told, bool) else None
    return found


def _scores(
    run: Run, task: Task, results: dict[str, Any], metrics: dict[str, bool | None], config: dict[str, Any]
) -> list[Score]:
    count = config.get("effective_num_docs")
    n = count if isinstance(count, int) and count > 0 else None
    found = []
    for name, written in results.items():
        if name.endswith("_stderr") or isinstance(written, bool) or not isinstance(written, (int, float)):
            continue
        value = number(written, f"{run.path}, {task.key}, {name}")
        if value is not None:
            error = number(results.get(f"{name}_stderr"), f"{run.path}, {task.key}, {name}_stderr")
            higher = is_better_higher(name, metrics.get(name))
            found.append(Score(name, value, scale_of(name, value), higher, n=n, stderr=error))
    return found


def _headed(scores: list[Score], listed: list[str]) -> tuple[Score, ...]:
    there = [score.metric for score in scores]
    first = next((name for name in listed if name in there), there[0] if there else "")
    return tuple(replace(score, headline=score.metric == first) for score in scores)


def _time(path: str) -> tuple[datetime | None, bool]:
    """The time in the name of a file, whose zone nobody knows."""
    found = TIMED.search(path)
    return moment(f"{found[1]}T{found[2]}:{found[3]}:{found[4]}") if found else (None, False)


def _notes(run: Run, task: Task, scores: tuple[Score, ...], items: tuple[ItemResult, ...]) -> Iterator[str]:
    if _time(run.path)[1]:
        yield "its time is that in the name of the file, which has no zone and is read as UTC"
    if AVERAGE in task.name:
        yield "an average over its subtasks, each counted alike; the items are in theirs"
    elif not items:
        yield "the files have no items"
    yield from odd_scores(scores, items)


HARNESS = Harness(NAME, "lighteval: results/{model}/results_….json with details/…/details_{task}_….parquet", find)
