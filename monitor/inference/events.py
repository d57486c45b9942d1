"""What an engine says about one request, carried from its thread to the event loop."""

import asyncio
from collections import deque

from monitor.chat import Piece
from monitor.errors import WatchpointError
from monitor.inference.outcome import Outcome


class Events:
    """Pieces, if they are wanted, and then one outcome or error. `listen` is for the engine, the rest for the loop."""

    def __init__(self, *, pieces: bool) -> None:
        self._loop = asyncio.get_running_loop()
        self._pieces = pieces
        self._came: deque[Piece | Outcome | WatchpointError] = deque()
        self._more = asyncio.Event()
        self._closed = False
        self.ended = False

    def listen(self, event: Piece | Outcome | WatchpointError) -> None:
        """Called from the engine's thread; never blocks. Each wake of the loop costs a system call, so pieces that
        nobody wants are dropped here."""
        if self._closed or (isinstance(event, Piece) and not self._pieces):
            return
        self._came.append(event)
        try:
            self._loop.call_soon_threadsafe(self._more.set)
        except RuntimeError:  # the loop is closed: the process is ending
            self._closed = True

    def close(self) -> None:
        """Nobody listens any more."""
        self._closed = True

    async def next(self) -> Piece | Outcome:
        """The next one; raises the error that ended the request."""
        while not self._came:
            self._more.clear()
            await self._more.wait()
        event = self._came.popleft()
        if isinstance(event, Piece):
            return event
        self.ended = True
        if isinstance(event, WatchpointError):
            raise event
        return event

    async def outcome(self) -> Outcome:
        """The outcome, past any pieces."""
        while isinstance(event := await self.next(), Piece):
            pass
        return event
