"""What the queries about benchmarks share: the figures that may be read, what may be compared, and items as arrays.

Only evaluations that are done have figures. Of several of one checkpoint under one protocol the newest counts: one
whose files say when it was made before one of which nobody knows, and of the same time one with items.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from monitor.benchmarks.protocol import PARTS, group_of
from monitor.errors import BadInput
from monitor.queries.registry import Ask
from monitor.stats.intervals import CONFIDENCE, standard_score

BenchmarkId = Annotated[str, Field(min_length=1, max_length=512, description="a benchmark, as its harness calls it")]
CheckpointId = Annotated[str, Field(min_length=1, max_length=512, description="a checkpoint")]
Metric = Annotated[str, Field(max_length=512, description="one of its metrics; empty: the main one of its harness")]
Category = Annotated[str, Field(max_length=512, description="such as category=Science; empty: the whole benchmark")]
ModelId = Annotated[str, Field(max_length=512, description="only checkpoints of this model; empty: all")]
Ignore = Annotated[
    list[str],
    Field(max_length=len(PARTS), description=f"parts of the protocol that may differ all the same: {', '.join(PARTS)}"),
]
NOTHING: list[str] = []
NORMAL = standard_score(CONFIDENCE)

CLAIM = "claim"
"""The origin of a published figure: drawn beside the others, never ranked or tested."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One score of one evaluation, in the unit of its file."""

    run: str
    benchmark: str
    checkpoint: str
    model: str | None
    step: int | None
    origin: str
    at: datetime | None  # naive UTC
    started_at: datetime
    protocol: dict[str, str]
    group: str
    metric: str
    category: str
    value: float
    most: float | None
    higher_is_better: bool
    headline: bool
    n: int | None
    n_groups: int | None
    stderr: float | None
    low: float | None
    high: float | None
    how: str
    reason: str
    by_items: bool
    n_items: int
    item_metrics: tuple[str, ...]

    @property
    def share(self) -> float | None:
        """The value of what a perfect checkpoint gets, if that is known."""
        return self.value / self.most if self.most else None

    @property
    def when(self) -> datetime:
        """When it was evaluated; where nobody says, when it was written here."""
        return self.at or self.started_at

    @property
    def error(self) -> float | None:
        """The standard error in the unit of `value`: that of the harness, else half of the interval by 1.96."""
        if self.how == "stderr" and self.stderr:
            return self.stderr
        return None if self.low is None or self.high is None else (self.high - self.low) / 2 / NORMAL

    @property
    def has_items(self) -> bool:
        """Whether its items may stand for it: there are some, and it is their mean."""
        return self.by_items and self.n_items > 0


def check_parts(ignore: Collection[str]) -> None:
    """Raises BadInput for a part of the protocol that there is none."""
    if wrong := [name for name in ignore if name not in PARTS]:
        raise BadInput(f"ignore is {wrong[0]!r}: allowed are {', '.join(PARTS)}")


def figures(
    ask: Ask,
    *,
    benchmarks: Sequence[str] = (),
    metric: str = "",
    category: str | None = "",
    model: str = "",
    checkpoints: Sequence[str] = (),
    ignore: Collection[str] = (),
) -> list[Figure]:
    """Scores of evaluations that are done, oldest first; `category` None: of all categories. Raises BadInput."""
    check_parts(ignore)
    rows = ask.con.execute(
        """
        select run, benchmark, checkpoint, model, step, origin, evaluated_at, started_at, protocol, metric, category,
            value, most, higher_is_better, headline, n, n_groups, stderr, low, high, how, reason, by_items,
            done as n_items, (
                select list(metric order by metric)
                from benchmark_scores o where o.run = s.run and by_items and category = ''
            ) as item_metrics
        from benchmark_scores s join benchmark_runs using (run)
        where state = 'done'
            and (len($benchmarks::varchar[]) = 0 or list_contains($benchmarks::varchar[], benchmark))
            and (len($checkpoints::varchar[]) = 0 or list_contains($checkpoints::varchar[], checkpoint))
            and ($category::varchar is null or category = $category)
            and (metric = $metric or ($metric = '' and (headline or metric in (
                select metric from benchmark_scores m where m.run = s.run and headline))))
            and ($model = '' or model = $model)
        order by coalesce(evaluated_at, started_at), started_at, run, category
        """,
        {
            "benchmarks": list(benchmarks),
            "checkpoints": list(checkpoints),
            "metric": metric,
            "category": category,
            "model": model,
        },
    )
    names = [column[0] for column in rows.description]
    return [_figure(dict(zip(names, row, strict=True)), ignore) for row in rows.fetchall()]


