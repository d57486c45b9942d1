"""Starts the process of Evidently and waits for its report. Called by `jobs/evidently.py` and by `commands`."""

import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from monitor.errors import BadInput
from monitor.evidently.orders import HTML, JSON, ORDER, REFERENCE, WINDOW, Order

TIMEOUT_S = 900.0
MEMORY_MIB = 4096
"""Address space of the process; with 100,000 rows a side it takes some 2,500 MiB, of which 1,100 are used."""

ROOT = Path(__file__).parent.parent.parent
SMALLER = "ask for a smaller sample, fewer features or another preset"


@dataclass(frozen=True, slots=True)
class Made:
    """A report: its files, and what a list of reports shows of it."""

    html: bytes | None
    json: bytes
    summary: dict[str, Any]


def make(
    order: Order,
    window: pa.Table,
    reference: pa.Table,
    on_step: Callable[[str], None] = lambda _: None,
    *,
    timeout_s: float = TIMEOUT_S,
    memory_mib: int = MEMORY_MIB,
) -> Made:
    """Make a report in a process of its own. Raises BadInput with what kept it from being made."""
    with tempfile.TemporaryDirectory(prefix="watchpoint-report-") as name:
        folder = Path(name)
        for file, table in ((WINDOW, window), (REFERENCE, reference)):
            with pa.OSFile(str(folder / file), "wb") as out, pa.ipc.new_file(out, table.schema) as writer:
                writer.write_table(table)
        (folder / ORDER).write_text(json.dumps(order.as_dict(), default=str), "utf-8")
        summary = _run(folder, on_step, timeout_s, memory_mib)
        page = (folder / HTML).read_bytes() if order.html else None
        return Made(page, (folder / JSON).read_bytes(), summary)


def _run(folder: Path, on_step: Callable[[str], None], timeout_s: float, memory_mib: int) -> dict[str, Any]:
    last: dict[str, Any] = {}
    late = threading.Event()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "monitor.evidently", str(folder), str(memory_mib)],
            cwd=ROOT,
            env=_environment(folder),
            stdin=subprocess.PIPE,  # open for as long as this process lives, which the other one watches
            stdout=subprocess.PIPE,
            stderr=log,
        )

    def end() -> None:
        late.set()
        process.kill()

    timer = threading.Timer(timeout_s, end)
    timer.start()
    try:
        assert process.stdout
        for line in process.stdout:
            last = json.loads(line)
            if "step" in last:
                on_step(last["step"])
        process.wait()
    finally:
        timer.cancel()
        process.kill()
        process.communicate()
    if late.is_set():
        raise BadInput(f"the report was not ready after {timeout_s:g} s and was given up: {SMALLER}")
    return _outcome(last, process.returncode, memory_mib, folder / "log")


def _outcome(last: dict[str, Any], code: int, memory_mib: int, log: Path) -> dict[str, Any]:
    if "done" in last:
        return dict(last["done"])
    if "memory" in last:
        raise BadInput(f"the report needed more than the {memory_mib} MiB of memory that it may take: {SMALLER}")
    if "problem" in last:
        raise BadInput(str(last["problem"]))
    said = log.read_text("utf-8", "replace").strip().splitlines()[-1:] or ["it said nothing"]
    why = f"ended with {code} before the report was ready ({said[0][:500]})"
    raise BadInput(f"the process of Evidently {why}; {SMALLER}")


def _environment(folder: Path) -> dict[str, str]:
    """All that the process gets: no keys of ours, no telemetry, nothing that asks a hub, one thread of arithmetic."""
    return {
        "DO_NOT_TRACK": "1",
        "ITERATIVE_DO_NOT_TRACK": "1",
        "HF_HUB_OFFLINE": "1",
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "LANG": "C.UTF-8",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "2",
    }
