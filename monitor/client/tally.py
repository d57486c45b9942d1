"""What became of the events, in counts and in the log; used by `sdk.Client` and `sender`."""

import logging
import threading
import time
from dataclasses import dataclass, field

logger = logging.getLogger("watchpoint.sdk")
QUIET_S = 60.0


@dataclass(frozen=True, slots=True)
class Stats:
    """Events by what became of them; `spooled` counts the whole folder, also what other processes left there."""

    logged: int
    sent: int
    rejected: int
    dropped: int
    spooled: int
    pending: int
    cleaned: int  # values that JSON cannot hold and that were replaced
    dropped_by: dict[str, int] = field(default_factory=dict)


class Tally:
    """Counters of one client, and its voice: each kind of message at most once a minute."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a signal handler may log while the main thread counts
        self._quiet_until: dict[str, float] = {}
        self.counts = {"logged": 0, "sent": 0, "rejected": 0, "cleaned": 0}
        self.dropped_by: dict[str, int] = {}

    def add(self, name: str, events: int = 1) -> None:
        with self._lock:
            self.counts[name] += events

    def reject(self, events: int, reason: str) -> None:
        self.add("rejected", events)
        self.say("reject", "%d events were rejected so far; the latest reason: %s", self.counts["rejected"], reason)

    def clean(self, values: int) -> None:
        self.add("cleaned", values)
        what = "%d values so far could not be written as JSON; NaN and infinity became null, objects their repr"
        self.say("clean", what, self.counts["cleaned"])

    def drop(self, cause: str, events: int, reason: str) -> None:
        """Counts lost events under one of a few causes."""
        with self._lock:
            self.dropped_by[cause] = self.dropped_by.get(cause, 0) + events
        self.say(f"drop {cause}", "%d events dropped so far (%s): %s", self.dropped_by[cause], cause, reason)

    @property
    def dropped(self) -> int:
        return sum(list(self.dropped_by.values()))

    def say(self, kind: str, message: str, *values: object) -> None:
        now = time.monotonic()
        with self._lock:
            if now < self._quiet_until.get(kind, 0.0):
                return
            self._quiet_until[kind] = now + QUIET_S  # before speaking: a log handler may log an event itself
        logger.warning(message, *values)

    def farewell(self, spooled: int, folder: object) -> None:
        """The last line: what was lost, and what another process will send."""
        if self.dropped:
            causes = ", ".join(f"{cause}: {events}" for cause, events in self.dropped_by.items())
            logger.warning(
                "at exit: %d events were dropped (%s); %d are kept in %s", self.dropped, causes, spooled, folder
            )
        elif spooled:
            logger.info("at exit: %d events are kept in %s and sent by the next process", spooled, folder)
