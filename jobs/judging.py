"""Judges windows: the hours and days of a deployment against its reference, with what quality is known where it moved.

Used by `jobs/drift.py`. What a reference is made of is read once per run; profiles of hours are read day by day.
"""

import math
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jobs.running import Run
from monitor.doors import OpenDoor
from monitor.drift.judging import Judged, Pair, Rule, judge, null_band, strength
from monitor.drift.profile import Profile, category, profile_numbers
from monitor.drift.quality import Compared, Counts, compare, verdict
from monitor.drift.windows import Features, side_by_side, together
from monitor.store.profiles import as_stream, profile_table, read_edges, read_profiles, read_whole

DAY = timedelta(days=1)
HOUR_S, DAY_S = 3600, 86400
GRAINS = {HOUR_S: "hour", DAY_S: "day"}
KEPT_DAYS = 40
MATTERING = 5
"""Features that moved most, of which quality is looked up."""

RESULTS = pa.schema(
    [
        *((name, pa.string()) for name in ("feature", "kind", "method", "state", "moved_at")),
        *(
            (name, pa.float64())
            for name in ("effect", "low", "high", "p", "q", "expected", "band", "threshold", "smallest", "strength")
        ),
        *((name, pa.int64()) for name in ("n_reference", "n_window")),
        *((name, pa.float64()) for name in ("missing_reference", "missing_window", "unseen")),
        *((name, pa.float64()) for name in ("moved_reference", "moved_window")),
        ("called_by", pa.list_(pa.string())),
        ("effects", pa.map_(pa.string(), pa.float64())),
    ]
)


class Grounds:
    """What a deployment is judged by; `row` is of `drift_deployments`."""

    def __init__(self, door: OpenDoor, source: str, row: Mapping[str, Any], rule: Rule) -> None:
        self.door, self.source, self.deployment, self.rule = door, source, row["deployment"], rule
        self.reference: str = row["reference"]
        self.of: str = row["other"] or row["deployment"]
        self._known: tuple[dict[str, NDArray[np.float64] | None], dict[str, Profile]] | None = None
        self._days: OrderedDict[tuple[str, datetime], dict[datetime, dict[str, Profile]]] = OrderedDict()
        self._bands: dict[tuple[int, datetime, datetime], dict[str, float]] = {}
        self._rolling: dict[tuple[datetime, datetime], dict[str, Profile]] = {}

    @property
    def _edges(self) -> dict[str, NDArray[np.float64] | None]:
        return self._of_reference()[0]

    @property
    def _whole(self) -> dict[str, Profile]:
        return self._of_reference()[1]

    def _of_reference(self) -> tuple[dict[str, NDArray[np.float64] | None], dict[str, Profile]]:
        """Its edges and merged profiles, read once something is due."""
        if self._known is None:
            known = self.door.table("drift_reference", reference=self.reference)
            self._known = read_edges(known), read_whole(known)
        return self._known

    def complete(self, start: datetime, end: datetime) -> int:
        """Write the merged profiles of a reference that stands still; returns how many features it has."""
        hours = self._hours(self.of, start, end)
        whole = together(hours.values())
        order = sorted(whole.items())
        absent = [(name, _absent(cuts)) for name, cuts in self._edges.items() if name not in whole]
        table = profile_table([*order, *absent], edges=True)
        self.door.write("drift-complete", {"reference": self.reference, "features": as_stream(table)})
        self._known = self._edges, whole
        return len(whole)

    def window(self, start: datetime, end: datetime) -> Features:
        """The profiles of a window of the deployment."""
        return together(self._hours(self.deployment, start, end).values())

    def against(self, due: Mapping[str, Any]) -> Features:
        """The profiles of the reference for a row of `drift_due`."""
        if due["kind"] == "dataset" or self._stands(due):
            return self._whole
        key = (due["reference_from"], due["reference_to"])
        if key not in self._rolling:
            self._rolling = {key: together(self._hours(self.of, *key).values())}  # windows come day by day
        return self._rolling[key]

    def bands(self, due: Mapping[str, Any], grain_s: int) -> dict[str, float]:
        """How much such windows of the reference differ from the rest of it, by feature."""
        if due["kind"] == "dataset":
            return {}
        key = (grain_s, due["reference_from"], due["reference_to"])
        if key not in self._bands:
            hours = self._hours(self.of, *key[1:])
            parts: dict[str, list[Profile]] = defaultdict(list)
            for group in _grouped(hours, grain_s):
                for feature, profile in together(group).items():
                    parts[feature].append(profile)
            self._bands[key] = {feature: null_band(of_it, self.rule) for feature, of_it in parts.items()}
        return self._bands[key]

    def _stands(self, due: Mapping[str, Any]) -> bool:
        return due["kind"] == "pinned" or bool(self._whole)

    def _hours(self, deployment: str, start: datetime, end: datetime) -> dict[datetime, dict[str, Profile]]:
        found: dict[datetime, dict[str, Profile]] = {}
        day = start.replace(hour=0, minute=0, second=0, microsecond=0)
        while day < end:
            found |= {hour: one for hour, one in self._day(deployment, day).items() if start <= hour < end}
            day += DAY
        return found

    def _day(self, deployment: str, day: datetime) -> dict[datetime, dict[str, Profile]]:
        key = (deployment, day)
        if key not in self._days:
            window = {"start": day.isoformat(), "end": (day + DAY).isoformat()}
            whose = {"reference": self.reference, "source": self.source, "deployment": deployment}
            table = self.door.table("drift_profiles", **whose, **window)
            found: dict[datetime, dict[str, Profile]] = defaultdict(dict)
            profiles = read_profiles(table, self._edges)
            for hour, feature, profile in zip(
                table["hour"].to_pylist(), table["feature"].to_pylist(), profiles, strict=True
            ):
                found[hour][feature] = profile
            self._days[key] = dict(found)
            while len(self._days) > KEPT_DAYS:
                self._days.popitem(last=False)
        self._days.move_to_end(key)
        return self._days[key]


