"""A real `python -m monitor api` for benchmarks that need one: start, watch, kill, start again."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

ROOT = Path(__file__).parent.parent
READY_WITHIN_S = 120.0


@dataclass(slots=True)
class Api:
    """One data folder and the process that serves it, if one does."""

    data: Path
    port: int
    module: tuple[str, ...] = ("monitor", "api")
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> float:
        """Start and wait until it answers; returns the seconds that took. Raises RuntimeError if it does not."""
        began = time.monotonic()
        log = self.data.parent / "api.log"
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *self.module],
                cwd=ROOT,
                env=environment(self.data, self.port),
                stdout=out,
                stderr=out,
            )
        while self.process.poll() is None and time.monotonic() - began < READY_WITHIN_S:
            if answers(f"{self.url}/healthz"):
                return time.monotonic() - began
            time.sleep(0.02)
        raise RuntimeError(f"the api did not start:\n{log.read_text()[-2000:]}")

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process = None

    def stop(self) -> None:
        """SIGTERM: it drains the spool, which can take a while."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(300)
        except subprocess.TimeoutExpired:
            self.kill()
        self.process = None

    def figure(self, name: str) -> float:
        """One line of /metrics."""
        text = httpx.get(f"{self.url}/metrics", timeout=60, trust_env=False).text
        found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
        if found is None:
            raise RuntimeError(f"/metrics has no {name}")
        return float(found[1])

    def peak_memory_mib(self) -> float:
        """Largest resident set so far."""
        assert self.process is not None
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"^VmHWM:\s+(\d+) kB", text, re.MULTILINE)
        return int(found[1]) / 1024 if found else 0.0

    def cpu_s(self) -> float:
        """Processor seconds so far, all threads."""
        assert self.process is not None
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)


@contextmanager
def running_api(data: Path, module: tuple[str, ...] = ("monitor", "api")) -> Iterator[Api]:
    """A started api over `data`, stopped at the end."""
    data.mkdir(parents=True, exist_ok=True)
    api = Api(data, free_port(), module)
    api.start()
    try:
        yield api
    finally:
        api.stop()


def environment(data: Path, port: int, **variables: str) -> dict[str, str]:
    """The environment of a process of ours: no settings from outside, a fleet file beside the data folder."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("WATCHPOINT_")}
    return clean | {
        "WATCHPOINT_DATA_DIR": str(data),
        "WATCHPOINT_FLEET_FILE": str(data.parent / "watchpoint.toml"),
        "WATCHPOINT_API_PORT": str(port),
        "WATCHPOINT_LOG_LEVEL": "warning",
        **variables,
    }


def free_port() -> int:
    """A port of loopback that nobody listens on right now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def answers(url: str) -> bool:
    """Whether something answers there with a success."""
    try:
        return httpx.get(url, timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False
