"""Lines of a request body as they come, one after the other, so that a long body is never in memory as a whole."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive

AHEAD_BYTES = 64 * 1024
"""So much of a body is read before it is wanted: the end of a connection stands behind what it sent."""

LOOK_S = 1.0
MOST_BYTES = 16 * 1024 * 1024
"""While lines wait to be answered, a little more is read so often, up to so much, to see whether the client left."""


class ReadAhead:
    """A connection that is read a little ahead. `pump` runs beside whoever takes from `receive`."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._came: deque[Message] = deque()
        self._size = 0
        self._more, self._less = asyncio.Event(), asyncio.Event()

    async def pump(self) -> None:
        """Read until the client leaves: it ends with ClientDisconnect, if it is not cancelled before."""
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            self._came.append(message)
            self._size += len(message.get("body", b""))
            self._more.set()
            while self._size > AHEAD_BYTES:
                self._less.clear()
                try:
                    async with asyncio.timeout(LOOK_S):
                        await self._less.wait()
                except TimeoutError:
                    if self._size < MOST_BYTES:
                        break

    async def receive(self) -> Message:
        """The next message of the body."""
        while not self._came:
            self._more.clear()
            await self._more.wait()
        message = self._came.popleft()
        self._size -= len(message.get("body", b""))
        self._less.set()
        return message


async def read_lines(receive: Receive, longest: int) -> AsyncIterator[tuple[int, bytes | None]]:
    """Number, from 1, and content of each line that is not blank; None in place of one that is too long.

    Reads on only when the next line is asked for. Raises ClientDisconnect.
    """
    number, buffer, skipping, more = 0, bytearray(), False, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        more = message.get("more_body", False)
        start, searched = 0, len(buffer)
        buffer += message.get("body", b"") if more else message.get("body", b"") + b"\n"
        while (end := buffer.find(b"\n", searched)) >= 0:
            number += 1
            line = bytes(buffer[start:end])
            start = searched = end + 1
            if skipping or len(line) > longest:
                skipping = False
                yield number, None
            elif line.strip():
                yield number, line
        del buffer[:start]
        if len(buffer) > longest:  # its end has not come yet, and nobody wants its beginning
            skipping = True
            buffer.clear()
