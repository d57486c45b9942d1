"""The Parquet files that `bench/drift.py` compares, written group by group so that none has to fit into memory."""

from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from monitor.drift.profile import Floats

GROUP_ROWS = 100_000
PROGRESS_EVERY = 100
VERSION = 1
"""Raise it when what is written changes: kept files of another version are written anew."""

KINDS = 5
NUMBERS, CATEGORIES = 15, 5
Rng = np.random.Generator


def twenty_columns(folder: Path, rows: int) -> tuple[Path, Path]:
    """15 columns of numbers and 5 of names; the first two of either have shifted in the window."""
    return _file(folder, "twenty", rows, 20, 0), _file(folder, "twenty", rows, 20, 1)


def wide(folder: Path, rows: int, columns: int) -> tuple[Path, Path]:
    """Columns of numbers with three decimals; one in a hundred has shifted in the window."""
    return _file(folder, "wide", rows, columns, 0), _file(folder, "wide", rows, columns, 1)


def _file(folder: Path, shape: str, rows: int, columns: int, side: int) -> Path:
    path = folder / f"drift-{shape}-{rows}x{columns}-{'window' if side else 'reference'}-v{VERSION}.parquet"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([rows, columns, side])
    writing = path.with_suffix(".writing")
    make = _twenty if shape == "twenty" else _wide
    first = make(rng, min(rows, GROUP_ROWS), columns, side)
    with parquet.ParquetWriter(writing, first.schema, compression="zstd", compression_level=1) as writer:
        for start in range(0, rows, GROUP_ROWS):
            group = first if start == 0 else make(rng, min(GROUP_ROWS, rows - start), columns, side)
            writer.write_table(group, row_group_size=GROUP_ROWS)
    writing.rename(path)
    return path


def _twenty(rng: Rng, rows: int, columns: int, side: int) -> pa.Table:
    values: dict[str, object] = {f"n{at}": _number(rng, rows, at, side * (at < 2)) for at in range(NUMBERS)}
    for at in range(CATEGORIES):
        names = np.array([f"name {each}" for each in range(4 + 12 * at)])
        weights = 1.0 / np.arange(1, names.size + 1)
        if side and at < 2:
            weights = weights[::-1]
        values[f"c{at}"] = rng.choice(names, rows, p=weights / weights.sum())
    return pa.table(values)


def _number(rng: Rng, rows: int, at: int, shift: float) -> Floats:
    kind = at % KINDS
    if kind == 0:
        return rng.normal(shift / 2, 1, size=rows)
    if kind == 1:
        return rng.lognormal(shift / 2, 1, size=rows)
    if kind == 2:
        return rng.standard_t(3, size=rows)
    if kind == 3:
        return rng.poisson(4, size=rows).astype(float)
    return np.where(rng.random(rows) < 0.5, np.nan, rng.normal(size=rows))


def _wide(rng: Rng, rows: int, columns: int, side: int) -> pa.Table:
    values = {}
    for at in range(columns):
        drawn = rng.standard_normal(rows, dtype=np.float32) + np.float32(0.5 * (side and at % 100 == 0))
        values[f"f{at}"] = np.rint(drawn * 1000) / np.float32(1000)
    return pa.table(values)