def _figure(row: dict[str, Any], ignore: Collection[str]) -> Figure:
    protocol = json.loads(row.pop("protocol"))
    at = row.pop("evaluated_at")
    row["item_metrics"] = tuple(row["item_metrics"] or ())
    return Figure(**row, at=at, protocol=protocol, group=group_of(protocol, ignore))


def newest(found: Sequence[Figure]) -> list[Figure]:
    """The newest of each checkpoint, benchmark, metric, category and group, in the order of the first of each."""
    latest: dict[tuple[str, ...], Figure] = {}
    for one in found:
        key = one.checkpoint, one.benchmark, one.metric, one.category, one.group
        known = latest.get(key)
        if known is None or _age(one) >= _age(known):
            latest[key] = one
    return [*latest.values()]


def _age(one: Figure) -> tuple[bool, datetime, bool, datetime]:
    return one.at is not None, one.when, one.has_items, one.started_at


def ranked(found: Sequence[Figure]) -> list[Figure]:
    """Those that are ours to rank: not what somebody only published."""
    return [one for one in found if one.origin != CLAIM]


def main_group(found: Sequence[Figure]) -> str | None:
    """The group with the most checkpoints; of several the one with the newest evaluation."""
    groups: dict[str, list[Figure]] = {}
    for one in found:
        groups.setdefault(one.group, []).append(one)
    if not groups:
        return None
    return max(groups, key=lambda group: (len({one.checkpoint for one in groups[group]}), groups[group][-1].when))


@dataclass(frozen=True, slots=True)
class Items:
    """What items count in some evaluations: `shares` is (items, evaluations), NaN where one does not have the item."""

    groups: tuple[str | None, ...]
    categories: tuple[tuple[str, ...], ...]
    shares: NDArray[np.float64]

    @property
    def n(self) -> int:
        return len(self.groups)

    def common(self, columns: Sequence[int]) -> "Items":
        """The items that all of these evaluations have."""
        shares = self.shares[:, columns]
        known = np.flatnonzero(~np.isnan(shares).any(axis=1))
        return self._rows(known, shares)

    def within(self, category: str) -> "Items":
        """The items of one category."""
        known = np.array([row for row, names in enumerate(self.categories) if category in names], dtype=np.int64)
        return self._rows(known, self.shares)

    def _rows(self, rows: NDArray[np.int64], shares: NDArray[np.float64]) -> "Items":
        return Items(tuple(self.groups[row] for row in rows), tuple(self.categories[row] for row in rows), shares[rows])


def items_of(ask: Ask, runs: Sequence[str], metric: str, category: str = "") -> Items:
    """The items of evaluations of one benchmark, in the order of `runs`; one with another content is another item.

    Groups and categories are those of the last of them that names any: an earlier file may not have had them.
    """
    found = ask.sql(
        """
        with chosen as (select unnest($runs::varchar[]) as run, unnest($places::integer[]) as place),
        told as (
            select item, item_hash, place, scores[$metric] as share, grouped, nullif(categories, []) as categories
            from benchmark_results join chosen using (run)
        )
        select arg_max(grouped, place) as grouped, coalesce(arg_max(categories, place), []) as categories,
            list(place) as places, list(share) as shares
        from told
        where share is not null
        group by item, item_hash
        having $category = '' or list_contains(arg_max(categories, place), $category)
        order by item, item_hash
        """,
        runs=list(runs),
        places=list(range(len(runs))),
        metric=metric,
        category=category,
    )
    places, shares = (found[name].combine_chunks() for name in ("places", "shares"))
    rows = np.repeat(np.arange(found.num_rows), places.value_lengths().to_numpy(zero_copy_only=False))
    matrix = np.full((found.num_rows, len(runs)), np.nan)
    matrix[rows, places.flatten().to_numpy()] = shares.flatten().to_numpy()
    return Items(tuple(found["grouped"].to_pylist()), tuple(map(tuple, found["categories"].to_pylist())), matrix)
