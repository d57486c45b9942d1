"""Reads what model cards claim: `model-index` in the front matter of a card, and `.eval_results/*.yaml`.

Nothing was run for these figures here, nobody says with which harness they were made, and their values carry no unit:
`card_scales` says what can be known of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from functools import partial
from pathlib import PurePosixPath

from monitor.benchmarks.evaluation import Evaluation, Score
from monitor.benchmarks.protocol import Protocol
from monitor.errors import BadInput
from monitor.harnesses.card_scales import higher_is_better, most_of, number_in
from monitor.harnesses.records import Found, Harness, Refused
from monitor.harnesses.strict import Part, kind, read_text, source_hash, yaml_value
from monitor.harnesses.tree import Tree
from monitor.harnesses.values import text as kept

NAME = "hf-cards"
UNKNOWN_SCALE = "the card does not say the scale"
_YAML = (".yaml", ".yml")


def find(tree: Tree) -> Iterator[Found]:
    """Cards and YAML files that hold results, told by the words that they have to contain."""
    for path in tree.sizes:
        suffix = PurePosixPath(path).suffix.lower()
        if suffix not in (*_YAML, ".md"):
            continue
        try:
            content = tree.read(path).removeprefix(b"\xef\xbb\xbf")
        except BadInput:
            continue
        in_front = content.startswith(b"---") and b"\nmodel-index:" in content
        if in_front or content.startswith(b"model-index:"):
            yield Found(NAME, path, (path,), partial(_read_card, tree, path))
        elif suffix in _YAML and _is_results(path, content):
            yield Found(NAME, path, (path,), partial(_read_results, tree, path))


def _is_results(path: str, content: bytes) -> bool:
    in_folder = PurePosixPath(path).parent.name == ".eval_results"
    return in_folder or (b"dataset:" in content and b"task_id:" in content and b"value:" in content)


@dataclass(slots=True)
class Claim:
    """What one evaluation is made of, before its scale is looked up."""

    benchmark: str
    model: str
    protocol: Protocol
    at: datetime | None = None
    scores: dict[str, Score] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, metric: str, kind_of_metric: str, value: object, where: str) -> None:
        """Take one figure, or note why it cannot be taken. Raises BadInput for a second value of the same metric."""
        number, percent = number_in(value)
        if number is None:
            self.notes.append(f"{metric} is {kind(value)}, no number, and was left out")
            return
        most = 100.0 if percent else most_of(self.benchmark, kind_of_metric, number)
        if most is None:
            self.notes.append(f"{metric}: {UNKNOWN_SCALE}")
        score = Score(metric, number, most, higher_is_better(kind_of_metric), headline=not self.scores)
        if self.scores.setdefault(metric, score).value != number:
            raise BadInput(
                f"{where}: {metric} of {self.benchmark} is given twice, {self.scores[metric].value} and {number}"
            )

    def evaluation(self, tree: Tree, path: str) -> Evaluation:
        return Evaluation(
            benchmark=self.benchmark,
            model=self.model,
            protocol=self.protocol,
            source=path,
            source_sha256=source_hash(tree, (path,)),
            scores=tuple(self.scores.values()),
            state="done" if self.scores else "failed",
            problem=None if self.scores else "the card gives no number",
            at=self.at,
            claimed=True,
            notes=tuple(dict.fromkeys(self.notes)),
        )


def _read_card(tree: Tree, path: str) -> Iterator[Evaluation | Refused]:
    text = read_text(tree, path)
    front = text.split("\n---", 1)[0].removeprefix("---") if text.startswith("---") else text
    claims: dict[tuple[str, str, Protocol], Claim] = {}
    for model in Part.of(yaml_value(front, path), path).parts("model-index"):
        name = model.label("name")
        for result in model.parts("results") if "results" in model else []:
            _take_result(result, name, claims)
    if not claims:
        raise BadInput(f"{path}: its model-index holds no results")
    yield from (claim.evaluation(tree, path) for claim in claims.values())


def _take_result(result: Part, model: str, claims: dict[tuple[str, str, Protocol], Claim]) -> None:
    """A result of a model-index; several of one data set that differ only in their metrics are one evaluation."""
    dataset = result.part("dataset")
    source = result.part("source") if "source" in result else None
    benchmark = dataset.maybe_label("type") or dataset.label("name")
    protocol = Protocol(
        NAME,
        version=(source.maybe_label("name") or source.maybe_label("url")) if source else None,
        task=dataset.maybe_label("config"),
        data=dataset.maybe_label("revision"),
        split=dataset.maybe_label("split"),
        shots=_shots(dataset),
    )
    claim = claims.setdefault((benchmark, model, protocol), Claim(benchmark, model, protocol))
    claim.notes += _said_of(source)
    metrics = result.parts("metrics")
    types = [metric.label("type") for metric in metrics]
    for metric, of_type in zip(metrics, types, strict=True):
        name = of_type if types.count(of_type) == 1 else metric.maybe_label("name") or of_type
        claim.add(name, of_type, metric.value.get("value"), metric.where)
        if metric.value.get("verified") is True:
            claim.notes.append(f"{name}: the hub says that it was verified")


def _shots(dataset: Part) -> str | None:
    arguments = dataset.value.get("args")
    shots = arguments.get("num_few_shot") if isinstance(arguments, dict) else None
    return str(shots) if isinstance(shots, int) and not isinstance(shots, bool) and abs(shots) < 10**6 else None


def _said_of(source: Part | None) -> list[str]:
    if source is None:
        return []
    named = " ".join(filter(None, (source.maybe_label("name"), source.maybe_label("url"))))
    return [f"source: {named[:300]}"] if named else []


def _read_results(tree: Tree, path: str) -> Iterator[Evaluation | Refused]:
    entries = yaml_value(read_text(tree, path), path)
    if not isinstance(entries, list) or not entries:
        raise BadInput(f"{path}: is {kind(entries)}, allowed is a list of results, each with dataset and value")
    model = _folder(tree, path)
    for number, value in enumerate(entries, 1):
        entry = Part.of(value, f"{path}, entry {number}")
        dataset = entry.part("dataset")
        source = entry.part("source") if "source" in entry else None
        notes = entry.maybe_text("notes")
        protocol = Protocol(
            NAME,
            version=(source.maybe_label("name") or source.maybe_label("url")) if source else None,
            task=dataset.label("task_id"),
            data=dataset.maybe_label("revision"),
            prompt=kept(notes),
        )
        claim = Claim(dataset.label("id"), model, protocol, at=_day(entry))
        claim.notes += [*_said_of(source), *([f"notes: {notes[:300]}"] if notes else [])]
        claim.add("value", "", entry.value.get("value"), entry.where)
        yield claim.evaluation(tree, path)


def _folder(tree: Tree, path: str) -> str:
    """The folder of the model's repository, which names it; the files do not."""
    parts = [part for part in PurePosixPath(path).parent.parts if part != ".eval_results"]
    if parts:
        return parts[-1]
    return (tree.parent if path == tree.name else PurePosixPath(tree.name).stem) or PurePosixPath(path).stem


def _day(entry: Part) -> datetime | None:
    """The date of a result, as the beginning of that day in UTC unless it says more."""
    value = entry.value.get("date")
    try:
        found = datetime.fromisoformat(value.strip()) if isinstance(value, str) else value
    except ValueError:
        found = entry
    if isinstance(found, date) and not isinstance(found, datetime):
        found = datetime.combine(found, time())
    if found is None:
        return None
    if not isinstance(found, datetime) or not 2000 <= found.year < 2200:
        raise BadInput(f"{entry.where}: date is {kind(value)}, allowed is a day such as 2026-11-20")
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


HARNESS = Harness(NAME, "Hugging Face: model-index in a model card, .eval_results/*.yaml", find)
