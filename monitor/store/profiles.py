"""Profiles as Arrow tables and back: how jobs send them, how queries read them.

A row is a profile of one feature; its edges stand once, with the reference (`reference_features`).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from monitor.drift.profile import Category, Numeric, Profile

INTS, FLOATS, NAMES = pa.list_(pa.int64()), pa.list_(pa.float64()), pa.list_(pa.string())
SCHEMA = pa.schema(
    [
        ("feature", pa.string()),
        ("n", pa.int64()),
        ("missing", pa.int64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("spread", pa.float64()),
        ("counts", INTS),
        ("sums", FLOATS),
        ("points", FLOATS),
        ("point_counts", INTS),
        ("names", NAMES),
        ("other", pa.int64()),
    ]
)
LISTS = ("counts", "sums", "points", "point_counts")
NO_EDGES: NDArray[np.float64] = np.empty(0)


def profile_table(profiles: Iterable[tuple[str, Profile]], *, edges: bool = False) -> pa.Table:
    """Named profiles as rows, with their edges where a reference is written."""
    rows = [_row(feature, profile) for feature, profile in profiles]
    table = pa.Table.from_pylist(rows, SCHEMA)
    if edges:
        cuts = [list(row["edges"]) if row["edges"] is not None else None for row in rows]
        table = table.append_column("edges", pa.array(cuts, FLOATS))
    return table


def as_stream(table: pa.Table) -> bytes:
    """A table as the verbs of drift take it."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue())


def read_profiles(table: pa.Table, edges: Mapping[str, NDArray[np.float64] | None]) -> list[Profile]:
    """The profiles of rows, in their order; `edges` by feature, None for a category."""
    plain = {name: table[name].to_pylist() for name in SCHEMA.names if name not in LISTS}
    lists = {name: _arrays(table[name]) for name in LISTS}
    found: list[Profile] = []
    for at, feature in enumerate(plain["feature"]):
        n, missing = plain["n"][at], plain["missing"][at]
        counts, sums, points = (lists[name][at] for name in ("counts", "sums", "points"))
        if plain["names"][at] is not None or counts is None or sums is None:
            names = tuple(plain["names"][at] or ())
            found.append(Category(n, missing, names, _known(counts), plain["other"][at] or 0))
            continue
        cuts = edges.get(feature)
        low, high = (np.nan if plain[end][at] is None else plain[end][at] for end in ("low", "high"))
        found.append(
            Numeric(
                NO_EDGES if cuts is None else cuts,
                n,
                missing,
                low,
                high,
                counts,
                sums,
                points,
                lists["point_counts"][at] if points is not None else None,
                plain["spread"][at] or 0.0,
            )
        )
    return found


def read_edges(table: pa.Table) -> dict[str, NDArray[np.float64] | None]:
    """The edges of each feature of rows of `reference_features`; None for a category."""
    return dict(zip(table["feature"].to_pylist(), _arrays(table["edges"]), strict=True))


def read_whole(table: pa.Table) -> dict[str, Profile]:
    """The profiles of a reference by feature, from rows of `reference_features` that are complete."""
    complete = table.filter(pc.is_valid(table["n"]))
    return dict(zip(complete["feature"].to_pylist(), read_profiles(complete, read_edges(complete)), strict=True))


def _row(feature: str, one: Profile) -> dict[str, Any]:
    row: dict[str, Any] = {"feature": feature, "n": one.n, "missing": one.missing, "edges": None}
    if isinstance(one, Category):
        return row | {"names": list(one.names), "counts": one.counts.tolist(), "other": one.other}
    points, point_counts = one.points, one.point_counts
    return row | {
        "edges": one.edges,
        "low": None if np.isnan(one.low) else one.low,
        "high": None if np.isnan(one.high) else one.high,
        "spread": one.spread,
        "counts": one.counts.tolist(),
        "sums": one.sums.tolist(),
        "points": None if points is None else points.tolist(),
        "point_counts": None if point_counts is None else point_counts.tolist(),
    }


def _arrays(column: pa.ChunkedArray) -> Sequence[NDArray[Any] | None]:
    """A column of lists as arrays that share its memory; None for null."""
    found: list[NDArray[Any] | None] = []
    for chunk in column.chunks:
        values, offsets = chunk.values.to_numpy(zero_copy_only=False), chunk.offsets.to_numpy()
        valid = chunk.is_valid().to_numpy(zero_copy_only=False)
        found += [
            values[first:last] if known else None
            for first, last, known in zip(offsets[:-1], offsets[1:], valid, strict=True)
        ]
    return found


def _known(counts: NDArray[Any] | None) -> NDArray[np.int64]:
    return np.empty(0, np.int64) if counts is None else counts
