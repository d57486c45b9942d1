"""Calls any OpenAI-compatible server: vLLM, SGLang, TGI, llama.cpp, transformers serve, Ray Serve, LiteLLM."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any

import httpx

from monitor.chat import Generation, Message, Piece, Reply
from monitor.errors import TargetTimeout
from monitor.runtimes.answer import Answer
from monitor.runtimes.calls import Calls, clock, key_of
from monitor.runtimes.failures import Failure, Place, broken, failure_in, read_failure
from monitor.runtimes.request import Request, request_for
from monitor.runtimes.sse import MAX_BYTES, Event, events
from monitor.runtimes.targets import Target

CHAT = "/chat/completions"

DRAIN_S = 0.5
"""A stream that has said [DONE] may end within this, so that its connection can be used again."""


def place_of(target: Target) -> Place:
    """The server of a target. Raises TargetRefused where its key is not there."""
    url = httpx.URL(target.url or "")
    base = url.copy_with(path=url.path.rstrip("/").removesuffix(CHAT))
    return Place(target.id, base, key_of(target.id, target.key_env), target.model)


async def stream(
    target: Target, messages: Sequence[Message], settings: Generation, calls: Calls
) -> AsyncGenerator[Piece | Reply, None]:
    """Pieces as they come, then one Reply; raises the kinds of TargetError."""
    async with aclosing(chat(place_of(target), messages, settings, calls)) as answer:
        async for piece in answer:
            yield piece


async def chat(
    place: Place, messages: Sequence[Message], settings: Generation, calls: Calls, **more: Any
) -> AsyncGenerator[Piece | Reply, None]:
    """The same for a place; `more` are fields of the request that only this server knows."""
    deadline = clock() + settings.deadline_s
    answer = Answer()
    request = request_for(place, messages, settings).with_fields(more).known(place, calls)
    async with aclosing(_attempts(place, request, calls, answer)) as pieces:
        while True:
            # Never around a yield: a deadline that passes while the caller works must not cancel the caller.
            try:
                async with asyncio.timeout_at(deadline):
                    piece = await anext(pieces, None)
            except TimeoutError:
                said = f"{place.name} ({place.shown}) has not finished within {settings.deadline_s:g} s"
                raise TargetTimeout(f"{said}; the deadline passed {answer.progress}") from None
            except httpx.HTTPError as error:
                raise broken(place, error, answer.progress) from error
            if piece is None:
                break
            yield piece
    yield answer.reply(f"{place.name} ({place.shown})", asked_logprobs=settings.top_logprobs is not None)


async def _attempts(place: Place, request: Request, calls: Calls, answer: Answer) -> AsyncGenerator[Piece, None]:
    """Asks, and asks again without what the server refuses as unknown."""
    while True:
        answer.notes = request.notes
        body = await request.encoded()
        failed: Failure | None = None
        try:
            async with aclosing(_attempt(place, body, calls, answer)) as pieces:
                async for piece in pieces:
                    yield piece
        except Failure as failure:
            failed = failure
        if failed is None:
            return
        less = None if answer.begun else request.without(failed, place, calls)
        if less is None:  # raised out here, so that words which may hold the key do not hang on the error
            raise failed.error(place, answer.progress if answer.begun else "")
        request = less


async def _attempt(place: Place, body: bytes, calls: Calls, answer: Answer) -> AsyncGenerator[Piece, None]:
    async with _posted(place, body, calls, answer) as response:
        if not response.is_success:
            raise await read_failure(response)
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        read = _at_once if kind == "application/json" else _streamed
        if kind == "text/html":
            raise Failure("a page of HTML instead of a completion; is url the address of its API?", None)
        async with aclosing(read(response, answer)) as pieces:
            async for piece in pieces:
                yield piece


@asynccontextmanager
async def _posted(place: Place, body: bytes, calls: Calls, answer: Answer) -> AsyncIterator[httpx.Response]:
    """The response to a POST. A kept connection that the server has just closed is no failure: it is sent again."""
    headers = place.headers | {"Content-Type": "application/json", "Accept": "text/event-stream, application/json"}
    response, opened = None, False

    async def trace(event: str, _: object) -> None:
        nonlocal opened
        opened = opened or event == "connection.connect_tcp.started"

    request = calls.http.build_request("POST", place.at(CHAT), content=body, headers=headers)
    request.extensions["trace"] = trace
    while response is None:
        answer.sent()
        try:
            response = await calls.http.send(request, stream=True)
        except (httpx.NetworkError, httpx.RemoteProtocolError):
            if opened:
                raise
    try:
        yield response
    finally:
        await response.aclose()


async def _at_once(response: httpx.Response, answer: Answer) -> AsyncGenerator[Piece, None]:
    """A server that answers at once though it was asked for a stream."""
    answer.streamed = False
    parts, total = list[bytes](), 0
    async for part in response.aiter_bytes():
        parts.append(part)
        total += len(part)
        if total > MAX_BYTES:
            raise Failure(f"more than {MAX_BYTES} bytes")
    piece = answer.add(_chunk(Event(b"".join(parts).decode("utf-8", "replace"))))
    if piece:
        yield piece


async def _streamed(response: httpx.Response, answer: Answer) -> AsyncGenerator[Piece, None]:
    answer.streamed = True
    done = False
    async with aclosing(events(response.aiter_bytes())) as found:
        async for event in found:
            if event.data.strip() == "[DONE]":
                done = True
                break
            piece = answer.add(_chunk(event))
            if piece:
                yield piece
        if done:
            with suppress(TimeoutError):
                async with asyncio.timeout(DRAIN_S):
                    async for _ in found:
                        pass
    if not done and answer.finish_reason is None:
        raise httpx.RemoteProtocolError("the stream ended without a finish_reason and without [DONE]")


def _chunk(event: Event) -> dict[str, Any]:
    try:
        return _read(event.data, event.name)
    except json.JSONDecodeError:
        if not event.ended:
            raise httpx.RemoteProtocolError("the stream ended within a chunk") from None
        # transformers serve writes {"error": "..."} without escaping what stands inside.
        raise Failure(event.data.removeprefix('{"error": "').removesuffix('"}')) from None


def _read(text: str, name: str = "") -> dict[str, Any]:
    """One chunk. Raises Failure where it tells of one, JSONDecodeError where it is no JSON."""
    chunk = json.loads(text)
    failure = failure_in(chunk)
    if failure is None and name == "error":
        failure = Failure(text)
    if failure:
        raise failure
    return dict(chunk)
