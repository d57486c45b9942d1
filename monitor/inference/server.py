"""The `worker` process: chats, batches, embeddings, health and metrics over HTTP. It never touches the store."""

import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import FrameType
from typing import Any

import orjson
import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

import monitor
from monitor.config import Settings
from monitor.errors import WatchpointError
from monitor.inference import completions, embeddings, many
from monitor.inference.answers import error_body, error_headers, error_status, log_failure
from monitor.inference.refused import BadParameter
from monitor.inference.slot import Slot
from monitor.inference.worker import GRACE_S, Worker
from monitor.records import Fleet

log = structlog.get_logger(__name__)


def create_app(settings: Settings, fleet: Fleet) -> Starlette:
    """The ASGI application; its worker lives as `app.state.worker` from start to shutdown."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        worker = app.state.worker = Worker(settings, fleet)
        log.info("worker is ready", url=settings.worker, checkpoints=len(worker.pool.slots))
        yield
        await worker.close()
        log.info("worker stopped")

    hosts = ["localhost", "127.0.0.1", "[::1]", "testserver", settings.worker_host]
    return Starlette(
        routes=[
            Route("/v1/chat/completions", completions.answer, methods=["POST"]),
            Route("/v1/batch", many.answer, methods=["POST"]),
            Route("/v1/embeddings", embeddings.answer, methods=["POST"]),
            Route("/v1/models", _models, methods=["GET"]),
            Route("/v1/models/{id:path}", _model, methods=["GET"]),
            Route("/health", _health, methods=["GET"]),
            Route("/ready", _ready, methods=["GET"]),
            Route("/metrics", _metrics, methods=["GET"]),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=hosts)],
        exception_handlers={
            WatchpointError: _explain,
            HTTPException: _explain_http,
            ClientDisconnect: _nobody,
            Exception: _explain_bug,
        },
        lifespan=lifespan,
    )


def serve(settings: Settings, fleet: Fleet) -> None:
    """Run until SIGTERM or Ctrl-C; what runs then may finish for some seconds."""
    app = create_app(settings, fleet)
    config = uvicorn.Config(
        app,
        host=settings.worker_host,
        port=settings.worker_port,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=int(GRACE_S) + 4,
    )
    server = _Server(config, app)
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(1)
    if app.state.worker.pool.working:  # a load cannot be interrupted, and Python would wait for its end
        os._exit(0)


class _Server(uvicorn.Server):
    """Tells the worker of the end as soon as it is asked for; uvicorn does so only once all requests have ended."""

    def __init__(self, config: uvicorn.Config, app: Starlette) -> None:
        super().__init__(config)
        self._app = app

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        if worker := getattr(self._app.state, "worker", None):
            worker.drain_soon()


async def _models(request: Request) -> Response:
    """Every checkpoint that can be asked for, with its state."""
    worker: Worker = request.app.state.worker
    return _json({"object": "list", "data": [_described(worker, slot) for slot in worker.pool.slots.values()]})


async def _model(request: Request) -> Response:
    worker: Worker = request.app.state.worker
    return _json(_described(worker, worker.pool.slot(request.path_params["id"])))


async def _health(request: Request) -> Response:
    """The process lives, and the state of each checkpoint. Always 200: one that fails is no reason to restart."""
    worker: Worker = request.app.state.worker
    body = {
        "status": "stopping" if worker.draining else "ok",
        "version": monitor.version(),
        "device": worker.pool.device.kind if worker.pool.device else None,
        "checkpoints": {id_: _state(slot) for id_, slot in worker.pool.slots.items()},
    }
    return _json(body)


async def _ready(request: Request) -> Response:
    """Whether a request would be taken: 503 with the reason otherwise. `?model=ID` asks after one checkpoint."""
    worker: Worker = request.app.state.worker
    worker.check_open()
    if not worker.pool.slots:
        problem = "no checkpoint of the fleet file has weights"
    elif id_ := request.query_params.get("model"):
        slot = worker.pool.slot(id_)
        problem = slot.reason if slot.shown(time.perf_counter()) == "failed" else ""
    else:
        problem = ""
    return _json({"status": "unready", "problem": problem}, 503) if problem else _json({"status": "ready"})


async def _metrics(request: Request) -> Response:
    """Prometheus text format."""
    worker: Worker = request.app.state.worker
    return Response(await worker.in_thread(worker.metrics.text), media_type="text/plain; version=0.0.4; charset=utf-8")


def _described(worker: Worker, slot: Slot) -> dict[str, Any]:
    checkpoint = slot.checkpoint
    return {
        "id": checkpoint.id,
        "object": "model",
        "created": worker.started_at,
        "owned_by": checkpoint.model,
        "step": checkpoint.step,
        **_state(slot),
    }


def _state(slot: Slot) -> dict[str, Any]:
    return {
        "state": slot.shown(time.perf_counter()),
        "reason": slot.reason or None,
        "takes_images": slot.takes_images,
        "memory_bytes": slot.bytes,
        "requests": slot.users,
    }


async def _explain(_: Request, error: Exception) -> Response:
    assert isinstance(error, WatchpointError)
    status = error_status(error)
    log_failure(error)
    return _json(error_body(error), status, error_headers(error))


async def _explain_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    paths = ", ".join(route.path for route in request.app.routes)
    problem = f"{request.method} {request.url.path}: {error.detail}; there are {paths}"
    return _json(error_body(BadParameter("", problem, "unknown_path", error.status_code)), error.status_code)


async def _explain_bug(_: Request, error: Exception) -> Response:
    problem = WatchpointError(f"the worker broke on this request ({type(error).__name__}); its log says where")
    return _json(error_body(problem), 500)


async def _nobody(_: Request, error: Exception) -> Response:
    """The client has left: what is answered reaches nobody."""
    return Response(status_code=400)


def _json(value: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(orjson.dumps(value), status, headers, "application/json")
