"""The queue of the SDK and the thread that empties it: batches, back-off, spool; owned by `sdk.Client`.

A batch goes to the server at once when the server is there; after a failure it goes to the outbox, and only where that
is impossible does it stay in memory. Its key is given when it is cut and stays the same on every way.
"""

import gzip
import random
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from monitor.client.options import MIB, Options
from monitor.client.outbox import Outbox, Parcel
from monitor.client.tally import Tally
from monitor.client.transport import Answer, Transport

EVENT_BYTES = 16 * MIB  # half of what the server takes as one request
BATCH_BYTES = 4 * MIB
AWAY_BATCH_S = 5.0  # age at which a batch goes to the outbox while the server is away: fewer files
SCAN_S = 30.0  # between looks for what dead processes left in a shared folder
LONGEST_PAUSE_S = 30.0


@dataclass(frozen=True, slots=True)
class Cut:
    """Events that were taken from the queue together."""

    key: str
    created_ns: int
    lines: tuple[bytes, ...]

    def pack(self) -> Parcel:
        body = gzip.compress(b"\n".join(self.lines) + b"\n", compresslevel=1)
        return Parcel(self.key, self.created_ns, len(self.lines), body)


class Sender:
    """A bounded queue in memory with one background thread, started by the first event."""

    def __init__(self, options: Options, outbox: Outbox, tally: Tally, on_start: Callable[[], None]) -> None:
        self._options = options
        self._outbox = outbox
        self._tally = tally
        self._on_start = on_start
        self._transport = Transport(options)
        # Reentrant, because a signal handler may log while the main thread is inside.
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        self._oldest = 0.0
        self._held: Cut | None = None  # cut from the queue, neither answered nor spooled yet
        self._flushing = 0
        self._closed = False
        self._begun = threading.Lock()  # taken once and for all: not even a signal handler starts a second thread
        self._thread: threading.Thread | None = None
        self._random = random.Random()  # the seed of the model's own random numbers stays what it is
        self._failures = 0
        self._retry_at = 0.0
        self._scan_at = 0.0

    def add(self, line: bytes) -> None:
        """Queues one event, or drops it where the bound is reached; never waits for anything."""
        with self._lock:
            problem = self._problem(line)
            if problem is None:
                self._append(line)
        if problem is not None:
            self._tally.drop(*problem)
        elif self._thread is None:
            self.start()

    def _append(self, line: bytes) -> None:
        # Looked at before and after, because a signal handler may add an event between any two lines.
        events, size = len(self._lines), self._bytes
        self._lines.append(line)
        self._bytes += len(line)
        if events == 0:
            self._oldest = time.monotonic()
        full = events < self._options.batch_events <= len(self._lines) or size < BATCH_BYTES <= self._bytes
        if events == 0 or full:
            self._changed.notify_all()

    def _problem(self, line: bytes) -> tuple[str, int, str] | None:
        options = self._options
        if len(line) > EVENT_BYTES:
            return "too large", 1, f"an event of {len(line)} bytes; at most {EVENT_BYTES} are sent"
        if len(self._lines) >= options.queue_events or self._bytes + len(line) > options.queue_bytes:
            what = f"{len(self._lines)} events, {self._bytes} bytes wait in memory for {options.url}"
            return "queue full", 1, f"{what}; queue_events and queue_bytes set the bound"
        if self._closed:
            return "closed", 1, "the client is closed"
        return None

    def start(self) -> None:
        """Starts the thread; where the system refuses, the next event tries again."""
        if self._closed or not self._begun.acquire(blocking=False):
            return
        self._thread = threading.Thread(target=self._run, name="watchpoint-sdk", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:
            self._thread = None
            self._begun.release()
            self._tally.say("thread", "events wait in memory: %s", error)
            return
        self._on_start()

    def pending(self) -> int:
        """Events in memory."""
        with self._lock:
            return len(self._lines) + (len(self._held.lines) if self._held else 0)

    def flush(self, timeout_s: float) -> bool:
        """Sends everything now; True when all of this process is answered, False when the time was not enough."""
        deadline = time.monotonic() + timeout_s
        with self._lock:
            self._flushing += 1
            self._retry_at = self._scan_at = 0.0
            self._changed.notify_all()
        try:
            while left := self.pending() > 0 or self._outbox.own_left():  # looks at the disk: not under the lock
                remaining = deadline - time.monotonic()
                if remaining <= 0 or self._thread is None:
                    break
                with self._lock:
                    self._changed.wait(min(remaining, 0.05))
        finally:
            with self._lock:
                self._flushing -= 1
        return not left

    def close(self, timeout_s: float) -> None:
        """Sends what is possible within the time, and spools the rest."""
        with self._lock:
            self._closed = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None and thread.is_alive() and thread is not threading.current_thread():
            thread.join(timeout_s)
        while (cut := self._cut()) is not None:  # the thread is stuck in a request, or never was
            self._keep(cut)
            self._let_go(cut)

    def forget(self) -> None:
        """In a forked child: leaves the parent's connection and claim alone."""
        self._transport.abandon()
        self._outbox.release()

    def _run(self) -> None:
        going = True
        while going:
            try:
                going = self._turn()
            except Exception as error:  # nothing here may end the thread
                self._tally.say("turn", "the sender goes on after %s: %s", type(error).__name__, error)
                time.sleep(1.0)

    def _turn(self) -> bool:
        """Waits for work, then does one piece of it; False when a closed client has nothing left in memory."""
        with self._lock:
            pause = self._pause_s(time.monotonic())
            if pause > 0:
                self._changed.wait(pause)
            now = time.monotonic()
            if self._closed and self.pending() == 0:
                self._transport.close()
                return False
            from_memory, from_spool = self._memory_due(now) <= now, self._scan_due() <= now
        if from_memory and (cut := self._cut()) is not None:
            self._deliver(cut)
        elif from_spool:
            self._deliver_spooled()
        with self._lock:
            self._changed.notify_all()
        return True

    def _pause_s(self, now: float) -> float:
        return min(self._memory_due(now), self._scan_due()) - now

    def _memory_due(self, now: float) -> float:
        """When the events in memory are to be dealt with."""
        if self._held is not None:
            return 0.0 if self._closed else self._retry_at
        if not self._lines:
            return now if self._closed else float("inf")
        full = len(self._lines) >= self._options.batch_events or self._bytes >= BATCH_BYTES
        if full or self._closed or self._flushing:
            return 0.0
        return self._oldest + (AWAY_BATCH_S if now < self._retry_at else self._options.batch_s)

    def _scan_due(self) -> float:
        return max(self._scan_at, self._retry_at)

    def _cut(self) -> Cut | None:
        """The batch in hand, or a new one from the queue."""
        with self._lock:
            if self._held is None and self._lines:
                lines = [self._lines.popleft()]
                size = len(lines[0])
                while self._lines and len(lines) < self._options.batch_events and size < BATCH_BYTES:
                    size += len(self._lines[0])
                    lines.append(self._lines.popleft())
                self._bytes = self._bytes - size if self._lines else 0
                self._oldest = time.monotonic()
                self._held = Cut(uuid.uuid4().hex, time.time_ns(), tuple(lines))
            return self._held

    def _let_go(self, cut: Cut) -> None:
        with self._lock:
            if self._held is cut:
                self._held = None

    def _deliver(self, cut: Cut) -> None:
        parcel = cut.pack()
        if time.monotonic() >= self._retry_at and self._settled(self._transport.post(parcel), parcel):
            self._let_go(cut)
            return
        if self._keep(cut, parcel):
            self._let_go(cut)

    def _keep(self, cut: Cut, parcel: Parcel | None = None) -> bool:
        """Puts a batch into the outbox; where that fails it stays in memory, or is lost if this is the end."""
        problem = self._outbox.put(parcel or cut.pack())
        if not problem:
            self._scan_at = 0.0  # as soon as the pause is over
            return True
        if self._closed:
            self._tally.drop("spool", len(cut.lines), problem)
            return True
        self._tally.say("spool", "the spool folder %s cannot be used: %s", self._outbox.folder, problem)
        return False

    def _deliver_spooled(self) -> None:
        parcel = self._outbox.claim()
        if parcel is None:
            self._scan_at = time.monotonic() + (0.2 if self._flushing else SCAN_S)
        elif self._settled(self._transport.post(parcel), parcel):
            self._outbox.done(parcel)
            self._scan_at = 0.0
        else:
            self._outbox.release()

    def _settled(self, answer: Answer, parcel: Parcel) -> bool:
        """Books an answer; False when the batch has to be sent again."""
        if answer.outcome == "away":
            self._failures += 1
            self._retry_at = time.monotonic() + max(answer.retry_after_s, self._back_off_s())
            message = "%s does not take events (%s); they are kept in %s and sent later"
            self._tally.say("away", message, self._options.url, answer.reason, self._outbox.folder)
            return False
        if self._failures:
            self._scan_at = 0.0  # it is back: what was spooled meanwhile can go
        self._failures, self._retry_at = 0, 0.0
        if answer.outcome == "refused":
            self._tally.drop("refused", parcel.events, f"{self._options.url} answered {answer.reason}")
        self._tally.add("sent", answer.accepted)
        if answer.rejected:
            self._tally.reject(answer.rejected, answer.reason)
        return True

    def _back_off_s(self) -> float:
        """Doubles with each failure up to 30 s; random, so that many clients do not come back at the same moment."""
        pause = min(LONGEST_PAUSE_S, self._options.retry_s * float(2 ** min(self._failures - 1, 20)))
        return pause * self._random.uniform(0.5, 1.0)
