"""Items of lm-evaluation-harness and lmms-eval: one line for each document and filter.

`monitor/harnesses/lm_common.py` calls it.
"""

from collections.abc import Iterable
from typing import Any

from monitor.benchmarks.evaluation import ItemResult
from monitor.benchmarks.protocol import fingerprint
from monitor.errors import BadInput
from monitor.harnesses.values import mapping, number, text

QUESTIONS = ("question", "query", "problem", "prompt", "input", "ctx", "sentence", "goal", "text")
SAME_IMAGE = ("image_path", "image_id", "video_id", "videoID", "video")

Line = dict[str, Any]


def named_doubles(lines: Iterable[Line]) -> dict[str, tuple[int, list[Line]]]:
    """Lines by filter, each document once; the number says how many stood there again."""
    found: dict[str, tuple[int, dict[str, Line]]] = {}
    for line in lines:
        name = text(line.get("filter")) or "none"
        key = text(line.get("doc_id"))
        if key is None:
            raise BadInput("a sample has no doc_id; it is not one of this harness, or the file is damaged")
        doubles, kept = found.setdefault(name, (0, {}))
        found[name] = (doubles + (key in kept), kept)
        kept.setdefault(key, line)
    return {name: (doubles, list(kept.values())) for name, (doubles, kept) in found.items()}


def items_of(lines: list[Line], metrics: list[str], cluster: str | None = None) -> tuple[ItemResult, ...]:
    """Items with what each counts towards the metrics; `cluster` is the field that the task calls its clusters."""
    return tuple(_item(line, metrics, cluster) for line in lines)


def _item(line: Line, metrics: list[str], cluster: str | None) -> ItemResult:
    index = text(line.get("doc_id")) or ""
    scores = {metric: value for metric in metrics if (value := _value(line, metric)) is not None}
    return ItemResult(
        item=index,
        item_hash=_hash(index, line),
        scores=scores,
        group=_group(line, metrics, cluster),
        question=_question(line),
        target=text(line.get("target")),
        answer=_answer(line),
    )


def _value(line: Line, metric: str) -> float | None:
    """A number, or the score within an object; sums that only mean something over all items are left out."""
    value = line.get(metric)
    if isinstance(value, dict):
        value = value.get("score")
    if not isinstance(value, (int, float)):
        return None
    return number(value, f"{metric} of sample {line.get('doc_id')}")


def _hash(index: str, line: Line) -> str:
    """The document and the target by the harness's own hashes, or by what they are in versions without these."""
    target = line.get("target_hash") or line.get("target")
    return fingerprint([index, line.get("doc_hash") or line.get("doc") or line.get("input"), target])


def _group(line: Line, metrics: list[str], cluster: str | None) -> str | None:
    doc = mapping(line.get("doc"))
    if cluster:
        held = (mapping(line.get(metric)).get(cluster) for metric in metrics)
        return next((text(one) for one in (*held, doc.get(cluster)) if one is not None), None)
    return next((found for name in SAME_IMAGE if (found := text(doc.get(name)))), None)


def _question(line: Line) -> str | None:
    """The question without the examples before it where the document has one, else the whole prompt."""
    doc = mapping(line.get("doc"))
    asked = next((doc[name] for name in QUESTIONS if isinstance(doc.get(name), str) and doc[name].strip()), None)
    return text(asked or line.get("input") or mapping(_arguments(line).get("gen_args_0")).get("arg_0"))


def _answer(line: Line) -> str | None:
    """The text after the filter; of a multiple choice the option with the highest likelihood."""
    answers = line.get("filtered_resps")
    if not isinstance(answers, list):
        return text(answers)
    likelihoods = [_likelihood(one) for one in answers]
    if answers and None not in likelihoods:
        best = max(range(len(answers)), key=lambda place: likelihoods[place] or 0.0)
        option = mapping(_arguments(line).get(f"gen_args_{best}")).get("arg_1")
        return text(option.strip()) if isinstance(option, str) else f"option {best + 1}"
    first = answers[0] if len(answers) == 1 else answers
    return text(first)


def _likelihood(pair: object) -> float | None:
    """Of a pair such as ["-0.109", "False"]: the log-likelihood, and whether it was the greedy answer."""
    if not isinstance(pair, list) or len(pair) != 2 or str(pair[1]) not in ("True", "False"):
        return None
    try:
        return float(pair[0])
    except (TypeError, ValueError):
        return None


def _arguments(line: Line) -> Line:
    return mapping(line.get("arguments"))
