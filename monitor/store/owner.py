"""The store owner: the one object of the one process that has the DuckDB file open.

It hands out a door to write through, cursors to read with, and the verbs of maintenance. Created by the `api` process,
and by commands that run while no `api` does.
"""

import os
import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from monitor.config import Settings
from monitor.errors import StoreError
from monitor.ingest.door import REMEMBERED_KEYS, Door, Keys
from monitor.ingest.event import Row
from monitor.ingest.normalise import EventIds, Normaliser
from monitor.ingest.redact import Redactor, build_redactor
from monitor.ingest.spool import Spool, read_trailers
from monitor.records import Fleet
from monitor.store import archive, backup, drift, probes, reports
from monitor.store.database import FILE, Connection, naive, open_database, transaction
from monitor.store.folder import lock_folder, read_salt
from monitor.store.media import MediaStore
from monitor.store.writer import Writer

T = TypeVar("T")


def utc_now() -> datetime:
    """The clock of everything but tests."""
    return datetime.now(UTC)


class StoreOwner:
    """Owns the data folder from `start` to `stop`."""

    def __init__(self, settings: Settings, fleet: Fleet, clock: Callable[[], datetime] = utc_now) -> None:
        self.settings, self.fleet, self.clock = settings, fleet, clock
        self.running = False
        self.media = MediaStore(settings.data, settings.max_image_bytes, settings.max_image_pixels)

    # -- life

    def claim(self) -> None:
        """Take the folder and open the store, so that what is wrong is known before a server starts.

        Raises StoreLocked, SchemaTooNew, StoreError and ConfigError.
        """
        data = self.settings.data
        data.mkdir(parents=True, exist_ok=True)
        self._redactor = build_redactor(self.fleet.redaction)
        self._lock = lock_folder(data)
        try:
            self._writer = Writer(self._connect, self.clock)
        except BaseException:
            os.close(self._lock)
            raise
        self.running = True

    def start(self) -> None:
        """Claim the folder if that is not done yet, recover what a crash left, and begin."""
        if not self.running:
            self.claim()
        try:
            self._prepare()
        except BaseException:
            self._writer.close()
            self._release()
            raise
        self.spool.start()
        self._writer.start(self.spool, when_idle=self._keys.trim)

    def stop(self) -> None:
        """Seal the spool, load what it holds, and close; nothing is lost if this is cut short."""
        self.spool.stop()
        self._writer.stop()
        self._release()

    def _connect(self) -> Connection:
        settings = self.settings
        return open_database(
            settings.data / FILE, self.clock(), memory=settings.duckdb_memory, threads=settings.duckdb_threads
        )

    def _prepare(self) -> None:
        settings, data = self.settings, self.settings.data
        self._know_slos()
        probes.interrupt_runs(self._writer.con, self.clock())
        self.spool = Spool(
            data / "spool",
            segment_bytes=settings.segment_bytes,
            segment_ms=settings.segment_ms,
            max_pending_bytes=settings.max_pending_bytes,
            max_spool_bytes=settings.max_spool_bytes,
            on_seal=self._writer.wake,
        )
        self._keys = Keys(self._ledger_lookup)
        self._fill_keys()
        normaliser = Normaliser(self.fleet, self._redactor, read_salt(data), settings.max_text_bytes, EventIds())
        self.door = Door(normaliser, self.spool, self._keys, self._stored, settings.max_body_bytes)
        self._forget_lost_days(self._writer.con)

    def _release(self) -> None:
        os.close(self._lock)
        self.running = False

    # -- for readers

    def cursor(self) -> AbstractContextManager[Connection]:
        """A reading cursor for one thread, which sees the store as it is now and nothing that comes later."""
        return self._writer.cursor()

    @property
    def problem(self) -> str | None:
        """What keeps the store from being written, in words; None while it works."""
        return self._writer.problem

    @property
    def loaded_rows(self) -> int:
        """Predictions that were loaded since the start."""
        return self._writer.loaded_rows

    def loader_lag_s(self) -> float:
        """Age of the oldest segment that is not loaded, in seconds; 0 when all is."""
        segments = self.spool.sealed()
        return max(0.0, time.time() - int(segments[0].stem) / 1e9) if segments else 0.0

    def figures(self) -> dict[str, float]:
        """The state of this process as numbers, for /metrics and the status query."""
        file = self.settings.data / FILE
        return {
            "spool_bytes": self.spool.size,
            "spool_segments": len(self.spool.sealed()),
            "pending_bytes": self.spool.pending_bytes,
            "loader_lag_seconds": self.loader_lag_s(),
            "loaded_rows": self.loaded_rows,
            "store_bytes": _size(file) + _size(file.with_name(FILE + ".wal")),
            "disk_free_bytes": shutil.disk_usage(self.settings.data).free,
            "loader_failing": float(self.problem is not None),
        }

    # -- for doors and jobs

    @property
    def redactor(self) -> Redactor:
        """What hides secrets in every text that is written."""
        return self._redactor

    def run(self, work: Callable[[Connection], T]) -> "Future[T]":
        """Have the writing thread do `work(con)` between two loads."""
        return self._writer.run(work)

    def wait_loaded(self, timeout_s: float = 30.0, *, rolled: bool = False) -> None:
        """Return once everything acknowledged before this call is in `predictions` (`rolled`: and in the rollups).

        Raises StoreError after `timeout_s`.
        """
        deadline = time.monotonic() + timeout_s
        try:
            self.spool.seal().result(timeout_s)
            waiting = self.spool.sealed()
            while waiting := [segment for segment in waiting if segment.exists()]:
                if time.monotonic() > deadline:
                    raise TimeoutError
                time.sleep(0.005)
            if rolled:
                self.run(lambda _: self._writer.roll_all()).result(max(1.0, deadline - time.monotonic()))
        except TimeoutError:
            why = self.problem or "it is busy"
            raise StoreError(f"the loader did not catch up within {timeout_s:g} s: {why}; try again later") from None

    def expire(self, now: datetime) -> int:
        """Apply retention as the settings say; returns how many raw predictions left the store."""
        settings, cutoff = self.settings, _midnight(now) - timedelta(days=self.settings.raw_days)
        files, keep_files = settings.data / "archive", settings.raw_action == "archive"
        if not keep_files:  # from here on late rows are refused, and those that came before are counted first
            self.door.oldest = max(self.door.oldest, cutoff)
        self.spool.seal().result()

        def work(con: Connection) -> int:
            self._writer.load_all()
            self._writer.roll_all()
            moved = archive.expire_raw(con, files, cutoff, now, keep_files=keep_files)
            self._forget_lost_days(con)
            drift.forget_features(con, naive(cutoff))
            reports.forget_reports(con, naive(cutoff))
            if not keep_files:
                probes.forget_runs(con, naive(cutoff))
            archive.expire_rollups(con, now, settings.rollup_days, settings.idempotency_hours)
            archive.compact_archive(con, files, now)
            con.execute("force checkpoint")  # waits where readers are just coming or going
            return moved

        moved = self.run(work).result()
        self.media.expire(cutoff.timestamp())
        return moved

    def back_up(self, target: Path) -> dict[str, Any]:
        """A consistent copy of everything into an empty folder, while running; returns what was copied."""
        self.spool.seal().result()
        facts = self.run(lambda con: backup.copy_store(con, self.settings.data, target)).result()
        backup.copy_beside(self.settings.data, target)  # loading goes on meanwhile: these files never change
        return backup.write_manifest(target, facts, self.clock())

    # -- details

    def _forget_lost_days(self, con: Connection) -> None:
        """Where raw rows were deleted for good, late ones can no longer be counted: the door refuses them."""
        self._writer.counted_from = archive.fact(con, "deleted_before")
        self.door.oldest = self._writer.counted_from.replace(tzinfo=UTC)

    def _know_slos(self) -> None:
        """The latency thresholds that rollups count by. Written only when new, so that a full disk can start."""
        con = self._writer.con
        slos = {name: deployment.slo.latency_ms for name, deployment in self.fleet.deployments.items()}
        if dict(con.execute("select deployment, latency_ms from slos").fetchall()) == slos:
            return
        with transaction(con):
            con.execute("delete from slos")
            con.execute(
                "insert into slos select unnest($names::varchar[]), unnest($latencies::double[])",
                {"names": list(slos), "latencies": list(slos.values())},
            )

    def _fill_keys(self) -> None:
        """The keys of the ledger, and those of segments that a crash left unloaded."""
        known = self._writer.con.execute(
            f"select key, digest, answer from batches order by loaded_at desc limit {REMEMBERED_KEYS + 1}"
        ).fetchall()
        waiting = [
            (trailer.batch, trailer.digest, trailer.answer)
            for segment in self.spool.sealed()
            for trailer in read_trailers(segment.read_bytes())
            if trailer.batch
        ]
        self._keys.load([*known[REMEMBERED_KEYS - 1 :: -1], *waiting], complete=len(known) <= REMEMBERED_KEYS)

    def _ledger_lookup(self, key: str) -> tuple[str, str] | None:
        with self.cursor() as con:
            found = con.execute("select digest, answer from batches where key = $key", {"key": key}).fetchall()
        return (found[0][0], found[0][1]) if found else None

    def _stored(self, rows: Sequence[Row]) -> set[int]:
        """The positions of those rows whose event id is stored already with the same time."""
        self.wait_loaded()
        times = [datetime.fromisoformat(row.ts) for row in rows]
        start, end = min(times), max(times) + timedelta(microseconds=1)
        wanted = pa.table(
            {
                "at": pa.array(range(len(rows))),
                "event_id": [row.event_id for row in rows],
                "ts": pa.array(times, pa.timestamp("us")),
            }
        )
        with self.cursor() as con:
            con.register("wanted", wanted)
            found = con.execute(
                f"""
                select "at"
                from wanted semi join (
                    select event_id, ts
                    from {archive.raw_relation(con, start, end)}
                    where ts >= $start and ts < $end
                ) using (event_id, ts)
                """,
                {"start": start, "end": end},
            ).fetchall()
        return {at for (at,) in found}


def _size(file: Path) -> int:
    """Bytes of a file that comes and goes."""
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def _midnight(now: datetime) -> datetime:
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
