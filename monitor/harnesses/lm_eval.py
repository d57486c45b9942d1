"""lm-evaluation-harness: `{model}/results_{time}.json` and, with logged samples, `samples_{task}_{time}.jsonl`.

Also single files of results, and `{name}_{time}.json` where the output path was a file.
"""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from monitor.benchmarks.evaluation import Evaluation
from monitor.errors import BadInput
from monitor.harnesses.lm_common import Run, evaluations
from monitor.harnesses.records import Found, Harness, Refused
from monitor.harnesses.sheets import read_json
from monitor.harnesses.tree import Tree
from monitor.harnesses.values import mapping, moment, text

NAME = "lm-eval"
TIMED = re.compile(r"_(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d(?:\.\d+)?)\.jsonl?$")
NAMED = re.compile(r"(^|/)[^/]*results[^/]*\.json$")
SAMPLES = re.compile(r"(^|/)samples_[^/]+\.jsonl$")


def find(tree: Tree) -> Iterator[Found]:
    """Files of results by what stands in them, each with the samples of the same time beside it."""
    taken: set[str] = set()
    for path in tree.sizes:
        if path.endswith(".json") and (NAMED.search(path) or TIMED.search(path) or len(tree.sizes) == 1):
            if not _is_one(tree, path):
                continue
            samples = _samples(tree, path)
            taken.update(samples)
            yield Found(NAME, path, (path, *samples), partial(_read, tree, path, samples))
    for path in tree.sizes:
        if SAMPLES.search(path) and TIMED.search(path) and path not in taken:
            yield Found(NAME, path, (path,), partial(_alone, path))


def _is_one(tree: Tree, path: str) -> bool:
    """Whether this harness has written it, told by words that its other readers' files have not; half a file counts."""
    try:
        content = tree.read(path)
    except BadInput:
        return False
    if b'"lmms_eval_version"' in content or b'"config_general"' in content or b'"results"' not in content:
        return False
    return b'"lm_eval_version"' in content or (b'"versions"' in content and b'"config"' in content)


def _samples(tree: Tree, path: str) -> tuple[str, ...]:
    time = TIMED.search(path)
    if time is None:
        return ()
    folder = path.rpartition("/")[0]
    begin, end = f"{folder}/samples_".lstrip("/"), f"_{time[1]}.jsonl"
    return tuple(one for one in tree.sizes if one.startswith(begin) and one.endswith(end))


def _read(tree: Tree, path: str, samples: tuple[str, ...]) -> Iterator[Evaluation | Refused]:
    document = read_json(tree, path)
    if not isinstance(document, dict) or not mapping(document.get("results")):
        raise BadInput(f"{path}: has no results of any task")
    time = TIMED.search(path)
    at, guessed = moment(document.get("date"))
    notes = ("its time has no zone and is read as UTC",) if guessed else ()
    by_task = {_task(one, time[1]): one for one in samples} if time else {}
    version = text(document.get("lm_eval_version")) or text(document.get("git_hash"))
    yield from evaluations(Run(NAME, tree, path, document, version, _model(tree, path, document), at, by_task, notes))


def _task(path: str, time: str) -> str:
    return PurePosixPath(path).name[len("samples_") : -len(f"_{time}.jsonl")]


def _model(tree: Tree, path: str, document: dict[str, Any]) -> str:
    """What the run calls its model: by name, by where its weights are, by the folder it lies in."""
    config = mapping(document.get("config"))
    given = config.get("model_args")
    folder = path.rpartition("/")[0].rpartition("/")[2] or (tree.parent if path == tree.name else tree.name)
    return (
        text(document.get("model_name"))
        or pretrained(given)
        or text(document.get("model_name_sanitized"))
        or (folder.removesuffix(".zip") if TIMED.search(path) else None)
        or text(config.get("model"))
        or "unknown"
    )


def pretrained(given: object) -> str | None:
    """The weights that model arguments name, written as text or as an object.

    >>> pretrained("pretrained=org/model,dtype=float16"), pretrained({"model": "gpt-x"})
    ('org/model', 'gpt-x')
    """
    arguments = (
        given
        if isinstance(given, dict)
        else dict(part.split("=", 1) for part in str(given or "").split(",") if "=" in part)
    )
    names = ("pretrained", "model", "model_version", "path", "model_name", "peft", "delta")
    return next((found for name in names if (found := text(arguments.get(name)))), None)


def _alone(path: str) -> Iterator[Evaluation | Refused]:
    yield Refused(path, "has samples of a run whose file of results, results_{time}.json, is not beside it")


HARNESS = Harness(NAME, "lm-evaluation-harness: {model}/results_….json with samples_{task}_….jsonl", find)
