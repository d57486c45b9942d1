"""Many rows into a table in one statement, for what jobs write."""

from collections.abc import Collection
from contextlib import suppress
from typing import Any

import duckdb
import msgspec
import pyarrow as pa

from monitor.store.database import Connection

MAP = pa.map_(pa.string(), pa.float64())


def append(
    con: Connection, table: str, rows: list[dict[str, Any]], otherwise: str = "", maps: Collection[str] = ()
) -> None:
    """Insert rows by the names of their columns; `otherwise` is a clause `on conflict`, `maps` name columns of numbers
    by text.
    """
    batch = pa.Table.from_pylist([{name: one for name, one in row.items() if name not in maps} for row in rows])
    for name in maps:
        batch = batch.append_column(name, pa.array([list(row[name].items()) for row in rows], MAP))
    con.register("batch", batch)
    try:
        con.execute(f"insert into {table} by name select * from batch {otherwise}")
    except BaseException:
        with suppress(duckdb.Error):  # a transaction that has failed does not even do this; its end does
            con.unregister("batch")
        raise
    con.unregister("batch")


def as_json(value: Any) -> str:
    """A value for a column of type JSON."""
    return msgspec.json.encode(value).decode()
