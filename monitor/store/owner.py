"""The store owner: the one object of the one process that has the DuckDB file open.

One thread does everything that writes: loads segments, recomputes rollups, runs retention and backups. Readers take
cursors. Created by the `api` process, and by commands that run while no `api` does.
"""

import fcntl
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import pyarrow as pa
import structlog

from monitor.config import Settings
from monitor.errors import StoreError, StoreLocked
from monitor.ingest.door import REMEMBERED_KEYS, Door, Keys
from monitor.ingest.event import Row
from monitor.ingest.normalise import EventIds, Normaliser
from monitor.ingest.redact import build_redactor
from monitor.ingest.spool import Spool
from monitor.records import Fleet
from monitor.store import archive, backup
from monitor.store.archive import FOREVER
from monitor.store.database import FILE, naive, open_database
from monitor.store.loader import load_segments
from monitor.store.rollups import GRAINS, dirty_runs, recompute

log = structlog.get_logger(__name__)
T = TypeVar("T")

SEGMENTS_AT_ONCE = 16
ROLL_BUDGET_S = 0.3
PAST_EVERY_S = 2.0
IDLE_S = 0.5


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class _Pace:
    """Monotonic times before which a grain's buckets are left alone."""

    past_due: float = 0.0
    open_due: float = 0.0


