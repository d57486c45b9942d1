"""The `api` process: door, queries, health and metrics over HTTP. It owns the store; nothing else opens the file."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import orjson
import structlog
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware

import monitor
from monitor.api import docs
from monitor.api.benchmarks import add_uploads
from monitor.api.formats import FORMATS, choose, render
from monitor.api.maintenance import maintain
from monitor.api.media import add_media
from monitor.api.metrics import Metrics
from monitor.api.probes import add_probes
from monitor.api.receive import Reading, announced, read_body
from monitor.api.reports import add_reports
from monitor.api.results import add_results
from monitor.config import Settings
from monitor.errors import BadInput, Overloaded, WatchpointError
from monitor.probe.limits import LIMITS, Limits
from monitor.probe.service import Probes
from monitor.queries import QUERIES, Ask, Query, ask
from monitor.store.owner import StoreOwner

log = structlog.get_logger(__name__)

IN_THREAD_BYTES = 256 * 1024
"""A body of this size, or one that may expand to it, is worked on in a thread: small ones are not kept waiting."""

READY_LAG_S = 60.0

SMALLER = "send smaller batches, or raise WATCHPOINT_MAX_BODY_BYTES"

_encode = msgspec.json.Encoder().encode


def create_app(settings: Settings, owner: StoreOwner, limits: Limits = LIMITS) -> FastAPI:
    """The ASGI application; it starts and stops the owner with its lifespan."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(owner.start)
        app.state.probes = Probes(owner, settings, limits)
        app.state.metrics = Metrics(owner, app.state.probes)
        log.info("api is ready", url=settings.api, data=settings.data_dir, deployments=len(owner.fleet.deployments))
        yield
        await app.state.probes.stop()
        await run_in_threadpool(owner.stop)
        log.info("api stopped, spool drained")

    app = FastAPI(title="Watchpoint", version=monitor.version(), lifespan=lifespan, description=docs.DESCRIPTION)
    app.add_middleware(
        TrustedHostMiddleware, allowed_hosts=["localhost", "127.0.0.1", "[::1]", "testserver", settings.api_host]
    )
    app.add_exception_handler(WatchpointError, _explain)
    app.add_exception_handler(HTTPException, _explain_http)
    _add_door(app, settings, owner)
    for found in QUERIES.values():
        _add_query(app, owner, settings, found)
    add_media(app, settings, owner)
    add_probes(app, settings, limits, lambda: app.state.probes)
    add_results(app, settings, owner)
    add_uploads(app, settings, owner)
    add_reports(app, settings, owner)
    _add_operations(app, owner)
    return app


async def _explain(_: Request, error: Exception) -> Response:
    assert isinstance(error, WatchpointError)
    headers = {"Retry-After": str(error.retry_after_s)} if isinstance(error, Overloaded) else None
    return _json({"error": str(error)}, error.status, headers)


async def _explain_http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _json({"error": f"{error.detail}; the paths are listed under /docs"}, error.status_code)


def _json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(value, option=orjson.OPT_UTC_Z, default=str), status, headers, "application/json")


# -- the door


def _add_door(app: FastAPI, settings: Settings, owner: StoreOwner) -> None:
    reading = Reading(settings.max_pending_bytes)  # bodies in memory that are not yet in the spool's queue

    async def post_predictions(request: Request) -> Response:
        began, status = time.perf_counter(), 500
        try:
            with reading.hold(announced(request, settings.max_body_bytes, SMALLER)):
                response = await _accept(request, settings, owner, app.state.metrics)
            status = response.status_code
            return response
        except WatchpointError as error:
            status = error.status
            raise
        finally:
            app.state.metrics.requests.labels(status).inc()
            app.state.metrics.door_seconds.observe(time.perf_counter() - began)

    app.add_api_route(
        "/api/v1/predictions",
        post_predictions,
        methods=["POST"],
        openapi_extra=docs.door(),
        responses=docs.DOOR_RESPONSES,
        tags=["ingest"],
    )


