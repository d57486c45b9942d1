"""Judges one file against another, column by column, and makes the profiles of a file that becomes a reference.

`jobs/references.py` and the command line call it. Two threads take a column each, so at most four chunks of a column
are in memory, with their sorted copies: at most some 500 MiB, however many rows and columns there are.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np

from monitor.datasets.reading import CHUNK, EMPTY, Columns, columns, names, numbers
from monitor.drift.judging import Judged, Pair, Rule, judge
from monitor.drift.profile import (
    Floats,
    Numeric,
    Profile,
    edges_of,
    merge,
    profile_names,
    profile_numbers,
    profile_reference,
)
from monitor.errors import BadInput

THREADS = 2

T = TypeVar("T")
Progress = Callable[[int, int], None]


def compare(
    reference: Path,
    window: Path,
    rule: Rule | None = None,
    on_progress: Progress | None = None,
    *,
    only: Sequence[str] | None = None,
) -> list[Judged]:
    """What has moved in the columns of the reference (or `only` in some), in their order.

    `on_progress` hears how many columns of how many are done. Columns that only the window has are not looked at; one
    that it lacks is an error, as is one that is of numbers on one side and of names on the other.
    """
    return judge(pairs(reference, window, on_progress, only=only), rule or Rule())


def pairs(
    reference: Path, window: Path, on_progress: Progress | None = None, *, only: Sequence[str] | None = None
) -> list[Pair]:
    """The profiles of each column on both sides, as `judge` takes them; arguments as of `compare`."""
    with columns(reference) as before, columns(window) as now:
        chosen = _chosen(before, now, only)

        def pair(name: str) -> Pair:
            kind = before.kinds[name] if before.kinds[name] != EMPTY else now.kinds[name]
            ours = _profile(before, name, kind)
            theirs = _profile(now, name, kind, ours.edges if isinstance(ours, Numeric) else None)
            return Pair(name, ours, theirs, math.nan)

        return _each(pair, chosen, on_progress)


def profiles(path: Path, on_progress: Progress | None = None) -> dict[str, Profile]:
    """The profile of each column of a file that can have one; numbers are cut at quantiles of their own."""
    with columns(path) as file:
        if not file.kinds:
            raise BadInput(f"{path} has no column of numbers or names; its columns are {_listed(file.skipped)}")
        found = _each(lambda name: _profile(file, name, file.kinds[name]), list(file.kinds), on_progress)
        return dict(zip(file.kinds, found, strict=True))


def _each(work: Callable[[str], T], names: Sequence[str], on_progress: Progress | None) -> list[T]:
    """The results of all names in their order; an error of one stops the others that wait."""
    found = []
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="dataset")
    try:
        for done, result in enumerate(pool.map(work, names), start=1):
            found.append(result)
            if on_progress is not None:
                on_progress(done, len(names))
    finally:
        pool.shutdown(cancel_futures=True)
    return found


def _profile(file: Columns, name: str, kind: str, edges: Floats | None = None) -> Profile:
    """The profile of a column; without edges, those of the column itself."""
    if kind != "number":
        return merge(list(names(file, name)) or [profile_names([])])
    if edges is None and file.rows > CHUNK:
        edges = _sampled_edges(file, name)
    if edges is None:
        return profile_reference(np.concatenate([*numbers(file, name), np.zeros(0)]))
    return merge(
        [profile_numbers(chunk, edges) for chunk in numbers(file, name)] or [profile_numbers(np.zeros(0), edges)]
    )


def _sampled_edges(file: Columns, name: str) -> Floats:
    """Of more rows than are held at once, each k-th decides where the bins are; all of them are counted."""
    step = -(-file.rows // CHUNK)
    return edges_of(np.concatenate([chunk[::step] for chunk in numbers(file, name)]))


def _listed(names: Iterable[str]) -> str:
    shown = [repr(name) for name in names]
    return ", ".join(shown[:5]) + (f" and {len(shown) - 5} more" if len(shown) > 5 else "") if shown else "none"


def _chosen(before: Columns, now: Columns, only: Sequence[str] | None) -> list[str]:
    chosen = list(before.kinds if only is None else only)
    if unknown := [name for name in chosen if name not in before.kinds]:
        raise BadInput(
            f"{before.shown} has no column {unknown[0]!r} of numbers or names; it has {_listed(before.kinds)}"
        )
    if not chosen:
        raise BadInput(f"{before.shown} has no column of numbers or names; its columns are {_listed(before.skipped)}")
    if lacking := [name for name in chosen if name not in now.kinds]:
        raise BadInput(
            f"{now.shown} lacks {_listed(lacking)}, which {before.shown} has; name the columns to compare, or add them"
        )
    for name in chosen:
        if len({before.kinds[name], now.kinds[name]} - {EMPTY}) > 1:
            raise BadInput(
                f"column {name!r} is a {before.kinds[name]} in {before.shown} and a {now.kinds[name]} in {now.shown}; "
                "write it with one type"
            )
    return chosen
