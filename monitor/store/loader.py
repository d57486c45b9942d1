"""Loads sealed spool segments: rows, rejects, batch keys, dirty buckets and the ledger of segments in ONE transaction.

Called by the writing thread of the store owner.
"""

import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import duckdb
import structlog

from monitor.ingest.spool import read_trailers
from monitor.store.database import Connection, naive, quoted, transaction
from monitor.store.rollups import DAY_S, GRAINS

log = structlog.get_logger(__name__)

COLUMNS = {
    "ts": "timestamp",
    "received_at": "timestamp",
    "event_id": "varchar",
    "deployment": "varchar",
    "model": "varchar",
    "checkpoint": "varchar",
    "environment": "varchar",
    "source": "varchar",
    "status": "varchar",
    "error_type": "varchar",
    "error_message": "varchar",
    "finish_reason": "varchar",
    "latency_ms": "double",
    "ttft_ms": "double",
    "queue_ms": "double",
    "tokens_in": "bigint",
    "tokens_out": "bigint",
    "input_text": "varchar",
    "output_text": "varchar",
    "media": "struct(sha256 varchar, mime varchar, bytes bigint, width integer, height integer, uri varchar)[]",
    "confidence": "double",
    "features_num": "map(varchar, double)",
    "features_str": "map(varchar, varchar)",
    "label": "varchar",
    "feedback": "tinyint",
    "feedback_text": "varchar",
    "cost_usd": "double",
    "session_id": "varchar",
    "trace_id": "varchar",
    "user_hash": "varchar",
    "attrs": "json",
    "cut": "varchar[]",
}
_LINE_COLUMNS = COLUMNS | {"reject": "varchar", "bytes": "bigint", "raw": "varchar"}
_COLUMN_LIST = ", ".join(COLUMNS)
_MAX_LINE_BYTES = 64 * 1024 * 1024
_BAD_LINE = (duckdb.InvalidInputException, duckdb.ConversionException, duckdb.OutOfRangeException)


def load_segments(con: Connection, segments: Sequence[Path], now: datetime) -> int:
    """Load sealed segments that the ledger does not know yet; returns the number of predictions that came in.

    The caller deletes the files afterwards; a crash in between leaves files that the ledger knows: they are skipped.
    """
    known = con.execute(
        "select name from segments where name in (select unnest($names))", {"names": [s.name for s in segments]}
    ).fetchall()
    fresh = [segment for segment in segments if (segment.name,) not in known]
    if not fresh:
        return 0
    _stage(con, fresh, now)
    with transaction(con):
        _insert(con)
        for segment in fresh:
            _record(con, segment, now)
        _mark_dirty(con)
    rows = con.execute("select count(*) from stage where event_id is not null").fetchall()[0][0]
    con.execute("drop table stage")
    return int(rows)


def _stage(con: Connection, segments: Sequence[Path], now: datetime) -> None:
    try:
        con.execute(f"create or replace temp table stage as select * from {_read_json(segments)}")
    except _BAD_LINE as error:
        # the door lets nothing through that cannot be read; should a line do it all the same, it becomes a reject
        log.error("a spool segment holds a line that the store cannot read", error=str(error).splitlines()[0])
        con.execute(f"create or replace temp table stage ({', '.join(f'{n} {t}' for n, t in _LINE_COLUMNS.items())})")
        for segment in segments:
            _stage_lines(con, segment.read_bytes().splitlines(keepends=True), segment, now)


def _stage_lines(con: Connection, lines: list[bytes], segment: Path, now: datetime) -> None:
    """Stage by halves until the unreadable lines stand alone."""
    if not lines:
        return
    with tempfile.NamedTemporaryFile(suffix=".ndjson") as part:
        part.write(b"".join(lines))
        part.flush()
        try:
            con.execute(f"insert into stage select * from {_read_json([Path(part.name)])}")
            return
        except _BAD_LINE as error:
            problem = str(error).splitlines()[0]
    if len(lines) > 1:
        middle = len(lines) // 2
        _stage_lines(con, lines[:middle], segment, now)
        _stage_lines(con, lines[middle:], segment, now)
        return
    con.execute(
        "insert into stage (reject, received_at, bytes, raw) values ($reason, $now, $bytes, $raw)",
        {
            "reason": f"the store could not read this line of {segment.name}: {problem}",
            "now": naive(now),
            "bytes": len(lines[0]),
            "raw": lines[0].decode("utf-8", "backslashreplace"),
        },
    )


def _read_json(paths: Sequence[Path]) -> str:
    files = "[" + ", ".join(quoted(str(path)) for path in paths) + "]"
    columns = ", ".join(f"{name}: '{kind}'" for name, kind in _LINE_COLUMNS.items())
    return (
        f"read_json({files}, format = 'newline_delimited', maximum_object_size = {_MAX_LINE_BYTES}, "
        f"columns = {{{columns}}})"
    )


def _insert(con: Connection) -> None:
    con.execute(f"insert into predictions ({_COLUMN_LIST}) select {_COLUMN_LIST} from stage where event_id is not null")
    con.execute(
        """
        insert into rejects (received_at, reason, deployment, bytes, raw)
        select received_at, reject, deployment, bytes, raw from stage where reject is not null
        """
    )
    con.execute(
        """
        insert into deployments_seen
        select deployment, source, coalesce(model, ''), coalesce(checkpoint, ''), coalesce(environment, ''),
            min(ts), max(ts), count(*)
        from stage
        where event_id is not null
        group by all
        on conflict do update set
            first_seen = least(first_seen, excluded.first_seen),
            last_seen = greatest(last_seen, excluded.last_seen),
            n = n + excluded.n
        """
    )


def _record(con: Connection, segment: Path, now: datetime) -> None:
    trailers = read_trailers(segment.read_bytes())
    con.execute(
        "insert into segments values ($name, $rows, $rejects, $now)",
        {
            "name": segment.name,
            "rows": sum(t.rows for t in trailers),
            "rejects": sum(t.rejects for t in trailers),
            "now": naive(now),
        },
    )
    keyed = [t for t in trailers if t.batch]
    if keyed:
        con.execute(
            """
            insert or ignore into batches
            select unnest($keys), unnest($digests), unnest($answers), $now
            """,
            {
                "keys": [t.batch for t in keyed],
                "digests": [t.digest for t in keyed],
                "answers": [t.answer for t in keyed],
                "now": naive(now),
            },
        )


def _mark_dirty(con: Connection) -> None:
    con.execute(
        """
        insert or ignore into dirty
        select distinct grain_s, time_bucket(to_seconds(grain_s), ts)
        from stage, (select unnest($grains) as grain_s)
        where event_id is not null
        """,
        {"grains": [grain.seconds for grain in GRAINS if grain.seconds != DAY_S]},
    )
