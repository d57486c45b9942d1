"""POST /v1/batch: many requests as lines of JSON, answered in order of completion, with their progress in between.

Lines are read as the engine has room for them, so neither side needs to hold the whole batch. A client that sends
everything before it reads anything (most do) is safe: answers are small, and wait in memory for it up to OUT_BYTES.
"""

import asyncio
import time
from collections import deque
from typing import Any

import msgspec
import orjson
import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from monitor.errors import BadInput, Overloaded, TargetBusy, TooLarge, WatchpointError
from monitor.inference.answering import STOPPING
from monitor.inference.answers import Frame, completion, error_body
from monitor.inference.connection import check_type
from monitor.inference.lines import ReadAhead, read_lines
from monitor.inference.refused import BadParameter
from monitor.inference.wire import Asked, parse_request
from monitor.inference.worker import SMALL, Intake, Worker

log = structlog.get_logger(__name__)

NDJSON = ("application/x-ndjson", "application/jsonl")

LINE = 'a line is {"id": a text or a number, "body": {"model": ..., "messages": ...}}'

PROGRESS_S = 1.0

LOAD_S = 600.0
"""So long a line waits for its checkpoint before its own deadline begins."""

OUT_BYTES = 64 * 1024 * 1024
UNREAD_S = 60.0
"""A client that reads nothing while so many bytes of answers wait is taken for gone."""


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    id: str | int
    body: msgspec.Raw


async def answer(request: Request) -> Response:
    """Answer all lines of the body; `?total=N` says how many there are, so that the time left is known early."""
    worker: Worker = request.app.state.worker
    worker.check_open()
    check_type(request, NDJSON)
    return _Batch(worker, _total(request))


def _total(request: Request) -> int | None:
    for name in request.query_params:
        if name != "total":
            raise BadParameter(name, "is not a parameter of a batch; allowed is total", "unknown_parameter")
    given = request.query_params.get("total")
    if given is not None and not (given.isascii() and given.isdigit()):
        raise BadParameter("total", f"is {given[:20]!r}: must be the number of lines")
    return None if given is None else int(given)


