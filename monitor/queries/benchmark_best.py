"""Which checkpoint is best, of each benchmark and overall by declared weights, and whether it is the last one."""

import math
import re
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitor.benchmarks.comparing import compare
from monitor.benchmarks.protocol import apart
from monitor.queries.benchmark_ranking import Board, board_of, of_group
from monitor.queries.benchmark_reading import NOTHING, Figure, Ignore, ModelId, figures, ranked
from monitor.queries.figures import finite
from monitor.queries.kept import Kept
from monitor.queries.registry import Ask, query
from monitor.records import Benchmark
from monitor.stats.best import Table, chance_of_best_overall, overall_difference
from monitor.stats.difference import mover_sum
from monitor.stats.intervals import CONFIDENCE, UNKNOWN, Interval, standard_score

Scope = Literal["model", "all"]

CHANCES: Kept[NDArray[np.float64]] = Kept(64)
"""Of each of some checkpoints to be the best overall, by their evaluations and weights."""

STEP = re.compile(r"[-_/=]*(?:step|checkpoint|ckpt|iter)[-_=]?\d+.*$", re.IGNORECASE)
"""What tells checkpoints of one training apart in their names, where the fleet file does not know their model."""

TEXTS = pa.list_(pa.string())
BEST = pa.schema(
    [
        *((name, pa.string()) for name in ("model", "benchmark", "metric", "group", "best", "last")),
        *((name, pa.int64()) for name in ("n_items", "n_checkpoints", "best_step", "last_step")),
        *(
            (name, pa.float64())
            for name in ("best_mean", "best_low", "best_high", "chance_of_best", "last_mean", "chance_of_last")
        ),
        *((name, pa.float64()) for name in ("last_difference", "last_low", "last_high")),
        *((name, pa.bool_()) for name in ("last_is_best", "last_shown", "in_shares")),
        *((name, TEXTS) for name in ("tied", "weights", "left_out")),
    ]
)


@query
def benchmark_best(ask: Ask, *, by: Scope = "model", model: ModelId = "", ignore: Ignore = NOTHING) -> pa.Table:
    """Which checkpoint is best, and how sure that is: a row for each benchmark, and one with benchmark '' overall.

    `by` model ranks the checkpoints of each model among themselves, `all` ranks them all. Overall is the mean of
    benchmarks weighted by the fleet file (`weights`), on the scale of 0 to 1, of those benchmarks and checkpoints that
    go together and have most answers. `left_out` names the benchmarks and checkpoints that are not in it, and why. The
    last checkpoint is the one with the highest step, whether it could be ranked or not (`last_mean` is then null):
    `last_difference` is what it scores more than the best on the same items, with its own interval at 95 %, and
    `last_shown` whether that is shown among all pairs of checkpoints: by the ranking, overall by Bonferroni.
    Chances are null where a benchmark has fewer than 10 groups of items. `best_low` and `best_high` are the interval of
    the best one's own score at 95 %, null where it was asked more items than these. Figures are shares of what can be
    had where `in_shares`, else in the unit of the files.
    """
    found = ranked(figures(ask, model=model, ignore=ignore))
    rows = []
    for name in sorted({_family(one, by) for one in found}):
        rows += _of_family(ask, name, [one for one in found if _family(one, by) == name], ignore)
    return pa.Table.from_pylist(rows, schema=BEST)


def _family(one: Figure, by: Scope) -> str:
    return "" if by == "all" else one.model or STEP.sub("", one.checkpoint) or one.checkpoint


