"""What everybody behind an importer relies on, checked once for all of them; `find_all` asks for each evaluation."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from monitor.benchmarks.evaluation import STATES, Evaluation, Score
from monitor.benchmarks.protocol import Protocol
from monitor.harnesses.naming import MAX_STEP, Named
from monitor.harnesses.records import Refused

MAX_COUNT = 2**31 - 1
NAME_CHARS, WORDS_CHARS = 512, 4096
"""What the store takes of a name, and of a note or a reason."""


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
    if long := _too_long(_names(evaluation), NAME_CHARS) or _too_long(_words(evaluation), WORDS_CHARS):
        return long
    if evaluation.step is not None and not 0 <= evaluation.step <= MAX_STEP:
        return f"its training step is {evaluation.step}, allowed is 0 to {MAX_STEP}"
    if evaluation.state not in STATES or (evaluation.state == "done") != (evaluation.problem is None):
        return f"it is {evaluation.state} with the problem {evaluation.problem}"
    if evaluation.at is not None and evaluation.at.utcoffset() is None:
        return "its time has no zone"
    wrong = next(filter(None, map(_wrong_score, evaluation.scores)), None)
    return wrong or _ambiguous(evaluation) or _wrong_item(evaluation)


def problem_of_name(named: Named) -> str | None:
    """What is wrong with what a checkpoint is called here, which may be as somebody said."""
    if not named.checkpoint.strip():
        return "the name of its checkpoint is blank"
    if named.step is not None and not 0 <= named.step <= MAX_STEP:
        return f"its training step is {named.step}, allowed is 0 to {MAX_STEP}"
    return _too_long((("checkpoint", named.checkpoint), ("model", named.model)), NAME_CHARS)


def _names(evaluation: Evaluation) -> Iterator[tuple[str, str | None]]:
    yield from (("data set", evaluation.benchmark), ("model", evaluation.model), ("revision", evaluation.revision))
    for score in evaluation.scores:
        yield from (("metric", score.metric), ("category", score.category))
    for item in evaluation.items:
        yield from (("item", item.item), ("group", item.group))
        yield from (("metric", metric) for metric in item.scores)
        yield from (("category", category) for category in item.categories)
        yield from (("image", media) for media in item.media)


def _words(evaluation: Evaluation) -> Iterator[tuple[str, str | None]]:
    yield from (("source", evaluation.source), ("problem", evaluation.problem))
    yield from (("note", note) for note in evaluation.notes)


def _too_long(texts: Iterable[tuple[str, str | None]], most: int) -> str | None:
    for what, text in texts:
        if text is not None and len(text) > most:
            article = "an" if what[0] in "aeio" else "a"
            return f"{article} {what} has {len(text):,} characters, allowed are {most:,}: {text[:60]!a}..."
    return None


def _wrong_score(score: Score) -> str | None:
    if not math.isfinite(score.value):
        return f"{score.metric} is {score.value}, allowed is a finite number"
    if score.most is not None and not (math.isfinite(score.most) and score.most > 0):
        return f"{score.metric} is out of {score.most}, allowed is a number above 0"
    if not score.metric:
        return "a score has no name"
    if score.n is not None and not 0 <= score.n <= MAX_COUNT:
        return f"{score.metric} is over {score.n} items, allowed is 0 to {MAX_COUNT}"
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
        if not item.item:
            return "an item has no name"
        for metric, value in item.scores.items():
            if not math.isfinite(value):
                return f"item {item.item[:100]!a}: {metric} is {value}, allowed is a finite number"
    return None
