"""What the tests of probes share: a fleet file, an api over it, and what they look at."""

import io
import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from PIL import Image

from monitor.api.app import create_app
from monitor.client.prober import Prober
from monitor.client.reader import Reader
from monitor.config import load_settings
from monitor.errors import NotFound
from monitor.fleet import load_fleet
from monitor.probe.limits import Limits
from monitor.store.owner import StoreOwner
from tests.conftest import answers, free_port, running_api, wait_until


@dataclass(frozen=True)
class Bench:
    """A running api with its two clients."""

    prober: Prober
    reader: Reader
    folder: Path

    @property
    def url(self) -> str:
        return self.prober.address

    def run(self, run: str) -> dict[str, Any]:
        """The row of a run, with `spec` and `result` as values."""
        [row] = json.loads(self.reader.fetch("probe_run", "application/json", run=run))["rows"]
        return dict(row) | {name: json.loads(row[name]) for name in ("spec", "result") if row[name]}

    def over(self, run: str, seconds: float = 60) -> dict[str, Any]:
        """The row of a run once it has ended; that of a single one is written beside its first answers."""

        def ended() -> bool:
            with suppress(NotFound):
                return bool(self.run(run)["state"] != "running")
            return False

        wait_until(ended, seconds)
        return self.run(run)

    def logged(self, run: str, n: int) -> Any:
        """The answers of a run in the log, a frame, once there are `n` of them; they stay as many."""
        wait_until(lambda: len(self.reader.query("probe_items", run=run)) >= n)
        time.sleep(0.3)
        found = self.reader.query("probe_items", run=run)
        assert len(found) == n
        return found


@contextmanager
def bench(folder: Path, fleet: str, **variables: str) -> Iterator[Bench]:
    """A real api, a process of its own, over a fleet file."""
    (folder / "watchpoint.toml").write_text(fleet)
    port = free_port()
    with running_api(folder / "data", port, **variables), _clients(port, folder) as made:
        yield made


@contextmanager
def bench_here(folder: Path, fleet: str, limits: Limits, **changes: str | int) -> Iterator[Bench]:
    """An api in a thread of this process, with bounds that no setting changes."""
    (folder / "watchpoint.toml").write_text(fleet)
    file = str(folder / "watchpoint.toml")
    settings = load_settings({}, data_dir=str(folder / "data"), fleet_file=file, api_port=free_port(), **changes)
    app = create_app(settings, StoreOwner(settings, load_fleet(file)), limits)
    server = uvicorn.Server(uvicorn.Config(app, port=settings.api_port, log_level="critical", ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: answers(f"{settings.api}/readyz"), 30)
        with _clients(settings.api_port, folder) as made:
            yield made
    finally:
        server.should_exit = True
        thread.join(30)


@contextmanager
def _clients(port: int, folder: Path) -> Iterator[Bench]:
    address = f"http://127.0.0.1:{port}"
    with Prober(address) as prober, Reader(address) as reader:
        yield Bench(prober, reader, folder)


def fleet_of(**urls: str) -> str:
    """A fleet file with a deployment for each server; those whose name begins with prod are in production."""
    parts = ['[models.shapes]\n[checkpoints.one]\nmodel = "shapes"\n']
    for name, url in urls.items():
        environment = "production" if name.startswith("prod") else "staging"
        parts.append(f'[deployments.{name}]\ncheckpoint = "one"\nenvironment = "{environment}"\nurl = "{url}"\n')
    return "\n".join(parts)


def user(text: str, *images: str) -> list[dict[str, Any]]:
    """One user turn: images by hash, then a text."""
    parts: list[dict[str, Any]] = [{"type": "image", "sha256": sha256} for sha256 in images]
    return [{"role": "user", "content": [*parts, {"type": "text", "text": text}]}]


def items(texts: Sequence[str], label: str | None = None) -> list[dict[str, Any]]:
    return [{"id": f"i{number}", "messages": user(text), "label": label} for number, text in enumerate(texts)]


def picture(colour: str = "red", size: tuple[int, int] = (32, 24), form: str = "PNG") -> bytes:
    """An image file of one colour."""
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, form)
    return out.getvalue()


def by_type(events: Sequence[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [event for event in events if event["type"] == kind]
