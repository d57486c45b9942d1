"""Columns of Parquet and CSV files: their kinds, told from types, and their values in chunks of bounded size.

`comparing.py` calls it. A CSV file is read twice, to tell its types and to write it as Parquet into a temporary folder:
after that there is one kind of file, of which single columns can be read.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv, parquet

from monitor.drift.profile import EXACT_NAMES, KEPT_NAMES, Category, Floats, category
from monitor.errors import BadInput

CHUNK = 4_194_304
"""Rows of one column that are in memory at once: 32 MiB of numbers, and as much again while they are sorted."""

EMPTY = "empty"
"""The kind of a column without any value, which fits every other."""

_CSV_BLOCK = 16 * 1024 * 1024
_NOTHING = ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"]
_FAILURES = (pa.ArrowException, OSError, ValueError)


@dataclass(frozen=True, slots=True)
class Columns:
    """A Parquet file with the kinds ("number", "category", EMPTY) of its columns; others are in `skipped`.

    `shown` is the path that the caller gave. `metadata` is read once: of many columns it takes longer than one column.
    """

    path: Path
    shown: Path
    rows: int
    kinds: dict[str, str]
    skipped: dict[str, str]
    metadata: Any


@contextmanager
def columns(path: Path) -> Iterator[Columns]:
    """The columns of a Parquet or CSV file; what CSV needs on disk is gone afterwards."""
    if not path.is_file():
        raise BadInput(f"{path} is not there: pass the path of a Parquet or CSV file")
    if path.suffix.lower() in (".parquet", ".pq"):
        yield _columns(path, path)
        return
    if path.suffix.lower() not in (".csv", ".tsv"):
        raise BadInput(f"{path} ends in {path.suffix or 'nothing'}: expected .parquet, .pq, .csv or .tsv")
    with tempfile.TemporaryDirectory(prefix="watchpoint-") as folder:
        copy = Path(folder) / "data.parquet"
        _as_parquet(path, copy)
        yield _columns(copy, path)


def numbers(file: Columns, name: str) -> Iterator[Floats]:
    """The values of a column of numbers, NaN where they are missing, in chunks of at most CHUNK rows."""
    for chunk in _chunks(file, name):
        yield np.asarray(pc.cast(chunk, pa.float64()).to_numpy(), dtype=np.float64)


def names(file: Columns, name: str) -> Iterator[Category]:
    """The counted values of a column of names, for each chunk."""
    for chunk in _chunks(file, name):
        counted = pc.drop_null(chunk.unify_dictionaries()).value_counts()
        yield _counted(counted.field("values"), counted.field("counts").to_numpy(), chunk.null_count)


def _counted(values: Any, counts: Any, missing: int) -> Category:
    """Many names are cut down before they become Python's."""
    other = 0
    if len(counts) > EXACT_NAMES:
        falling = np.argsort(-counts, kind="stable")
        other = int(counts[falling[KEPT_NAMES:]].sum())
        values, counts = values.take(pa.array(falling[:KEPT_NAMES])), counts[falling[:KEPT_NAMES]]
    said = [str(value).lower() if isinstance(value, bool) else str(value) for value in values.to_pylist()]
    found = category(said, counts.tolist(), missing)
    return Category(found.n + other, missing, found.names, found.counts, found.other + other)


def _columns(path: Path, shown: Path) -> Columns:
    try:
        with parquet.ParquetFile(path) as file:
            schema, metadata = file.schema_arrow, file.metadata
    except _FAILURES as error:
        raise BadInput(f"{shown} is not a Parquet file that can be read: {_first_line(error)}") from None
    kinds = {field.name: kind for field in schema if (kind := _kind(field.type))}
    if len(set(schema.names)) < len(schema.names):
        raise BadInput(f"{shown} has two columns of one name: rename one of them")
    skipped = {field.name: str(field.type) for field in schema if field.name not in kinds}
    return Columns(path, shown, metadata.num_rows, kinds, skipped, metadata)


def _kind(kind: Any) -> str | None:
    """Dates and times always move, and lists and bytes have no distribution to compare."""
    types = pa.types
    if types.is_dictionary(kind):
        return "category" if _kind(kind.value_type) else None
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return "number"
    if types.is_boolean(kind) or types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return "category"
    return EMPTY if types.is_null(kind) else None


def _chunks(file: Columns, name: str) -> Iterator[Any]:
    """Chunked arrays of at most CHUNK rows; names come as numbers with a dictionary, which saves most of the time."""
    coded = [name] if file.kinds[name] == "category" else []
    waiting: list[Any] = []
    rows = 0
    try:
        with parquet.ParquetFile(
            file.path, metadata=file.metadata, read_dictionary=coded, page_checksum_verification=True
        ) as opened:
            for batch in opened.iter_batches(batch_size=CHUNK, columns=[name], use_threads=False):
                if waiting and rows + batch.num_rows > CHUNK:
                    yield pa.chunked_array(waiting)
                    waiting, rows = [], 0
                waiting.append(batch.column(0))
                rows += batch.num_rows
    except _FAILURES as error:
        raise BadInput(f"{file.shown}, column {name!r} cannot be read: {_first_line(error)}") from None
    if waiting:
        yield pa.chunked_array(waiting)


def _as_parquet(path: Path, copy: Path) -> None:
    try:
        types = _csv_types(path)
        with _csv_blocks(path, types) as blocks, parquet.ParquetWriter(copy, pa.schema(list(types.items()))) as writer:
            for block in blocks:
                writer.write_batch(block)
    except _FAILURES as error:
        raise BadInput(f"{path} is not a CSV file that can be read: {_first_line(error)}") from None


def _csv_types(path: Path) -> dict[str, Any]:
    """A column is of numbers if each of its values is one."""
    with _csv_blocks(path, {}) as blocks:
        header = blocks.schema.names
    if len(set(header)) < len(header):
        raise ValueError("two columns have one name")
    types = dict.fromkeys(header, pa.null())
    with _csv_blocks(path, dict.fromkeys(header, pa.string())) as blocks:
        for block in blocks:
            for name, column in zip(header, block.columns, strict=True):
                if types[name] != pa.string() and column.null_count < len(column):
                    types[name] = pa.float64() if _numeric(column) else pa.string()
    return types


def _numeric(column: Any) -> bool:
    try:
        pc.cast(column, pa.float64())
    except pa.ArrowInvalid:
        return False
    return True


def _csv_blocks(path: Path, types: dict[str, Any]) -> Any:
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    return csv.open_csv(
        path,
        csv.ReadOptions(use_threads=False, block_size=_CSV_BLOCK),
        csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        csv.ConvertOptions(
            column_types=types, null_values=_NOTHING, strings_can_be_null=True, quoted_strings_can_be_null=False
        ),
    )


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0][:300] or type(error).__name__
