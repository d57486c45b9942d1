"""The checkpoints of one worker: loaded when they are first asked for, kept while memory lasts, put away when idle.

One load runs at a time, in a thread of its own; everything else here runs on the event loop, so it needs no locks.
Requests for a checkpoint that is being loaded wait for that one load, each until its own deadline.
"""

import asyncio
import contextlib
import contextvars
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import TypeVar

import structlog

from monitor.config import Settings
from monitor.errors import CheckpointError, NotFound, Overloaded, TargetBusy, TargetTimeout, WatchpointError
from monitor.inference import memory, opening
from monitor.inference.outcome import Figures
from monitor.inference.slot import Ready, Slot
from monitor.records import Fleet

log = structlog.get_logger(__name__)

PAUSES_S = (10.0, 30.0, 60.0, 300.0)
"""After each failed load in a row nobody tries again for so long."""

ROOM_S = 30.0
"""So long a load waits for other checkpoints to become idle."""

Result = TypeVar("Result")


class Pool:
    """What is loaded, and who uses it."""

    def __init__(self, settings: Settings, fleet: Fleet) -> None:
        self.slots = {id_: Slot(one) for id_, one in fleet.checkpoints.items() if one.weights}
        self.device: opening.Device | None = None
        self.closing = False
        self._settings, self._fleet = settings, fleet
        self._free = memory.free_bytes()
        self.working = False  # the loading thread is at work, which cannot be interrupted
        self._thread = ThreadPoolExecutor(1, "loading")
        self._turn = asyncio.Lock()  # of loads
        self._left = asyncio.Event()  # set whenever a request lets go of a checkpoint

    @property
    def users(self) -> int:
        """Requests that are being worked on, or wait for a checkpoint."""
        return sum(slot.users for slot in self.slots.values())

    def slot(self, id_: str) -> Slot:
        """Raises NotFound, which names what there is."""
        if id_ in self.slots:
            return self.slots[id_]
        there = ", ".join(self.slots) or "none"
        if id_ in self._fleet.checkpoints:
            raise NotFound(f"checkpoint {id_!r} has no `weights` in the fleet file; the worker answers for: {there}")
        raise NotFound(f"there is no checkpoint {id_!r} in the fleet file; the worker answers for: {there}")

    @asynccontextmanager
    async def lease(self, id_: str, deadline: float) -> AsyncIterator[Ready]:
        """A warm checkpoint, kept in memory for as long as it is in use. `deadline` is a time of `time.perf_counter`.

        Raises NotFound, CheckpointError, TargetTimeout when it is not loaded in time, TargetBusy when the worker stops.
        """
        slot = self.slot(id_)
        slot.users += 1
        try:
            yield slot.ready or await self._loaded(slot, deadline)
        finally:
            slot.users -= 1
            slot.used_at = time.perf_counter()
            self._left.set()

    async def until_idle(self, seconds: float) -> None:
        """Wait until nobody uses anything, but not longer than so."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.users:
                    self._left.clear()
                    await self._left.wait()

    async def close(self) -> None:
        """Stop every engine: requests that are still there end with an error. A load under way is left alone."""
        self.closing = True
        for slot in self.slots.values():
            if slot.task:
                slot.task.cancel()
            if slot.ready:
                await asyncio.to_thread(self._putting_away(slot))
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _loaded(self, slot: Slot, deadline: float) -> Ready:
        self._check_open(slot)
        if slot.task is None:
            slot.task = asyncio.create_task(self._load(slot), name=f"load {slot.checkpoint.id}")
            slot.task.add_done_callback(lambda task: task.cancelled() or task.exception())  # seen, if nobody waited
        began, task = time.perf_counter(), slot.task
        done, _ = await asyncio.wait([task], timeout=max(0.0, deadline - began))
        if not done:
            raise TargetTimeout(
                f"{slot.checkpoint.id} is still {slot.state}{f' ({slot.reason})' if slot.reason else ''} after "
                f"{time.perf_counter() - began:.1f} s, which was the deadline of this request; ask again"
            )
        if task.cancelled():
            raise TargetBusy("the worker is stopping; ask again once it has been restarted")
        task.result()
        if slot.ready is None:  # put away between the end of the load and now
            raise TargetBusy(f"{slot.checkpoint.id} had to make room for another checkpoint; ask again")
        return slot.ready

    def _check_open(self, slot: Slot) -> None:
        if self.closing:
            raise TargetBusy("the worker is stopping; ask again once it has been restarted")
        wait = slot.retry_at - time.perf_counter()
        if slot.state == "failed" and wait > 0:
            raise CheckpointError(f"{slot.reason} (the next request after {wait:.0f} s tries again)")

    async def _load(self, slot: Slot) -> None:
        """One load from beginning to end; what goes wrong is the slot's state, and raised for those who wait."""
        began = time.perf_counter()
        slot.state, slot.reason = "loading", "waiting until other checkpoints are loaded"
        try:
            async with self._turn:
                await self._open(slot)
        except (Overloaded, asyncio.CancelledError):
            slot.state, slot.reason, slot.bytes = "cold", "", 0
            raise
        except WatchpointError as error:
            self._failed(slot, str(error))
            raise
        except Exception as error:
            log.exception("loading broke", checkpoint=slot.checkpoint.id)
            self._failed(slot, f"{slot.checkpoint.id} cannot be loaded: {type(error).__name__}: {error}")
            raise CheckpointError(slot.reason) from error
        else:
            slot.load_s, slot.loads = time.perf_counter() - began, slot.loads + 1
            log.info("ready", checkpoint=slot.checkpoint.id, weights_bytes=slot.bytes, seconds=round(slot.load_s, 2))
        finally:
            slot.task = None

    async def _open(self, slot: Slot) -> None:
        slot.reason = ""
        if self.device is None:
            self.device = await self._in_thread(lambda: opening.find_device(self._settings, self._free))
        device = self.device
        folder, needed = await self._in_thread(lambda: opening.measure(slot.checkpoint, self._fleet.path, device))
        await self._make_room(slot, needed)
        slot.bytes, slot.reason = needed, ""
        loaded = await self._in_thread(lambda: opening.load(slot.checkpoint, folder, device))
        slot.bytes, slot.takes_images, slot.state = loaded.bytes, loaded.takes_images, "warming"
        slot.ready = await self._in_thread(lambda: opening.start(loaded, self._settings, device))
        slot.state, slot.failures, slot.used_at = "ready", 0, time.perf_counter()

    async def _make_room(self, slot: Slot, needed: int) -> None:
        """Put idle checkpoints away, the longest unused first, until it fits; wait a while for busy ones."""
        assert self.device is not None
        until = time.perf_counter() + ROOM_S
        while (taken := self.taken()) + needed > self.device.budget:
            idle = min((one for one in self.slots.values() if one.idle), key=lambda one: one.used_at, default=None)
            if idle is not None:
                log.info(
                    "put away", checkpoint=idle.checkpoint.id, to_load=slot.checkpoint.id, weights_bytes=idle.bytes
                )
                await self._in_thread(self._putting_away(idle))
                continue
            busy = ", ".join(one.checkpoint.id for one in self.slots.values() if one.ready)
            slot.reason = f"waiting until one of {busy} is idle"
            self._left.clear()
            try:
                await asyncio.wait_for(self._left.wait(), max(0.0, until - time.perf_counter()))
            except TimeoutError:
                room = f"{opening.mib(taken)} of {opening.mib(self.device.budget)}"
                raise Overloaded(
                    f"{slot.checkpoint.id} needs {opening.mib(needed)}, and {room} are taken by checkpoints that have "
                    f"work ({busy}); ask again, or raise WATCHPOINT_WORKER_MEMORY_BYTES",
                    10,
                ) from None

    def taken(self) -> int:
        """Bytes of the weights that are in memory."""
        return sum(slot.bytes for slot in self.slots.values())

    def figures(self) -> dict[str, tuple[Figures | None, Figures]]:
        """By checkpoint: what its engine counts, None without one; and what the engines before it counted."""
        now = {id_: (slot.ready, slot.past) for id_, slot in self.slots.items()}
        return {id_: (ready.engine.figures() if ready else None, past) for id_, (ready, past) in now.items()}

    def _putting_away(self, slot: Slot) -> Callable[[], None]:
        """What a thread has to do; the slot forgets its engine at once."""
        assert slot.ready is not None
        box, device = [slot.ready], self.device
        slot.past = _sum(slot.past, slot.ready.engine.figures())
        slot.ready, slot.state, slot.bytes = None, "cold", 0
        return lambda: opening.put_away(box, device)

    def _failed(self, slot: Slot, reason: str) -> None:
        pause = PAUSES_S[min(slot.failures, len(PAUSES_S) - 1)]
        slot.state, slot.reason, slot.bytes = "failed", reason, 0
        slot.failures, slot.retry_at = slot.failures + 1, time.perf_counter() + pause
        log.error("a checkpoint cannot be loaded", checkpoint=slot.checkpoint.id, reason=reason, next_try_in_s=pause)

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        def run() -> Result:
            self.working = True
            try:
                return work()
            finally:
                self.working = False

        context = contextvars.copy_context()  # log lines from the thread name the process as well
        return await asyncio.get_running_loop().run_in_executor(self._thread, context.run, run)


def _sum(one: Figures, other: Figures) -> Figures:
    """Counters added up; what is no counter has no meaning in it."""
    added = asdict(other)
    return Figures(**{name: value + added[name] for name, value in asdict(one).items()})
