"""Opens the DuckDB file: one process, one writing connection, as many reading cursors as there are readers.

Called by the store owner and by restore.
"""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
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
) -> Connection:
    """The store at `path`, created or brought to the newest schema; before data is migrated, a copy is kept beside it.

    Raises StoreLocked, SchemaTooNew, and StoreError when the file cannot be read.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    config: dict[str, str | bool | int | float | list[str]] = {"memory_limit": memory, "checkpoint_threshold": "256MB"}
    if threads:
        config["threads"] = threads
    try:
        con = duckdb.connect(str(path), config=config)
    except duckdb.Error as error:
        if "could not set lock" in str(error).lower():
            raise StoreLocked(
                f"{path} is in use by another process; a store has one owner: stop that process first"
            ) from None
        raise StoreError(
            f"{path} cannot be opened: {error}; restore a backup with `python -m monitor restore`"
        ) from None
    try:
        migrate(con, path, now, migrations)
        _know_archive(con, path.resolve().parent / "archive")
        con.execute("set timezone = 'UTC'; set preserve_insertion_order = false")
    except BaseException:
        con.close()
        raise
    return con


def _know_archive(con: Connection, folder: Path) -> None:
    """Where archived files are: a restore may have moved them. Written only when new, so that a full disk can start."""
    if con.execute("select value from facts where name = 'archive'").fetchall() != [(str(folder),)]:
        con.execute("insert or replace into facts values ('archive', $folder)", {"folder": str(folder)})


def schema_version(con: Connection) -> int:
    """Number of the newest migration that ran, 0 for an empty file."""
    exists = con.execute("select count(*) from duckdb_tables() where table_name = 'migrations'").fetchall()[0][0]
    return int(con.execute("select coalesce(max(number), 0) from migrations").fetchall()[0][0]) if exists else 0


def migrate(con: Connection, path: Path, now: datetime, migrations: Sequence[Migration]) -> None:
    """Run the steps that the file lacks, each in its own transaction."""
    have, newest = schema_version(con), migrations[-1].number
    if have > newest:
        raise SchemaTooNew(
            f"{path} has schema version {have}, this Watchpoint knows up to {newest}; "
            "start the newer version that wrote it"
        )
    if 0 < have < newest:
        con.execute("checkpoint")
        copy = path.with_suffix(f".before-{newest}.duckdb")
        copy_file(path, copy)
        log.info("kept a copy before the migration", copy=str(copy), from_version=have, to_version=newest)
    con.execute(
        """
        create table if not exists migrations (
            number integer primary key, name varchar not null, applied_at timestamp not null
        )
        """
    )
    for step in migrations:
        if step.number <= have:
            continue
        try:
            with transaction(con):
                con.execute(step.sql)
                con.execute(
                    "insert into migrations values ($number, $name, $now)",
                    {"number": step.number, "name": step.name, "now": naive(now)},
                )
        except duckdb.Error as error:
            raise StoreError(
                f"{path}: migration {step.number} ({step.name}) failed and changed nothing: {error}"
            ) from error
        log.info("migrated", number=step.number, name=step.name)


@contextmanager
def transaction(con: Connection) -> Iterator[None]:
    """All of the block or nothing of it; the connection can be used afterwards either way."""
    con.execute("begin")
    try:
        yield
        con.execute("commit")
    except BaseException:
        with suppress(duckdb.Error):  # DuckDB has rolled back by itself when the commit failed
            con.execute("rollback")
        raise


def copy_file(source: Path, target: Path) -> None:
    """Copy a file that DuckDB has open. By another process: closing the file in this one would release DuckDB's lock.

    Raises OSError.
    """
    done = subprocess.run(["cp", "--", source, target], capture_output=True, text=True)  # noqa: S607, PLW1510 (POSIX has it; checked below)
    if done.returncode:
        raise OSError(done.stderr.strip())


def naive(time: datetime) -> datetime:
    """An aware time as the store keeps it: UTC without an offset."""
    return time.astimezone(UTC).replace(tzinfo=None)


def quoted(text: str) -> str:
    """A string literal, for the few places where DuckDB takes no parameter (file names)."""
    return "'" + text.replace("'", "''") + "'"
