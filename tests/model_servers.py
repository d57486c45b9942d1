"""Servers for the tests of the runtimes: real HTTP on loopback, with the answers and quirks of servers of models."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from tests.conftest import answers, free_port, wait_until

Answer = Callable[[dict[str, Any]], Response | Awaitable[Response]]
"""From the JSON body of a request to its response."""


@dataclass
class Server:
    """A running server and the requests that it has got."""

    url: str
    answer: Answer | None = None  # to each POST from now on
    asked: list[dict[str, Any]] = field(default_factory=list)  # bodies of POST
    paths: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    left: threading.Event = field(default_factory=threading.Event)  # a client went away in the middle

    def answers(self, answer: Answer) -> None:
        """Answer like this from now on, and forget what was asked before."""
        self.answer = answer
        for record in (self.asked, self.paths, self.headers):
            record.clear()
        self.left.clear()


@contextmanager
def serving(
    answer: Answer | None = None, pages: Mapping[str, Response] | None = None, *, closes: bool = False
) -> Iterator[Server]:
    """A server on loopback: POST goes to `answer`, GET to the page of its path, else 404.

    With `closes` it closes each connection behind an answer, without having said so.
    """
    port = free_port()
    server = Server(f"http://127.0.0.1:{port}", answer)

    async def post(request: Request) -> Response:
        note(request)
        body = await request.json()
        server.asked.append(body)
        assert server.answer is not None
        found = server.answer(body)
        response = found if isinstance(found, Response) else await found
        if isinstance(response, StreamingResponse):
            response.body_iterator = watched(response.body_iterator)
        return response

    async def watched(parts: Any) -> AsyncIterator[Any]:
        try:
            async for part in parts:
                yield part
        except asyncio.CancelledError:
            server.left.set()
            raise

    async def get(request: Request) -> Response:
        if request.url.path == "/up":
            return Response("up")
        note(request)
        return (pages or {}).get(
            request.url.path, Response('{"detail":"Not Found"}', 404, media_type="application/json")
        )

    def note(request: Request) -> None:
        server.paths.append(request.url.path)
        server.headers.append(dict(request.headers))

    app = Starlette(routes=[Route("/{path:path}", post, methods=["POST"]), Route("/{path:path}", get)])
    quiet: dict[str, Any] = {"log_level": "critical", "lifespan": "off", "ws": "none"}
    keep: dict[str, Any] = {"timeout_keep_alive": 0} if closes else {}
    runner = uvicorn.Server(uvicorn.Config(app, port=port, timeout_graceful_shutdown=1, **quiet, **keep))
    thread = threading.Thread(target=runner.run)
    thread.start()
    try:
        wait_until(lambda: answers(f"{server.url}/up"))
        yield server
    finally:
        runner.should_exit = runner.force_exit = True
        thread.join(10)


def chunk(text: str | None = None, finish_reason: str | None = None, **more: Any) -> dict[str, Any]:
    """A chunk as vLLM writes it; `more` goes beside `delta`."""
    delta = {} if text is None else {"content": text}
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason} | more
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


def usage(prompt: int, completion: int) -> dict[str, Any]:
    """The last chunk, which has no choices."""
    counts = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    return chunk() | {"choices": [], "usage": counts}


def sse(*chunks: Any, done: bool = True, pause_s: float = 0.0, breaks: bool = False) -> Response:
    """A stream of chunks (dicts, or raw lines); `breaks` ends the connection in the middle of the body."""

    async def body() -> AsyncIterator[str]:
        for one in chunks:
            yield one if isinstance(one, str) else f"data: {json.dumps(one)}\n\n"
            await asyncio.sleep(pause_s)
        if breaks:
            raise ConnectionError("the server dies")
        if done:
            yield "data: [DONE]\n\n"

    return StreamingResponse(body(), media_type="text/event-stream")


def says(body: Any, status: int = 200, **headers: str) -> Response:
    """JSON, or plain text for a str."""
    if isinstance(body, str):
        return Response(body, status, headers, "text/plain")
    return Response(json.dumps(body), status, headers, "application/json")
