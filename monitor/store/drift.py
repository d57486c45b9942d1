"""Drift in the store: described predictions, profiles, references and what was judged. Called through `results`.

Whatever is written again replaces what was there: a cell, a window, an image. Tables come as Arrow streams, because
they are large; their columns are those of the table that they go to.
"""

import json
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

import duckdb
import msgspec
import pyarrow as pa

from monitor.errors import BadInput, NotFound
from monitor.ids import run_id
from monitor.store.database import Connection, naive, transaction
from monitor.store.jobs import Id, Moment, Whole, Words

HOUR = timedelta(hours=1)
MOST_ROWS = 100_000
KINDS = ("pinned", "rolling", "deployment", "dataset")
"""A window that stands still, the days before each window, what another deployment gets, or a file."""

JUDGED = ("moved", "steady")
"""States that say something; the others say that nothing can be said."""

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Grain = Literal[3600, 86400]
Table = Annotated[bytes, msgspec.Meta(max_length=256 * 1024 * 1024)]


class Described(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Rows of `features` of one hour; part 0 replaces what the hour had, the others are added."""

    source: Id
    deployment: Name
    hour: Moment
    part: Whole
    table: Table


class Cell(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The profiles of an hour, and of how many predictions they are made."""

    reference: Id
    source: Id
    deployment: Name
    hour: Moment
    n: Whole
    version: Whole
    profiles: Table


class Images(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Rows of `image_features`."""

    table: Table


class NewReference(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What a deployment is compared with from now on; `features` has a row for each, with its edges.

    A data set is whole at once: its rows have their profiles, too.
    """

    source: Id
    deployment: Name
    kind: Literal["pinned", "rolling", "deployment", "dataset"]
    name: Name
    other: Name | None = None
    starts: Moment | None = None
    ends: Moment | None = None
    days: Annotated[int, msgspec.Meta(ge=1, le=366)] | None = None
    automatic: bool = False
    by: Id = "job"
    reason: Words = ""
    n: Whole
    vocabulary: list[str] = []
    features: Table


class Wish(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Somebody wants a deployment to be compared with something else; the job of drift sees to it."""

    source: Id
    deployment: Name
    kind: Literal["pinned", "rolling", "deployment"]
    name: Name
    other: Name | None = None
    starts: Moment | None = None
    ends: Moment | None = None
    days: Annotated[int, msgspec.Meta(ge=1, le=366)] | None = None
    by: Id
    reason: Words = ""


class Granted(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A wish was seen to, or cannot be."""

    wish: Id
    problem: Words | None = None


class Complete(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The merged profiles of a reference that stands still."""

    reference: Id
    features: Table


class Judgement(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What was found about an hour or a day of a deployment; `results` has a row for each feature."""

    reference: Id
    source: Id
    deployment: Name
    grain_s: Grain
    bucket: Moment
    n: Whole
    n_reference: Whole
    verdict: Words
    quality: list[dict[str, Any]] = []
    results: Table


class Changes(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The changes of a deployment are to be derived anew from its results."""

    source: Id
    deployment: Name
    grain_s: Grain


class Threshold(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """From which effect on a feature of a deployment counts as moved; no feature: all; no threshold: the default."""

    deployment: Name
    feature: Annotated[str, msgspec.Meta(max_length=256)] = ""
    threshold: Annotated[float, msgspec.Meta(gt=0, le=10)] | None = None
    by: Id
    reason: Words = ""


def describe(con: Connection, body: Described, now: datetime) -> dict[str, Any]:
    """Keep what predictions look like."""
    table = _read(body.table, "features", con)
    hour = naive(body.hour)
    same = {"source": body.source, "deployment": body.deployment}
    for name, value in same.items():
        table = table.append_column(name, pa.array([value] * table.num_rows, pa.string()))
    with transaction(con):
        if body.part == 0:
            con.execute(
                """
                delete from features
                where source = $source and deployment = $deployment and ts >= $hour and ts < $end
                """,
                same | {"hour": hour, "end": hour + HOUR},
            )
        _insert(con, "features", table)
    return {"rows": table.num_rows}


def end_cell(con: Connection, body: Cell, now: datetime) -> dict[str, Any]:
    """Keep the profiles of an hour in place of those it had under the same reference."""
    place = {
        "reference": body.reference,
        "source": body.source,
        "deployment": body.deployment,
        "hour": naive(body.hour),
    }
    table = _read(body.profiles, "feature_profiles", con)
    for name in ("reference", "source", "deployment"):
        table = table.append_column(name, pa.array([place[name]] * table.num_rows, pa.string()))
    table = table.append_column("hour", pa.array([place["hour"]] * table.num_rows, pa.timestamp("us")))
    with transaction(con):
        for name in ("feature_profiles", "drift_cells"):
            con.execute(
                f"""
                delete from {name}
                where reference = $reference and source = $source and deployment = $deployment and hour = $hour
                """,
                place,
            )
        _insert(con, "feature_profiles", table)
        con.execute(
            "insert into drift_cells values ($reference, $source, $deployment, $hour, $n, $version, $now)",
            place | {"n": body.n, "version": body.version, "now": naive(now)},
        )
    return {"features": table.num_rows}


def know_images(con: Connection, body: Images, now: datetime) -> dict[str, Any]:
    """Keep what images look like."""
    table = _read(body.table, "image_features", con)
    table = table.append_column("described_at", pa.array([naive(now)] * table.num_rows, pa.timestamp("us")))
    _insert(con, "image_features", table, "or replace")
    return {"images": table.num_rows}


def refer(con: Connection, body: NewReference, now: datetime) -> dict[str, Any]:
    """Compare a deployment with something else from now on; what was judged before stays as it was.

    The same reference once more changes nothing.
    """
    if problem := meaning_problem(body.kind, body.other, body.starts, body.ends, body.days):
        raise BadInput(problem)
    table = _read(body.features, "reference_features", con)
    spec = {
        "kind": body.kind,
        "other": body.other,
        "starts": naive(body.starts) if body.starts else None,
        "ends": naive(body.ends) if body.ends else None,
        "days": body.days,
    }
    whose = {"source": body.source, "deployment": body.deployment}
    known = con.execute(
        """
        select id, version, kind, other, starts, ends, days, ended_at
        from drift_references
        where source = $source and deployment = $deployment
        order by version
        """,
        whose,
    ).fetchall()
    if known and known[-1][2:7] == tuple(spec.values()) and body.kind != "dataset":
        return {"reference": known[-1][0], "version": known[-1][1], "made": False}
    version = known[-1][1] + 1 if known else 1
    id_ = run_id("reference", body.source, body.deployment, version)
    row = whose | spec | {"id": id_, "version": version, "name": body.name, "automatic": body.automatic}
    row |= {"by_whom": body.by, "reason": body.reason, "n_learned": body.n, "made_at": naive(now), "ended_at": None}
    row |= {"vocabulary": body.vocabulary}
    with transaction(con):
        con.execute(
            """
            update drift_references set ended_at = $now
            where source = $source and deployment = $deployment and ended_at is null
            """,
            whose | {"now": naive(now)},
        )
        names = ", ".join(row)
        con.execute(f"insert into drift_references ({names}) values ({', '.join(f'${name}' for name in row)})", row)
        _insert_whole(con, id_, table)
    return {"reference": id_, "version": version, "made": True}


def want(con: Connection, body: Wish, now: datetime) -> dict[str, Any]:
    """Ask for another reference. Raises BadInput for one that says too little."""
    if problem := meaning_problem(body.kind, body.other, body.starts, body.ends, body.days):
        raise BadInput(problem)
    row: dict[str, Any] = {"source": body.source, "deployment": body.deployment, "kind": body.kind, "name": body.name}
    row |= {"other": body.other, "days": body.days, "by_whom": body.by, "reason": body.reason}
    times = {"starts": body.starts, "ends": body.ends, "asked_at": now}
    values = row | {name: naive(time) if time else None for name, time in times.items()}
    values |= {"id": run_id("wish", *values.values()), "done_at": None, "problem": None}
    names = ", ".join(values)
    con.execute(f"insert into drift_wishes ({names}) values ({', '.join(f'${name}' for name in values)})", values)
    return {"wish": values["id"]}


def grant(con: Connection, body: Granted, now: datetime) -> dict[str, Any]:
    """Note that a wish was seen to, or why it cannot be."""
    con.execute(
        "update drift_wishes set done_at = $now, problem = $problem where id = $wish",
        {"now": naive(now), "problem": body.problem, "wish": body.wish},
    )
    return {"wish": body.wish}


def meaning_problem(
    kind: str, other: str | None, starts: datetime | None, ends: datetime | None, days: int | None
) -> str | None:
    """What is wrong with a reference, in words; None if nothing is."""
    window = starts is not None and ends is not None
    if window and starts and ends and starts >= ends:
        return f"the window begins at {starts:%Y-%m-%d %H:%M} and ends at {ends:%Y-%m-%d %H:%M}: it must end later"
    if (starts or ends) and not window:
        return "a window needs both starts and ends"
    if window and days is not None:
        return "a window that stands still has no days: leave one of them out"
    if kind == "dataset" and (window or days is not None):
        return "a data set has no window and no days"
    if kind == "pinned" and not window:
        return "a pinned reference needs starts and ends"
    if kind == "rolling" and days is None:
        return "a rolling reference needs days, such as 7"
    if kind == "deployment" and (other is None or not (window or days)):
        return "another deployment as the reference needs other, and either starts and ends or days"
    return None


def complete(con: Connection, body: Complete, now: datetime) -> dict[str, Any]:
    """Keep the merged profiles of a reference in place of those it had."""
    table = _read(body.features, "reference_features", con)
    if not con.execute("select 1 from drift_references where id = $id", {"id": body.reference}).fetchall():
        raise NotFound(f"there is no reference {body.reference!r}; the query drift_references lists them")
    with transaction(con):
        con.execute("delete from reference_features where reference = $id", {"id": body.reference})
        _insert_whole(con, body.reference, table)
    return {"features": table.num_rows}


def judge(con: Connection, body: Judgement, now: datetime) -> dict[str, Any]:
    """Keep what was found about a window in place of what was known about it under the same reference."""
    place = {
        "reference": body.reference,
        "source": body.source,
        "deployment": body.deployment,
        "grain_s": body.grain_s,
        "bucket": naive(body.bucket),
    }
    table = _read(body.results, "drift_results", con)
    states = table["state"].to_pylist()
    for name, kind in (
        ("reference", pa.string()),
        ("source", pa.string()),
        ("deployment", pa.string()),
        ("grain_s", pa.int32()),
        ("bucket", pa.timestamp("us")),
    ):
        table = table.append_column(name, pa.array([place[name]] * table.num_rows, kind))
    with transaction(con):
        for name in ("drift_results", "drift_windows"):
            con.execute(
                f"""
                delete from {name}
                where reference = $reference and source = $source and deployment = $deployment
                    and grain_s = $grain_s and bucket = $bucket
                """,
                place,
            )
        _insert(con, "drift_results", table)
        con.execute(
            """
            insert into drift_windows
            values ($reference, $source, $deployment, $grain_s, $bucket, $n, $n_reference, $verdict, $moved, $features,
                $quality, $now)
            """,
            place
            | {"n": body.n, "n_reference": body.n_reference, "verdict": body.verdict, "now": naive(now)}
            | {"moved": states.count("moved"), "features": len(states), "quality": json.dumps(body.quality)},
        )
    return {"features": len(states)}


def derive_changes(con: Connection, body: Changes, now: datetime) -> dict[str, Any]:
    """Write down anew when each feature began and ceased to be moved; windows that tell nothing change nothing.

    Of several references that judged a window the newest counts.
    """
    whose = {"source": body.source, "deployment": body.deployment, "grain_s": body.grain_s}
    with transaction(con):
        con.execute(
            "delete from drift_changes where source = $source and deployment = $deployment and grain_s = $grain_s",
            whose,
        )
        con.execute(
            """
            insert into drift_changes
            with told as (
                select r.*
                from drift_results r join drift_references f on f.id = r.reference
                where r.source = $source and r.deployment = $deployment and grain_s = $grain_s
                qualify f.version = max(f.version) over (partition by bucket)
            ),
            steps as (
                select *, lag(state) over (partition by feature order by bucket) as before
                from told
                where list_contains($judged::varchar[], state)
            )
            select source, deployment, grain_s, feature, bucket, state, before, reference, effect, low, high, q,
                n_window
            from steps
            where state <> coalesce(before, 'steady')
            """,
            whose | {"judged": list(JUDGED)},
        )
    found = con.execute(
        """
        select count(*)
        from drift_changes
        where source = $source and deployment = $deployment and grain_s = $grain_s
        """,
        whose,
    ).fetchall()
    return {"changes": found[0][0]}


def set_threshold(con: Connection, body: Threshold, now: datetime) -> dict[str, Any]:
    """Call a drift from another effect on; windows that were judged stay as they are."""
    con.execute(
        "insert into drift_rules values ($deployment, $feature, $threshold, $now, $by, $reason)",
        {
            "deployment": body.deployment,
            "feature": body.feature,
            "threshold": body.threshold,
            "now": naive(now),
            "by": body.by,
            "reason": body.reason,
        },
    )
    return {"deployment": body.deployment, "feature": body.feature, "threshold": body.threshold}


def forget_features(con: Connection, before: datetime) -> None:
    """Described predictions leave with the raw ones (naive UTC); profiles and results stay. Called by retention."""
    con.execute("delete from features where ts < $before", {"before": before})
    con.execute("delete from image_features where described_at < $before", {"before": before})


def _read(stream: bytes, target: str, con: Connection) -> pa.Table:
    """An Arrow stream whose columns `target` has. Raises BadInput."""
    try:
        with pa.ipc.open_stream(stream) as reader:
            table = reader.read_all()
    except (pa.ArrowInvalid, OSError) as error:
        raise BadInput(f"the rows of {target} are no Arrow stream: {error}") from None
    if table.num_rows > MOST_ROWS:
        raise BadInput(f"{table.num_rows:,} rows of {target} at once: send at most {MOST_ROWS:,}")
    known = {name for (name,) in con.execute(f"select column_name from (describe {target})").fetchall()}
    if wrong := [name for name in table.column_names if name not in known]:
        raise BadInput(f"{target} has no column {wrong[0]!r}; there are {', '.join(sorted(known))}")
    return table


def _insert_whole(con: Connection, reference: str, table: pa.Table) -> None:
    column = pa.array([reference] * table.num_rows, pa.string())
    _insert(con, "reference_features", table.append_column("reference", column))


def _insert(con: Connection, target: str, table: pa.Table, how: str = "") -> None:
    """Raises BadInput for values that a column does not take."""
    con.register("batch", table)
    try:
        con.execute(f"insert {how} into {target} by name select * from batch")
    except (duckdb.ConversionException, duckdb.ConstraintException, duckdb.BinderException) as error:
        raise BadInput(f"the rows do not fit into {target}: {str(error).splitlines()[0]}") from None
    finally:
        with suppress(duckdb.Error):  # a transaction that has failed does not even do this; its end does
            con.unregister("batch")
