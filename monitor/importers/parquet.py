"""Parquet with any columns, read in batches; the columns are mapped as those of a CSV file are."""

from collections.abc import Iterator
from datetime import tzinfo
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from monitor.errors import BadInput
from monitor.importers.records import Parsed, Reading
from monitor.importers.source import PARQUET, Source

BATCH_ROWS = 1000
BATCH_BYTES = 16 * 1024 * 1024


def sniff_parquet(path: Path, head: bytes) -> float:
    return 1.0 if head.startswith(PARQUET) else 0.0


def read_parquet(source: Source, zone: tzinfo) -> Reading:
    if source.gz:
        raise BadInput(
            f"{source.path} is a Parquet file inside gzip; unpack it with `gunzip`, Parquet is compressed already"
        )
    with _opened(source) as file:
        names, total = tuple(file.schema_arrow.names), file.metadata.num_rows
    return Reading(names, lambda: _rows(source), total, unit="rows", automatic=True)


def _opened(source: Source) -> Any:
    try:
        return parquet.ParquetFile(source.path)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise BadInput(f"{source.path} is not a Parquet file that can be read: {error}") from None


def _rows(source: Source) -> Iterator[Parsed]:
    row = 0
    with _opened(source) as file:
        for group in range(file.num_row_groups):
            size = file.metadata.row_group(group)
            batch_rows = max(1, min(BATCH_ROWS, BATCH_BYTES * size.num_rows // max(1, size.total_byte_size)))
            start = row
            try:
                for batch in file.iter_batches(batch_size=batch_rows, row_groups=[group]):
                    for record in _records(batch):
                        row += 1
                        yield Parsed(row, record, row)
            except (pa.ArrowException, OSError, ValueError) as error:
                lost = start + size.num_rows - row
                yield Parsed(
                    row + 1, {}, row, f"row group {group + 1} is damaged, {lost} rows are lost: {str(error)[:200]}"
                )
            row = start + size.num_rows


def _records(batch: Any) -> list[dict[str, Any]]:
    """Rows as plain values; nanoseconds are cut to microseconds, which is all that Python and the store keep."""
    columns = [
        column.cast(pa.timestamp("us", column.type.tz), safe=False) if pa.types.is_timestamp(column.type) else column
        for column in batch.columns
    ]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names).to_pylist()  # type: ignore[no-any-return]  # pyarrow is untyped
