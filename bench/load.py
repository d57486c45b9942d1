"""A light load generator: kept connections, prepared requests; of an answer only status and count are read.

It shares the cores with the server that it measures, so it does as little as it can for each request.
"""

import asyncio
import gzip
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count, cycle
from typing import cast

import uvloop

from bench.events import dated

_ACCEPTED = re.compile(rb'"accepted":(\d+)')
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


@dataclass(slots=True)
class Tally:
    """What became of the requests."""

    acked: int = 0
    requests: int = 0
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    broken: int = 0

    def quantile_ms(self, q: float) -> float:
        ordered = sorted(self.latencies)
        return 1000 * ordered[min(int(q * len(ordered)), len(ordered) - 1)] if ordered else float("nan")

    def count(self, status: int, accepted: int, seconds: float) -> None:
        self.requests += 1
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.acked += accepted
        self.latencies.append(seconds)


class Requests:
    """Prepared requests that are sent again and again; their times move on with the clock.

    `like_sdk`: gzip, and an Idempotency-Key of its own for each, as the SDK sends them.
    """

    def __init__(self, bodies: list[bytes], *, like_sdk: bool = False) -> None:
        self._bodies, self._like_sdk = bodies, like_sdk
        self._keys = count()
        self._run = os.urandom(8).hex()
        self.renew()

    def renew(self) -> None:
        """Move the times to the present."""
        prepared = [dated(body) for body in self._bodies]
        if self._like_sdk:
            prepared = [gzip.compress(body, 1) for body in prepared]
        self._next: Iterator[tuple[bytes, bytes]] = cycle([(self._head(body), body) for body in prepared])

    def next(self) -> bytes:
        """A whole request."""
        head, body = next(self._next)
        key = f"Idempotency-Key: {self._run}-{next(self._keys)}\r\n".encode() if self._like_sdk else b""
        return b"".join((head, key, b"\r\n", body))

    def _head(self, body: bytes) -> bytes:
        lines = ["POST /api/v1/predictions HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/x-ndjson"]
        lines += ["Content-Encoding: gzip"] if self._like_sdk else []
        return "\r\n".join([*lines, f"Content-Length: {len(body)}", ""]).encode()


class _Connection(asyncio.Protocol):
    """One request at a time; `done(self)` is called when it is free again, or lost."""

    def __init__(self, tally: Tally, done: "Callable[[_Connection], None]") -> None:
        self._tally, self._done = tally, done
        self._buffer = b""
        self._due = 0.0
        self._busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's does not inherit from it

    def send(self, request: bytes, due: float) -> None:
        self._due, self._busy = due, True
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        length = _LENGTH.search(self._buffer, 0, end)
        if length is None or len(self._buffer) < end + 4 + int(length[1]):
            return
        found = _ACCEPTED.search(self._buffer, end)
        self._tally.count(int(self._buffer[9:12]), int(found[1]) if found else 0, time.perf_counter() - self._due)
        self._buffer, self._busy = b"", False
        self._done(self)

    def connection_lost(self, error: Exception | None) -> None:
        if self._busy:
            self._tally.broken += 1
            self._done(self)


def closed_loop(port: int, requests: Requests, connections: int, seconds: float) -> Tally:
    """Every connection sends its next request when the last is answered, as fast as the server allows."""
    return uvloop.run(_closed_loop(port, requests, connections, seconds))


async def _closed_loop(port: int, requests: Requests, connections: int, seconds: float) -> Tally:
    tally, finished = Tally(), asyncio.Queue[_Connection]()
    began = time.perf_counter()

    def again(connection: _Connection) -> None:
        now = time.perf_counter()
        if now - began < seconds and not connection.transport.is_closing():
            connection.send(requests.next(), now)
        else:
            finished.put_nowait(connection)

    opened = [await _open(port, tally, again) for _ in range(connections)]
    renewing = asyncio.create_task(_renew(requests))
    began = time.perf_counter()
    for connection in opened:
        again(connection)
    return await _finish(tally, finished, opened, renewing, began)


def paced(port: int, requests: Requests, connections: int, per_s: float, seconds: float) -> Tally:
    """Requests at fixed times whatever the server does; latency counts from the time at which each was due."""
    return uvloop.run(_paced(port, requests, connections, per_s, seconds))


async def _paced(port: int, requests: Requests, connections: int, per_s: float, seconds: float) -> Tally:
    tally, free = Tally(), asyncio.Queue[_Connection]()
    opened = [await _open(port, tally, free.put_nowait) for _ in range(connections)]
    for connection in opened:
        free.put_nowait(connection)
    renewing = asyncio.create_task(_renew(requests))
    began = time.perf_counter()
    for i in range(int(per_s * seconds)):
        due = began + i / per_s
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        connection = await free.get()
        connection.send(requests.next(), due)
    return await _finish(tally, free, opened, renewing, began)


async def _finish(
    tally: Tally,
    finished: "asyncio.Queue[_Connection]",
    opened: list[_Connection],
    renewing: "asyncio.Task[None]",
    began: float,
) -> Tally:
    """Wait for the last answers, and close."""
    for _ in opened:
        await finished.get()
    tally.seconds = time.perf_counter() - began
    renewing.cancel()
    for connection in opened:
        connection.transport.close()
    return tally


async def _open(port: int, tally: Tally, done: Callable[[_Connection], None]) -> _Connection:
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(lambda: _Connection(tally, done), "127.0.0.1", port)
    return connection


async def _renew(requests: Requests) -> None:
    while True:
        await asyncio.sleep(5)
        requests.renew()
