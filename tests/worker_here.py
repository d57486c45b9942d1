"""A worker in a thread of this process with the demo's small checkpoints, for tests that need no process of its own."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from monitor.config import load_settings
from monitor.demo.small import CHECKPOINTS
from monitor.fleet import load_fleet
from monitor.inference.server import create_app
from monitor.inference.worker import Worker
from tests.conftest import answers, free_port, wait_until
from tests.workers import write_fleet

EYES, WORDS = "shapes-vlm-step-00900", "shapes-lm-step-00600"


@contextmanager
def worker_here(folder: Path, **changes: str | int) -> Iterator[tuple[str, Worker]]:
    """Its address, and the worker itself."""
    fleet = load_fleet(write_fleet(folder, {name: str(CHECKPOINTS / name) for name in (EYES, WORDS)}))
    settings = load_settings({}, worker_port=free_port(), worker_device="cpu", worker_threads=1, **changes)
    app = create_app(settings, fleet)
    server = uvicorn.Server(uvicorn.Config(app, port=settings.worker_port, log_level="critical", ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: answers(f"{settings.worker}/health"), 30)
        yield settings.worker, app.state.worker
    finally:
        server.should_exit = True
        thread.join(30)
