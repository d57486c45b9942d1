"""Real workers for tests: untrained checkpoints on disk, a fleet file that names them, a process that serves them."""

import base64
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from PIL import Image

from tests.conftest import ROOT, answers, free_port, wait_until

ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def save_checkpoints(folder: Path, **kinds: str) -> Path:
    """A fleet file in `folder`, with an untrained checkpoint of each kind (vlm or lm) beside it; returns its path."""
    from monitor.demo.small import save_untrained

    for seed, (id_, kind) in enumerate(kinds.items()):
        save_untrained(folder / id_, kind, seed)  # type: ignore[arg-type]  # vlm or lm, from literals of the tests
    return write_fleet(folder, {id_: id_ for id_ in kinds})


def write_fleet(folder: Path, weights: Mapping[str, str | None]) -> Path:
    """A fleet file with these checkpoints; None for one without weights."""
    lines = ["[models.tiny]"]
    for id_, place in weights.items():
        lines += [f'[checkpoints."{id_}"]', 'model = "tiny"', *([f'weights = "{place}"'] if place else [])]
    path = folder / "watchpoint.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


@dataclass
class RunningWorker:
    """A process with its address and its log."""

    process: "subprocess.Popen[bytes]"
    url: str
    log: Path

    def http(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, trust_env=False, timeout=120)

    def state(self, checkpoint: str) -> str:
        found = httpx.get(f"{self.url}/health", trust_env=False, timeout=10).json()
        return str(found["checkpoints"][checkpoint]["state"])

    def metric(self, name: str, **labels: str) -> float:
        """A value of /metrics, 0 where it is not there."""
        text = httpx.get(f"{self.url}/metrics", trust_env=False, timeout=10).text
        return read_metric(text, name, **labels)


def read_metric(text: str, name: str, **labels: str) -> float:
    from prometheus_client.parser import text_string_to_metric_families

    samples = [s for family in text_string_to_metric_families(text) for s in family.samples]
    return sum(s.value for s in samples if s.name == name and labels.items() <= s.labels.items())


@contextmanager
def running_worker(fleet: Path, **variables: str) -> Iterator[RunningWorker]:
    """A real `python -m monitor worker` on a free port; its log stands beside the fleet file."""
    port, log = free_port(), fleet.parent / "worker.log"
    environment = (
        os.environ
        | ONE_THREAD
        | {
            "WATCHPOINT_DATA_DIR": str(fleet.parent / "data"),
            "WATCHPOINT_FLEET_FILE": str(fleet),
            "WATCHPOINT_WORKER_PORT": str(port),
            **variables,
        }
    )
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "monitor", "worker"], cwd=ROOT, env=environment, stdout=out, stderr=out
        )
    running = RunningWorker(process, f"http://127.0.0.1:{port}", log)
    try:
        wait_until(lambda: process.poll() is not None or answers(f"{running.url}/health"), 60)
        assert process.poll() is None, log.read_text()
        yield running
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def data_url(colour: str = "red", side: int = 64, mime: str = "PNG") -> str:
    """An image of one colour as it stands in a request."""
    held = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(held, mime)
    return f"data:image/{mime.lower()};base64,{base64.b64encode(held.getvalue()).decode()}"


def chat(
    text: str = "What colour is it?", images: Sequence[str] = (), model: str = "eyes", **more: Any
) -> dict[str, Any]:
    """A request body: the images, then the text; short unless `more` says otherwise."""
    parts: list[dict[str, Any]] = [{"type": "image_url", "image_url": {"url": url}} for url in images]
    content: Any = [*parts, {"type": "text", "text": text}] if images else text
    return {"model": model, "messages": [{"role": "user", "content": content}], "max_tokens": 4, **more}


def sent_events(lines: Iterator[str]) -> Iterator[Any]:
    """The events of a stream, decoded; the last one is the text [DONE]."""
    for line in lines:
        if line.startswith("data: "):
            content = line.removeprefix("data: ")
            yield content if content == "[DONE]" else json.loads(content)
