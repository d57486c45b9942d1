"""Items of lighteval, from Parquet; newer files call the columns doc, model_response and metric, older ones otherwise.

`monitor/harnesses/lighteval.py` calls it.
"""

import io
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
from pyarrow import compute, parquet

from monitor.benchmarks.evaluation import ItemResult
from monitor.benchmarks.protocol import fingerprint
from monitor.errors import BadInput, TooLarge
from monitor.harnesses.sheets import MAX_ROWS
from monitor.harnesses.tree import MAX_UNPACKED_BYTES, MIB, Bounds, Tree
from monitor.harnesses.values import ANSWER_CHARS, mapping, number, text

DOC, RESPONSE, METRIC = (
    ("doc", "__doc__"),
    ("model_response", "__model_response__"),
    ("metric", "metrics", "__metric__"),
)
OLD = ("example", "gold", "predictions", "pred", "example_id_")
USED = frozenset({"id", "query", "original_query", "choices", "gold_index", "text", "text_post_processed", "logprobs"})
BATCH_ROWS = 250


def items_of(tree: Tree, path: str, metrics: list[str]) -> tuple[ItemResult, ...]:
    """The items of one task; a damaged file is a BadInput."""
    content = tree.read(path)
    try:
        with parquet.ParquetFile(io.BytesIO(content)) as file:
            columns = list(_columns(file.schema_arrow))
            texts = _check(path, file, columns, tree.bounds)
        with parquet.ParquetFile(io.BytesIO(content), read_dictionary=texts) as file:
            items: list[ItemResult] = []
            kept = 0
            for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=columns):
                rows = pa.RecordBatch.from_arrays([_cut(one) for one in batch.columns], batch.schema.names).to_pylist()
                items += [_item(begin, row, metrics) for begin, row in enumerate(rows, len(items))]
                kept += sum(len(one or "") for item in items[-len(rows) :] for one in _texts(item))
                _check_texts(path, kept, tree.bounds)
            return tuple(items)
    except BadInput:
        raise
    except (pa.ArrowException, OSError, ValueError, TypeError) as error:
        raise BadInput(
            f"{path}: is not a Parquet file that can be read, it may be half written: {error}"[:400]
        ) from None


def _columns(schema: Any) -> Iterator[str]:
    """Only the parts that are used: a document may hold its images."""
    for name in schema.names:
        kind = schema.field(name).type
        if name in (*DOC, *RESPONSE) and pa.types.is_struct(kind):
            parts = (kind.field(place).name for place in range(kind.num_fields))
            yield from (f"{name}.{part}" for part in parts if part in USED)
        elif name in (*METRIC, *OLD):
            yield name


def _check(path: str, file: Any, columns: list[str], bounds: Bounds) -> list[str]:
    """The columns of text that are read; TooLarge before any row is, where they hold too much."""
    if file.metadata.num_rows > MAX_ROWS:
        raise TooLarge(f"{path}: has more than {MAX_ROWS:,} rows, the most that are read")
    groups = [file.metadata.row_group(group) for group in range(file.num_row_groups)]
    if sum(group.total_byte_size for group in groups) > MAX_UNPACKED_BYTES:
        raise TooLarge(f"{path}: would unpack to more than {MAX_UNPACKED_BYTES // MIB:,} MiB, the most that is read")
    used = [
        one
        for group in groups
        for one in (group.column(place) for place in range(group.num_columns))
        if any(f"{one.path_in_schema}.".startswith(f"{name}.") for name in columns)
    ]
    bounds.check_values(path, sum(one.num_values for one in used))
    bounds.spend(path, sum(one.total_uncompressed_size for one in used))
    return sorted({one.path_in_schema for one in used if one.physical_type == "BYTE_ARRAY"})


def _cut(values: Any) -> Any:
    """The same with its texts cut to what is kept of one, each distinct one once: a page of Parquet of a few kilobytes
    may say one text of megabytes for a million rows.
    """
    kind = values.type
    if pa.types.is_dictionary(kind):
        return pa.DictionaryArray.from_arrays(values.indices, _cut(values.dictionary))
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return compute.utf8_slice_codeunits(values, 0, ANSWER_CHARS + 1)
    if pa.types.is_struct(kind):
        parts = [_cut(values.field(place)) for place in range(kind.num_fields)]
        names = [kind.field(place).name for place in range(kind.num_fields)]
        return pa.StructArray.from_arrays(parts, names, mask=values.is_null())
    if pa.types.is_list(kind):
        return pa.ListArray.from_arrays(values.offsets, _cut(values.values), mask=values.is_null())
    return values


def _texts(item: ItemResult) -> tuple[str | None, ...]:
    return item.item, item.question, item.target, item.answer


def _check_texts(path: str, kept: int, bounds: Bounds) -> None:
    most = bounds.unpacked or MAX_UNPACKED_BYTES
    if kept > most:
        raise TooLarge(f"{path}: its texts come to more than {most // MIB:,} MiB, the most that is kept")


def _item(place: int, row: dict[str, Any], metrics: list[str]) -> ItemResult:
    doc, response, values = (_part(row, names) for names in (DOC, RESPONSE, METRIC))
    question = text(doc.get("original_query")) or text(doc.get("query")) or text(row.get("example"))
    choices = [str(one) for one in doc.get("choices") or []]
    target = _target(choices, doc.get("gold_index")) or _plain(row.get("gold"))
    index = text(doc.get("id")) or text(row.get("example_id_")) or str(place)
    scores = {name: value for name in metrics if (value := _value(values, name, place)) is not None}
    return ItemResult(
        item=index,
        item_hash=fingerprint([index, question, choices, target]),
        scores=scores,
        question=question,
        target=target,
        answer=_answer(choices, response) or _plain(row.get("predictions") or row.get("pred")),
    )


def _part(row: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return next((mapping(row[name]) for name in names if name in row), {})


def _value(values: dict[str, Any], name: str, place: int) -> float | None:
    """A number; lists and objects only mean something over all items."""
    value = values.get(name)
    return number(value, f"{name} of item {place}") if isinstance(value, (int, float)) else None


def _target(choices: list[str], gold: object) -> str | None:
    places = [one for one in (gold if isinstance(gold, list) else [gold]) if isinstance(one, int)]
    right = [choices[one].strip() for one in places if 0 <= one < len(choices)]
    return text("\n".join(right)) if right else None


def _answer(choices: list[str], response: dict[str, Any]) -> str | None:
    """The text after clean-up where there is one; of a choice, the option with the highest likelihood."""
    for name in ("text_post_processed", "text"):
        texts = response.get(name)
        if isinstance(texts, list) and any(texts):
            return text(next(one for one in texts if one))
    likelihoods = response.get("logprobs")
    if isinstance(likelihoods, list) and likelihoods and len(likelihoods) == len(choices):
        return text(choices[max(range(len(choices)), key=lambda place: likelihoods[place])].strip())
    return None


def _plain(value: object) -> str | None:
    return text("\n".join(map(str, value))) if isinstance(value, list) else text(value)