class _Batch(Response):
    """One batch: a task that reads, a task for each line in work, and this one, which writes."""

    def __init__(self, worker: Worker, total: int | None) -> None:
        self._worker, self._total = worker, total
        self._read = self._done = self._failed = 0
        self._all_read = False
        self._out: deque[bytes] = deque()
        self._out_bytes = 0
        self._changed, self._space = asyncio.Event(), asyncio.Event()
        self._running = 0  # lines in work
        self._began = time.perf_counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.TaskGroup() as self._group:
                ahead = ReadAhead(receive)
                reading = [self._group.create_task(work) for work in (ahead.pump(), self._feed(ahead.receive))]
                await self._write(send)
                for task in reading:
                    task.cancel()
        except* (ClientDisconnect, TimeoutError):
            log.info("the client of a batch left", done=self._done, failed=self._failed, read=self._read)
        else:
            log.info("batch ended", done=self._done, failed=self._failed, seconds=round(self._seconds(), 2))

    # -- reading

    async def _feed(self, receive: Receive) -> None:
        """Take lines as there is room for them."""
        slots = asyncio.Semaphore(self._worker.in_flight())
        async for number, line in read_lines(receive, self._worker.settings.max_body_bytes):
            await slots.acquire()
            if self._worker.draining:
                return
            self._read += 1
            self._running += 1
            self._group.create_task(self._item(number, line, slots))
        self._all_read, self._total = True, self._read
        self._changed.set()

    async def _item(self, number: int, line: bytes | None, slots: asyncio.Semaphore) -> None:
        """One line from its bytes to its answer, which takes its place until the answer is handed over."""
        said = await self._said(number, line)
        self._done += 1
        self._failed += "error" in said
        await self._put(orjson.dumps(said) + b"\n")
        self._running -= 1
        slots.release()

    async def _said(self, number: int, line: bytes | None) -> dict[str, Any]:
        id_: str | int | None = None
        hold = self._worker.room.hold()
        try:
            if line is None:
                most = self._worker.settings.max_body_bytes
                raise TooLarge(f"line {number} is longer than {most} bytes (WATCHPOINT_MAX_BODY_BYTES): {LINE}")
            await hold.wait(len(line))
            id_, asked = await self._parse(number, line)
            if isinstance(asked, BadInput):
                raise asked
            return {"id": id_, "response": await self._ask(asked)}
        except WatchpointError as error:
            problem = error
        except Exception as error:
            log.exception("a line of a batch broke", line=number)
            problem = WatchpointError(f"the worker broke on this line ({type(error).__name__}); its log says where")
        finally:
            hold.release()
        return {"id": id_, "line": number, **error_body(problem)}

    async def _parse(self, number: int, line: bytes) -> tuple[str | int, Asked | BadInput]:
        most = self._worker.settings.max_image_bytes
        if len(line) <= SMALL:
            return _parsed(number, line, most)
        return await self._worker.in_thread(_parsed, number, line, most)

    async def _ask(self, asked: Asked) -> dict[str, Any]:
        """The answer, for which a batch waits while others fill the queue, until the deadline of the line."""
        async with self._worker.pool.lease(asked.model, time.perf_counter() + LOAD_S):
            began = time.perf_counter()
        while True:
            intake = Intake(asked, self._worker.room.hold(), began)
            try:
                async with self._worker.begin(intake, pieces=False) as answering:
                    outcome = await answering.outcome()
                logprobs = asked.settings.top_logprobs is not None
                return completion(Frame(asked.model), outcome, answering.before, logprobs=logprobs)
            except Overloaded as error:
                if time.perf_counter() + error.retry_after_s > intake.deadline:
                    raise
                await asyncio.sleep(min(1.0, error.retry_after_s))

    # -- writing

    async def _put(self, line: bytes) -> None:
        """Hand a line to the writer; waits while the client is far behind. TimeoutError: it reads nothing."""
        while self._out_bytes > OUT_BYTES:
            self._space.clear()
            async with asyncio.timeout(UNREAD_S):
                await self._space.wait()
        self._out.append(line)
        self._out_bytes += len(line)
        self._changed.set()

    async def _write(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", NDJSON[0].encode())]})
        due = self._began + PROGRESS_S
        over = False
        while not over:
            await self._wait(due)
            over = (self._all_read or self._worker.draining) and not self._running
            body = self._taken()
            if over or time.perf_counter() >= due:
                body += self._progress()
                due = time.perf_counter() + PROGRESS_S
            if over and not self._all_read:
                problem = TargetBusy(f"{STOPPING}; the lines after number {self._read} were not answered")
                body += orjson.dumps({"id": None, **error_body(problem)}) + b"\n"
            if body:
                await send({"type": "http.response.body", "body": body, "more_body": not over})

    def _taken(self) -> bytes:
        body = b"".join(self._out)
        self._out.clear()
        self._out_bytes = 0
        self._space.set()
        return body

    async def _wait(self, due: float) -> None:
        try:
            async with asyncio.timeout(max(0.0, due - time.perf_counter())):
                await self._changed.wait()
        except TimeoutError:
            return
        self._changed.clear()

    def _progress(self) -> bytes:
        per_s = self._done / max(0.001, self._seconds())
        left = None if self._total is None else max(0, self._total - self._done)
        progress = {
            "done": self._done,
            "failed": self._failed,
            "total": self._total,
            "per_s": round(per_s, 3),
            "eta_s": None if left is None or not per_s else round(left / per_s, 1),
        }
        return orjson.dumps({"progress": progress}) + b"\n"

    def _seconds(self) -> float:
        return time.perf_counter() - self._began


def _parsed(number: int, line: bytes, max_image_bytes: int) -> tuple[str | int, Asked | BadInput]:
    """The id of a line and what it asks; or, where the id is known, what is wrong with the rest. Raises BadInput."""
    try:
        found = msgspec.json.decode(line, type=_Line)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise BadParameter("", f"line {number}: {error}; {LINE}", "invalid_line") from None
    try:
        asked = parse_request(bytes(found.body), max_image_bytes)
        if asked.stream:
            raise BadParameter("stream", "has no meaning in a batch: leave it out")
    except BadInput as error:
        return found.id, error
    return found.id, asked
