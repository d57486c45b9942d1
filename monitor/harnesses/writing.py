"""Writes evaluations to the store: all of one, or nothing that anybody sees. Used by imports and by our own job."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from monitor.benchmarks.evaluation import Evaluation, ItemResult, Score
from monitor.benchmarks.protocol import group_of
from monitor.benchmarks.scoring import Scored, scored_all
from monitor.errors import BadInput, NotFound, WatchpointError
from monitor.harnesses.checking import problem_of, problem_of_name
from monitor.harnesses.naming import AS_IT_IS, Named
from monitor.ids import run_id

Write = Callable[[str, Any], dict[str, Any]]
"""One of the verbs of `monitor.store.results`."""

BATCH_ITEMS, BATCH_BYTES = 2000, 1024 * 1024

KEPT, KNOWN, BUSY = "kept", "known", "busy"


def id_of(evaluation: Evaluation) -> str:
    """The same for the same file, protocol and time, whatever checkpoint of ours it is said to be of."""
    group = group_of(evaluation.protocol.known)
    at = evaluation.at.isoformat() if evaluation.at else ""
    return run_id(evaluation.benchmark, evaluation.model, group, evaluation.source_sha256, at)


def keep(evaluation: Evaluation, named: Named, write: Write, owner: str) -> str:
    """Write an evaluation; returns KEPT, KNOWN where the same is there already, or BUSY where another process is at it.

    Raises BadInput before anything is written, and what `write` raises: what was begun is forgotten then, so that it
    neither shows nor keeps the next import from it.
    """
    if wrong := problem_of(evaluation) or problem_of_name(named):
        raise BadInput(f"{evaluation.source}: {wrong}"[:1000])
    run = id_of(evaluation)
    claim = write("benchmark-claim", _claim(run, evaluation, named, owner))
    if not claim["claimed"]:
        return BUSY if claim["state"] == "running" else KNOWN
    try:
        _fill(run, evaluation, write, owner)
    except NotFound:
        raise  # somebody else has taken it over, and goes on with it
    except Exception:
        with suppress(WatchpointError):
            write("benchmark-forget", {"run": run})
        raise
    return KEPT


def _fill(run: str, evaluation: Evaluation, write: Write, owner: str) -> None:
    for batch in batches(evaluation.items):
        write("benchmark-results", {"run": run, "owner": owner, "results": batch})
    write(
        "benchmark-end",
        {
            "run": run,
            "owner": owner,
            "state": evaluation.state,
            "problem": evaluation.problem,
            "scores": list(map(figure_of, evaluation.scores, scored_all(evaluation.scores, evaluation.items))),
        },
    )


def batches(items: Sequence[ItemResult]) -> Iterator[list[dict[str, Any]]]:
    """Results in parts that the api takes at once."""
    batch: list[dict[str, Any]] = []
    size = 0
    for item in items:
        row = _row(item)
        cost = len(msgspec.json.encode(row)) + 1
        if batch and (len(batch) >= BATCH_ITEMS or size + cost > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(row)
        size += cost
    if batch:
        yield batch


def figure_of(score: Score, found: Scored) -> dict[str, Any]:
    """A score with its interval, as `benchmark-end` takes it."""
    return {
        "metric": score.metric,
        "value": score.value,
        "category": score.category,
        "most": score.most,
        "higher_is_better": score.higher_is_better,
        "headline": score.headline,
        "n": score.n if score.n is not None else found.n or None,
        "n_groups": found.n_groups or None,
        "stderr": _finite(score.stderr),
        "low": _finite(found.low),
        "high": _finite(found.high),
        "how": found.how,
        "reason": found.reason,
        "by_items": found.by_items,
    }


def _claim(run: str, evaluation: Evaluation, named: Named, owner: str) -> dict[str, Any]:
    return {
        "run": run,
        "benchmark": evaluation.benchmark,
        "checkpoint": named.checkpoint,
        "named": evaluation.model,
        "model": named.model,
        "step": named.step,
        "sure": named.how != AS_IT_IS,
        "revision": evaluation.revision,
        "protocol": evaluation.protocol.known,
        "origin": "claim" if evaluation.claimed else "import",
        "evaluated_at": evaluation.at.isoformat() if evaluation.at else None,
        "notes": list(evaluation.notes),
        "source": evaluation.source,
        "source_sha256": evaluation.source_sha256,
        "owner": owner,
        "total": len(evaluation.items),
    }


def _row(item: ItemResult) -> dict[str, Any]:
    return {
        "item": item.item,
        "item_hash": item.item_hash,
        "scores": item.scores,
        "categories": list(item.categories),
        "group": item.group,
        "question": item.question,
        "target": item.target,
        "answer": item.answer,
        "failed": item.failed,
        "media": list(item.media),
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
