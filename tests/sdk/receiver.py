"""A real server for the tests of the SDK, and what else they share."""

import gzip
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from monitor.client import Client

REPOSITORY = Path(__file__).parents[2]
Reply = tuple[int, dict[str, str], bytes]


def failure(status: int, message: str = "no", **headers: str) -> Reply:
    return (
        status,
        {name.replace("_", "-"): value for name, value in headers.items()},
        json.dumps({"error": message}).encode(),
    )


class Receiver:
    """A real HTTP server. `replies` are used up first; None drops the connection after reading the body."""

    def __init__(self) -> None:
        self.replies: list[Reply | None] = []
        self.requests: list[tuple[dict[str, str], str, list[dict[str, Any]]]] = []
        self.times: list[float] = []  # when each request came
        self.kept: dict[str, list[dict[str, Any]]] = {}  # by Idempotency-Key: what counts
        self.hang = threading.Event()
        self.hang.set()
        self.port = 0
        self._sockets: list[socket.socket] = []
        self.up()

    def up(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                receiver._sockets.append(self.request)

            def do_POST(self) -> None:
                receiver.answer(self)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass

        self._server = Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def down(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        for connection in self._sockets:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        self._sockets.clear()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def events(self) -> list[dict[str, Any]]:
        return [event for events in list(self.kept.values()) for event in events]

    @property
    def keys(self) -> list[str]:
        return [headers["idempotency-key"] for headers, _, _ in self.requests]

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        headers = {name.lower(): value for name, value in handler.headers.items()}
        body = handler.rfile.read(int(headers["content-length"]))
        events = [json.loads(line) for line in gzip.decompress(body).decode().splitlines()]
        self.times.append(time.monotonic())
        self.requests.append((headers, handler.path, events))
        self.hang.wait(20)
        reply = self.replies.pop(0) if self.replies else self.accept(headers["idempotency-key"], events)
        if reply is None:
            handler.connection.shutdown(socket.SHUT_RDWR)
            handler.close_connection = True
            return
        status, extra, content = reply
        handler.send_response(status)
        for name, value in {**extra, "Content-Length": str(len(content))}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(content)

    def accept(self, key: str, events: list[dict[str, Any]]) -> Reply:
        self.kept.setdefault(key, events)
        return 200, {}, json.dumps({"accepted": len(events), "rejected": 0, "duplicates": 0, "errors": []}).encode()


def quick(receiver: Receiver, spool: Path, **options: Any) -> Client:
    return Client(**{"url": receiver.url, "spool": spool, "batch_s": 0.02, "retry_s": 0.02, "timeout_s": 2.0} | options)


def until(condition: Callable[[], object], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


def run_python(code: str, receiver: Receiver, spool: Path) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "WATCHPOINT_API_URL": receiver.url, "WATCHPOINT_SDK_SPOOL": str(spool)}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=REPOSITORY, env=environ, capture_output=True, text=True, timeout=20, check=False)


def spooled_files(spool: Path) -> list[Path]:
    return sorted(spool.rglob("*.ndjson.gz"))


class Awkward:
    """An object that cannot even be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("no")