async def _accept(request: Request, settings: Settings, owner: StoreOwner, metrics: Metrics) -> Response:
    body = await read_body(request, settings.max_body_bytes, SMALLER)
    key = request.headers.get("idempotency-key", "")
    if len(key) > 255:
        raise BadInput(f"Idempotency-Key has {len(key)} characters; allowed are 255")
    dedupe = _dedupe(request)

    def start() -> Any:
        headers = request.headers
        return owner.door.accept(
            body,
            headers.get("content-type", ""),
            owner.clock(),
            encoding=headers.get("content-encoding", "").strip().lower(),
            key=key,
            dedupe=dedupe,
        )

    slow = dedupe or len(body) > IN_THREAD_BYTES or "content-encoding" in request.headers
    future = await run_in_threadpool(start) if slow else start()
    answer = await asyncio.wrap_future(future)
    if not answer.replayed:
        for outcome in ("accepted", "rejected", "duplicates"):
            metrics.predictions.labels(outcome).inc(getattr(answer, outcome))
    headers = {"Idempotent-Replay": "true"} if answer.replayed else None
    return Response(_encode(answer), 200, headers, "application/json")


def _dedupe(request: Request) -> bool:
    asked = request.query_params.get("dedupe")
    if asked not in (None, "event_id"):
        raise BadInput(f"dedupe is {asked!r}: allowed is event_id, or leave it out")
    return asked is not None


# -- queries


def _add_query(app: FastAPI, owner: StoreOwner, settings: Settings, found: Query) -> None:
    async def get(request: Request) -> Response:
        params = _params(request, found)
        form = choose(request.headers.get("accept", ""), params.pop("format", ""))
        body, cut = await run_in_threadpool(_answer, owner, app.state.metrics, found, params, form, settings.max_rows)
        return Response(body, headers={"Truncated": "true"} if cut else None, media_type=FORMATS[form])

    app.add_api_route(
        f"/api/v1/queries/{found.name}",
        get,
        methods=["GET"],
        summary=found.summary,
        description=found.doc,
        openapi_extra=docs.query_parameters(found),
        responses=docs.QUERY_RESPONSES,
        tags=["queries"],
        name=found.name,
    )


def _params(request: Request, found: Query) -> dict[str, Any]:
    """Query string to parameters; a parameter that is a list may be repeated."""
    params: dict[str, Any] = {}
    for name, value in request.query_params.multi_items():
        field = found.params.model_fields.get(name)
        if field is not None and "list" in str(field.annotation):
            params.setdefault(name, []).append(value)
        elif name in params:
            raise BadInput(f"{found.name}: {name} is given twice and takes one value")
        else:
            params[name] = value
    return params


def _answer(
    owner: StoreOwner, metrics: Metrics, found: Query, params: dict[str, Any], form: str, limit: int
) -> tuple[bytes, bool]:
    """The rendered answer, and whether it was cut to the row limit."""
    with owner.cursor() as con, metrics.query_seconds.labels(found.name).time():
        table = ask(found.name, params, Ask(con, owner.fleet, owner.clock(), owner.figures))
    cut = table.num_rows > limit
    return render(table.slice(0, limit), form, found.name, params, truncated=cut), cut


# -- operations


def _add_operations(app: FastAPI, owner: StoreOwner) -> None:
    def get(path: str) -> Callable[[Callable[[], Awaitable[Response]]], object]:
        return app.get(path, tags=["operations"])

    @get("/api/v1/queries")
    async def list_queries() -> Response:
        """Every query with its parameters."""
        return _json({"queries": [docs.describe(found) for found in QUERIES.values()]})

    @get("/healthz")
    async def healthz() -> Response:
        """The process lives."""
        return _json({"status": "ok"})

    @get("/readyz")
    async def readyz() -> Response:
        """The store can be written and the loader keeps up; 503 with the reason otherwise."""
        lag = owner.loader_lag_s()
        problem = owner.problem or (f"the loader is {lag:.0f} s behind" if lag > READY_LAG_S else None)
        return _json({"status": "unready", "problem": problem}, 503) if problem else _json({"status": "ready"})

    @get("/metrics")
    async def metrics() -> Response:
        """Prometheus text format."""
        return Response(app.state.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.post("/api/v1/maintenance/{job}", tags=["operations"])
    async def do_maintenance(job: str, request: Request) -> Response:
        """Run `retention`, or take a `backup` into {"target": "an absolute path to a new folder"}."""
        if request.headers.get("content-type", "").split(";")[0] != "application/json":
            raise BadInput("send Content-Type: application/json, which no other site's form can")
        return _json(await run_in_threadpool(maintain, owner, job, await request.body()))
