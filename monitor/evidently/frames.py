"""Described predictions as the two tables that Evidently compares. Called by `building`, in its process."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from monitor.errors import BadInput
from monitor.evidently.orders import TEXTS

CARRIED = "event."
MOST_CARRIED = 50
MOST_NAMES = 200
OTHERS = "(others)"
BESIDE = ("ts", "event_id", "of_rows")
"""Columns of the rows that are no features."""


@dataclass(frozen=True, slots=True)
class Frames:
    """Both sides with the same columns, their kinds, and why some features were left out."""

    window: pd.DataFrame
    reference: pd.DataFrame
    numbers: list[str]
    categories: list[str]
    texts: list[str]
    left_out: dict[str, str]


def frames(window: pa.Table, reference: pa.Table, only: Sequence[str] = (), *, texts: bool = False) -> Frames:
    """Every feature that has values on both sides, and what the events carry. Raises BadInput where none is left.

    Signs that could end a script in a page are replaced: what Evidently writes repeats names as they are.
    """
    sides = [_columns(window, texts=texts), _columns(reference, texts=texts)]
    left_out: dict[str, str] = {}
    chosen: dict[str, list[pd.Series]] = {}
    for name in sorted(sides[0].keys() | sides[1].keys()):
        if only and name not in only and name not in TEXTS:
            continue
        pair = [side.get(name) for side in sides]
        reason = _empty(pair)
        if reason:
            left_out[name] = reason
        else:
            chosen[name] = _alike(name, [one for one in pair if one is not None])
    if unknown := [name for name in only if name not in chosen and name not in left_out]:
        known = ", ".join(sorted(sides[0].keys() - set(TEXTS))) or "none"
        raise BadInput(f"there is no feature {unknown[0]!r} in these predictions; there are {known}")
    if not chosen:
        raise BadInput("no feature has values on both sides: " + _told(left_out))
    kinds = {name: _kind(name, pair) for name, pair in chosen.items()}
    window, reference = (pd.DataFrame({safe(name): pair[at] for name, pair in chosen.items()}) for at in (0, 1))
    of_kind = {kind: [safe(name) for name in chosen if kinds[name] == kind] for kind in set(kinds.values())}
    numbers, categories, said = (of_kind.get(kind, []) for kind in ("number", "category", "text"))
    return Frames(window, reference, numbers, categories, said, left_out)


def safe(text: str) -> str:
    """A text that cannot end the script that a report keeps its data in.

    >>> safe("</script>")
    '‹/script>'
    """
    return text.replace("<", "\u2039")


def _columns(table: pa.Table, *, texts: bool) -> dict[str, pd.Series]:
    found: dict[str, pd.Series] = {}
    for name in table.column_names:
        if name in BESIDE or (name in TEXTS and not texts):
            continue
        column, kind = table[name], table.schema.field(name).type
        if pa.types.is_map(kind):
            found |= _carried(column.to_pylist(), found.keys())
        elif pa.types.is_floating(kind):
            found[name] = pd.Series(column.to_numpy(zero_copy_only=False), dtype=float)
        elif pa.types.is_boolean(kind):
            found[name] = _names(["yes" if one else None if one is None else "no" for one in column.to_pylist()])
        elif pa.types.is_string(kind):
            found[name] = _names(column.to_pylist())
    return found


def _carried(maps: Sequence[Any], taken: Any) -> dict[str, pd.Series]:
    """What the events carry: the most frequent names, each a column."""
    rows = [dict(one or ()) for one in maps]
    frequent = Counter(name for one in rows for name in one).most_common(MOST_CARRIED)
    found: dict[str, pd.Series] = {}
    for name, _ in frequent:
        values = [one.get(name) for one in rows]
        key = CARRIED + name
        if any(isinstance(value, str) for value in values):
            found[f"{key} (text)" if key in taken else key] = _names(values)
        else:
            found[key] = pd.Series(values, dtype=float)
    return found


def _names(values: Sequence[Any]) -> pd.Series:
    """Texts, with None for what is missing or empty."""
    return pd.Series([safe(value) if value else None for value in values], dtype=object)


def _empty(pair: Sequence[pd.Series | None]) -> str:
    """Why a feature cannot be compared; Evidently refuses a whole report for one column without values."""
    there = [one is not None and bool(_finite(one).notna().any()) for one in pair]
    if all(there):
        return ""
    return "no values on either side" if not any(there) else f"no values in the {('reference', 'window')[there[1]]}"


def _finite(values: pd.Series) -> pd.Series:
    return values.where(np.isfinite(values)) if values.dtype == float else values


def _alike(name: str, pair: Sequence[pd.Series]) -> list[pd.Series]:
    """Both sides of one kind: numbers, or names of which the most frequent are kept."""
    if all(one.dtype == float for one in pair):
        return [_finite(one) for one in pair]
    if name in TEXTS:
        return list(pair)
    texts = [one if one.dtype != float else _names([_told_number(value) for value in one]) for one in pair]
    counts = pd.concat(texts).value_counts()
    if len(counts) <= MOST_NAMES:
        return texts
    kept = set(counts.index[: MOST_NAMES - 1])
    return [one.where(one.isin(kept) | one.isna(), OTHERS) for one in texts]


def _told_number(value: float) -> str | None:
    return None if np.isnan(value) else f"{value:g}"


def _kind(name: str, pair: Sequence[pd.Series]) -> str:
    if name in TEXTS:
        return "text"
    return "number" if pair[0].dtype == float else "category"


def _told(left_out: dict[str, str]) -> str:
    return "; ".join(f"{name} has {reason}" for name, reason in [*left_out.items()][:5]) or "there are no features"
