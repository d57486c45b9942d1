"""Items of lighteval, from Parquet; newer files call the columns doc, model_response and metric, older ones otherwise.

`monitor/harnesses/lighteval.py` calls it.
"""

import io
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from monitor.benchmarks.evaluation import ItemResult
from monitor.benchmarks.protocol import fingerprint
from monitor.errors import BadInput, TooLarge
from monitor.harnesses.sheets import MAX_ROWS
from monitor.harnesses.tree import MAX_UNPACKED_BYTES, MIB, Tree
from monitor.harnesses.values import mapping, number, text

DOC, RESPONSE, METRIC = (
    ("doc", "__doc__"),
    ("model_response", "__model_response__"),
    ("metric", "metrics", "__metric__"),
)
OLD = ("example", "gold", "predictions", "pred", "example_id_")
USED = frozenset({"id", "query", "original_query", "choices", "gold_index", "text", "text_post_processed", "logprobs"})
BATCH_ROWS = 1000


def items_of(tree: Tree, path: str, metrics: list[str]) -> tuple[ItemResult, ...]:
    """The items of one task; a damaged file is a BadInput."""
    content = tree.read(path)
    try:
        with parquet.ParquetFile(io.BytesIO(content)) as file:
            _check(path, file)
            items: list[ItemResult] = []
            for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=list(_columns(file.schema_arrow))):
                begin = len(items)
                items += [_item(begin + place, row, metrics) for place, row in enumerate(batch.to_pylist())]
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


def _check(path: str, file: Any) -> None:
    groups = [file.metadata.row_group(group) for group in range(file.num_row_groups)]
    if file.metadata.num_rows > MAX_ROWS:
        raise TooLarge(f"{path}: has more than {MAX_ROWS:,} rows, the most that are read")
    if sum(group.total_byte_size for group in groups) > MAX_UNPACKED_BYTES:
        raise TooLarge(f"{path}: would unpack to more than {MAX_UNPACKED_BYTES // MIB:,} MiB, the most that is read")


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