def _of_family(ask: Ask, model: str, found: Sequence[Figure], ignore: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of one model: overall first. A model with a single checkpoint has none."""
    if len({one.checkpoint for one in found}) < 2:
        return []
    boards: dict[str, Board] = {}
    left_out = []
    for name in sorted({one.benchmark for one in found}):
        board = board_of(ask, of_group([one for one in found if one.benchmark == name], ""), "")
        if board is None:
            left_out.append(f"{name}: fewer than two checkpoints have items in common")
        else:
            boards[name] = board
    overall = _overall(ask, boards, found, left_out)
    rows = [
        _row(name, board, [one for one in found if one.benchmark == name], ignore) for name, board in boards.items()
    ]
    return [row | {"model": model or None} for row in ([overall] if overall else []) + rows]


def _row(name: str, board: Board, found: Sequence[Figure], ignore: Sequence[str]) -> dict[str, Any]:
    last, best = _last_of(found), board.places[0]
    number = next(
        (number for number, each in enumerate(board.found) if last and each.checkpoint == last.checkpoint), None
    )
    place = None if number is None else board.place_of(number)
    one = board.found[best.candidate]
    row: dict[str, Any] = {
        "benchmark": name,
        "metric": one.metric,
        "group": one.group,
        "n_items": board.items.n,
        "n_checkpoints": len(board.found),
        "best": one.checkpoint,
        "best_step": one.step,
        "best_mean": board.mean_of(best),
        **dict(zip(("best_low", "best_high"), map(finite, _own(board, one)), strict=True)),
        "in_shares": one.most is not None,
        "chance_of_best": finite(best.chance_of_best),
        "tied": [
            board.found[each.candidate].checkpoint
            for each in board.places
            if each.tied_with_best and each.candidate != best.candidate
        ],
        "left_out": _off_board(board, found, ignore),
    }
    if last is None:
        return row
    row |= {"last": last.checkpoint, "last_step": last.step}
    if place is None:
        return row
    row |= {
        "last_mean": board.mean_of(place),
        "chance_of_last": finite(place.chance_of_best),
        "last_is_best": place is best,
    }
    if place is best:
        return row
    shares = board.items.shares
    behind = compare(shares[:, best.candidate], shares[:, place.candidate], board.items.groups)
    return row | {
        "last_difference": finite(behind.difference),
        "last_low": finite(behind.low),
        "last_high": finite(behind.high),
        "last_shown": not place.tied_with_best,
    }


def _own(board: Board, one: Figure) -> Interval:
    """The interval of a score on the scale of its items, where these are all that it was asked."""
    if one.low is None or one.high is None or one.n_items != board.items.n:
        return UNKNOWN
    return Interval(one.low / (one.most or 1.0), one.high / (one.most or 1.0))


def _off_board(board: Board, found: Sequence[Figure], ignore: Sequence[str]) -> list[str]:
    """The checkpoints that have figures of the benchmark and are not ranked, and why."""
    ours, one = {each.checkpoint for each in board.found}, board.found[0]
    told = {}
    for other in found:
        if other.checkpoint in ours:
            continue
        why = apart(other.protocol, one.protocol, ignore)
        if not why:
            why = ["it has other items, or too few of these" if other.has_items else other.reason or "it has no items"]
        told[other.checkpoint] = f"{other.checkpoint}: {', '.join(why)}"
    return list(told.values())


def _overall(ask: Ask, boards: dict[str, Board], found: Sequence[Figure], left_out: list[str]) -> dict[str, Any] | None:
    """The weighted mean over the benchmarks that the same checkpoints have; None where fewer than two have any."""
    weights = {name: ask.fleet.benchmarks.get(name, Benchmark(name)).weight for name in boards}
    usable: dict[str, Board] = {}
    for name, board in boards.items():
        if not weights[name]:
            left_out.append(f"{name}: its weight is 0")
        elif not board.higher_is_better or any(one.most is None for one in board.found):
            left_out.append(f"{name}: its scale is not known, or lower is better, so that it cannot be added up")
        else:
            usable[name] = board
    common = _together(usable)
    if not common:
        return None
    chosen = {name: board for name, board in usable.items() if common <= _names(board)}
    left_out += [
        f"{name}: of these checkpoints only {', '.join(sorted(common & _names(board))) or 'none'}"
        for name, board in usable.items()
        if name not in chosen
    ]
    left_out += [
        f"{name}: not in {', '.join(missing)}"
        for name in sorted({one.checkpoint for one in found} - common)
        if (missing := [each for each, board in chosen.items() if name not in _names(board)])
    ]
    return _weighed(sorted(common), chosen, weights, found) | {"left_out": left_out}


def _weighed(
    common: list[str], chosen: dict[str, Board], weights: dict[str, float], found: Sequence[Figure]
) -> dict[str, Any]:
    shares = np.array([weights[name] for name in chosen])
    shares = shares / shares.sum()
    tables = [Table(board.items.shares[:, _columns(board, common)], board.items.groups) for board in chosen.values()]
    means = shares @ np.array([np.asarray(table.values).mean(axis=0) for table in tables])
    key = (*common, *shares, *((one.run, one.started_at) for board in chosen.values() for one in board.found))
    parts = [float(one) for one in shares]
    chances = CHANCES.get(key, lambda: chance_of_best_overall(tables, parts))
    best, last = int(np.argmax(means)), _last_of(found)
    if last and last.checkpoint in common and math.isclose(means[common.index(last.checkpoint)], means[best]):
        best = common.index(last.checkpoint)
    ours = [next(one for one in board.found if one.checkpoint == common[best]) for board in chosen.values()]
    own = [_own(board, one) for board, one in zip(chosen.values(), ours, strict=True)]
    each = [float(np.asarray(table.values)[:, best].mean()) for table in tables]
    sure = mover_sum(parts, each, own)
    row: dict[str, Any] = {
        "benchmark": "",
        "in_shares": True,
        "n_items": sum(board.items.n for board in chosen.values()),
        "n_checkpoints": len(common),
        "best": common[best],
        "best_step": _step(found, common[best]),
        "best_mean": float(means[best]),
        "best_low": finite(sure.low),
        "best_high": finite(sure.high),
        "chance_of_best": finite(float(chances[best])),
        "weights": [f"{name}: {weights[name]:g}" for name in chosen],
    }
    if last is None:
        return row
    row |= {"last": last.checkpoint, "last_step": last.step}
    if last.checkpoint not in common:
        return row
    number = common.index(last.checkpoint)
    row |= {
        "last_mean": float(means[number]),
        "chance_of_last": finite(float(chances[number])),
        "last_is_best": number == best,
    }
    if number == best:
        return row
    difference, interval = overall_difference(tables, parts, number, best)
    return row | {
        "last_difference": difference,
        "last_low": finite(interval.low),
        "last_high": finite(interval.high),
        "last_shown": _shown(difference, interval, len(common)),
    }


def _shown(difference: float, interval: Interval, candidates: int) -> bool | None:
    """Whether the interval is off 0 even when it is widened for all pairs of the candidates (Bonferroni).

    The best one was chosen by these very answers: its lead over any other has to stand out among all leads.
    """
    half = (interval.high - interval.low) / 2
    if not math.isfinite(half):
        return None
    pairs = candidates * (candidates - 1) / 2
    wider = standard_score(1 - (1 - CONFIDENCE) / pairs) / standard_score(CONFIDENCE)
    return abs(difference) > half * wider


def _together(boards: dict[str, Board]) -> frozenset[str]:
    """The checkpoints, at least two, that with the benchmarks which all of them have keep the most answers."""
    sets = {name: _names(board) for name, board in boards.items()}
    candidates = {*sets.values(), *(one & other for one, other in combinations(sets.values(), 2))}
    candidates |= {frozenset.intersection(*sets.values())} if sets else set()
    kept = {
        each: len(each) * sum(boards[name].items.n for name, names in sets.items() if each <= names)
        for each in candidates
        if len(each) > 1
    }
    return max(kept, key=lambda each: (kept[each], sorted(each)), default=frozenset())


def _names(board: Board) -> frozenset[str]:
    return frozenset(one.checkpoint for one in board.found)


def _columns(board: Board, checkpoints: Sequence[str]) -> list[int]:
    names = [one.checkpoint for one in board.found]
    return [names.index(checkpoint) for checkpoint in checkpoints]


def _last_of(found: Iterable[Figure]) -> Figure | None:
    """One of the figures of the checkpoint with the highest step."""
    return max((one for one in found if one.step is not None), key=lambda one: one.step or 0, default=None)


def _step(found: Sequence[Figure], checkpoint: str) -> int | None:
    return next((one.step for one in found if one.checkpoint == checkpoint and one.step is not None), None)
