"""What all runs of one api share: the store, connections to targets, images, the log, bounds and counts."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from monitor.config import Settings
from monitor.probe.limits import Limits, Memory
from monitor.probe.log import Logbook
from monitor.probe.questions import Pictures
from monitor.runtimes import Calls
from monitor.store.owner import StoreOwner

T = TypeVar("T")
THREADS = 4


class Tools:
    """Made on the event loop of the api when it starts, closed when it stops."""

    def __init__(self, owner: StoreOwner, settings: Settings, limits: Limits) -> None:
        self.owner, self.settings, self.limits = owner, settings, limits
        self.calls = Calls(settings)
        self.threads = ThreadPoolExecutor(THREADS, "probe")
        self.pictures = Pictures(owner.media, self.threads, Memory(limits.image_bytes), limits.question_bytes)
        self.logbook = Logbook(owner, self.threads)
        self.answers: Counter[tuple[str, str]] = Counter()
        """By kind of run and outcome (ok, or the kind of the error)."""
        self.runs: Counter[tuple[str, str]] = Counter()
        """Runs that have ended, by kind and state."""
        self._slots: dict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(settings.probe_in_flight))

    def slots(self, target: str) -> asyncio.Semaphore:
        """How many questions of all batches together may be with a target at once."""
        return self._slots[target]

    async def in_thread(self, work: Callable[[], T]) -> T:
        """For what takes more than a millisecond: the loop is also the door's."""
        return await asyncio.get_running_loop().run_in_executor(self.threads, work)

    async def close(self) -> None:
        await self.calls.aclose()
        self.threads.shutdown(wait=False, cancel_futures=True)


async def whole(work: Coroutine[Any, Any, T]) -> T:
    """Do work that must not stop half way: whoever is cancelled while waiting for it learns so once it has ended."""
    task = asyncio.create_task(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None and task.exception() is None:
        raise cancelled
    return task.result()
