"""The one thread that writes: it loads segments, recomputes rollups, and does what it is asked to between two loads.

Owned by the store owner, who hands out everything else.
"""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import structlog

from monitor.errors import StoreError
from monitor.ingest.spool import Spool, promise
from monitor.store.archive import EVER, FOREVER
from monitor.store.database import Connection, naive
from monitor.store.loader import load_segments
from monitor.store.rollups import GRAINS, dirty_runs, recompute

log = structlog.get_logger(__name__)
T = TypeVar("T")

SEGMENTS_AT_ONCE = 16
LOAD_BYTES = 64 * 1024 * 1024
ROLL_BUDGET_S = 0.3
PAST_EVERY_S = 2.0
IDLE_S = 0.5
RETRY_S = 1.0
READERS_S = 3.0
CLOSED = "the store was closed; ask again when it is back"


@dataclass(slots=True)
class _Pace:
    """Monotonic times before which a grain's buckets are left alone."""

    past_due: float = 0.0
    open_due: float = 0.0


class Writer:
    """Holds the writing connection from its making to `stop`."""

    def __init__(self, connect: Callable[[], Connection], clock: Callable[[], datetime]) -> None:
        self._connect, self._clock = connect, clock
        self.con = connect()
        self.loaded_rows = 0
        self.problem: str | None = None
        """What keeps the store from being written, in words; None while it works."""
        self.counted_from = EVER
        """Raw rows before this were deleted for good, so that their buckets are never recomputed."""
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._ended = False
        self._tasks: list[tuple[Callable[[Connection], Any], Future[Any]]] = []
        self._lock = threading.Lock()
        self._readers: set[Connection] = set()
        self._readers_lock = threading.Lock()
        self._closed = False
        self._paces = {grain.seconds: _Pace() for grain in GRAINS}

    def start(self, spool: Spool, when_idle: Callable[[], None]) -> None:
        """Begin with the segments of a spool. `when_idle` is called whenever all of them are loaded."""
        self._spool, self._when_idle = spool, when_idle
        self._thread = threading.Thread(target=self._run, name="store", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Load what is sealed, do what was asked, and end."""
        self._stopping.set()
        self._wake.set()
        self._thread.join()
        self.close()

    def close(self) -> None:
        """Let go of the file, once those who read have finished; who takes too long is interrupted."""
        with self._readers_lock:
            self._closed = True
        self._see_readers_off()
        self.con.close()

    @contextmanager
    def cursor(self) -> Iterator[Connection]:
        """A connection for one reader, which sees the store as it is now and nothing that comes later."""
        with self._readers_lock:
            if self._closed:
                raise StoreError(CLOSED)
            cursor = self.con.cursor()
            self._readers.add(cursor)
        try:
            cursor.execute("begin")
            yield cursor
        finally:
            with self._readers_lock:
                self._readers.remove(cursor)
            cursor.close()

    def _see_readers_off(self) -> None:
        """Closing a connection closes its cursors, and fails where one of them is in the middle of a query."""
        began = time.monotonic()
        while self._readers and time.monotonic() - began < 2 * READERS_S:
            if time.monotonic() - began > READERS_S:
                with self._readers_lock:
                    for reader in self._readers:
                        reader.interrupt()
            time.sleep(0.01)

    def wake(self) -> None:
        """There is something to do."""
        self._wake.set()

    def run(self, work: Callable[[Connection], T]) -> "Future[T]":
        """Do `work(con)` between two loads."""
        done: Future[T] = promise()
        with self._lock:
            if self._ended:
                done.set_exception(StoreError(CLOSED))
            else:
                self._tasks.append((work, done))
        self._wake.set()
        return done

    def load_all(self) -> None:
        """For work that is done in this thread: load every sealed segment."""
        while self._load():
            pass

    def roll_all(self) -> None:
        """For work that is done in this thread: recompute every dirty bucket."""
        for grain in GRAINS:
            for first, last in dirty_runs(self.con, grain):
                recompute(self.con, grain, first, last, self.counted_from)

    # -- in the thread

    def _run(self) -> None:
        while not self._ended:
            self._wake.wait(IDLE_S)
            self._wake.clear()
            stopping = self._stopping.is_set()
            try:
                self._do_tasks()
                while self._load():
                    self._roll()
                    self._do_tasks()
                self._when_idle()
                self._roll()
                self.problem = None
            except Exception as error:  # noqa: BLE001 (the loop must live: the spool keeps all until the cause is gone)
                self._note(error)
            if stopping:
                self._end()

    def _note(self, error: Exception) -> None:
        self.problem = (str(error) or repr(error)).splitlines()[0]
        log.error("the store could not be written; trying again", error=self.problem, exc_info=error)
        self._stopping.wait(RETRY_S)
        if isinstance(error, duckdb.FatalException | duckdb.ConnectionException):  # it is lost, the file is not
            self._connect_again()

    def _connect_again(self) -> None:
        with self._readers_lock:
            self._closed = True
        self._see_readers_off()
        with suppress(duckdb.Error, StoreError):  # it is tried again with the next error
            self.con.close()
            self.con = self._connect()
            self._closed = False

    def _end(self) -> None:
        with self._lock:
            self._ended = True
        self._do_tasks()

    def _do_tasks(self) -> None:
        with self._lock:
            tasks, self._tasks = self._tasks, []
        for work, done in tasks:
            try:
                done.set_result(work(self.con))
            except Exception as error:  # noqa: BLE001 (whoever waits for the result raises it)
                done.set_exception(error)

    def _load(self) -> bool:
        segments = self._next_segments()
        if not segments:
            return False
        began = time.monotonic()
        rows = load_segments(self.con, segments, self._clock())
        self._spool.remove(segments)
        self.loaded_rows += rows
        log.debug("loaded", segments=len(segments), rows=rows, seconds=round(time.monotonic() - began, 3))
        return True

    def _next_segments(self) -> list[Path]:
        """The oldest ones that fit into one transaction, one at least."""
        chosen: list[Path] = []
        size = 0
        for segment in self._spool.sealed()[:SEGMENTS_AT_ONCE]:
            size += segment.stat().st_size
            if chosen and size > LOAD_BYTES:
                break
            chosen.append(segment)
        return chosen

    def _roll(self) -> None:
        """Recompute dirty buckets, each grain for a while; after one that took long it rests ten times as long.

        Loading goes first. Past buckets (late rows, imports) are recomputed at once, the open one at its grain's pace.
        """
        now = naive(self._clock())
        for grain in GRAINS:
            pace, began = self._paces[grain.seconds], time.monotonic()
            if began < pace.past_due:
                continue
            open_too = began >= pace.open_due
            before = FOREVER if open_too else now - timedelta(seconds=grain.seconds)
            for first, last in dirty_runs(self.con, grain, before):
                if time.monotonic() - began > ROLL_BUDGET_S:
                    self._wake.set()
                    break
                recompute(self.con, grain, first, last, self.counted_from)
            else:
                rest = 10 * (time.monotonic() - began)
                pace.past_due = began + max(PAST_EVERY_S, rest)
                if open_too:
                    pace.open_due = began + max(grain.refresh_s, rest)