def judge_due(run: Run, grounds: Grounds, grain_s: int) -> tuple[int, int]:
    """Judge what is due of a deployment; returns how many windows that were, and how many of them are an alarm."""
    whose = {"source": grounds.source, "deployment": grounds.deployment}
    due = grounds.door.query("drift_due", **whose, grain=GRAINS[grain_s])
    if not due:
        return 0, 0
    alarms = 0
    for row in due:
        alarms += judge_window(grounds, row, grain_s) == "worse"
        run.at(run.done + 1, max(run.total, run.done + 1), run.failed)
    grounds.door.write("drift-changes", whose | {"grain_s": grain_s})
    return len(due), alarms


def judge_window(grounds: Grounds, due: Mapping[str, Any], grain_s: int) -> str:
    """Judge one window, a row of `drift_due`, and write what was found; returns the verdict."""
    start, end = due["bucket"], due["bucket"] + timedelta(seconds=grain_s)
    before, now, bands = grounds.against(due), grounds.window(start, end), grounds.bands(due, grain_s)
    judged = judge(pairs_of(before, now, bands, only_both=due["kind"] == "dataset"), grounds.rule)
    moved = [one.feature for one in sorted(judged, key=strength, reverse=True) if one.state == "moved"]
    compared = _quality(grounds, moved[:MATTERING], start, end) if moved else []
    told = verdict([one.state for one in judged], compared, moved[0] if moved else "")
    grounds.door.write(
        "drift-judgement",
        {
            "reference": grounds.reference,
            "source": grounds.source,
            "deployment": grounds.deployment,
            "grain_s": grain_s,
            "bucket": start,
            "n": due["n"],
            "n_reference": due["n_reference"],
            "verdict": told,
            "quality": [_plain(asdict(one)) for one in compared],
            "results": as_stream(result_table(judged)),
        },
    )
    return told


def pairs_of(before: Features, now: Features, bands: Mapping[str, float], *, only_both: bool = False) -> list[Pair]:
    """Every feature of either side, or of both: a file says nothing about what it does not hold."""
    return [
        Pair(feature, old, new, bands.get(feature, math.nan))
        for feature, (old, new) in side_by_side(before, now).items()
        if not only_both or (feature in before and feature in now)
    ]


def result_table(judged: Iterable[Judged]) -> pa.Table:
    """Rows of `drift_results`."""
    rows = [
        _plain(asdict(one)) | {"effects": list(_plain(one.effects).items()), "strength": strength(one)}
        for one in judged
    ]
    return pa.Table.from_pylist(rows, RESULTS)


def _quality(grounds: Grounds, features: Sequence[str], start: datetime, end: datetime) -> list[Compared]:
    rows = grounds.door.query(
        "drift_quality",
        source=grounds.source,
        deployment=grounds.deployment,
        reference=grounds.reference,
        start=start.isoformat(),
        end=end.isoformat(),
        features=features,
    )
    return compare([Counts(**row) for row in rows])


def _grouped(hours: Mapping[datetime, Features], grain_s: int) -> list[list[Features]]:
    groups: dict[datetime, list[Features]] = defaultdict(list)
    for hour, features in hours.items():
        groups[hour if grain_s == HOUR_S else hour.replace(hour=0)].append(features)
    return list(groups.values())


def _absent(cuts: Any) -> Profile:
    return category([], [], 0) if cuts is None else profile_numbers(np.empty(0), cuts)


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """What is not known is null in the store, not NaN."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in values.items()
    }
