"""The worker under `python -m monitor up`: killed in the middle of a batch, it comes back, and nothing else notices."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.conftest import ROOT, answers, free_port, wait_until
from tests.workers import ONE_THREAD, chat, save_checkpoints

NDJSON = {"Content-Type": "application/x-ndjson"}


class Up:
    """A started `up` with its addresses."""

    def __init__(self, process: "subprocess.Popen[bytes]", ports: dict[str, int], log: Path) -> None:
        self.process, self.log = process, log
        self.api, self.app, self.worker = (f"http://127.0.0.1:{ports[name]}" for name in ("API", "APP", "WORKER"))

    def pid(self, name: str) -> int | None:
        for child in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.Error):  # it may be ending right now
                if child.cmdline()[-1] == name:
                    return int(child.pid)
        return None


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    ports, log = {name: free_port() for name in ("API", "APP", "WORKER")}, tmp_path / "up.log"
    environment = os.environ | ONE_THREAD | {f"WATCHPOINT_{name}_PORT": str(port) for name, port in ports.items()}
    environment |= {
        "WATCHPOINT_DATA_DIR": str(tmp_path / "data"),
        "WATCHPOINT_FLEET_FILE": str(save_checkpoints(tmp_path, words="lm")),
        "WATCHPOINT_WORKER_BATCH": "2",
    }
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "monitor", "up"], cwd=ROOT, env=environment, stdout=out, stderr=subprocess.STDOUT
        )
    running = Up(process, ports, log)
    try:
        wait_until(lambda: answers(f"{running.worker}/health") or process.poll() is not None, 200)
        assert process.poll() is None, log.read_text()
        yield running
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def test_a_worker_killed_in_the_middle_of_a_batch_comes_back(up: Up) -> None:
    assert answers(f"{up.app}/healthz"), "the pages do not wait for the worker, so they were there before it"
    first, others = up.pid("worker"), {name: up.pid(name) for name in ("api", "app", "scheduler")}
    lines = b"".join(
        json.dumps({"id": i, "body": chat(f"Tell {i}", model="words", max_tokens=200)}).encode() + b"\n"
        for i in range(500)
    )
    assert first is not None
    with pytest.raises(httpx.RemoteProtocolError):
        kill_at_first_answer(first, up.worker, lines)
    wait_until(lambda: answers(f"{up.worker}/health"), 30)
    body = chat("Tell 0", model="words")
    again = httpx.post(f"{up.worker}/v1/chat/completions", json=body, timeout=120, trust_env=False)
    assert again.json()["model"] == "words", again.text
    assert up.pid("worker") != first
    assert {name: up.pid(name) for name in others} == others
    text = up.log.read_text()
    assert '"name": "worker", "exit_code": -9' in text
    assert "Traceback" not in text


def kill_at_first_answer(pid: int, worker: str, lines: bytes) -> None:
    """Send a batch, kill -9 the process when its first answer comes, and read on."""
    with (
        httpx.Client(trust_env=False, timeout=120) as http,
        http.stream("POST", f"{worker}/v1/batch", content=lines, headers=NDJSON) as response,
    ):
        for line in response.iter_lines():
            if '"response"' in line:
                os.kill(pid, signal.SIGKILL)


def test_everything_but_probes_works_while_the_worker_cannot_start(tmp_path: Path) -> None:
    ports = {name: free_port() for name in ("API", "APP", "WORKER")}
    environment = os.environ | {f"WATCHPOINT_{name}_PORT": str(port) for name, port in ports.items()}
    environment |= {
        "WATCHPOINT_DATA_DIR": str(tmp_path / "data"),
        "WATCHPOINT_FLEET_FILE": str(tmp_path / "watchpoint.toml"),
        "WATCHPOINT_WORKER_HOST": "0.0.0.0",
    }
    log = tmp_path / "up.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "monitor", "up"], cwd=ROOT, env=environment, stdout=out, stderr=subprocess.STDOUT
        )
    try:
        wait_until(lambda: "a process died" in log.read_text(), 200)
        assert "refusing to listen on '0.0.0.0'" in log.read_text()
        assert answers(f"http://127.0.0.1:{ports['API']}/readyz")
        assert answers(f"http://127.0.0.1:{ports['APP']}/healthz")
    finally:
        process.terminate()
        assert process.wait(60) == 0
