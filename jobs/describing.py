"""Describes predictions: an hour of a deployment becomes rows of `features` and a profile of each feature.

Used by `jobs/drift.py`. Images are described once, by their content; texts once per page.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitor.doors import OpenDoor
from monitor.drift.profile import Profile, profile_names, profile_numbers
from monitor.drift.windows import together
from monitor.errors import BadInput
from monitor.features.describe import describe
from monitor.features.images import describe_image
from monitor.features.table import FEATURES, VERSION
from monitor.store.profiles import NO_EDGES, as_stream, profile_table

PAGE = 5_000
IMAGES_AT_ONCE = 200
CARRIED = "event."
"""Before the names of features that events carry, so that they never stand for ours."""

MOST_CARRIED = 50
"""Carried features of each kind that are profiled; all of them are kept with their row."""

HOUR = timedelta(hours=1)
NUMBERS = tuple(name for name, feature in FEATURES.items() if feature.kind == "number")
CATEGORIES = tuple(name for name, feature in FEATURES.items() if feature.kind == "category")

Edges = Mapping[str, NDArray[np.float64] | None]
Row = dict[str, Any]
Columns = dict[str, list[Any]]


@dataclass(frozen=True, slots=True)
class Hour:
    """What is to be described, and under which reference."""

    source: str
    deployment: str
    start: datetime
    reference: str
    own: bool = True
    """Whether it is described for itself: its rows are kept only then, with the words of its own reference."""

    def of_it(self) -> dict[str, Any]:
        """The parameters of queries about it."""
        window = {"start": self.start.isoformat(), "end": (self.start + HOUR).isoformat()}
        return {"source": self.source, "deployment": self.deployment} | window


def describe_hour(door: OpenDoor, hour: Hour, edges: Edges, vocabulary: frozenset[str]) -> int:
    """Describe and profile an hour, and write both; returns the number of its predictions."""
    images = known_images(door, hour.of_it())
    place = {"source": hour.source, "deployment": hour.deployment, "hour": hour.start}
    pages: list[dict[str, Profile]] = []
    n = 0
    for number, rows in enumerate(_pages(door, hour)):
        columns = columns_of(rows, images, vocabulary, edges)
        n += len(rows)
        pages.append(profiles_of(columns, edges))
        if hour.own:
            door.write("drift-features", place | {"part": number, "table": as_stream(_feature_rows(rows, columns))})
    profiles = profile_table(sorted(together(pages).items()))
    cell = {"reference": hour.reference, "n": n, "version": VERSION, "profiles": as_stream(profiles)}
    door.write("drift-cell", place | cell)
    return n


def columns_of(
    rows: Sequence[Row], images: Mapping[str, Row], vocabulary: frozenset[str] | None, known: Edges | None = None
) -> Columns:
    """Every feature of predictions by its name, those that the events carry too; None where it is missing.

    Of the latter those that the reference knows come first, then the most frequent ones. One that is a number there and
    a text here, or the other way around, has another name.
    """
    columns = describe(rows, images, vocabulary)
    for carried, kind in (("features_num", "number"), ("features_str", "text")):
        maps = [dict(row[carried] or ()) for row in rows]
        counted = Counter(name for one in maps for name in one)
        chosen = sorted(counted, key=lambda name: (CARRIED + name not in (known or {}), -counted[name], name))
        for name in chosen[:MOST_CARRIED]:
            key, values = CARRIED + name, [one.get(name) for one in maps]
            other = known is not None and key in known and (known[key] is not None) != (kind == "number")
            columns[f"{key} ({kind})" if other or key in columns else key] = values
    return columns


def numbers_of(values: Sequence[float | None]) -> NDArray[np.float64]:
    """A column of numbers with NaN where it is missing."""
    return np.array([np.nan if value is None else value for value in values], float)


def is_number(name: str, values: Sequence[Any]) -> bool:
    """Whether a feature is a number: ours by the table, a carried one by its values."""
    if name in FEATURES:
        return FEATURES[name].kind == "number"
    return not any(isinstance(value, str) for value in values)


def profiles_of(columns: Columns, edges: Edges) -> dict[str, Profile]:
    """A profile of each column; a number that the reference does not know has a single bin."""
    found: dict[str, Profile] = {}
    for name, values in columns.items():
        if is_number(name, values):
            cuts = edges.get(name)
            found[name] = profile_numbers(numbers_of(values), NO_EDGES if cuts is None else cuts)
        else:
            found[name] = profile_names(values)
    return found


def known_images(door: OpenDoor, window: Mapping[str, Any], wanted: frozenset[str] | None = None) -> dict[str, Row]:
    """What is known of the images of a window by their SHA-256, all or those that are `wanted`; those that nobody
    described are described now.
    """
    known: dict[str, Row] = {}
    fresh: list[Row] = []
    for row in _listed_images(door, window):
        if wanted is not None and row["sha256"] not in wanted:
            continue
        if row["known"]:
            known[row["sha256"]] = row
            continue
        content = door.see(row["sha256"])
        if content is not None:  # it may still be sent
            fresh.append({"sha256": row["sha256"]} | _described(content))
        if len(fresh) >= IMAGES_AT_ONCE:
            _keep_images(door, fresh, known)
    _keep_images(door, fresh, known)
    return {name: row for name, row in known.items() if not row["problem"]}


def _listed_images(door: OpenDoor, window: Mapping[str, Any]) -> Iterator[Row]:
    after = ""
    while rows := door.query("drift_images", **window, after=after, limit=PAGE):
        yield from rows
        after = rows[-1]["sha256"]


def _described(content: bytes) -> Row:
    try:
        return describe_image(content) | {"problem": None}
    except BadInput as error:
        return {"problem": str(error)[:500]}


def _keep_images(door: OpenDoor, fresh: list[Row], known: dict[str, Row]) -> None:
    if fresh:
        names = sorted({name for row in fresh for name in row})
        table = pa.table({name: [row.get(name) for row in fresh] for name in names})
        nulls = [field.name for field in table.schema if pa.types.is_null(field.type)]
        door.write("drift-images", {"table": as_stream(table.drop_columns(nulls))})
        known |= {row["sha256"]: row for row in fresh}
        fresh.clear()


def _pages(door: OpenDoor, hour: Hour) -> Iterator[list[Row]]:
    """The predictions of an hour; one page at least, so that an hour that has lost them is emptied."""
    after: dict[str, Any] = {}
    while True:
        rows = door.query("drift_rows", **hour.of_it(), **after, limit=PAGE)
        if rows or not after:
            yield rows
        if len(rows) < PAGE:
            return
        after = {"after": rows[-1]["ts"].isoformat(), "after_id": rows[-1]["event_id"]}


def _feature_rows(rows: Sequence[Row], columns: Columns) -> pa.Table:
    """The rows of the table `features`."""
    fields: dict[str, pa.Array] = {
        "ts": pa.array([row["ts"].replace(tzinfo=None) for row in rows], pa.timestamp("us")),
        "event_id": pa.array([row["event_id"] for row in rows], pa.string()),
    }
    fields |= {name: pa.array(columns[name], pa.float64()) for name in NUMBERS if name in columns}
    fields |= {name: pa.array(columns[name], pa.string()) for name in CATEGORIES if name in columns}
    for name, column, kind in (
        ("carried_num", "features_num", pa.float64()),
        ("carried_str", "features_str", pa.string()),
    ):
        fields[name] = pa.array([row[column] for row in rows], pa.map_(pa.string(), kind))
    fields["image"] = pa.array([_first_image(row) for row in rows], pa.string())
    fields["wrong"] = pa.array([_wrong(row) for row in rows], pa.bool_())
    fields["disliked"] = pa.array([_disliked(row) for row in rows], pa.bool_())
    return pa.table(fields)


def _first_image(row: Row) -> str | None:
    return next((one["sha256"] for one in row["media"] or () if one["sha256"]), None)


def _wrong(row: Row) -> bool | None:
    """Whether an answer is not what somebody said it should be, apart from case, blanks and a stop at the end."""
    if row["label"] is None or row["output_text"] is None:
        return None
    return _plain(row["label"]) != _plain(row["output_text"])


def _disliked(row: Row) -> bool | None:
    return None if row["feedback"] is None else row["feedback"] < 0


def _plain(text: str) -> str:
    return " ".join(text.casefold().split()).rstrip(".!")
