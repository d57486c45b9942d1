"""Probes over HTTP: one question as a stream of lines, runs in the background, and their end."""

from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.types import Receive, Scope, Send

from monitor.api import docs
from monitor.api.receive import Reading, announced, check_json, read_body
from monitor.config import Settings
from monitor.probe.bodies import read_probe, read_run
from monitor.probe.limits import Limits
from monitor.probe.service import Probes, Stream

T = TypeVar("T")

NDJSON = "application/x-ndjson"
AT_ONCE = 4
"""So many of the largest bodies may be read at once."""

ADVICE = "send several batches; images do not go into the body, but to /api/v1/media"


class Lines(StreamingResponse):
    """The stream of a single probe, which is over when it has ended or its reader is gone."""

    def __init__(self, stream: Stream) -> None:
        super().__init__(aiter(stream), media_type=NDJSON, headers={"Cache-Control": "no-store"})
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._stream.close()


def add_probes(app: FastAPI, settings: Settings, limits: Limits, probes: Callable[[], Probes]) -> None:
    """The routes of probes; `probes` is there once the api has started."""
    reading = Reading(AT_ONCE * limits.run_body_bytes)

    async def read(request: Request, limit: int, decode: Callable[[bytes], T]) -> T:
        check_json(request)
        with reading.hold(announced(request, limit, ADVICE)):
            body = await read_body(request, limit, ADVICE)
            return await probes().tools.in_thread(lambda: decode(body))

    async def post_probe(request: Request) -> Lines:
        """Ask one to four targets the same question; the answers come as lines while they are written.

        Closing the connection cancels what still runs. Everything is logged with source `probe`.
        """
        return Lines(await probes().single(await read(request, limits.single_body_bytes, read_probe)))

    async def post_run(request: Request) -> JSONResponse:
        """Start a batch or a load probe in the background; the query `probe_run` tells how far it is."""
        body = await read(request, limits.run_body_bytes, lambda sent: read_run(sent, settings.probe_items))
        return JSONResponse({"run": await probes().start(body)}, 202)

    async def cancel_run(run: str, request: Request) -> dict[str, Any]:
        """End a run; the answers that it has are kept. Nothing happens to one that is over."""
        check_json(request)
        state = "cancelled" if probes().cancel(run) else await probes().state(run)
        return {"run": run, "state": state}

    for path, route, status, extra in (
        ("/api/v1/probes", post_probe, 200, docs.PROBE_BODY),
        ("/api/v1/probe-runs", post_run, 202, docs.RUN_BODY),
        ("/api/v1/probe-runs/{run}/cancel", cancel_run, 200, {}),
    ):
        app.add_api_route(
            path,
            route,
            methods=["POST"],
            status_code=status,
            response_model=None,
            openapi_extra=extra,
            responses=docs.PROBE_RESPONSES,
            tags=["probes"],
        )
