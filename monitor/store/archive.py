"""Retention: raw predictions leave the store by age, into monthly Parquet files that the same queries read, or for good.

A Parquet file counts only once it stands in `archive_files`, in the same transaction that deletes its rows: a crash in
between leaves an unlisted file, which the next run removes.
"""

import os
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import structlog

from monitor.store.database import naive, quoted

log = structlog.get_logger(__name__)

EVER = datetime(1970, 1, 1)
FOREVER = datetime(9999, 1, 1)
_KEEP_5_MIN_HISTOGRAMS = timedelta(days=8)


def fact(con: duckdb.DuckDBPyConnection, name: str) -> datetime:
    """A remembered time (naive UTC); 1970 when it was never set."""
    rows = con.execute("select value from facts where name = $name", {"name": name}).fetchall()
    return datetime.fromisoformat(rows[0][0]) if rows else EVER


def raw_relation(con: duckdb.DuckDBPyConnection, start: datetime, end: datetime) -> str:
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
    return f"(select * from predictions union all by name select * from read_parquet({_sql_list(con, files)}))"


def expire_raw(
    con: duckdb.DuckDBPyConnection, archive: Path, before: datetime, now: datetime, *, keep_files: bool
) -> int:
    """Move (`keep_files`) or delete raw predictions older than `before` (a UTC midnight); returns how many left the store.

    Buckets that are still dirty are recomputed first by the caller, so that no rollup is lost.
    """
    _remove_unlisted(con, archive)
    cutoff = naive(before)
    months = con.execute(
        "select date_trunc('month', ts)::date as month, count(*), min(ts), max(ts) from predictions where ts < $cutoff group by all order by month",
        {"cutoff": cutoff},
    ).fetchall()
    moved = 0
    for month, rows, first, last in months:
        after = (month.replace(day=28) + timedelta(days=4)).replace(day=1)
        window = {"from": month, "to": min(datetime(after.year, after.month, 1), cutoff)}
        path = _write_month(con, archive, month, window, now) if keep_files else None
        con.execute("begin")
        if path is not None:
            con.execute(
                "insert into archive_files values ($path, $month, $rows, $first, $last, $now)",
                {
                    "path": str(path.relative_to(archive)),
                    "month": month,
                    "rows": rows,
                    "first": first,
                    "last": last,
                    "now": naive(now),
                },
            )
        con.execute("delete from predictions where ts >= $from and ts < $to", window)
        _remember(con, "archived_before" if keep_files else "deleted_before", cutoff)
        con.execute("commit")
        moved += rows
        log.info("raw predictions left the store", month=str(month), rows=rows, file=str(path) if path else "deleted")
    if not months:
        _remember(con, "archived_before" if keep_files else "deleted_before", cutoff)
    return moved


def expire_rollups(con: duckdb.DuckDBPyConnection, now: datetime, rollup_days: int, idempotency_hours: int) -> None:
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
    con.execute("delete from segments where loaded_at < $before", {"before": naive(now) - timedelta(days=7)})
    con.execute("delete from rejects where received_at < $before", {"before": fine})


def compact_archive(con: duckdb.DuckDBPyConnection, archive: Path, now: datetime) -> int:
    """Merge the parts of each month that has several into one file; returns the number of files that this saved."""
    saved = 0
    months = con.execute("select month from archive_files group by month having count(*) > 1 order by month").fetchall()
    for (month,) in months:
        parts = con.execute(
            "select path, rows, first_ts, last_ts from archive_files where month = $month", {"month": month}
        ).fetchall()
        path = _copy(con, archive, month, f"select * from read_parquet({_sql_list(con, parts)}) order by ts", now)
        con.execute("begin")
        con.execute("delete from archive_files where month = $month", {"month": month})
        con.execute(
            "insert into archive_files values ($path, $month, $rows, $first, $last, $now)",
            {
                "path": str(path.relative_to(archive)),
                "month": month,
                "rows": sum(part[1] for part in parts),
                "first": min(part[2] for part in parts),
                "last": max(part[3] for part in parts),
                "now": naive(now),
            },
        )
        con.execute("commit")
        # readers that began before may still have the parts open: they go with the next run, as unlisted files
        saved += len(parts) - 1
    return saved


def _write_month(
    con: duckdb.DuckDBPyConnection, archive: Path, month: date, window: dict[str, object], now: datetime
) -> Path:
    select = f"select * from predictions where ts >= '{window['from']}' and ts < '{window['to']}' order by ts"
    return _copy(con, archive, month, select, now)


def _copy(con: duckdb.DuckDBPyConnection, archive: Path, month: date, select: str, now: datetime) -> Path:
    folder = archive / f"{month:%Y-%m}"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"predictions-{now.astimezone(UTC):%Y%m%dT%H%M%S%f}.parquet"
    part = path.with_suffix(".part")
    con.execute(f"copy ({select}) to {quoted(str(part))} (format parquet, compression zstd)")
    with part.open("rb") as written:
        os.fsync(written.fileno())
    part.rename(path)
    return path


def _remove_unlisted(con: duckdb.DuckDBPyConnection, archive: Path) -> None:
    listed = {path for (path,) in con.execute("select path from archive_files").fetchall()}
    for path in archive.glob("*/predictions-*"):
        if str(path.relative_to(archive)) not in listed:
            path.unlink()


def _sql_list(con: duckdb.DuckDBPyConnection, files: Sequence[tuple[Any, ...]]) -> str:
    """Archived files as a list literal; their paths are kept relative to the folder, which a restore may move."""
    folder = con.execute("select value from facts where name = 'archive'").fetchall()[0][0]
    return "[" + ", ".join(quoted(f"{folder}/{file[0]}") for file in files) + "]"


def _remember(con: duckdb.DuckDBPyConnection, name: str, time: datetime) -> None:
    con.execute(
        "insert into facts values ($name, $value) on conflict do update set value = greatest(value, excluded.value)",
        {"name": name, "value": time.isoformat()},
    )
