"""What jobs write besides predictions, over HTTP: `POST /api/v1/results/VERB`."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool

from monitor.api import docs
from monitor.api.receive import check_json, read_body
from monitor.config import Settings
from monitor.store.owner import StoreOwner
from monitor.store.results import VERBS, Verb, write


def add_results(app: FastAPI, settings: Settings, owner: StoreOwner) -> None:
    """One route for each verb."""
    for verb in VERBS.values():
        _add(app, settings, owner, verb)


def _add(app: FastAPI, settings: Settings, owner: StoreOwner, verb: Verb) -> None:
    async def post(request: Request) -> dict[str, Any]:
        check_json(request)
        body = await read_body(request, settings.max_body_bytes, "send fewer results at once")
        return await run_in_threadpool(write, owner, verb.name, body)

    app.add_api_route(
        f"/api/v1/results/{verb.name}",
        post,
        methods=["POST"],
        response_model=None,
        summary=(verb.write.__doc__ or "").split("\n", 1)[0],
        description=verb.body.__doc__,
        openapi_extra=docs.result_body(verb.body),
        responses=docs.RESULT_RESPONSES,
        tags=["results"],
        name=verb.name,
    )
