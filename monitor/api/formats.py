"""Answers of queries as JSON, CSV, Parquet or Arrow, chosen by `Accept` or by `format=`."""

import io
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from monitor.errors import BadInput

FORMATS = {
    "json": "application/json",
    "csv": "text/csv",
    "parquet": "application/vnd.apache.parquet",
    "arrow": "application/vnd.apache.arrow.stream",
}


def choose(accept: str, asked: str) -> str:
    """The name of a format. Raises BadInput for an unknown `format=`; an Accept that names none of ours gets JSON."""
    if asked:
        if asked not in FORMATS:
            raise BadInput(f"format is {asked!r}: allowed are {', '.join(FORMATS)}")
        return asked
    wanted = [part.split(";")[0].strip() for part in accept.split(",")]
    return next((name for media in wanted for name, ours in FORMATS.items() if ours == media), "json")


def render(table: pa.Table, form: str, name: str, params: dict[str, Any], *, truncated: bool) -> bytes:
    """A table in one of FORMATS."""
    if form == "arrow":
        sink = io.BytesIO()
        with pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
        return sink.getvalue()
    if form == "parquet":
        sink = io.BytesIO()
        pyarrow.parquet.write_table(table, sink, compression="zstd")
        return sink.getvalue()
    if form == "csv":
        sink = io.BytesIO()
        pyarrow.csv.write_csv(_flat(table), sink)
        return sink.getvalue()
    answer = {
        "name": name,
        "params": params,
        "columns": [{"name": field.name, "type": str(field.type)} for field in table.schema],
        "rows": table.to_pylist(),
        "truncated": truncated,
    }
    # NaN becomes null, times end in Z, whatever else there is becomes text
    return orjson.dumps(answer, option=orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS, default=str)


def _flat(table: pa.Table) -> pa.Table:
    """The table with nested columns as JSON text, which is all that CSV can hold."""
    for i, field in enumerate(table.schema):
        if pa.types.is_nested(field.type):
            texts = [
                None if value is None else orjson.dumps(_plain(value), default=str).decode()
                for value in table[i].to_pylist()
            ]
            table = table.set_column(i, field.name, pa.array(texts, pa.string()))
    return table


def _plain(value: Any) -> Any:
    """Maps arrive as lists of pairs."""
    if isinstance(value, list) and value and all(isinstance(item, tuple) for item in value):
        return dict(value)
    return value
