"""Raw predictions: lists with filters and keyset paging, one request whole, and what the door refused."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

import orjson
import pyarrow as pa
from pydantic import Field

from monitor.errors import BadInput, NotFound
from monitor.queries.registry import ALL, Ask, Moment, Names, Source, query
from monitor.store.archive import EVER, FOREVER, raw_relation

PageSize = Annotated[int, Field(ge=1, le=500, description="rows per page")]
Cursor = Annotated[str, Field(description="the `cursor` of the last row of the page before; empty: the first page")]
Text = Annotated[str, Field(max_length=500)]
PREVIEW = 200
PARTS = (64, 8, 1)

_FILTERS = {
    "deployments": "list_contains($deployments::varchar[], deployment)",
    "status": "status = $status",
    "error_type": "coalesce(error_type, 'unknown') = $error_type and status = 'error'",
    "checkpoint": "checkpoint = $checkpoint",
    "min_latency_ms": "latency_ms >= $min_latency_ms",
    "max_latency_ms": "latency_ms <= $max_latency_ms",
    "session_id": "session_id = $session_id",
    "trace_id": "trace_id = $trace_id",
    "text": "(contains(lower(input_text), lower($text)) or contains(lower(output_text), lower($text)))",
}
"""Filter by filter its clause; one that is empty or null is left out."""

_AFTER_SLOWEST = "(latency_ms, ts, event_id) < ($after_latency::double, $after_ts::timestamp, $after_id)"


@query
def requests(
    ask: Ask,
    *,
    start: Moment,
    end: Moment,
    deployments: Names = ALL,
    source: Source = "production",
    status: Literal["", "ok", "error"] = "",
    error_type: Text = "",
    checkpoint: Text = "",
    min_latency_ms: float | None = None,
    max_latency_ms: float | None = None,
    text: Text = "",
    session_id: Text = "",
    trace_id: Text = "",
    sort: Literal["newest", "slowest"] = "newest",
    limit: PageSize = 50,
    cursor: Cursor = "",
) -> pa.Table:
    """Single requests of a window, newest or slowest first; `slowest` leaves out those without a latency.

    `text` finds what holds these characters in its input or output, whatever the case. Texts are cut to 200
    characters here.
    """
    given = {
        "deployments": deployments,
        "status": status,
        "error_type": error_type,
        "checkpoint": checkpoint,
        "min_latency_ms": min_latency_ms,
        "max_latency_ms": max_latency_ms,
        "session_id": session_id,
        "trace_id": trace_id,
        "text": text,
    }
    values: dict[str, object] = {name: value for name, value in given.items() if value not in ("", None, [])}
    clauses = [_FILTERS[name] for name in values]
    if sort == "slowest":
        clauses.append("latency_ms is not null")
    if cursor:
        clause, after = _after(sort, cursor)
        clauses.append(clause)
        values |= after
    naive = {"start": start.replace(tzinfo=None), "end": end.replace(tzinfo=None)}
    raw = raw_relation(ask.con, naive["start"], naive["end"])
    rest = "".join(f"\n            and {clause}" for clause in ("source = $source", *clauses))
    values |= {"source": source}
    if sort == "slowest":
        table = _slowest(ask, raw, rest, start, end, limit, values)
    else:
        table = _newest(ask, raw, rest, start, _end_before(cursor, end) if cursor else end, limit, values)
    places = zip(table["ts"].to_pylist(), table["event_id"].to_pylist(), table["latency_ms"].to_pylist(), strict=True)
    return table.append_column("cursor", pa.array([_cursor(sort, *place) for place in places], pa.string()))


def _list(raw: str, rest: str, order: str) -> str:
    return f"""
        select ts, event_id, deployment, checkpoint, model, environment, source, status, error_type,
            latency_ms, ttft_ms, queue_ms, tokens_in, tokens_out,
            left(input_text, {PREVIEW}) as input_preview, left(output_text, {PREVIEW}) as output_preview
        from {raw}
        where ts >= $start and ts < $end{rest}
        order by {order}
        limit $limit
        """


def _newest(
    ask: Ask, raw: str, rest: str, start: datetime, end: datetime, limit: int, values: dict[str, object]
) -> pa.Table:
    """The window is read from its end on in growing parts: what is common is found in the first, however long it is."""
    statement = _list(raw, rest, "ts desc, event_id desc")
    tables: list[pa.Table] = []
    last = end
    for share in PARTS:
        first = end - (end - start) / share
        tables.append(ask.sql(statement, start=first, end=last, limit=limit, **values))
        limit -= tables[-1].num_rows
        if not limit:
            break
        last = first
    return pa.concat_tables(tables)


def _slowest(
    ask: Ask, raw: str, rest: str, start: datetime, end: datetime, limit: int, values: dict[str, object]
) -> pa.Table:
    """In two steps: the latency that the last row of the page has is found from that one column, then the rows."""
    window = {"start": start, "end": end, "limit": limit}
    before = " and latency_ms < $after_latency::double" if "after_latency" in values else ""
    bound = ask.sql(
        f"""
        select min(latency_ms) as bound
        from (
            select latency_ms
            from {raw}
            where ts >= $start and ts < $end{rest.replace(_AFTER_SLOWEST, "true")}{before}
            order by latency_ms desc
            limit $limit
        )
        """,
        **window,
        **{name: value for name, value in values.items() if name not in ("after_ts", "after_id")},
    )["bound"][0].as_py()
    if bound is not None:
        rest, values = rest + " and latency_ms >= $bound", values | {"bound": bound}
    return ask.sql(_list(raw, rest, "latency_ms desc, ts desc, event_id desc"), **window, **values)


@query
def request(ask: Ask, *, event_id: Text, ts: Moment | None = None) -> pa.Table:
    """One request whole, by its id; with its time it is found at once, without it the whole log is searched."""
    naive = ts.replace(tzinfo=None) if ts else None
    raw = raw_relation(ask.con, naive or EVER, naive + timedelta(seconds=1) if naive else FOREVER)
    at = "and ts = $ts" if ts else ""
    values = {"event_id": event_id} | ({"ts": ts} if ts else {})
    table = ask.sql(f"select * from {raw} where event_id = $event_id {at} order by ts desc limit 1", **values)
    if table.num_rows == 0:
        when = f" at {ts.isoformat()}" if ts else ""
        raise NotFound(
            f"there is no request {event_id!r}{when}; it may have left the store by age, or not be loaded yet"
        )
    return table


@query
def rejects(ask: Ask, *, start: Moment, end: Moment, limit: PageSize = 50, cursor: Cursor = "") -> pa.Table:
    """What the door refused, newest first: when, why, how many bytes, and the bytes as redacted text."""
    values: dict[str, object] = {}
    clause = ""
    if cursor:
        values = dict(zip(("before", "row"), _decode(cursor, 2), strict=True))
        clause = "and (received_at, rowid) < ($before::timestamp, $row::bigint)"
    table = ask.sql(
        f"""
        select received_at as ts, reason, deployment, bytes, raw, rowid
        from rejects
        where received_at >= $start and received_at < $end {clause}
        order by received_at desc, rowid desc
        limit $limit
        """,
        start=start,
        end=end,
        limit=limit,
        **values,
    )
    places = zip(table["ts"].to_pylist(), table["rowid"].to_pylist(), strict=True)
    cursors = pa.array([_encode(str(ts), row) for ts, row in places], pa.string())
    return table.drop_columns(["rowid"]).append_column("cursor", cursors)


@query
def reject_reasons(ask: Ask, *, start: Moment, end: Moment) -> pa.Table:
    """How often the door refused for which kind of reason, without the values inside them; at most 100 kinds."""
    return ask.sql(
        """
        select regexp_replace(regexp_replace(reason, ' is .*?: ', ': '), '[0-9][0-9.,]*', 'N', 'g') as reason,
            count(*) as n, max(received_at) as last_seen, any_value(raw) as example
        from rejects
        where received_at >= $start and received_at < $end
        group by 1
        order by n desc
        limit 100
        """,
        start=start,
        end=end,
    )


def _cursor(sort: str, ts: datetime, event_id: str, latency_ms: float | None) -> str:
    return _encode(str(ts), event_id) if sort == "newest" else _encode(latency_ms, str(ts), event_id)


def _after(sort: str, cursor: str) -> tuple[str, dict[str, object]]:
    if sort == "newest":
        ts, event_id = _decode(cursor, 2)
        return "(ts, event_id) < ($after_ts::timestamp, $after_id)", {"after_ts": ts, "after_id": event_id}
    latency, ts, event_id = _decode(cursor, 3)
    return _AFTER_SLOWEST, {"after_latency": latency, "after_ts": ts, "after_id": event_id}


def _end_before(cursor: str, end: datetime) -> datetime:
    """The end of a window that holds nothing newer than the cursor."""
    ts, _ = _decode(cursor, 2)
    try:
        newest = datetime.fromisoformat(str(ts)).replace(tzinfo=UTC)
    except ValueError:
        raise BadInput(f"cursor holds {ts!r}, which is no time; take it from the last row of the page before") from None
    return min(end, newest + timedelta(microseconds=1))


def _encode(*place: object) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(place)).decode().rstrip("=")


def _decode(cursor: str, parts: int) -> list[object]:
    try:
        place = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except ValueError:
        place = None
    if not isinstance(place, list) or len(place) != parts:
        raise BadInput(
            f"cursor is {cursor[:80]!r}: not one of this query and sort; take it from the last row of the page before"
        )
    return place
