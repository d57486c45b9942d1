"""Figures of VLMEvalKit as the flat keys of its `status.json`, back again, and which key the harness puts first.

`monitor/harnesses/vlmevalkit_scores.py` and `vlmevalkit_read.py` call it.
"""

import re
from collections.abc import Mapping
from typing import Any

from monitor.errors import BadInput
from monitor.harnesses.values import number

MAX_DEPTH = 20


def flattened(document: Any, where: str, prefix: str = "", depth: int = 0) -> dict[str, float]:
    """Figures by the keys that `status.json` gives them: rows as `dim=value|column`, objects as `a|b`.

    >>> flattened([{"split": "dev", "Overall": "0.5"}], "x")
    {'split=dev|Overall': 0.5}
    """
    if depth > MAX_DEPTH:
        raise BadInput(f"{where}: its figures are nested more than {MAX_DEPTH} deep")
    begin = f"{prefix}|" if prefix else ""
    if isinstance(document, list) and document and all(isinstance(row, dict) for row in document):
        return {f"{begin}{key}": value for key, value in _rows(document, where).items()}
    if isinstance(document, (dict, list)):
        pairs = document.items() if isinstance(document, dict) else enumerate(document)
        found: dict[str, float] = {}
        for name, value in pairs:
            found |= flattened(value, where, f"{begin}{str(name).strip() or 'value'}", depth + 1)
        return found
    value = None if isinstance(document, bool) or not is_number(document) else number(document, where)
    return {} if value is None else {prefix or "value": value}


def _rows(rows: list[dict[str, Any]], where: str) -> dict[str, float]:
    names = list(dict.fromkeys(name for row in rows for name in row))
    numeric = [name for name in names if any(is_number(row.get(name)) for row in rows)]
    found: dict[str, float] = {}
    for index, row in enumerate(rows):
        dims = [f"{name}={row[name]}" for name in names if name not in numeric and row.get(name) not in (None, "")]
        for name in numeric:
            value = number(row.get(name), f"{where}, column {name}") if is_number(row.get(name)) else None
            if value is not None:
                key = "|".join([*dims, name])
                found[f"{key}#{index}" if key in found else key] = value
    return found


def is_number(value: object) -> bool:
    if isinstance(value, str):
        return re.fullmatch(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*", value) is not None
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def primary(metrics: Mapping[str, float]) -> str:
    """The key that the harness puts first, by its own order of words and splits, then by the alphabet.

    >>> primary({"split=dev|Overall": 0.2, "split=validation|Overall": 0.1, "Final Score": 700})
    'split=validation|Overall'
    """
    return min(metrics, key=lambda key: (-_rank(key.lower()), key))


def _rank(key: str) -> int:
    words = (("overall", 100, 95, 90), ("acc", 80, 80, 70), ("score", 60, 60, 50))
    ranks = (
        whole if key == word else (last if key.endswith(f"|{word}") else within)
        for word, whole, last, within in words
        if word in key
    )
    splits = (("split=test", 4), ("split=validation", 3), ("split=val", 2), ("split=dev", 1))
    return next(ranks, 0) + next((more for split, more in splits if split in key), 0)


def unflattened(metrics: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows that `flattened` has made figures of, as far as they can be told.

    >>> unflattened({"split=dev|Overall": 0.5, "split=dev|Art": 0.2})
    [{'split': 'dev', 'Overall': 0.5, 'Art': 0.2}]
    """
    rows: dict[str, dict[str, Any]] = {}
    for key, value in metrics.items():
        dimensions, _, column = key.rpartition("|")
        parts = [part.partition("=") for part in dimensions.split("|") if dimensions]
        if not all(equals for _, equals, _ in parts):
            return [dict(metrics)]
        row = rows.setdefault(dimensions, {name: of for name, _, of in parts})
        row[column] = value
    return list(rows.values())
