"""Which checkpoint is best, of each benchmark and overall by declared weights, and whether it is the last one."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitor.benchmarks.comparing import compare
from monitor.queries.benchmark_ranking import Board, board_of, of_group
from monitor.queries.benchmark_reading import NOTHING, Figure, Ignore, ModelId, figures, ranked
from monitor.queries.figures import finite
from monitor.queries.kept import Kept
from monitor.queries.registry import Ask, query
from monitor.records import Benchmark
from monitor.stats.best import Table, chance_of_best_overall
from monitor.stats.cluster import clustered_stderr
from monitor.stats.intervals import CONFIDENCE, standard_score

Scope = Literal["model", "all"]

CHANCES: Kept[NDArray[np.float64]] = Kept(64)
"""Of each of some checkpoints to be the best overall, by their evaluations and weights."""

TEXTS = pa.list_(pa.string())
BEST = pa.schema(
    [
        *((name, pa.string()) for name in ("model", "benchmark", "metric", "group", "best", "last")),
        *((name, pa.int64()) for name in ("n_items", "n_checkpoints", "best_step", "last_step")),
        *((name, pa.float64()) for name in ("best_mean", "chance_of_best", "last_mean", "chance_of_last")),
        *((name, pa.float64()) for name in ("last_difference", "last_low", "last_high")),
        *((name, pa.bool_()) for name in ("last_is_best", "last_shown")),
        *((name, TEXTS) for name in ("tied", "weights", "left_out")),
    ]
)


@query
def benchmark_best(ask: Ask, *, by: Scope = "model", model: ModelId = "", ignore: Ignore = NOTHING) -> pa.Table:
    """Which checkpoint is best, and how sure that is: a row for each benchmark, and one with benchmark '' overall.

    `by` model ranks the checkpoints of each model among themselves; `all` ranks them all. Overall is the mean of the
    benchmarks weighted by the fleet file (`weights`), over those that at least two checkpoints have items of, on the
    scale of 0 to 1; `left_out` names the others and why. The last checkpoint is the one with the highest step:
    `last_difference` is what it scores more than the best on the same items, with its own interval at 95 %, and
    `last_shown` whether the ranking of all checkpoints shows it to be worse (null overall, where nothing is tested).
    """
    found = ranked(figures(ask, model=model, ignore=ignore))
    rows = []
    for name in sorted({_family(one, by) for one in found}):
        rows += _of_family(ask, name, [one for one in found if _family(one, by) == name])
    return pa.Table.from_pylist(rows, schema=BEST)


def _family(one: Figure, by: Scope) -> str:
    return (one.model or "") if by == "model" else ""


def _of_family(ask: Ask, model: str, found: Sequence[Figure]) -> list[dict[str, Any]]:
    """The rows of one model: overall first."""
    boards: dict[str, Board] = {}
    left_out = []
    for name in sorted({one.benchmark for one in found}):
        board = board_of(ask, of_group([one for one in found if one.benchmark == name], ""), "")
        if board is None:
            left_out.append(f"{name}: fewer than two checkpoints have items in common")
        else:
            boards[name] = board
    overall = _overall(ask, boards, left_out)
    rows = ([overall] if overall else []) + [_row(name, board) for name, board in boards.items()]
    return [row | {"model": model or None} for row in rows]


def _row(name: str, board: Board) -> dict[str, Any]:
    best = board.places[0]
    one = board.found[best.candidate]
    row = {
        "benchmark": name,
        "metric": one.metric,
        "group": one.group,
        "n_items": board.items.n,
        "n_checkpoints": len(board.found),
        "best": one.checkpoint,
        "best_step": one.step,
        "best_mean": board.mean_of(best),
        "chance_of_best": best.chance_of_best,
        "tied": [board.found[place.candidate].checkpoint for place in board.places[1:] if place.tied_with_best],
    }
    if board.last is None:
        return row
    last, place = board.found[board.last], board.place_of(board.last)
    row |= {
        "last": last.checkpoint,
        "last_step": last.step,
        "last_mean": board.mean_of(place),
        "chance_of_last": place.chance_of_best,
        "last_is_best": place.candidate == best.candidate,
    }
    if place.candidate == best.candidate:
        return row
    shares = board.items.shares
    behind = compare(shares[:, best.candidate], shares[:, place.candidate], board.items.groups)
    return row | {
        "last_difference": finite(behind.difference),
        "last_low": finite(behind.low),
        "last_high": finite(behind.high),
        "last_shown": not place.tied_with_best,
    }


def _overall(ask: Ask, boards: dict[str, Board], left_out: list[str]) -> dict[str, Any] | None:
    """The weighted mean over the benchmarks that the same checkpoints have; None where fewer than two have them."""
    weights = {name: ask.fleet.benchmarks.get(name, Benchmark(name)).weight for name in boards}
    chosen: dict[str, Board] = {}
    for name, board in boards.items():
        if not weights[name]:
            left_out.append(f"{name}: its weight is 0")
        elif not board.higher_is_better or any(one.most is None for one in board.found):
            left_out.append(f"{name}: its scale is not known, or lower is better, so that it cannot be added up")
        else:
            chosen[name] = board
    common = _common(chosen, left_out)
    if len(common) < 2:
        return None
    shares = np.array([weights[name] for name in chosen])
    shares = shares / shares.sum()
    tables = [board.items.shares[:, _columns(board, common)] for board in chosen.values()]
    groups = [board.items.groups for board in chosen.values()]
    means = shares @ np.array([table.mean(axis=0) for table in tables])
    pairs = [Table(table, grouped) for table, grouped in zip(tables, groups, strict=True)]
    key = (*common, *shares, *((one.run, one.started_at) for board in chosen.values() for one in board.found))
    chances = CHANCES.get(key, lambda: chance_of_best_overall(pairs, [float(one) for one in shares]))
    best, last = int(np.argmax(means)), _last(chosen, common)
    row: dict[str, Any] = {
        "benchmark": "",
        "n_items": sum(board.items.n for board in chosen.values()),
        "n_checkpoints": len(common),
        "best": common[best],
        "best_step": _step(chosen, common[best]),
        "best_mean": float(means[best]),
        "chance_of_best": float(chances[best]),
        "weights": [f"{name}: {weights[name]:g}" for name in chosen],
        "left_out": left_out,
    }
    if last is None:
        return row
    row |= {
        "last": common[last],
        "last_step": _step(chosen, common[last]),
        "last_mean": float(means[last]),
        "chance_of_last": float(chances[last]),
        "last_is_best": last == best,
    }
    if last == best:
        return row
    errors = [
        share * clustered_stderr(table[:, last] - table[:, best], grouped)
        for share, table, grouped in zip(shares, tables, groups, strict=True)
    ]
    difference, half = float(means[last] - means[best]), standard_score(CONFIDENCE) * float(np.linalg.norm(errors))
    return row | {
        "last_difference": difference,
        "last_low": finite(difference - half),
        "last_high": finite(difference + half),
    }


def _common(chosen: dict[str, Board], left_out: list[str]) -> list[str]:
    """The checkpoints that all benchmarks have; the benchmark with the fewest is left out until there are two."""
    while chosen:
        sets = {name: {one.checkpoint for one in board.found} for name, board in chosen.items()}
        common = set.intersection(*sets.values())
        if len(common) > 1:
            return sorted(common)
        fewest = min(sets, key=lambda name: (len(sets[name]), name))
        del chosen[fewest]
        left_out.append(f"{fewest}: too few of the checkpoints that the others have")
    return []


def _columns(board: Board, checkpoints: Sequence[str]) -> list[int]:
    names = [one.checkpoint for one in board.found]
    return [names.index(checkpoint) for checkpoint in checkpoints]


def _step(chosen: dict[str, Board], checkpoint: str) -> int | None:
    steps = (one.step for board in chosen.values() for one in board.found if one.checkpoint == checkpoint)
    return next((step for step in steps if step is not None), None)


def _last(chosen: dict[str, Board], common: Sequence[str]) -> int | None:
    steps = [(step, number) for number, one in enumerate(common) if (step := _step(chosen, one)) is not None]
    return max(steps)[1] if steps else None
