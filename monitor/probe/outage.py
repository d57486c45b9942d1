"""What a batch does while a target is away: nobody asks it, one asks after its health, and all know since when."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

from monitor.errors import WatchpointError
from monitor.runtimes import Health

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 10.0


class Gate:
    """Open while a target answers. It gives up when nothing was answered for `patience_s`."""

    def __init__(
        self, name: str, health: Callable[[], Awaitable[Health]], clock: Callable[[], datetime], patience_s: float
    ) -> None:
        self._name, self._health, self._clock, self._patience_s = name, health, clock, patience_s
        self._moved = asyncio.Event()
        self._moved.set()
        self._since: datetime | None = None
        self._until = 0.0
        self._reason = ""
        self._pause = FIRST_PAUSE_S
        self._healing: asyncio.Task[None] | None = None
        self.given_up = False
        self.outages = 0

    @property
    def open(self) -> bool:
        return self._moved.is_set() and not self.given_up

    @property
    def since(self) -> datetime | None:
        """Since when nothing was answered; None while the target answers."""
        return self._since

    @property
    def problem(self) -> str | None:
        """What is wrong, for whoever watches the run; None while nothing is."""
        if self._since is None:
            return None
        goes_on = f"gave up after {self._patience_s:g} s" if self.given_up else "trying again"
        return f"{self._name} does not answer since {self._since:%H:%M:%S} UTC, {goes_on} ({self._reason})"

    async def passed(self) -> bool:
        """Wait until the target may be asked; False when that was given up."""
        await self._moved.wait()
        return not self.given_up

    def answered(self) -> None:
        """The target answered, be it with a refusal."""
        if self.open:
            self._since, self._pause = None, FIRST_PAUSE_S

    def shut(self, error: WatchpointError) -> None:
        """A question found the target away or busy."""
        if not self.open:
            return
        self._reason = str(error)
        now = asyncio.get_running_loop().time()
        if self._since is None:
            self._since, self._until = self._clock(), now + self._patience_s
            self.outages += 1
        elif now >= self._until:
            self.given_up = True
            return
        self._moved.clear()
        self._healing = asyncio.create_task(self._heal())

    async def close(self) -> None:
        """Stop asking after it."""
        if self._healing is not None and not self._healing.done():
            self._healing.cancel()
            await asyncio.wait([self._healing])

    async def _heal(self) -> None:
        """The pauses grow until a question is answered, also while the target only says that it is well."""
        while True:
            await asyncio.sleep(self._pause)
            self._pause = min(2 * self._pause, LONGEST_PAUSE_S)
            found = await self._health()
            if found.ready:
                break
            self._reason = found.reason
            if asyncio.get_running_loop().time() >= self._until:
                self.given_up = True
                break
        self._moved.set()
