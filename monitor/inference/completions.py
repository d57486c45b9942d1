"""POST /v1/chat/completions: one answer, whole or as it comes."""

import asyncio
import functools
import time

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Send

from monitor.chat import Piece
from monitor.errors import WatchpointError
from monitor.inference.answering import Answering
from monitor.inference.answers import (
    Frame,
    completion,
    error_body,
    first_chunk,
    last_chunk,
    log_failure,
    outcome_word,
    piece_chunk,
    usage_chunk,
)
from monitor.inference.connection import Streamed, check_type, read_body, until_gone
from monitor.inference.outcome import Outcome
from monitor.inference.room import Hold
from monitor.inference.wire import Asked, parse_request
from monitor.inference.worker import SMALL, Intake, Worker

JSON = ("application/json",)

UNREAD_S = 30.0
"""A client that does not read its stream for so long after the deadline is taken for gone."""

STREAM = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]


async def answer(request: Request) -> Response:
    """Answer a chat. Mistakes in it are raised as BadInput before anything is computed."""
    worker: Worker = request.app.state.worker
    intake = await _take(worker, request)
    if intake.asked.stream:
        return Streamed(functools.partial(_stream, worker, intake))
    body = await until_gone(request.receive, _whole(worker, intake))
    return Response(body, media_type="application/json")


async def parse(worker: Worker, body: bytes) -> Asked:
    """The request in a body; a large one, which may hold images, is read in a thread."""
    most = worker.settings.max_image_bytes
    if len(body) <= SMALL:
        return parse_request(body, most)
    return await worker.in_thread(parse_request, body, most)


async def _take(worker: Worker, request: Request) -> Intake:
    hold = worker.room.hold()
    try:
        worker.check_open()
        check_type(request, JSON)
        body = await read_body(request, worker.settings.max_body_bytes, hold)
        return await intake_of(worker, body, hold)
    except WatchpointError as error:
        hold.release()
        worker.metrics.ended("", outcome_word(error))
        raise
    except BaseException:
        hold.release()
        raise


async def intake_of(worker: Worker, body: bytes, hold: Hold) -> Intake:
    """A body that has just come, as a request to be answered."""
    arrived = time.perf_counter()
    asked = await parse(worker, body)
    return Intake(asked, hold, arrived, (time.perf_counter() - arrived) * 1000)


async def _whole(worker: Worker, intake: Intake) -> bytes:
    frame, logprobs = Frame(intake.asked.model), intake.asked.settings.top_logprobs is not None
    async with worker.begin(intake, pieces=False) as answering:
        outcome = await answering.outcome()
    return orjson.dumps(completion(frame, outcome, answering.before, logprobs=logprobs))


async def _stream(worker: Worker, intake: Intake, send: Send) -> None:
    """Server-sent events. Nothing is sent before the first token, so that what fails until then has its own status."""
    try:
        async with (
            asyncio.timeout(intake.asked.settings.deadline_s + UNREAD_S),
            worker.begin(intake, pieces=True) as answering,
        ):
            event = await answering.next()
            await send({"type": "http.response.start", "status": 200, "headers": STREAM})
            await _send_events(intake.asked, answering, event, send)
    except TimeoutError:
        raise ClientDisconnect from None
    await send({"type": "http.response.body", "body": b""})


async def _send_events(asked: Asked, answering: Answering, event: Piece | Outcome, send: Send) -> None:
    frame, logprobs = Frame(asked.model), asked.settings.top_logprobs is not None
    ready = _event(first_chunk(frame))
    try:
        while isinstance(event, Piece):
            await _send(send, ready + _event(piece_chunk(frame, event, logprobs=logprobs)))
            ready = b""
            event = await answering.next()
    except WatchpointError as error:
        log_failure(error)
        await _send(send, ready + _event(error_body(error)))
        return
    ready += _event(last_chunk(frame, event, answering.before))
    if asked.include_usage:
        ready += _event(usage_chunk(frame, event))
    await _send(send, ready + b"data: [DONE]\n\n")


def _event(value: object) -> bytes:
    return b"data: " + orjson.dumps(value) + b"\n\n"


async def _send(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})
