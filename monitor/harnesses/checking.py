"""What everybody behind an importer relies on, checked once for all of them; `find_all` asks for each evaluation."""

import math
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime

from monitor.benchmarks.evaluation import STATES, Evaluation, Score
from monitor.benchmarks.protocol import Protocol
from monitor.harnesses.records import Refused


def checked(read: Callable[[], Iterator[Evaluation | Refused]]) -> Iterator[Evaluation | Refused]:
    """What a run gives; refused is an evaluation that cannot be trusted, and one that is there already.

    Two that differ in nothing but their figures would be one evaluation to the store, which keeps the first.
    """
    seen: set[tuple[str, str, Protocol, datetime | None, str]] = set()
    for one in read():
        if isinstance(one, Refused):
            yield one
            continue
        key = (one.benchmark, one.model, one.protocol, one.at, one.source_sha256)
        wrong = problem_of(one) or (_second(one) if key in seen else None)
        seen.add(key)
        yield Refused(one.source, f"{one.source}: {wrong}") if wrong else one


def _second(one: Evaluation) -> str:
    return f"holds {one.model[:100]!a} on {one.benchmark[:100]!a} a second time, and does not say what was different"


def problem_of(evaluation: Evaluation) -> str | None:
    """What is wrong with an evaluation; None where nothing is."""
    for name, text in (("data set", evaluation.benchmark), ("model", evaluation.model)):
        if not text.strip():
            return f"the name of its {name} is blank"
    if evaluation.state not in STATES or (evaluation.state == "done") != (evaluation.problem is None):
        return f"it is {evaluation.state} with the problem {evaluation.problem}"
    if evaluation.at is not None and evaluation.at.utcoffset() is None:
        return "its time has no zone"
    wrong = next(filter(None, map(_wrong_score, evaluation.scores)), None)
    return wrong or _ambiguous(evaluation) or _wrong_item(evaluation)


def _wrong_score(score: Score) -> str | None:
    if not math.isfinite(score.value):
        return f"{score.metric} is {score.value}, allowed is a finite number"
    if score.most is not None and not (math.isfinite(score.most) and score.most > 0):
        return f"{score.metric} is out of {score.most}, allowed is a number above 0"
    if score.n is not None and score.n < 0:
        return f"{score.metric} is over {score.n} items, allowed is 0 or more"
    if score.stderr is not None and not (math.isfinite(score.stderr) and score.stderr >= 0):
        return f"the standard error of {score.metric} is {score.stderr}, allowed is a number from 0"
    return None


def _ambiguous(evaluation: Evaluation) -> str | None:
    scores = Counter((score.metric, score.category) for score in evaluation.scores)
    items = Counter(item.item for item in evaluation.items)
    if len(scores) < len(evaluation.scores):
        return f"two scores are called {' '.join(scores.most_common(1)[0][0])[:100].strip()!a}"
    if len(items) < len(evaluation.items):
        return f"two items are called {items.most_common(1)[0][0][:100]!a}"
    if sum(score.headline for score in evaluation.scores) > 1:
        return "more than one of its scores is the main one"
    return None


def _wrong_item(evaluation: Evaluation) -> str | None:
    for item in evaluation.items:
        for metric, value in item.scores.items():
            if not math.isfinite(value):
                return f"item {item.item[:100]!a}: {metric} is {value}, allowed is a finite number"
    return None
