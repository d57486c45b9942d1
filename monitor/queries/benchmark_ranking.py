"""The checkpoints of one benchmark in their order, with ties shown as ties."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from monitor.benchmarks.ranking import Place, ranking
from monitor.errors import NotFound
from monitor.queries.benchmark_reading import (
    NOTHING,
    BenchmarkId,
    Category,
    Figure,
    Ignore,
    Items,
    Metric,
    ModelId,
    figures,
    items_of,
    main_group,
    newest,
    ranked,
)
from monitor.queries.figures import finite
from monitor.queries.kept import Kept
from monitor.queries.registry import Ask, query
from monitor.stats.best import chance_from_errors
from monitor.stats.cluster import group_places

LEAST_OVERLAP = 0.5
"""Evaluations that have fewer of the items than this are not ranked by them."""

RANKING = pa.schema(
    [
        *((name, pa.string()) for name in ("benchmark", "metric", "category", "group", "checkpoint", "model", "run")),
        ("step", pa.int64()),
        ("at", pa.timestamp("us")),
        ("value", pa.float64()),
        ("most", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("how", pa.string()),
        ("reason", pa.string()),
        ("n", pa.int64()),
        ("mean", pa.float64()),
        ("n_shared", pa.int64()),
        ("n_groups", pa.int64()),
        ("rank_low", pa.int64()),
        ("rank_high", pa.int64()),
        ("tied_with_best", pa.bool_()),
        ("chance_of_best", pa.float64()),
        ("ranked_by", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class Board:
    """The newest evaluations of one benchmark under one protocol, and their places; best first."""

    found: list[Figure]
    items: Items
    n_groups: int
    places: list[Place]
    higher_is_better: bool

    def place_of(self, number: int) -> Place:
        """The place of an evaluation."""
        return next(place for place in self.places if place.candidate == number)

    def mean_of(self, place: Place) -> float:
        """The mean over the shared items, in the direction of the benchmark."""
        return place.mean if self.higher_is_better else -place.mean


BOARDS: Kept[Board | None] = Kept(64)


@query
def benchmark_ranking(
    ask: Ask,
    *,
    benchmark: BenchmarkId,
    group: str = "",
    metric: Metric = "",
    category: Category = "",
    model: ModelId = "",
    ignore: Ignore = NOTHING,
) -> pa.Table:
    """The checkpoints of one benchmark under one protocol, best first; without `group`, the main one.

    `rank_low` and `rank_high` are the places that the items leave open, all at once with 95 % (all pairs tested
    together); `tied_with_best`: not shown to be worse than the first. `chance_of_best` is the share of bootstrap
    resamples of the `n_shared` items that all have in which it comes first, null where fewer than 10 groups of them
    are. `ranked_by` says whether that rests on items, on standard errors (then as if all were independent), or on
    nothing (value): then nothing is shown, and all are tied. Without a place are evaluations that have less than half
    of the items of the others in common with them, or none that their score is the mean of.
    """
    found = of_group(
        figures(ask, benchmarks=[benchmark], metric=metric, category=category, model=model, ignore=ignore), group
    )
    if not found:
        raise NotFound(
            f"benchmark {benchmark!r} has no figures to rank here; the query benchmark_scores lists what there is"
        )
    board = board_of(ask, found, category)
    rows = [_row(board, place) for place in board.places] if board else []
    rest = [one for one in found if not board or one not in board.found]
    return pa.Table.from_pylist(rows + _by_errors(rest, alone=not rows), schema=RANKING)


def of_group(found: Sequence[Figure], group: str) -> list[Figure]:
    """The newest figure of each checkpoint in one group, of one metric, without published ones.

    Figures with a known scale and without one are apart: nobody can tell which is more.
    """
    ours = ranked(found)
    chosen = group or main_group(ours)
    of_it = [one for one in ours if one.group == chosen]
    return newest([one for one in of_it if _kind(one) == _kind(of_it[-1])])


def _kind(one: Figure) -> tuple[str, bool, bool]:
    return one.metric, one.most is None, one.higher_is_better


def board_of(ask: Ask, found: Sequence[Figure], category: str) -> Board | None:
    """The places of evaluations of one benchmark and metric, on the items that those which overlap have in common.

    What is done never changes, so the boards that were asked for last are kept.
    """
    with_items = [one for one in found if one.has_items]
    if not with_items:
        return None
    with_items.sort(key=lambda one: -1 if one.step is None else one.step, reverse=True)  # of equals the newest is first
    key = (with_items[-1].metric, category, *((one.run, one.checkpoint, one.started_at) for one in with_items))
    return BOARDS.get(key, lambda: _placed(ask, with_items, category))


def _placed(ask: Ask, with_items: list[Figure], category: str) -> Board | None:
    one = with_items[-1]
    items = items_of(ask, [each.run for each in with_items], one.metric, category)
    chosen = _overlapping(items)
    shared = items.common(chosen)
    if len(chosen) < 2 or not shared.n:
        return None
    groups = group_places(shared.groups, shared.n)
    places = ranking(shared.shares if one.higher_is_better else -shared.shares, groups)
    evaluations = [with_items[number] for number in chosen]
    return Board(evaluations, shared, int(groups.max()) + 1, places, one.higher_is_better)


def _overlapping(items: Items) -> list[int]:
    """The evaluations that have at least half of the items of one of them in common: of that which keeps most answers.

    One that was run on other items, or on a few only, would else leave nothing for the rest to be compared on.
    """
    has = ~np.isnan(items.shares)
    counts = has.sum(axis=0)
    overlaps = has.T.astype(float) @ has
    anchor = int(np.argmax((overlaps >= LEAST_OVERLAP * counts[:, None]).sum(axis=1) * counts))
    common, chosen = has[:, anchor], [anchor]
    for number in np.argsort(-overlaps[anchor], kind="stable"):
        both = common & has[:, number]
        if number != anchor and both.sum() >= LEAST_OVERLAP * counts[anchor]:
            common = both
            chosen.append(int(number))
    return sorted(chosen)


def _row(board: Board, place: Place) -> dict[str, Any]:
    return _figure_row(board.found[place.candidate]) | {
        "mean": board.mean_of(place),
        "n_shared": board.items.n,
        "n_groups": board.n_groups,
        "rank_low": place.rank_low,
        "rank_high": place.rank_high,
        "tied_with_best": place.tied_with_best,
        "chance_of_best": finite(place.chance_of_best),
        "ranked_by": "items",
    }


def _figure_row(one: Figure) -> dict[str, Any]:
    names = ("benchmark", "metric", "category", "group", "checkpoint", "model", "run", "step", "value", "most", "low")
    return {name: getattr(one, name) for name in (*names, "high", "how", "reason", "n")} | {"at": one.when}


def _by_errors(found: Sequence[Figure], *, alone: bool) -> list[dict[str, Any]]:
    """Checkpoints without items: in the order of their figures, and all of them tied."""
    better = found[0].higher_is_better if found else True
    order = sorted(found, key=lambda one: -_worth(one) if better else _worth(one))
    errors = [one.error / (one.most or 1.0) if one.error else None for one in order]
    known = alone and len(order) > 1 and all(errors)
    chances: list[float | None] = [None] * len(order)
    if known:
        values = np.array([_worth(one) if better else -_worth(one) for one in order])
        chances = [float(one) for one in chance_from_errors(values, np.array(errors, dtype=float))]
    return [
        _figure_row(one)
        | {
            "rank_low": 1,
            "rank_high": len(order),
            "tied_with_best": True,
            "chance_of_best": chance,
            "ranked_by": "errors" if known else "value",
        }
        if alone
        else _figure_row(one) | {"ranked_by": "value"}
        for one, chance in zip(order, chances, strict=True)
    ]


def _worth(one: Figure) -> float:
    return one.value if one.share is None else one.share
