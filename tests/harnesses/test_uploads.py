"""One upload at a time, and parameters that are numbers."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from monitor.api import benchmarks
from monitor.config import load_settings
from monitor.errors import BadInput, Overloaded, WatchpointError


def app_of(tmp_path: Path) -> FastAPI:
    app = FastAPI()

    @app.exception_handler(WatchpointError)
    async def explain(_: Request, error: WatchpointError) -> JSONResponse:
        retry = {"Retry-After": str(error.retry_after_s)} if isinstance(error, Overloaded) else None
        return JSONResponse({"error": str(error)}, error.status, retry)

    benchmarks.add_uploads(app, load_settings({}, data_dir=str(tmp_path)), None)  # type: ignore[arg-type]  # not asked
    return app


def test_a_second_upload_is_told_to_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(_owner: Any, body: bytes, _asked: dict[str, str]) -> dict[str, Any]:
        begun.set()
        assert go_on.wait(20)
        if body == b"bad":
            raise BadInput("bad")
        return {"lines": []}

    monkeypatch.setattr(benchmarks, "_import", slow)
    asyncio.run(_uploads(app_of(tmp_path), begun, go_on))


async def _uploads(app: FastAPI, begun: threading.Event, go_on: threading.Event) -> None:
    transport = httpx.ASGITransport(app)
    headers = {"Content-Type": "application/octet-stream"}
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as client:
        for content, status in ((b"bad", 400), (b"good", 200)):
            first = asyncio.create_task(client.post("/api/v1/benchmarks", content=content))
            await asyncio.to_thread(begun.wait, 20)
            second = await client.post("/api/v1/benchmarks", content=b"x")
            assert (second.status_code, second.headers["Retry-After"]) == (429, "5")
            assert "another upload is being read" in second.json()["error"]
            go_on.set()
            assert (await first).status_code == status
            begun.clear()
            go_on.clear()


@pytest.mark.parametrize("step", ["²", "٣", "-1", "1.0", str(2**53 + 1), "9" * 5000])
def test_a_step_is_a_whole_number_that_can_be_kept(tmp_path: Path, step: str) -> None:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app_of(tmp_path))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            headers = {"Content-Type": "application/octet-stream"}
            return await client.post("/api/v1/benchmarks", params={"step": step}, content=b"x", headers=headers)

    answer = asyncio.run(send())
    assert (answer.status_code, "expected a whole number from 0" in answer.json()["error"]) == (400, True)
