"""What lm-evaluation-harness and lmms-eval share: one file of results a run, one file of samples a task.

A metric's key is "metric,filter"; each filter takes the answer out of the text in its own way, so it is a protocol of
its own here. `monitor/harnesses/lm_eval.py` and `lmms_eval.py` call it.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from monitor.benchmarks.evaluation import Evaluation, ItemResult, Score
from monitor.benchmarks.protocol import Protocol, fingerprint
from monitor.errors import BadInput
from monitor.harnesses.lm_items import items_of, named_doubles
from monitor.harnesses.lm_scales import is_better_higher, scale_of, told_by_items
from monitor.harnesses.records import Refused
from monitor.harnesses.sheets import read_jsonl
from monitor.harnesses.strict import odd_scores, source_hash
from monitor.harnesses.tree import Tree
from monitor.harnesses.values import mapping, number, text

READABLE_CHARS = 120
PROMPT = ("doc_to_text", "doc_to_target", "doc_to_choice", "description", "fewshot_config", "fewshot_delimiter")
PROMPT_OF_LMMS = ("lmms_eval_specific_kwargs", "model_specific_prompt_kwargs")
PROMPT_OF_RUN = ("system_instruction_sha", "chat_template_sha", "fewshot_as_multiturn")
NOT_METRICS = ("_stderr", "_stderr_clt", "_stderr_clustered")


@dataclass(frozen=True, slots=True)
class Run:
    """One results file, read, with the samples that belong to it by task."""

    harness: str
    tree: Tree
    path: str
    document: dict[str, Any]
    version: str | None
    model: str
    at: datetime | None
    samples: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def of(self, section: str, task: str) -> Any:
        """What a section such as "versions" says of a task."""
        return mapping(self.document.get(section)).get(task)


def evaluations(run: Run) -> Iterator[Evaluation | Refused]:
    """One evaluation for each task and filter, and for each group of tasks that has figures of its own."""
    results = mapping(run.document.get("results"))
    groups = mapping(run.document.get("groups"))
    for task in [*results, *(name for name in groups if name not in results)]:
        try:
            found = list(_of_task(run, task, mapping(results.get(task)) | mapping(groups.get(task)), task in groups))
        except BadInput as error:
            yield Refused(run.samples.get(task, f"{run.path}: {task}"), str(error))
        else:
            yield from found


def _of_task(run: Run, task: str, results: dict[str, Any], group: bool) -> Iterator[Evaluation]:
    by_filter = _by_filter(run, task, results)
    path = run.samples.get(task)
    lines = read_jsonl(run.tree, path) if path and by_filter else []
    parts = named_doubles(lines)
    source_sha256 = source_hash(run.tree, (run.path, path) if path else (run.path,))
    for name, scores in by_filter.items():
        doubles, kept = parts.get(name, (0, []))
        items = items_of(kept, [score.metric for score in scores], text(_config(run, task).get("cluster_key")))
        scaled = _headed(run, task, [told_by_items(score, items) for score in scores])
        yield Evaluation(
            task,
            run.model,
            _protocol(run, task, name),
            run.path,
            source_sha256,
            scaled,
            items,
            at=run.at,
            revision=_revision(run),
            notes=(*run.notes, *_notes(run, task, group, scaled, items, doubles)),
        )


def _by_filter(run: Run, task: str, results: dict[str, Any]) -> dict[str, list[Score]]:
    """Scores by filter; old versions have no filters and no comma."""
    commas = any("," in key for key in results)
    found: dict[str, list[Score]] = {}
    for key, written in results.items():
        metric, _, name = key.partition(",")
        if (commas and "," not in key) or metric.endswith(NOT_METRICS) or metric.strip() in ("", "alias", "name"):
            continue
        if metric in ("sample_len", "samples", "sample_count") or not isinstance(written, (int, float)):
            continue
        value = number(written, f"{run.path}, {task}, {key}")
        if value is not None and not isinstance(written, bool):
            higher = is_better_higher(metric, mapping(run.of("higher_is_better", task)).get(metric))
            error = _stderr(run, task, results, metric, f",{name}" if commas else "")
            score = Score(metric, value, scale_of(metric, value), higher, n=_count(run, task, results), stderr=error)
            found.setdefault(name or "none", []).append(score)
    return found


def _stderr(run: Run, task: str, results: dict[str, Any], metric: str, ending: str) -> float | None:
    """The standard error, clustered where the harness could; "N/A" where it could not at all."""
    for kind in ("_stderr_clustered", "_stderr", "_stderr_clt"):
        key = f"{metric}{kind}{ending}"
        value = number(results[key], f"{run.path}, {task}, {key}") if key in results else None
        if value is not None and value >= 0:
            return value
    return None


def _count(run: Run, task: str, results: dict[str, Any]) -> int | None:
    told = (mapping(run.of("n-samples", task)).get("effective"), results.get("sample_len"), results.get("samples"))
    return next((one for one in told if isinstance(one, int) and not isinstance(one, bool)), None)


def _headed(run: Run, task: str, scores: list[Score]) -> tuple[Score, ...]:
    """The first metric of the task's own list is the headline; else the first that stands in the file."""
    listed = _config(run, task).get("metric_list")
    names = [mapping(one).get("metric") for one in listed] if isinstance(listed, list) else []
    there = [score.metric for score in scores]
    first = next((name for name in names if name in there), there[0] if there else "")
    return tuple(replace(score, headline=score.metric == first) for score in scores)


