"""The worker: a request comes in, is prepared in a thread, answered by an engine, and counted.

What blocks runs in threads, not in processes: decoders of images, tokenizers and arithmetic let go of Python's lock,
and each process more would hold its own copy of transformers (some 370 MB) and be sent every image.
"""

import asyncio
import functools
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

from monitor.chat import Generation, Message
from monitor.config import Settings
from monitor.errors import Overloaded, TargetBusy, TargetTimeout, WatchpointError
from monitor.inference import memory
from monitor.inference.answering import STOPPING, Answering
from monitor.inference.answers import Before, outcome_word
from monitor.inference.events import Events
from monitor.inference.metrics import Metrics
from monitor.inference.opening import ROWS
from monitor.inference.pool import Pool
from monitor.inference.room import Hold, Room
from monitor.inference.wire import Asked
from monitor.records import Fleet

if TYPE_CHECKING:  # torch comes with these
    from monitor.inference.checkpoint import Loaded
    from monitor.inference.prepare import Prepared

log = structlog.get_logger(__name__)

GRACE_S = 8.0
"""Requests that are there when the end is asked for may finish for so long."""

SMALL = 16 * 1024
"""A body up to this size is read on the event loop: that takes some 20 microseconds, a thread more."""

BODIES = 4
"""How many of the largest bodies may be in memory at once."""

Result = TypeVar("Result")


@dataclass(slots=True)
class Intake:
    """A request that was read, and the memory that it holds until it is prepared."""

    asked: Asked
    hold: Hold
    arrived: float  # time.perf_counter() when its last byte had come
    parsing_ms: float = 0.0

    @property
    def deadline(self) -> float:
        return self.arrived + self.asked.settings.deadline_s

    def drop(self) -> None:
        """Forget the messages: from now on there are tensors."""
        self.asked = replace(self.asked, messages=())
        self.hold.release()


class Worker:
    """One for a process; it lives on the event loop."""

    def __init__(self, settings: Settings, fleet: Fleet) -> None:
        self.settings = settings
        self.pool = Pool(settings, fleet)
        self.metrics = Metrics(self.pool)
        self.room = Room(BODIES * settings.max_body_bytes)
        self.draining = False
        self.started_at = int(time.time())
        self.preparing = 0
        self.embedding = asyncio.Lock()  # one request for embeddings is computed at a time
        self.embedding_waits = 0
        self._loop = asyncio.get_running_loop()
        self._draining: asyncio.Task[None] | None = None
        self._threads = ThreadPoolExecutor(preparing_threads(memory.cores()), "preparing")
        self.metrics.watch("preparing", lambda: self.preparing, "Requests that wait for a thread, or are in one")
        self.metrics.watch("embedding", lambda: self.embedding_waits, "Requests for embeddings")
        self.metrics.watch("body_bytes", lambda: self.room.taken, "Bytes of bodies in memory")

    async def in_thread(self, work: Callable[..., Result], *values: Any) -> Result:
        """Do what would block the event loop in one of the threads for it."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, functools.partial(work, *values))

    def check_open(self) -> None:
        """Raises TargetBusy once the end was asked for."""
        if self.draining:
            raise TargetBusy(STOPPING)

    @asynccontextmanager
    async def begin(self, intake: Intake, *, pieces: bool) -> AsyncIterator[Answering]:
        """Have a request answered: what is yielded says what its engine says. Leaving early cancels it.

        Raises BadInput, NotFound, CheckpointError, Overloaded, TargetTimeout, TargetBusy, OutOfMemory.
        """
        answering = Answering(self.metrics, intake.asked.model, Events(pieces=pieces))
        try:
            self.check_open()
            began = time.perf_counter()
            async with self.pool.lease(intake.asked.model, intake.deadline) as ready:
                loading = (time.perf_counter() - began) * 1000
                prepared = await self._prepare(ready.loaded, intake)
                answering.before = _before(intake, prepared.started, loading)
                settings = replace(intake.asked.settings, deadline_s=intake.deadline - prepared.started)
                ticket = ready.engine.submit(prepared, settings, answering.events.listen)
                del prepared
                try:
                    yield answering
                finally:
                    if not answering.events.ended:
                        answering.events.close()
                        ticket.cancel()
        except WatchpointError as error:
            answering.count(outcome_word(error))
            raise
        except (asyncio.CancelledError, GeneratorExit):
            answering.count("cancelled")
            raise
        except Exception:
            answering.count("failed")
            raise
        finally:
            intake.drop()

    async def _prepare(self, loaded: "Loaded", intake: Intake) -> "Prepared":
        """The tensors of a request, made in a thread."""
        if self.preparing >= self.settings.worker_queue:
            raise Overloaded(
                f"{self.preparing} requests are being prepared, at most {self.settings.worker_queue} may; ask again", 1
            )
        self.preparing += 1
        try:
            async with asyncio.timeout_at(_loop_time(intake.deadline)):
                return await self.in_thread(
                    _prepared, loaded, intake.asked.messages, intake.asked.settings, self.settings
                )
        except TimeoutError:
            raise TargetTimeout(
                f"the request was not prepared within its deadline of {intake.asked.settings.deadline_s:g} s: "
                "the worker is busy, or its images are very large; ask again, or allow more in deadline_s"
            ) from None
        finally:
            self.preparing -= 1
            intake.drop()

    def in_flight(self) -> int:
        """How many requests of one batch are in work at once: enough to keep an engine full, and the queue open."""
        kind = self.pool.device.kind if self.pool.device else "cpu"
        return max(1, min(2 * (self.settings.worker_batch or ROWS[kind]), self.settings.worker_queue // 2))

    def drain_soon(self) -> None:
        """Admit nothing more from now on; may be called from a signal handler, and more than once."""
        if not self.draining:
            self.draining = True
            self._loop.call_soon_threadsafe(self._start_draining)

    def _start_draining(self) -> None:
        self._draining = asyncio.create_task(self._drain())

    async def _drain(self) -> None:
        """Let what runs finish for a while, then end it."""
        log.info("the worker stops", requests=self.pool.users)
        await self.pool.until_idle(GRACE_S)
        await self.pool.close()

    async def close(self) -> None:
        """End everything; what is still there ends with an error."""
        self.draining = True
        if self._draining:
            await self._draining
        await self.pool.close()
        self._threads.shutdown(wait=False, cancel_futures=True)


def preparing_threads(cores: int) -> int:
    """Half of the cores, for the other half computes; at most eight, each of which may hold a large image."""
    return min(8, max(2, cores // 2))


def _prepared(
    loaded: "Loaded", messages: tuple[Message, ...], generation: Generation, settings: Settings
) -> "Prepared":
    # Torch, numpy and PIL come with these, and are there by now.
    from monitor.inference.images import ImageLimits  # noqa: PLC0415
    from monitor.inference.prepare import prepare  # noqa: PLC0415

    return prepare(loaded, messages, generation, ImageLimits.of(settings))


def _before(intake: Intake, started: float, loading: float) -> Before:
    ahead = (started - intake.arrived) * 1000
    return Before(max(0.0, ahead - intake.parsing_ms), intake.parsing_ms, loading)


def _loop_time(when: float) -> float:
    """A time of `time.perf_counter` on the clock of the event loop."""
    return asyncio.get_running_loop().time() + when - time.perf_counter()