class StoreOwner:
    """Owns the data folder from `start` to `stop`."""

    def __init__(self, settings: Settings, fleet: Fleet, clock: Callable[[], datetime] = utc_now) -> None:
        self.settings, self.fleet, self.clock = settings, fleet, clock
        self.running = False
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._tasks: list[tuple[Callable[[duckdb.DuckDBPyConnection], Any], Future[Any]]] = []
        self._tasks_lock = threading.Lock()
        self._paces = {grain.seconds: _Pace() for grain in GRAINS}
        self.loaded_rows = 0
        self.problem: str | None = None
        """What keeps the loader from working, in words; None while it works."""

    # -- life

    def claim(self) -> None:
        """Take the folder and open the store, so that what is wrong is known before a server starts.

        Raises StoreLocked, SchemaTooNew, StoreError and ConfigError.
        """
        data = self.settings.data
        data.mkdir(parents=True, exist_ok=True)
        self._redactor = build_redactor(self.fleet.redaction)
        self._lock_file = _lock(data / "owner.lock")
        try:
            self._con = open_database(
                data / FILE, self.clock(), memory=self.settings.duckdb_memory, threads=self.settings.duckdb_threads
            )
        except BaseException:
            os.close(self._lock_file)
            raise
        self.running = True

    def start(self) -> None:
        """Claim the folder if that is not done yet, recover what a crash left, and begin."""
        if not self.running:
            self.claim()
        data = self.settings.data
        self._sync_fleet()
        self.spool = Spool(
            data / "spool",
            segment_bytes=self.settings.segment_bytes,
            segment_ms=self.settings.segment_ms,
            max_pending_bytes=self.settings.max_pending_bytes,
            max_spool_bytes=self.settings.max_spool_bytes,
            on_seal=self._wake.set,
        )
        self._load()  # before the keys are read: what a crash left in the spool counts as seen
        keys = Keys(self._ledger_lookup)
        self._fill_keys(keys)
        normaliser = Normaliser(self.fleet, self._redactor, _salt(data), self.settings.max_text_bytes, EventIds())
        self.door = Door(normaliser, self.spool, keys, self._stored_ids, self.settings.max_body_bytes)
        self._forget_lost_days()
        self.spool.start()
        self._thread = threading.Thread(target=self._run, name="store", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Seal the spool, load what it holds, and close; nothing is lost if this is cut short."""
        self.spool.stop()
        self._stopping.set()
        self._wake.set()
        self._thread.join()
        self._con.close()
        os.close(self._lock_file)
        self.running = False

    # -- for readers

    @contextmanager
    def cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A reading cursor with its own transaction, for one thread."""
        cursor = self._con.cursor()
        try:
            yield cursor
        finally:
            cursor.close()

    def loader_lag_s(self) -> float:
        """Age of the oldest segment that is not loaded, in seconds; 0 when all is."""
        segments = self.spool.sealed()
        return max(0.0, time.time() - int(segments[0].stem) / 1e9) if segments else 0.0

    def figures(self) -> dict[str, float]:
        """The state of this process as numbers, for /metrics and the status query."""
        file = self.settings.data / FILE
        wal = file.with_name(FILE + ".wal")
        return {
            "spool_bytes": self.spool.size,
            "spool_segments": len(self.spool.sealed()),
            "pending_bytes": self.spool.pending_bytes,
            "loader_lag_seconds": self.loader_lag_s(),
            "loaded_rows": self.loaded_rows,
            "store_bytes": file.stat().st_size + (wal.stat().st_size if wal.exists() else 0),
            "disk_free_bytes": shutil.disk_usage(self.settings.data).free,
            "loader_failing": float(self.problem is not None),
        }

    # -- for doors and jobs

    def run(self, work: Callable[[duckdb.DuckDBPyConnection], T]) -> "Future[T]":
        """Have the writing thread do `work(con)` between two loads."""
        done: Future[T] = Future()
        with self._tasks_lock:
            self._tasks.append((work, done))
        self._wake.set()
        return done

    def wait_loaded(self, timeout_s: float = 30.0, *, rolled: bool = False) -> None:
        """Return once everything acknowledged before this call is in `predictions` (`rolled`: and in the rollups).

        Raises StoreError after `timeout_s`.
        """
        self.spool.seal().result(timeout_s)
        deadline = time.monotonic() + timeout_s
        while self.spool.sealed():
            self._wake.set()
            if time.monotonic() > deadline:
                raise StoreError(
                    f"the loader did not catch up within {timeout_s:g} s: {self.problem or 'it is busy'}; try again later"
                )
            time.sleep(0.005)
        if rolled:
            self.run(self._roll_all).result(timeout_s)

    def expire(self, now: datetime) -> int:
        """Apply retention as the settings say; returns how many raw predictions left the store."""
        settings, cutoff = self.settings, _midnight(now) - timedelta(days=self.settings.raw_days)

        def work(con: duckdb.DuckDBPyConnection) -> int:
            self._roll_all(con)
            moved = archive.expire_raw(
                con, settings.data / "archive", cutoff, now, keep_files=settings.raw_action == "archive"
            )
            archive.expire_rollups(con, now, settings.rollup_days, settings.idempotency_hours)
            archive.compact_archive(con, settings.data / "archive", now)
            con.execute("checkpoint")
            return moved

        moved = self.run(work).result()
        self._forget_lost_days()
        return moved

    def back_up(self, target: Path) -> dict[str, Any]:
        """A consistent copy of everything into an empty folder, while running; returns what was copied."""
        self.spool.seal().result()
        return self.run(lambda con: backup.copy_store(con, self.settings.data, target, self.clock())).result()

    # -- the writing thread

    def _run(self) -> None:
        while True:
            self._wake.wait(IDLE_S)
            self._wake.clear()
            stopping = self._stopping.is_set()
            try:
                while self._load():
                    self._roll()
                    self._do_tasks()
                self._do_tasks()
                self._roll()
                self.problem = None
            except Exception as error:  # the loop must live: the spool keeps everything until the cause is gone
                self.problem = str(error).splitlines()[0]
                log.exception("the store could not be written; trying again", error=self.problem)
                self._stopping.wait(1.0)
            if stopping:
                return

    def _load(self) -> bool:
        segments = self.spool.sealed()[:SEGMENTS_AT_ONCE]
        if not segments:
            return False
        began = time.monotonic()
        rows = load_segments(self._con, segments, self.clock())
        self.spool.remove(segments)
        self.loaded_rows += rows
        log.debug("loaded", segments=len(segments), rows=rows, seconds=round(time.monotonic() - began, 3))
        return True

    def _do_tasks(self) -> None:
        with self._tasks_lock:
            tasks, self._tasks = self._tasks, []
        for work, done in tasks:
            try:
                done.set_result(work(self._con))
            except Exception as error:  # the waiting caller raises it
                done.set_exception(error)

    def _roll(self) -> None:
        """Recompute dirty buckets, each grain for a while; one that takes long waits ten times as long: loading goes first.

        Past buckets (late rows, imports) are recomputed at once, the open one at the pace of its grain.
        """
        now = naive(self.clock())
        for grain in GRAINS:
            pace, began = self._paces[grain.seconds], time.monotonic()
            if began < pace.past_due:
                continue
            open_too = began >= pace.open_due
            for first, last in dirty_runs(
                self._con, grain, FOREVER if open_too else now - timedelta(seconds=grain.seconds)
            ):
                if time.monotonic() - began > ROLL_BUDGET_S:
                    self._wake.set()
                    break
                recompute(self._con, grain, first, last, self._counted_from)
            else:
                rest = 10 * (time.monotonic() - began)
                pace.past_due = began + max(PAST_EVERY_S, rest)
                if open_too:
                    pace.open_due = began + max(grain.refresh_s, rest)

    def _roll_all(self, con: duckdb.DuckDBPyConnection) -> None:
        for grain in GRAINS:
            for first, last in dirty_runs(con, grain):
                recompute(con, grain, first, last, self._counted_from)

    # -- details

    def _forget_lost_days(self) -> None:
        """Where raw rows were deleted for good, late ones can no longer be counted: the door refuses them."""
        with self.cursor() as con:
            self._counted_from = archive.fact(con, "deleted_before")
        self.door.oldest = self._counted_from.replace(tzinfo=UTC)

    def _sync_fleet(self) -> None:
        self._con.execute("delete from slos")
        for deployment in self.fleet.deployments.values():
            self._con.execute(
                "insert into slos values ($deployment, $latency)",
                {"deployment": deployment.id, "latency": deployment.slo.latency_ms},
            )

    def _fill_keys(self, keys: Keys) -> None:
        known = self._con.execute(
            f"select key, digest, answer from batches order by loaded_at desc limit {REMEMBERED_KEYS + 1}"
        ).fetchall()
        keys.load(known[REMEMBERED_KEYS - 1 :: -1], complete=len(known) <= REMEMBERED_KEYS)

    def _ledger_lookup(self, key: str) -> tuple[str, str] | None:
        with self.cursor() as con:
            found = con.execute("select digest, answer from batches where key = $key", {"key": key}).fetchall()
        return (found[0][0], found[0][1]) if found else None

    def _stored_ids(self, rows: Sequence[Row]) -> set[str]:
        """Which of the rows are stored already, by event id within the span of their times."""
        self.wait_loaded()
        times = [datetime.fromisoformat(row.ts) for row in rows]
        wanted = pa.table({"event_id": [row.event_id for row in rows]})
        start, end = min(times), max(times) + timedelta(microseconds=1)
        with self.cursor() as con:
            con.register("wanted", wanted)
            found = con.execute(
                f"""
                select event_id from {archive.raw_relation(con, start, end)}
                where ts >= $start and ts < $end and event_id in (select event_id from wanted)
                """,
                {"start": start, "end": end},
            ).fetchall()
        return {event_id for (event_id,) in found}


def _lock(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise StoreLocked(
            f"{path.parent} is owned by another process (pid {holder}); a store has one owner: use its API, or stop it first"
        ) from None
    os.ftruncate(descriptor, 0)
    os.write(descriptor, str(os.getpid()).encode())
    return descriptor


def _salt(data: Path) -> bytes:
    """The key of the user hashes of this installation; made once."""
    path = data / "user.salt"
    if not path.exists():
        part = path.with_suffix(".part")
        part.touch(mode=0o600)
        part.write_bytes(os.urandom(32))
        part.rename(path)
    return path.read_bytes()


def _midnight(now: datetime) -> datetime:
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
