"""Reads the bodies of requests within a bound, and only of kinds that no other site's form can send."""

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import Request

from monitor.errors import Overloaded, TooLarge, UnsupportedMedia


def kind_of(request: Request) -> str:
    """The Content-Type without its parameters."""
    return request.headers.get("content-type", "").split(";", 1)[0].strip().lower()


def check_json(request: Request) -> None:
    """Raises UnsupportedMedia for a body that is not called JSON: a form of another site cannot call its own so."""
    if kind_of(request) != "application/json":
        raise UnsupportedMedia("send Content-Type: application/json, which no other site's form can")


def announced(request: Request, limit: int, advice: str) -> int:
    """Bytes that a body says it has; a chunked one may turn out as large as the limit. Raises TooLarge."""
    text = request.headers.get("content-length", "")
    if not text.isdigit():
        return limit
    if int(text) > limit:
        raise TooLarge(f"the body is {text} bytes; allowed are {limit}; {advice}")
    return int(text)


async def read_body(request: Request, limit: int, advice: str) -> bytes:
    """The whole body. Raises TooLarge past the limit."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise TooLarge(f"the body is larger than {limit} bytes; {advice}")
        parts.append(part)
    return b"".join(parts)


class Reading:
    """Bytes of bodies that are in memory at once."""

    def __init__(self, limit: int) -> None:
        self._limit, self._now = limit, 0

    @contextmanager
    def hold(self, size: int) -> Iterator[None]:
        """So many bytes while the block lasts. Raises Overloaded."""
        if self._now + size > self._limit:
            raise Overloaded(f"{self._now} bytes of other requests are being read, at most {self._limit} may; retry", 1)
        self._now += size
        try:
            yield
        finally:
            self._now -= size
