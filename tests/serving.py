"""Starts the pages as a process of their own, for the tests that visit them over the network."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.conftest import ROOT, answers, free_port, wait_until

UVICORN = (sys.executable, "-m", "uvicorn", "asgi_app:app", "--port", "PORT", "--log-level", "warning")
STREAMLIT = (sys.executable, "-m", "streamlit", "run", "Home.py", "--server.port", "PORT")


@contextmanager
def serve_pages(api_url: str, command: Sequence[str] = UVICORN) -> Iterator[str]:
    """Host and port of a fresh process that nobody has visited yet."""
    port = free_port()
    process = subprocess.Popen(
        [part.replace("PORT", str(port)) for part in command],
        cwd=ROOT,
        env=os.environ | {"WATCHPOINT_API_URL": api_url},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/_stcore/health"), 60)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)
