"""`python -m monitor up`: all processes of one machine, started, restarted and stopped."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from tests.conftest import ROOT, answers, free_port, wait_until


@dataclass
class Running:
    """A started `up` with its addresses."""

    process: "subprocess.Popen[bytes]"
    api: str
    app: str
    log: Path

    def child(self, name: str) -> psutil.Process | None:
        for child in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.Error):  # it may be ending right now
                if child.cmdline()[-1:] == [name]:  # empty while it ends
                    return child
        return None


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Running]:
    api, app, log = free_port(), free_port(), tmp_path / "up.log"
    environment = os.environ | {
        "WATCHPOINT_DATA_DIR": str(tmp_path / "data"),
        "WATCHPOINT_FLEET_FILE": str(tmp_path / "watchpoint.toml"),
        "WATCHPOINT_API_PORT": str(api),
        "WATCHPOINT_APP_PORT": str(app),
        "WATCHPOINT_WORKER_PORT": str(free_port()),
    }
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "monitor", "up"], cwd=ROOT, env=environment, stdout=out, stderr=subprocess.STDOUT
        )
    running = Running(process, f"http://127.0.0.1:{api}", f"http://127.0.0.1:{app}", log)
    try:
        wait_until(lambda: b"Watchpoint" in log.read_bytes() or process.poll() is not None, 60)
        assert process.poll() is None, log.read_text()
        yield running
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def test_it_starts_everything_and_stops_cleanly(up: Running) -> None:
    assert answers(f"{up.api}/readyz")
    assert answers(f"{up.app}/healthz")
    assert up.child("scheduler") is not None
    httpx.post(f"{up.api}/api/v1/predictions", json={"deployment": "chat"}).raise_for_status()
    children = psutil.Process(up.process.pid).children(recursive=True)
    up.process.send_signal(signal.SIGTERM)
    assert up.process.wait(60) == 0
    assert psutil.wait_procs(children, timeout=5)[1] == []
    text = up.log.read_text()
    assert "spool drained" in text
    assert "Traceback" not in text
    assert "Deprecat" not in text


def test_it_restarts_what_dies(up: Running) -> None:
    first = up.child("api")
    assert first is not None
    first.kill()
    wait_until(
        lambda: (now := up.child("api")) is not None and now.pid != first.pid and answers(f"{up.api}/readyz"), 30
    )
    assert '"a process died"' in up.log.read_text()


def test_it_fails_with_the_reason_when_the_api_cannot_start(up: Running, tmp_path: Path) -> None:
    environment = os.environ | {
        "WATCHPOINT_DATA_DIR": str(tmp_path / "data"),
        "WATCHPOINT_FLEET_FILE": str(tmp_path / "watchpoint.toml"),
        "WATCHPOINT_API_PORT": str(free_port()),
        "WATCHPOINT_APP_PORT": str(free_port()),
        "WATCHPOINT_WORKER_PORT": str(free_port()),
    }
    second = subprocess.run(
        [sys.executable, "-m", "monitor", "up"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert second.returncode == 1
    assert "is owned by another process" in second.stderr
