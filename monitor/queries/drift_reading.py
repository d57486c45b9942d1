"""What the queries about drift share: the reference of a deployment, merged profiles, and described rows."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

import pyarrow as pa
from pydantic import Field

from monitor.drift.profile import Profile
from monitor.drift.windows import together
from monitor.errors import NotFound
from monitor.features.table import FEATURES
from monitor.queries.registry import Ask, Source
from monitor.store.profiles import read_edges, read_profiles, read_whole

DAY = timedelta(days=1)
CARRIED = "event."
DeploymentOrAll = Annotated[str, Field(max_length=256, description="a deployment; empty: all")]
FeatureName = Annotated[str, Field(min_length=1, max_length=300, description="a feature, such as prompt_chars")]
ReferenceId = Annotated[str, Field(max_length=128, description="a reference; empty: the one in force")]


@dataclass(frozen=True, slots=True)
class Meant:
    """A version of the reference of a deployment; `source_of` is whose cells it is made of. Times are naive UTC."""

    id: str
    source: str
    deployment: str
    version: int
    kind: str
    name: str
    source_of: str
    starts: datetime | None
    ends: datetime | None
    days: int | None

    def window(self, bucket: datetime) -> tuple[datetime, datetime] | None:
        """The hours that a window is compared with; None for a data set."""
        if self.starts and self.ends:
            return self.starts, self.ends
        if self.days is None:
            return None
        day = bucket.replace(hour=0, minute=0, second=0, microsecond=0)
        return day - timedelta(days=self.days), day


def meant(ask: Ask, source: Source, deployment: str, reference: str = "") -> Meant:
    """The reference in force, or the one with this id. Raises NotFound."""
    clause = "id = $reference" if reference else "ended_at is null and source = $source and deployment = $deployment"
    values = {"reference": reference} if reference else {"source": source, "deployment": deployment}
    rows = ask.con.execute(
        f"""
        select id, source, deployment, version, kind, name, coalesce(other, deployment), starts, ends, days
        from drift_references
        where {clause}
        """,
        values,
    ).fetchall()
    if not rows:
        what = f"no reference {reference!r}" if reference else f"no reference for {deployment!r} (source {source}) yet"
        raise NotFound(f"there is {what}: the job of drift pins the first day, then the first week, once it is over")
    return Meant(*rows[0])


def cells(
    ask: Ask, one: Meant, deployment: str, start: datetime, end: datetime, features: Sequence[str] = ()
) -> list[tuple[datetime, str, Profile]]:
    """The profiles of the hours of [start, end) (naive UTC) under a reference, with hour and feature, in order."""
    only = "and list_contains($features::varchar[], feature)" if features else ""
    table = ask.sql(
        f"""
        select hour, feature, n, missing, low, high, spread, counts, sums, points, point_counts, names, other
        from feature_profiles
        where reference = $reference and source = $source and deployment = $deployment
            and hour >= $start and hour < $end {only}
        order by hour, feature
        """,
        reference=one.id,
        source=one.source,
        deployment=deployment,
        start=start,
        end=end,
        **({"features": list(features)} if features else {}),
    )
    edges = read_edges(_reference_rows(ask, one.id, features))
    profiles = read_profiles(table, edges)
    return list(zip(table["hour"].to_pylist(), table["feature"].to_pylist(), profiles, strict=True))


def merged(found: Sequence[tuple[datetime, str, Profile]]) -> dict[str, Profile]:
    """One profile for each feature; one that an hour does not have is missing in it."""
    hours: dict[datetime, dict[str, Profile]] = defaultdict(dict)
    for hour, feature, profile in found:
        hours[hour][feature] = profile
    return together(hours.values())


def whole(ask: Ask, one: Meant, bucket: datetime, features: Sequence[str] = ()) -> dict[str, Profile]:
    """The merged profiles of the reference, as it is for a window that begins at `bucket`."""
    if one.days is None or one.starts:
        return read_whole(_reference_rows(ask, one.id, features))
    window = one.window(bucket)
    assert window, "a rolling reference has days"
    return merged(cells(ask, one, one.source_of, *window, features))


def _reference_rows(ask: Ask, reference: str, features: Sequence[str]) -> pa.Table:
    only = "and list_contains($features::varchar[], feature)" if features else ""
    return ask.sql(
        f"select * from reference_features where reference = $reference {only}",
        reference=reference,
        **({"features": list(features)} if features else {}),
    )


def column(feature: str, *, number: bool) -> str:
    """SQL for the values of a feature in `features`; the name of a carried one is a literal there. Raises NotFound."""
    if feature in FEATURES and FEATURES[feature].kind != "vector":
        return feature
    if feature.startswith(CARRIED):
        name = feature.removeprefix(CARRIED).removesuffix(" (text)").replace("'", "''")
        return f"carried_{'num' if number else 'str'}['{name}']"
    raise NotFound(
        f"there is no feature {feature!r}; there are {', '.join(FEATURES)}, and {CARRIED}NAME of your events"
    )
