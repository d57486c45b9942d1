"""Loads sealed spool segments: rows, rejects, batch keys, dirty buckets and the ledger of segments in ONE transaction."""

import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import duckdb
import structlog

from monitor.ingest.spool import read_trailers
from monitor.store.database import naive, quoted
from monitor.store.rollups import GRAINS

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


def load_segments(con: duckdb.DuckDBPyConnection, segments: Sequence[Path], now: datetime) -> int:
    """Load sealed segments that the ledger does not know yet; returns the number of predictions that came in.

    The caller deletes the files afterwards; a crash in between leaves files that the ledger knows, and they are skipped.
    """
    known = {name for (name,) in con.execute("select name from segments").fetchall()}
    fresh = [segment for segment in segments if segment.name not in known]
    if not fresh:
        return 0
    con.execute("begin")
    try:
        _stage(con, fresh)
        _insert(con)
        for segment in fresh:
            _record(con, segment, now)
        _mark_dirty(con)
        rows = con.execute("select count(*) from stage where event_id is not null").fetchall()[0][0]
        con.execute("commit")
    except BaseException:
        con.execute("rollback")
        raise
    return int(rows)


def _stage(con: duckdb.DuckDBPyConnection, segments: Sequence[Path]) -> None:
    try:
        con.execute(f"create or replace temp table stage as select * from {_read_json(segments)}")
    except (duckdb.InvalidInputException, duckdb.ConversionException, duckdb.OutOfRangeException) as error:
        # the door lets nothing through that cannot be read; should a line do it all the same, it becomes a reject
        log.error("a spool segment holds a line that the store cannot read", error=str(error).splitlines()[0])
        con.execute("rollback; begin")
        con.execute(f"create or replace temp table stage ({', '.join(f'{n} {t}' for n, t in _LINE_COLUMNS.items())})")
        for segment in segments:
            _stage_lines(con, segment.read_bytes().splitlines(keepends=True), segment)


def _stage_lines(con: duckdb.DuckDBPyConnection, lines: list[bytes], segment: Path) -> None:
    """Stage by halves until the unreadable lines stand alone."""
    with tempfile.NamedTemporaryFile(suffix=".ndjson") as part:
        part.write(b"".join(lines))
        part.flush()
        rows = con.cursor()  # its own transaction: an error must not abort the one that loads
        try:
            rows.execute(f"select count(columns(*)) from {_read_json([Path(part.name)])}")
            con.execute(f"insert into stage select * from {_read_json([Path(part.name)])}")
            return
        except duckdb.Error as error:
            if len(lines) == 1:
                line = lines[0].decode("utf-8", "backslashreplace")
                reason = f"the store could not read this line of {segment.name}: {str(error).splitlines()[0]}"
                con.execute(
                    "insert into stage (reject, received_at, bytes, raw) select $reason, current_timestamp::timestamp, $bytes, $raw",
                    {"reason": reason, "bytes": len(lines[0]), "raw": line},
                )
                return
        finally:
            rows.close()
    middle = len(lines) // 2
    _stage_lines(con, lines[:middle], segment)
    _stage_lines(con, lines[middle:], segment)


def _read_json(paths: Sequence[Path]) -> str:
    files = "[" + ", ".join(quoted(str(path)) for path in paths) + "]"
    columns = ", ".join(f"{name}: '{kind}'" for name, kind in _LINE_COLUMNS.items())
    return f"read_json({files}, format = 'newline_delimited', maximum_object_size = {_MAX_LINE_BYTES}, columns = {{{columns}}})"


def _insert(con: duckdb.DuckDBPyConnection) -> None:
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
        select deployment, source, coalesce(model, ''), coalesce(checkpoint, ''), coalesce(environment, ''), min(ts), max(ts), count(*)
        from stage
        where event_id is not null
        group by all
        on conflict do update set
            first_seen = least(first_seen, excluded.first_seen),
            last_seen = greatest(last_seen, excluded.last_seen),
            n = n + excluded.n
        """
    )


def _record(con: duckdb.DuckDBPyConnection, segment: Path, now: datetime) -> None:
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


def _mark_dirty(con: duckdb.DuckDBPyConnection) -> None:
    for grain in GRAINS:
        con.execute(
            """
            insert or ignore into dirty
            select $grain, time_bucket(to_seconds($grain), ts)
            from stage
            where event_id is not null
            group by all
            """,
            {"grain": grain.seconds},
        )
