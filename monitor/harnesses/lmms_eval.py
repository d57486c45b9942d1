"""lmms-eval: `{output}/{model}/{time}_results.json` and, with logged samples, `{time}_samples_{task}.jsonl`."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from pathlib import PurePosixPath

from monitor.benchmarks.evaluation import Evaluation
from monitor.errors import BadInput
from monitor.harnesses.lm_common import Run, evaluations
from monitor.harnesses.lm_eval import pretrained
from monitor.harnesses.records import Found, Harness, Refused
from monitor.harnesses.sheets import read_json
from monitor.harnesses.tree import Tree
from monitor.harnesses.values import mapping, text

NAME = "lmms-eval"
RESULTS = re.compile(r"(?:^|/)(?:(\d{8}_\d{6})_)?[^/]*results\.json$")
SAMPLES = re.compile(r"(?:^|/)(\d{8}_\d{6})_samples_([^/]+)\.jsonl$")
SINGAPORE = timezone(timedelta(hours=8))


def find(tree: Tree) -> Iterator[Found]:
    """Files of results by their name and what stands in them, each with the samples of the same time beside it."""
    taken: set[str] = set()
    for path in tree.sizes:
        name = RESULTS.search(path)
        if not (name or (len(tree.sizes) == 1 and path.endswith(".json"))) or not _is_one(tree, path):
            continue
        samples = _samples(tree, path, name[1]) if name and name[1] else {}
        taken.update(samples.values())
        yield Found(NAME, path, (path, *samples.values()), partial(_read, tree, path, samples))
    for path in tree.sizes:
        if SAMPLES.search(path) and path not in taken:
            yield Found(NAME, path, (path,), partial(_alone, path))


def _is_one(tree: Tree, path: str) -> bool:
    try:
        content = tree.read(path)
    except BadInput:
        return False
    timed = re.search(r"(^|/)\d{8}_\d{6}_results\.json$", path) is not None
    return b'"results"' in content and (timed or b'"lmms_eval_version"' in content or b'"model_configs"' in content)


def _samples(tree: Tree, path: str, time: str) -> dict[str, str]:
    """Files of samples by task."""
    begin = f"{path.rpartition('/')[0]}/{time}_samples_".lstrip("/")
    beside = [one for one in tree.sizes if one.startswith(begin) and one.endswith(".jsonl")]
    return {PurePosixPath(one).name[len(time) + len("_samples_") : -len(".jsonl")]: one for one in beside}


def _read(tree: Tree, path: str, samples: dict[str, str]) -> Iterator[Evaluation | Refused]:
    document = read_json(tree, path)
    if not isinstance(document, dict) or not mapping(document.get("results")):
        raise BadInput(f"{path}: has no results of any task")
    name = RESULTS.search(path)
    at = _time(text(document.get("date")) or "") or _time((name and name[1]) or "")
    notes = ("its time is read as that of Singapore, which this harness writes by default",) if at else ()
    config = mapping(document.get("config"))
    folder = path.rpartition("/")[0].rpartition("/")[2]
    model = (
        text(document.get("model_name")) or pretrained(config.get("model_args")) or folder or text(config.get("model"))
    )
    version = text(document.get("lmms_eval_version")) or text(document.get("git_hash"))
    yield from evaluations(Run(NAME, tree, path, document, version, model or "unknown", at, samples, notes))


def _time(written: str) -> datetime | None:
    """The time of a run, from digits such as 20260806_101112.

    >>> _time("20260806_101112").isoformat()
    '2026-08-06T02:11:12+00:00'
    """
    try:
        return datetime.strptime(written, "%Y%m%d_%H%M%S").replace(tzinfo=SINGAPORE).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _alone(path: str) -> Iterator[Evaluation | Refused]:
    yield Refused(path, "has samples of a run whose file of results, {time}_results.json, is not beside it")


HARNESS = Harness(NAME, "lmms-eval: {model}/{time}_results.json with {time}_samples_{task}.jsonl", find)
