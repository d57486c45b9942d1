"""The client's end of a request: its body within bounds, and whether it is still there."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from monitor.errors import TooLarge
from monitor.inference.refused import BadParameter
from monitor.inference.room import Hold

Result = TypeVar("Result")

UPLOAD_S = 60.0
"""A body that takes longer gives up its place in memory."""


def check_type(request: Request, allowed: tuple[str, ...]) -> None:
    """Refuse other media types: a form of another site can send some of those, but none of these."""
    given = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if given not in allowed:
        raise BadParameter(
            "",
            f"Content-Type is {given or 'missing'}: allowed is {' or '.join(allowed)}",
            "unsupported_media_type",
            415,
        )
    if coding := request.headers.get("content-encoding", ""):
        raise BadParameter("", f"Content-Encoding is {coding}: send the body as it is", "unsupported_media_type", 415)


async def read_body(request: Request, limit: int, hold: Hold) -> bytes:
    """The whole body. Raises TooLarge, Overloaded when there is no room for it, ClientDisconnect."""
    announced = request.headers.get("content-length", "")
    if announced.isdigit():
        _check_size(int(announced), limit)
        hold.take(int(announced))
    parts, size = [], 0
    try:
        async with asyncio.timeout(UPLOAD_S):
            async for part in request.stream():
                size += len(part)
                _check_size(size, limit)
                if size > hold.size:
                    hold.take(size - hold.size)
                parts.append(part)
    except TimeoutError:
        raise BadParameter(
            "", f"the body did not come within {UPLOAD_S:g} s: send it again", "upload_timeout", 408
        ) from None
    return b"".join(parts)


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise TooLarge(
            f"the body has {size} bytes or more; allowed are {limit}; send smaller or fewer images, "
            "or raise WATCHPOINT_MAX_BODY_BYTES"
        )


async def until_gone(receive: Receive, work: Coroutine[Any, Any, Result]) -> Result:
    """The result of `work`, which is cancelled when the client leaves: then ClientDisconnect is raised.

    The body must have been read: what comes next from `receive` can only be the end of the connection.
    """
    task, gone = asyncio.create_task(work), asyncio.create_task(_gone(receive))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return task.result()
    finally:
        gone.cancel()
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
            task.cancelled() or task.exception()  # whatever it says now, nobody is there to hear it


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class Streamed(Response):
    """A response that a coroutine sends, which is cancelled when the client leaves.

    It may raise a WatchpointError for as long as it has sent nothing.
    """

    def __init__(self, produce: Callable[[Send], Coroutine[Any, Any, None]]) -> None:
        self._produce = produce

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with contextlib.suppress(ClientDisconnect):
            await until_gone(receive, self._produce(send))
