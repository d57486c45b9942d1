"""A small OpenAI-compatible server as a process of its own, which the tests kill and start again.

It streams words. What it does with a request stands in its last text: `words=20 delay=0.05 break=3 status=500`,
`odd` or `die`; the answer is "red" with that many words. At most `--capacity` requests are answered at once, the
others wait.
"""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tests.conftest import ROOT, answers, free_port, wait_until


class ChatServer:
    """The process, as a test sees it: `kill` ends it as a crash does, `start` brings it back to the same port."""

    def __init__(self, answer: str = "red", capacity: int = 1000) -> None:
        self.port = free_port()
        self.answer, self.capacity = answer, capacity
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def start(self) -> None:
        command = ["--port", str(self.port), "--answer", self.answer, "--capacity", str(self.capacity)]
        self._process = subprocess.Popen([sys.executable, "-m", "tests.chat_process", *command], cwd=ROOT)
        wait_until(lambda: answers(f"{self.url}/models"), 60)

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(10)

    def died(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def counts(self) -> dict[str, Any]:
        """Requests that were started, finished, left by their client, and most of them at once."""
        return dict(httpx.get(f"{self.url}/counts", trust_env=False).json())


@contextmanager
def chat_server(answer: str = "red", capacity: int = 1000) -> Iterator[ChatServer]:
    server = ChatServer(answer, capacity)
    server.start()
    try:
        yield server
    finally:
        server.kill()
