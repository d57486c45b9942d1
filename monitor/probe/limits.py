"""Bounds of probes: how often a visitor may start one, how many run at once, and how much memory their images take.

Everything here belongs to the event loop of the api and is not for other threads.
"""

import math
import time
from asyncio import Future, get_running_loop
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from monitor.errors import Overloaded

MINUTE_S = 60.0
MAX_VISITORS = 10_000
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """What is not worth a setting. Times in seconds."""

    at_once: dict[str, int]
    image_bytes: int = 256 * MIB  # of all questions that are under way
    question_bytes: int = 64 * MIB  # images of one question
    single_body_bytes: int = 4 * MIB
    run_body_bytes: int = 16 * MIB
    outage_s: float = 300.0  # so long a batch waits for a target to come back
    attempts: int = 4  # of one question whose connection breaks again and again
    progress_s: float = 1.0


LIMITS = Limits({"single": 32, "batch": 4, "load": 1})


class Visitors:
    """How often each visitor started a probe within the last minute."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute, self._clock = per_minute, clock
        self._seen: OrderedDict[str, deque[float]] = OrderedDict()

    def admit(self, visitor: str) -> None:
        """Count one more. Raises Overloaded, which says when the next one may come."""
        now = self._clock()
        times = self._seen.setdefault(visitor, deque())
        self._seen.move_to_end(visitor)
        while times and now - times[0] >= MINUTE_S:
            times.popleft()
        if len(times) >= self._per_minute:
            wait = max(1, math.ceil(MINUTE_S - (now - times[0])))
            raise Overloaded(
                f"{visitor} has started {len(times)} probes within a minute; allowed are {self._per_minute} "
                f"(WATCHPOINT_PROBES_PER_MINUTE): try again in {wait} s",
                wait,
            )
        times.append(now)
        while len(self._seen) > MAX_VISITORS:
            self._seen.popitem(last=False)


class Places:
    """How many runs of each kind are under way."""

    def __init__(self, at_once: dict[str, int]) -> None:
        self._at_once = at_once
        self._taken = dict.fromkeys(at_once, 0)

    @property
    def taken(self) -> dict[str, int]:
        return dict(self._taken)

    @contextmanager
    def hold(self, kind: str) -> Iterator[None]:
        """A place for as long as the block lasts. Raises Overloaded when all are taken."""
        most = self._at_once[kind]
        if self._taken[kind] >= most:
            runs = "run is" if most == 1 else "runs are"
            raise Overloaded(
                f"{most} {kind} {runs} under way, and no more may be: wait for one to end, or cancel it", 5
            )
        self._taken[kind] += 1
        try:
            yield
        finally:
            self._taken[kind] -= 1


class Memory:
    """Bytes that may be held at once; who finds too few left waits its turn."""

    def __init__(self, total: int) -> None:
        self._total = self._left = total
        self._waiting: deque[tuple[int, Future[None]]] = deque()

    @asynccontextmanager
    async def hold(self, wanted: int) -> AsyncIterator[None]:
        """So many bytes (all there are, for more than that) while the block lasts."""
        wanted = min(wanted, self._total)
        if self._waiting or wanted > self._left:
            turn = get_running_loop().create_future()
            self._waiting.append((wanted, turn))
            try:
                await turn
            except BaseException:
                if turn.done() and not turn.cancelled():
                    self._give(wanted)  # its turn came just when it was given up
                raise
        else:
            self._left -= wanted
        try:
            yield
        finally:
            self._give(wanted)

    def _give(self, back: int) -> None:
        self._left += back
        while self._waiting and (self._waiting[0][1].done() or self._waiting[0][0] <= self._left):
            wanted, turn = self._waiting.popleft()
            if not turn.done():
                self._left -= wanted
                turn.set_result(None)
