"""Memory for request bodies, as a budget: a body takes its bytes before it is read, and gives them back afterwards."""

import asyncio
from collections import deque

from monitor.errors import Overloaded


class Room:
    """Lives on the event loop."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.taken = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    def hold(self) -> "Hold":
        return Hold(self)

    def take(self, size: int) -> None:
        """Raises Overloaded when it is full."""
        if self.taken + size > self.limit:
            raise Overloaded(
                f"{self.taken} bytes of other requests are in memory, and {size} more would pass the {self.limit} that "
                "may be; ask again",
                1,
            )
        self.taken += size

    async def wait(self, size: int) -> None:
        """Take it when it is free; first come, first served. More than the limit never fits."""
        if not self._waiting and self.taken + size <= self.limit:
            self.taken += size
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it was given in the same moment
                self.give(size)
            raise

    def give(self, size: int) -> None:
        self.taken -= size
        while self._waiting and (self._waiting[0][1].done() or self.taken + self._waiting[0][0] <= self.limit):
            wanted, turn = self._waiting.popleft()
            if not turn.done():
                self.taken += wanted
                turn.set_result(None)


class Hold:
    """What one request holds of it."""

    def __init__(self, room: Room) -> None:
        self._room, self.size = room, 0

    def take(self, size: int) -> None:
        self._room.take(size)
        self.size += size

    async def wait(self, size: int) -> None:
        await self._room.wait(size)
        self.size += size

    def release(self) -> None:
        """Give everything back; a second time does nothing."""
        size, self.size = self.size, 0
        self._room.give(size)
