"""Results of benchmarks that somebody uploads: `POST /api/v1/benchmarks`, a zip or one file."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import msgspec
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool

from monitor.api import docs
from monitor.api.receive import Reading, announced, kind_of, read_body
from monitor.config import Settings
from monitor.errors import BadInput, Overloaded, UnsupportedMedia
from monitor.harnesses.naming import MAX_STEP, Names
from monitor.harnesses.run import import_tree
from monitor.harnesses.tree import tree_of_bytes
from monitor.ids import run_id
from monitor.store.owner import StoreOwner
from monitor.store.results import write

LARGE = "import a folder with `python -m monitor import-benchmarks`, or raise WATCHPOINT_MAX_BODY_BYTES"
RETRY_AFTER_S = 5
PARAMETERS = {
    "name": "name of the file, such as results.zip",
    "checkpoint": "the checkpoint that all of it is of; else told by the names in the file",
    "model": "its family",
    "step": "its training step",
    "harness": "which importer; else told by the content",
}


class OneAtATime:
    """Uploads are unpacked and read one by one, as each may take hundreds of megabytes and a processor."""

    def __init__(self) -> None:
        self._busy = False

    def check(self) -> None:
        """Raises Overloaded while another one is read."""
        if self._busy:
            raise Overloaded("another upload is being read, one at a time is; retry", RETRY_AFTER_S)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """The only place. Raises Overloaded."""
        self.check()
        self._busy = True
        try:
            yield
        finally:
            self._busy = False


def add_uploads(app: FastAPI, settings: Settings, owner: StoreOwner) -> None:
    """The route of uploads."""
    reading = Reading(2 * settings.max_body_bytes)  # a file is unpacked in memory beside its body
    turn = OneAtATime()

    async def post(request: Request) -> dict[str, Any]:
        """Import what the file holds; answers a line for each evaluation that was kept, known already or refused."""
        if kind_of(request) != "application/octet-stream":
            raise UnsupportedMedia("send Content-Type: application/octet-stream, which no other site's form can")
        asked = _parameters(request)
        turn.check()  # before a large body is sent in vain
        with reading.hold(announced(request, settings.max_body_bytes, LARGE)):
            body = await read_body(request, settings.max_body_bytes, LARGE)
            with turn.hold():
                return await run_in_threadpool(_import, owner, body, asked)

    app.add_api_route(
        "/api/v1/benchmarks",
        post,
        methods=["POST"],
        response_model=None,
        openapi_extra=docs.upload(PARAMETERS),
        responses=docs.RESULT_RESPONSES,
        tags=["results"],
        name="benchmarks",
    )


def _parameters(request: Request) -> dict[str, str]:
    asked = dict(request.query_params)
    if wrong := [name for name in asked if name not in PARAMETERS]:
        raise BadInput(f"there is no parameter {wrong[0]!r}; there are {', '.join(PARAMETERS)}")
    step = asked.get("step")
    if step and not (step.isascii() and step.isdigit() and len(step) <= len(str(MAX_STEP)) and int(step) <= MAX_STEP):
        raise BadInput(f"step is {step[:60]!r}: expected a whole number from 0 to {MAX_STEP}")
    return asked


def _import(owner: StoreOwner, body: bytes, asked: dict[str, str]) -> dict[str, Any]:
    names = Names(
        owner.fleet,
        checkpoint=asked.get("checkpoint") or None,
        model=asked.get("model") or None,
        step=int(asked["step"]) if asked.get("step") else None,
    )
    who = f"upload-{run_id(owner.clock().isoformat(), len(body))}"
    with tree_of_bytes(asked.get("name") or "upload", body) as tree:
        writes = partial(_write, owner)
        lines = list(import_tree(tree, names, writes, who, asked.get("harness") or ""))
    return {"lines": [line.record for line in lines]}


def _write(owner: StoreOwner, verb: str, body: Any) -> dict[str, Any]:
    return write(owner, verb, msgspec.json.encode(body))
