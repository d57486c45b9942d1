"""The `api` process: door, queries, health and metrics over HTTP. It owns the store; nothing else opens the file."""

import asyncio
import ipaddress
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
from monitor.api.formats import FORMATS, choose, render
from monitor.api.maintenance import maintain
from monitor.api.metrics import Metrics
from monitor.config import Settings
from monitor.errors import BadInput, ConfigError, Overloaded, TooLarge, WatchpointError
from monitor.queries import QUERIES, Ask, Query, ask
from monitor.store.owner import StoreOwner

log = structlog.get_logger(__name__)

IN_THREAD_BYTES = 256 * 1024
"""A body of this size, or one that may expand to it, is worked on in a thread: small ones are not kept waiting."""

READY_LAG_S = 60.0

_encode = msgspec.json.Encoder().encode


def check_listen(host: str) -> None:
    """Refuse an address beyond loopback: there is no authentication yet that would protect it."""
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise ConfigError(
            f"refusing to listen on {host!r}: without authentication only loopback (127.0.0.1, ::1, localhost) is "
            "allowed; "
            "put an authenticating proxy on this machine in front of it"
        )


def create_app(settings: Settings, owner: StoreOwner) -> FastAPI:
    """The ASGI application; it starts and stops the owner with its lifespan."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(owner.start)
        app.state.metrics = Metrics(owner)
        log.info("api is ready", url=settings.api, data=settings.data_dir, deployments=len(owner.fleet.deployments))
        yield
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
    reading = 0  # bytes of bodies in memory that are not yet in the spool's queue

    async def post_predictions(request: Request) -> Response:
        nonlocal reading
        began, status = time.perf_counter(), 500
        announced = _announced(request, settings.max_body_bytes)
        if reading + announced > settings.max_pending_bytes:
            app.state.metrics.requests.labels(429).inc()
            raise Overloaded(
                f"{reading} bytes of other requests are being read, at most {settings.max_pending_bytes} may; retry",
                1,
            )
        reading += announced
        try:
            response = await _accept(request, settings, owner, app.state.metrics)
            status = response.status_code
            return response
        except WatchpointError as error:
            status = error.status
            raise
        finally:
            reading -= announced
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


def _announced(request: Request, limit: int) -> int:
    """Bytes that a body says it has; a chunked one may turn out as large as the limit."""
    text = request.headers.get("content-length", "")
    if not text.isdigit():
        return limit
    if int(text) > limit:
        raise TooLarge(
            f"the body is {text} bytes; allowed are {limit}; send smaller batches, or raise WATCHPOINT_MAX_BODY_BYTES"
        )
    return int(text)


async def _accept(request: Request, settings: Settings, owner: StoreOwner, metrics: Metrics) -> Response:
    body = await _read(request, settings.max_body_bytes)
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


async def _read(request: Request, limit: int) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise TooLarge(
                f"the body is larger than {limit} bytes; send smaller batches, or raise WATCHPOINT_MAX_BODY_BYTES"
            )
        parts.append(part)
    return b"".join(parts)


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
