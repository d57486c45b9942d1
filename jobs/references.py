"""References of deployments: pins the first one by itself, and makes what a reference stands for.

Used by `jobs/drift.py`, and by the command that changes a reference.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from pyarrow.parquet import ParquetFile

from jobs.describing import CARRIED, columns_of, is_number, known_images, numbers_of, profiles_of
from monitor.datasets.comparing import profiles
from monitor.datasets.reading import columns
from monitor.doors import OpenDoor
from monitor.drift.profile import Profile, edges_of, profile_names, profile_numbers
from monitor.errors import BadInput
from monitor.features.describe import describe, learn_vocabulary
from monitor.features.table import FEATURES
from monitor.queries.drift_cells import BACK
from monitor.store.profiles import as_stream, profile_table

LEAST_ROWS = 100
"""A deployment with fewer predictions has no reference yet."""

SAMPLE = 5_000
"""Predictions that edges and vocabulary are learned from: some eighty in each of 64 bins."""

TEXTS = ("input_text", "output_text")
TEXT_ROWS = 20_000
IMAGES_OF_NONE = ("images", "outcome", "finish_reason")
"""Features that a file of texts says nothing about, though they have a value."""

DAY, WEEK = timedelta(days=1), timedelta(days=7)
ENOUGH = timedelta(days=8)
"""After so long the first week is over, whatever the hour in which the deployment began."""


Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a deployment is to be compared with; times are aware."""

    source: str
    deployment: str
    kind: str  # of monitor.store.drift.KINDS
    name: str
    other: str | None = None
    starts: datetime | None = None
    ends: datetime | None = None
    days: int | None = None
    automatic: bool = False
    by: str = "job"
    reason: str = ""


def automatic(source: str, row: dict[str, Any], now: datetime) -> Meaning | None:
    """What a deployment should be compared with while nobody has said it: its first day, once that is over, then its
    first week. None where that is so already, or where it is too early. `row` is of `drift_deployments`.
    """
    if (row["reference"] and not row["automatic"]) or row["n"] < LEAST_ROWS:
        return None
    first = max(row["first_hour"], (now - BACK).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1))
    so_far = now - first
    span = WEEK if so_far >= ENOUGH else DAY
    if so_far < DAY + timedelta(hours=1) or (row["reference"] and row["ends"] - row["starts"] >= span):
        return None
    name = "first week" if span == WEEK else "first day"
    reason = "nobody has chosen a reference yet"
    return Meaning(
        source, row["deployment"], "pinned", name, starts=first, ends=first + span, automatic=True, reason=reason
    )


def make(door: OpenDoor, meaning: Meaning) -> dict[str, Any]:
    """Learn the edges and words of a reference from a sample of it, and put it in force.

    Raises BadInput where it has no predictions.
    """
    start, end = _window(meaning)
    if start < datetime.now(UTC) - BACK:
        raise BadInput(
            f"the window begins at {start:%Y-%m-%d %H:%M} UTC, more than {BACK.days} days ago: hours are described "
            "as far back as that; choose a later one"
        )
    window = {"start": start.isoformat(), "end": end.isoformat(), "source": meaning.source}
    window |= {"deployment": meaning.other or meaning.deployment}
    rows = door.query("drift_rows", **window, sample=SAMPLE)
    if not rows:
        raise BadInput(
            f"{window['deployment']} has no predictions (source {meaning.source}) from {start:%Y-%m-%d %H:%M} to "
            f"{end:%Y-%m-%d %H:%M} UTC: choose a window in which it was asked"
        )
    vocabulary = learn_vocabulary(row["input_text"] for row in rows if row["input_text"])
    shown = frozenset(one["sha256"] for row in rows for one in row["media"] or () if one["sha256"])
    images = known_images(door, window, shown)
    found = columns_of(rows, images, frozenset(vocabulary))
    edges: list[tuple[str, Profile]] = []
    for name, values in sorted(found.items()):
        if is_number(name, values):
            edges.append((name, profile_numbers(np.empty(0), edges_of(numbers_of(values)))))
        else:
            edges.append((name, profile_names([])))
    table = profile_table(edges, edges=True).select(["feature", "edges"])
    return door.write(
        "drift-reference", _spec(meaning) | {"n": len(rows), "vocabulary": vocabulary, "features": as_stream(table)}
    )


def make_of_file(door: OpenDoor, meaning: Meaning, path: Path, on_progress: Progress | None = None) -> dict[str, Any]:
    """Put a data set in force as the reference: a Parquet or CSV file with a row for each prediction.

    Columns are features by their names; `input_text` and `output_text` are described as predictions are, the first
    20,000 rows of them; every other column stands for a feature that events carry. Raises BadInput.
    """
    found: dict[str, Profile] = {}
    for name, profile in profiles(path, on_progress).items():
        if name not in TEXTS:
            found[name if name in FEATURES else CARRIED + name] = profile
    rows = _texts(path)
    vocabulary = learn_vocabulary(row["input_text"] for row in rows if row["input_text"])
    if rows:
        described = describe(rows, {}, frozenset(vocabulary))
        told = {name: values for name, values in described.items() if any(value is not None for value in values)}
        edges = {name: edges_of(numbers_of(told[name])) for name in told if is_number(name, told[name])}
        found = profiles_of({name: told[name] for name in told if name not in IMAGES_OF_NONE}, edges) | found
    if not found:
        raise BadInput(f"{path} has no row: a reference needs predictions")
    n = max(one.n + one.missing for one in found.values())
    table = profile_table(sorted(found.items()), edges=True)
    learned = {"n": n, "vocabulary": vocabulary, "features": as_stream(table)}
    return door.write("drift-reference", _spec(replace(meaning, kind="dataset", other=path.name)) | learned)


def _texts(path: Path) -> list[dict[str, Any]]:
    """The first rows with what was asked and answered, as `describe` takes them; none where the file has no texts."""
    with columns(path) as file, ParquetFile(file.path) as opened:
        chosen = [name for name in TEXTS if name in opened.schema_arrow.names]
        if not chosen:
            return []
        batch = next(opened.iter_batches(TEXT_ROWS, columns=chosen), None)
        rows = batch.to_pylist() if batch is not None else []
    every = [{name: row.get(name) for name in TEXTS} for row in rows]
    lengths = [
        {f"{side}_chars": len(row[f"{side}_text"]) if row[f"{side}_text"] else None for side in ("input", "output")}
        for row in every
    ]
    return [row | length | {"status": "ok"} for row, length in zip(every, lengths, strict=True)]


def _window(meaning: Meaning) -> tuple[datetime, datetime]:
    if meaning.starts and meaning.ends:
        return meaning.starts, meaning.ends
    end = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    return end - timedelta(days=meaning.days or 7), end


def _spec(meaning: Meaning) -> dict[str, Any]:
    names = ("source", "deployment", "kind", "name", "other", "starts", "ends", "days", "automatic", "by", "reason")
    return {name: getattr(meaning, name) for name in names}
