"""VLMEvalKit: runs with a `status.json`, and older layouts without one.

A run is a folder `{model}/T20260815-101500`, or `{model}` itself in old layouts, with a table of answers, a table of
results and a file of figures for each data set. `status.json` says "done" also of what failed and what was left out.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from monitor.benchmarks.evaluation import Evaluation
from monitor.benchmarks.protocol import Protocol, fingerprint
from monitor.errors import BadInput
from monitor.harnesses.records import Found, Harness, Refused
from monitor.harnesses.sheets import read_json
from monitor.harnesses.tree import Tree
from monitor.harnesses.values import mapping, moment, text
from monitor.harnesses.vlmevalkit_argv import prompt_of
from monitor.harnesses.vlmevalkit_files import KNOWN, RUN, Files, is_table, judge_in, sorted_out
from monitor.harnesses.vlmevalkit_read import read_dataset

NAME = "vlmevalkit"
STATUS = "status.json"


@dataclass(frozen=True, slots=True)
class Run:
    """One run folder: what its files begin with, and what it says of itself."""

    folder: str
    model: str
    eval_id: str
    files: tuple[str, ...]
    status: dict[str, Any] = field(default_factory=dict)
    broken: str = ""  # why there is no status although there is a file


def find(tree: Tree) -> Iterator[Found]:
    """The runs of a tree, each by its folder."""
    folders: dict[str, list[str]] = {}
    for path in tree.sizes:
        folders.setdefault(_above(path), []).append(path)
    runs = {folder for folder, paths in folders.items() if RUN.fullmatch(_name(tree, folder)) or _status(tree, paths)}
    for folder, paths in sorted(folders.items()):
        if folder in runs:
            run = _run(tree, folder, paths)
        elif not any(_above(other) == folder for other in runs if other):
            run = _old_run(tree, folder, paths)
        else:
            continue  # beside its runs a model's folder only links to the newest files, or holds copies of them
        if run is not None:
            yield Found(NAME, folder or tree.name, run.files, partial(_read, tree, run))


def _run(tree: Tree, folder: str, paths: list[str]) -> Run | None:
    status, broken = {}, ""
    try:
        status = mapping(read_json(tree, f"{folder}/{STATUS}".lstrip("/"))) if _status(tree, paths) else {}
    except BadInput as error:
        broken = str(error)
    name = _name(tree, folder)
    above = _name(tree, _above(folder)) if folder else tree.parent
    model = text(status.get("model_name")) or ""
    if not model:
        model = (above if RUN.fullmatch(name) else name) or ""
        model = model if any(PurePosixPath(path).name.startswith(f"{model}_") for path in paths) else _guessed(paths)
    if not model:
        return None
    return Run(folder, model, name if RUN.fullmatch(name) else "", tuple(paths), status, broken)


def _old_run(tree: Tree, folder: str, paths: list[str]) -> Run | None:
    """A folder of a model with its files right inside: recognised by names of known data sets or of results."""
    model = _name(tree, folder)
    files = sorted_out(paths, (model,), ())
    if not any(one.scores or one.details or (one.dataset in KNOWN and one.predictions) for one in files.values()):
        return None
    taken = tuple(path for path in paths if PurePosixPath(path).name.startswith(f"{model}_"))
    return Run(folder, model, "", taken)


def _status(tree: Tree, paths: list[str]) -> bool:
    """Whether the folder has a status of this harness: a file of that name is not rare elsewhere."""
    path = next((path for path in paths if PurePosixPath(path).name == STATUS), None)
    if path is None:
        return False
    try:
        return b'"datasets"' in tree.read(path) or RUN.fullmatch(_name(tree, _above(path))) is not None
    except BadInput:
        return False


def _guessed(paths: list[str]) -> str:
    """The model that all tables of a run begin with, told by the known data set that follows; "" where none does."""
    found = set()
    for path in filter(is_table, paths):
        stem = PurePosixPath(path).stem
        places = [stem.find(f"_{name}") for name in KNOWN if f"_{name}_" in f"{stem}_"]
        if places:
            found.add(stem[: min(place for place in places if place >= 0)])
    return found.pop() if len(found) == 1 else ""


def _read(tree: Tree, run: Run) -> Iterator[Evaluation | Refused]:
    """What became of each data set of a run; a damaged one is refused by its name and the rest goes in."""
    if run.broken:
        yield Refused(f"{run.folder}/{STATUS}".lstrip("/"), run.broken)
    entries = {name: mapping(entry) for name, entry in mapping(run.status.get("datasets")).items()}
    prefixes = (run.model, run.model.replace("/", "--"), _name(tree, _above(run.folder)), _name(tree, run.folder))
    files = sorted_out(run.files, prefixes, tuple(entries))
    for name, of in files.items():
        try:
            read = list(_evaluations(tree, run, of, entries.get(name)))
        except BadInput as error:
            yield Refused(f"{run.folder or tree.name}: {name}", str(error))
        else:
            yield from read


def _evaluations(tree: Tree, run: Run, files: Files, entry: dict[str, Any] | None) -> Iterator[Evaluation]:
    entry = entry or {}
    at, notes = _time(run, entry)
    make: Callable[..., Evaluation] = partial(Evaluation, files.dataset, run.model, at=at)
    judge = text(entry.get("judge_model")) or next(
        (found for path in (*files.details, *files.scores) if (found := judge_in(path, files.dataset))), None
    )
    protocol = Protocol(NAME, version=_version(run), prompt=prompt_of(run.status.get("argv")), judge=judge)
    if text(entry.get("source_run")):
        notes = (*notes, f"answers were taken over from run {text(entry['source_run'])}")
    problem = text(entry.get("skip_reason")) or text(entry.get("error_message"))
    told = _shown(run, STATUS), fingerprint({**entry, "updated_at": None})
    if problem:
        state = "skipped" if text(entry.get("skip_reason")) else "failed"
        yield make(protocol, *told, state=state, problem=problem[:2000], notes=notes)
    elif not files.scores and not mapping(entry.get("metrics")):
        if entry or files.predictions or files.details:
            source = told if entry else _source(tree, files)
            yield make(protocol, *source, state="failed", problem=_unfinished(entry, files), notes=notes)
    else:
        for part in read_dataset(tree, files, entry, told):
            yield make(
                replace(protocol, judge=part.judge or judge, split=part.split),
                part.source,
                part.source_sha256,
                part.scores,
                part.items,
                notes=(*notes, *part.notes),
            )


def _unfinished(entry: dict[str, Any], files: Files) -> str:
    reached = f' ("{text(entry["status"])}" in {STATUS})' if text(entry.get("status")) else ""
    there = "only answers are there" if files.predictions else "no file of results is there"
    return f"the run ended before there were figures{reached}: {there}"


def _source(tree: Tree, files: Files) -> tuple[str, str]:
    path = (*files.details, *files.predictions)[0]
    return path, tree.sha256(path)


def _version(run: Run) -> str | None:
    """The commit of the harness, 8 digits, from the status or from the name of an old run."""
    told = text(run.status.get("commit")) or (run.eval_id.partition("_G")[2] or None)
    return told[:8] if told else None


def _time(run: Run, entry: dict[str, Any]) -> tuple[datetime | None, tuple[str, ...]]:
    """When a data set was evaluated. The name of a run says a time of a clock whose zone nobody knows."""
    for value in (entry.get("updated_at"), run.status.get("updated_at"), run.status.get("created_at")):
        found, guessed = moment(value)
        if found is not None:
            return found, ("its time has no zone and is read as UTC",) if guessed else ()
    digits = run.eval_id[1:].partition("_G")[0]
    try:
        found = datetime.strptime(digits, "%Y%m%d-%H%M%S" if "-" in digits else "%Y%m%d").replace(tzinfo=UTC)
    except ValueError:
        return None, ()
    return found, (f"its time is that in the name {run.eval_id}, which has no zone and is read as UTC",)


def _shown(run: Run, name: str) -> str:
    return f"{run.folder}/{name}".lstrip("/")


def _above(path: str) -> str:
    return path.rpartition("/")[0]


def _name(tree: Tree, folder: str) -> str:
    """The last part of a folder's path; of the root, what the tree is called."""
    if folder:
        return folder.rpartition("/")[2]
    return tree.name[:-4] if tree.name.lower().endswith(".zip") else tree.name


HARNESS = Harness(NAME, "VLMEvalKit: folders {model}/T… with xlsx, tsv, csv or json", find)