def _protocol(run: Run, task: str, name: str) -> Protocol:
    config = _config(run, task)
    parts = [text(run.of("versions", task)), text(run.of("task_hashes", task))]
    shots = run.of("n-shot", task)
    return Protocol(
        run.harness,
        version=run.version,
        task=" ".join(part[:16] for part in parts if part) or None,
        data=_data(run, config),
        split=text(config.get("test_split")) or text(config.get("validation_split")),
        shots=text(config.get("num_fewshot") if shots is None else shots),
        prompt=_prompt(run, config),
        decoding=_decoding(run, config),
        filter=name,
    )


def _config(run: Run, task: str) -> dict[str, Any]:
    return mapping(run.of("configs", task))


def _data(run: Run, config: dict[str, Any]) -> str | None:
    names = [text(config.get("dataset_path")), text(config.get("dataset_name"))]
    revision = text(mapping(config.get("dataset_kwargs")).get("revision"))
    limit = text(mapping(run.document.get("config")).get("limit"))
    told = "/".join(name for name in names if name) + (f"@{revision}" if revision else "")
    return " ".join(part for part in (told, f"limit={limit}" if limit else "") if part) or None


def _prompt(run: Run, config: dict[str, Any]) -> str | None:
    """A fingerprint over all that the prompt is made of."""
    parts = {name: config.get(name) for name in (*PROMPT, *PROMPT_OF_LMMS)}
    whole = {name: run.document.get(name) for name in PROMPT_OF_RUN}
    return fingerprint({**parts, **whole}) if config else None


def _decoding(run: Run, config: dict[str, Any]) -> str | None:
    """How answers are made: a generation's settings, readable if they are short, or the kind of comparison."""
    settings = {"kind": config.get("output_type"), **mapping(config.get("generation_kwargs"))}
    given = mapping(run.document.get("config")).get("gen_kwargs")
    settings |= mapping(given) if not isinstance(given, str) else {"given": given}
    known = {name: value for name, value in settings.items() if value is not None}
    if not known:
        return None
    written = json.dumps(known, sort_keys=True, ensure_ascii=False, default=str)
    return text(written) if len(written) <= READABLE_CHARS else fingerprint(known)


def _revision(run: Run) -> str | None:
    config = mapping(run.document.get("config"))
    told = text(config.get("model_sha")) or text(config.get("model_revision"))
    return told if told and told != "main" else None


def _notes(
    run: Run, task: str, group: bool, scores: tuple[Score, ...], items: tuple[ItemResult, ...], doubles: int
) -> Iterator[str]:
    if group:
        below = run.of("group_subtasks", task)
        names = ", ".join(str(name) for name in below[:8]) if isinstance(below, list) else ""
        more = f" and {len(below) - 8} more" if isinstance(below, list) and len(below) > 8 else ""
        yield f"a figure over several tasks{': ' + names if names else ''}{more}; the items are in theirs"
    elif not items:
        yield "the files have no items"
    if doubles:
        yield f"{doubles} samples stand twice in the file, only the first of each was taken"
    yield from odd_scores(scores, items)
