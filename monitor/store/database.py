"""Opens the DuckDB file: one process, one writing connection, as many reading cursors as there are readers."""

import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import structlog

from monitor.errors import SchemaTooNew, StoreError, StoreLocked
from monitor.store.migrations import MIGRATIONS, Migration

log = structlog.get_logger(__name__)

FILE = "watchpoint.duckdb"
Connection = duckdb.DuckDBPyConnection


def open_database(
    path: Path, now: datetime, *, memory: str = "4GB", threads: int = 0, migrations: Sequence[Migration] = MIGRATIONS
) -> duckdb.DuckDBPyConnection:
    """The store at `path`, created or brought to the newest schema; before a migration of data a copy is kept beside it.

    Raises StoreLocked, SchemaTooNew, and StoreError when the file cannot be read.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    config: dict[str, str | bool | int | float | list[str]] = {"memory_limit": memory, "checkpoint_threshold": "256MB"}
    if threads:
        config["threads"] = threads
    try:
        con = duckdb.connect(str(path), config=config)
    except duckdb.Error as error:
        if "lock" in str(error).lower():
            raise StoreLocked(
                f"{path} is in use by another process; a store has one owner: stop that process first"
            ) from None
        raise StoreError(
            f"{path} cannot be opened: {error}; restore a backup with `python -m monitor restore`"
        ) from None
    try:
        migrate(con, path, now, migrations)
    except BaseException:
        con.close()
        raise
    con.execute("set timezone = 'UTC'; set preserve_insertion_order = false")
    con.execute(
        "insert or replace into facts values ('archive', $folder)", {"folder": str(path.resolve().parent / "archive")}
    )
    return con


def schema_version(con: duckdb.DuckDBPyConnection) -> int:
    """Number of the newest migration that ran, 0 for an empty file."""
    exists = con.execute("select count(*) from duckdb_tables() where table_name = 'migrations'").fetchall()[0][0]
    return int(con.execute("select coalesce(max(number), 0) from migrations").fetchall()[0][0]) if exists else 0


def migrate(con: duckdb.DuckDBPyConnection, path: Path, now: datetime, migrations: Sequence[Migration]) -> None:
    """Run the steps that the file lacks, each in its own transaction."""
    have, newest = schema_version(con), migrations[-1].number
    if have > newest:
        raise SchemaTooNew(
            f"{path} has schema version {have}, this Watchpoint knows up to {newest}; start the newer version that wrote it"
        )
    if 0 < have < newest:
        con.execute("checkpoint")
        copy = path.with_suffix(f".before-{newest}.duckdb")
        shutil.copyfile(path, copy)
        log.info("kept a copy before the migration", copy=str(copy), from_version=have, to_version=newest)
    con.execute(
        "create table if not exists migrations (number integer primary key, name varchar not null, applied_at timestamp not null)"
    )
    for step in migrations:
        if step.number <= have:
            continue
        con.execute("begin")
        try:
            con.execute(step.sql)
            con.execute(
                "insert into migrations values ($number, $name, $now)",
                {"number": step.number, "name": step.name, "now": naive(now)},
            )
            con.execute("commit")
        except duckdb.Error as error:
            con.execute("rollback")
            raise StoreError(
                f"{path}: migration {step.number} ({step.name}) failed and changed nothing: {error}"
            ) from error
        log.info("migrated", number=step.number, name=step.name)


def naive(time: datetime) -> datetime:
    """An aware time as the store keeps it: UTC without an offset."""
    return time.astimezone(UTC).replace(tzinfo=None)


def quoted(text: str) -> str:
    """A string literal, for the few places where DuckDB takes no parameter (file names)."""
    return "'" + text.replace("'", "''") + "'"
