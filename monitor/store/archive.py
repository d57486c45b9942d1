"""Retention: raw predictions leave the store by age, into monthly Parquet files that queries read too, or for good.

A file counts from the moment it stands in `archive_files`, which is the transaction that deletes its rows. The store
remembers which files it is about to write and which ones a merged one replaced: the next run removes those, no others.
Called by the writing thread of the store owner; `raw_relation` by queries.
"""

import os
import uuid
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import structlog

from monitor.ingest.spool import sync_folder
from monitor.store.database import Connection, naive, quoted, transaction

log = structlog.get_logger(__name__)

EVER = datetime(1970, 1, 1)
FOREVER = datetime(9999, 1, 1)
_KEEP_5_MIN_HISTOGRAMS = timedelta(days=8)
_KEEP_SEGMENTS = timedelta(days=1)
_REMOVABLE = "removable "


def fact(con: Connection, name: str) -> datetime:
    """A remembered time (naive UTC); 1970 when it was never set."""
    rows = con.execute("select value from facts where name = $name", {"name": name}).fetchall()
    return datetime.fromisoformat(rows[0][0]) if rows else EVER


def raw_relation(con: Connection, start: datetime, end: datetime) -> str:
    """SQL for the raw predictions of [start, end): the table alone, or joined with the archived files that overlap.

    Times are naive UTC.
    """
    if start >= fact(con, "archived_before"):
        return "predictions"
    files = con.execute(
        "select path from archive_files where last_ts >= $start and first_ts < $end order by path",
        {"start": start, "end": end},
    ).fetchall()
    if not files:
        return "predictions"
    return f"(select * from predictions union all by name select * from {_read_parquet(con, files)})"


def expire_raw(con: Connection, archive: Path, before: datetime, now: datetime, *, keep_files: bool) -> int:
    """Move (`keep_files`) or delete raw predictions older than `before` (a UTC midnight); returns how many left.

    Buckets that are still dirty are recomputed first by the caller, so that no rollup is lost.
    """
    _remove_files(con, archive)
    cutoff, fact_name = naive(before), "archived_before" if keep_files else "deleted_before"
    months = con.execute(
        """
        select date_trunc('month', ts)::date as month, count(*), min(ts), max(ts)
        from predictions
        where ts < $cutoff
        group by all
        order by month
        """,
        {"cutoff": cutoff},
    ).fetchall()
    moved = 0
    for month, rows, first, last in months:
        window = {"from": first, "to": last}
        select = f"select * from predictions where ts between '{first}' and '{last}' order by ts"
        path = _write(con, archive, month, select) if keep_files else None
        with transaction(con):
            if path is not None:
                _list(con, path, (month, rows, first, last), now)
            con.execute("delete from predictions where ts between $from and $to", window)
            _remember(con, fact_name, min(_next_month(month), cutoff))
        moved += rows
        log.info("raw predictions left the store", month=str(month), rows=rows, file=path or "deleted")
    _remember(con, fact_name, cutoff)
    return moved


def expire_rollups(con: Connection, now: datetime, rollup_days: int, idempotency_hours: int) -> None:
    """Drop fine rollups, old batch keys and old ledger rows; hours and days stay for good."""
    fine = naive(now) - timedelta(days=rollup_days)
    con.execute("delete from rollups where grain_s < 3600 and bucket < $before", {"before": fine})
    con.execute("delete from counts where grain_s < 3600 and bucket < $before", {"before": fine})
    con.execute(
        "delete from histograms where grain_s < 3600 and bucket < $before",
        {"before": naive(now) - _KEEP_5_MIN_HISTOGRAMS},
    )
    con.execute(
        "delete from batches where loaded_at < $before", {"before": naive(now) - timedelta(hours=idempotency_hours)}
    )
    con.execute("delete from segments where loaded_at < $before", {"before": naive(now) - _KEEP_SEGMENTS})
    con.execute("delete from rejects where received_at < $before", {"before": fine})


def compact_archive(con: Connection, archive: Path, now: datetime) -> int:
    """Merge the parts of each month that has gone by into one file; returns the number of files that this saves.

    The parts go with the next run: readers that began before may still have them open.
    """
    months = con.execute(
        """
        select month
        from archive_files
        where month < date_trunc('month', $before::timestamp)
        group by month
        having count(*) > 1
        order by month
        """,
        {"before": fact(con, "archived_before")},
    ).fetchall()
    saved = 0
    for (month,) in months:
        parts = con.execute("select path from archive_files where month = $month", {"month": month}).fetchall()
        path = _write(con, archive, month, f"select * from {_read_parquet(con, parts)} order by ts")
        with transaction(con):
            merged = con.execute(
                """
                select month, sum(rows)::bigint, min(first_ts), max(last_ts)
                from archive_files
                where month = $month
                group by month
                """,
                {"month": month},
            ).fetchall()[0]
            con.execute(
                f"insert into facts select '{_REMOVABLE}' || path, month from archive_files where month = $month",
                {"month": month},
            )
            con.execute("delete from archive_files where month = $month", {"month": month})
            _list(con, path, merged, now)
        saved += len(parts) - 1
    return saved


def _next_month(month: date) -> datetime:
    after = (month.replace(day=28) + timedelta(days=4)).replace(day=1)
    return datetime(after.year, after.month, 1)


def _write(con: Connection, archive: Path, month: date, select: str) -> str:
    """Write rows to a new durable file; returns its path within the archive. Until it is listed it is removable."""
    name = f"{month:%Y-%m}/predictions-{uuid.uuid4().hex[:12]}.parquet"
    con.execute("insert into facts values ($name, $month)", {"name": _REMOVABLE + name, "month": str(month)})
    path = archive / name
    path.parent.mkdir(parents=True, exist_ok=True)
    con.execute(f"copy ({select}) to {quoted(str(path))} (format parquet, compression zstd)")
    with path.open("rb") as written:
        os.fsync(written.fileno())
    for folder in (path.parent, archive):
        sync_folder(folder)
    return name


def _list(con: Connection, path: str, content: tuple[date, int, datetime, datetime], now: datetime) -> None:
    """From here on the file counts. Belongs into the transaction that takes its rows from where they were."""
    month, rows, first, last = content
    con.execute(
        "insert into archive_files values ($path, $month, $rows, $first, $last, $now)",
        {"path": path, "month": month, "rows": rows, "first": first, "last": last, "now": naive(now)},
    )
    con.execute("delete from facts where name = $name", {"name": _REMOVABLE + path})


def _remove_files(con: Connection, archive: Path) -> None:
    """Files that a crash left unlisted, and the parts of merged ones."""
    names = con.execute("select name from facts where starts_with(name, $mark)", {"mark": _REMOVABLE}).fetchall()
    for (name,) in names:
        (archive / name.removeprefix(_REMOVABLE)).unlink(missing_ok=True)
        con.execute("delete from facts where name = $name", {"name": name})


def _read_parquet(con: Connection, files: Sequence[tuple[Any, ...]]) -> str:
    """SQL for archived files; their paths are kept relative to the folder, which a restore may move."""
    folder = con.execute("select value from facts where name = 'archive'").fetchall()[0][0]
    paths = ", ".join(quoted(f"{folder}/{file[0]}") for file in files)
    return f"read_parquet([{paths}], union_by_name = true)"


def _remember(con: Connection, name: str, time: datetime) -> None:
    con.execute(
        "insert into facts values ($name, $value) on conflict do update set value = greatest(value, excluded.value)",
        {"name": name, "value": time.isoformat()},
    )
