"""The engine of one checkpoint: a thread that answers requests in one batch, which rows join and leave at any step."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import torch

from monitor.chat import Generation
from monitor.errors import Overloaded, TargetBusy, TargetError
from monitor.inference.batch import COUNTERS, Batch
from monitor.inference.checkpoint import Loaded
from monitor.inference.outcome import Figures, Listener, Outcome
from monitor.inference.prepare import Prepared
from monitor.inference.rows import Row
from monitor.inference.waiting import Waiting
from monitor.inference.warmth import warm_up

__all__ = ["Engine", "EngineOptions", "Figures", "Listener", "Outcome", "Ticket"]

log = logging.getLogger(__name__)

SWEEP_S = 0.02
"""How often the queue is searched for requests that are too late."""

IDLE_S = 10.0
"""An engine without work for so long gives the memory of its cache back."""


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """Bounds of an engine."""

    max_rows: int = 32
    queue: int = 512  # requests that wait
    wait_ms: float = 5.0
    queue_bytes: int = 2 * 1024**3  # of their tensors


class Ticket:
    """A request in the engine."""

    def __init__(self, row: Row, engine: "Engine") -> None:
        self._row, self._engine = row, engine

    def cancel(self) -> None:
        """Let the row leave within one step; its outcome says `cancelled`. Thread-safe, and may come too late."""
        self._row.cancelled = True
        self._engine.look()


class Engine:
    """Answers requests on one checkpoint; one thread owns the model and its cache."""

    def __init__(self, loaded: Loaded, options: EngineOptions) -> None:
        self.loaded, self.options = loaded, options
        self._batch = Batch(loaded, options.max_rows)
        self._waiting = Waiting(options.wait_ms / 1e3)
        self._joining: list[Row] = []
        self._lock = threading.Condition()  # of the queue and its counters
        self._counts: Counter[str] = Counter()
        self._stopping = False
        self._look = False  # someone cancelled
        self._sweep_at = 0.0
        self._thread = threading.Thread(target=self._run, name=f"engine {loaded.id}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread; what is there fails with TargetBusy."""
        with self._lock:
            self._stopping = True
            self._lock.notify_all()
        if self._thread.is_alive():
            self._thread.join()
        else:  # it was never started
            self._fail_everything()

    def warm_up(self) -> None:
        """Answer some small requests, so that the first real one finds all allocated. They are not counted."""
        warm_up(self.loaded, self.submit, self.options.max_rows)
        with self._lock:
            self._counts.clear()
            self._batch.forget_counts()

    def submit(self, prepared: Prepared, settings: Generation, listen: Listener) -> Ticket:
        """Put a request into the queue, from any thread.

        Raises Overloaded when the queue is full, TargetBusy when the engine was stopped.
        """
        row = Row(prepared, settings, listen, self.loaded)
        with self._lock:
            if self._stopping:
                raise TargetBusy(f"the engine of {self.loaded.id} was stopped; ask again")
            waiting, held = len(self._waiting), self._waiting.bytes
            if waiting >= self.options.queue or (held and held + row.bytes > self.options.queue_bytes):
                self._counts["rejected"] += 1
                raise Overloaded(
                    f"{waiting} requests with {held / 2**20:.0f} MiB wait for {self.loaded.id}; allowed are "
                    f"{self.options.queue} (WATCHPOINT_WORKER_QUEUE) and {self.options.queue_bytes / 2**20:.0f} MiB: "
                    "ask again later",
                    retry_after_s=1,
                )
            self._counts["submitted"] += 1
            self._waiting.arrive(row, in_company=bool(waiting or self._batch.rows))
            self._lock.notify_all()
        return Ticket(row, self)

    def look(self) -> None:
        """Make the thread look for cancelled requests at once."""
        with self._lock:
            self._look = True
            self._lock.notify_all()

    def figures(self) -> Figures:
        """Counters and gauges of this moment, from any thread."""
        batch = self._batch
        with self._lock:
            waiting, held = len(self._waiting), self._waiting.bytes
            counts = self._counts + batch.counts
        return Figures(
            waiting=waiting,
            waiting_bytes=held,
            active=len(batch.rows),
            cap=batch.cap,
            max_rows=self.options.max_rows,
            fitted_rows=batch.fitted,
            cache_bytes=batch.cache_bytes,
            prefill_s=batch.prefill_s,
            decode_s=batch.decode_s,
            **counts,
        )

    def _run(self) -> None:
        with torch.inference_mode():
            while self._work_comes():
                try:
                    self._cycle()
                except Exception as error:
                    log.exception("the engine of %s failed; its rows are given up, it goes on", self.loaded.id)
                    self._give_up(TargetError(f"the engine failed: {type(error).__name__}: {str(error)[:300]}"))
            self._fail_everything()

    def _cycle(self) -> None:
        """Who leaves, who joins, one step."""
        now = time.perf_counter()
        self._sweep(now)
        batch = self._batch
        with self._lock:
            picked = self._waiting.pick(batch.places, idle=not batch.rows)
        self._joining = [row for row in picked if not self._ended_waiting(row, now)]
        if self._joining:
            self._put_back(batch.join(self._joining))
            self._joining = []
        if batch.rows:
            self._put_back(batch.step())

    def _work_comes(self) -> bool:
        """Wait until there is something to do, and in a crowd a little longer; False at the end."""
        with self._lock:
            while not self._stopping and not self._batch.rows:
                if self._waiting:
                    patience = 0.0 if self._look or len(self._waiting) >= self._batch.cap else self._waiting.patience()
                    if patience <= 0:
                        break
                    self._lock.wait(patience)
                elif not self._lock.wait(IDLE_S):
                    self._batch.release()
            return not self._stopping

    def _sweep(self, now: float) -> None:
        """End what was cancelled or is too late, in the batch at every step and in the queue now and then."""
        self._batch.leave_overdue(now)
        if not self._look and now < self._sweep_at:
            return
        self._sweep_at, self._look = now + SWEEP_S, False
        with self._lock:
            gone = self._waiting.take_overdue(now)
        for row in gone:
            self._ended_waiting(row, now)

    def _ended_waiting(self, row: Row, now: float) -> bool:
        """Whether a row that leaves the queue is not to be computed any more; then it is told so."""
        reason = row.overdue(now)
        if reason is None:
            row.picked = row.picked or now
            return False
        self._counts[COUNTERS[reason]] += 1
        row.end(reason)
        return True

    def _put_back(self, rows: Iterable[Row]) -> None:
        with self._lock:
            self._waiting.put_back(rows)

    def _give_up(self, error: TargetError) -> None:
        lost = [row for row in self._joining if not row.ended and row not in self._batch.rows]
        self._joining = []
        self._batch.fail_all(error)
        for row in lost:
            self._counts["failed"] += 1
            row.fail(error)

    def _fail_everything(self) -> None:
        error = TargetBusy(f"the engine of {self.loaded.id} was stopped before the answer was complete; ask again")
        self._batch.fail_all(error)
        with self._lock:
            rest = [*self._waiting.rows]
            self._waiting.rows.clear()
        for row in rest:
            self._counts["failed"] += 1
            row.fail(error)
        self._batch.release()
