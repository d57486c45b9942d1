"""`python -m monitor up` with an empty store and nobody looking: memory and processor of all its processes."""

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from bench.result import Check, Result
from bench.server import ROOT, answers, environment, free_port

SETTLE_S, WATCH_S = 20.0, 60.0
BAR_MIB, BAR_PERCENT = 1024.0, 2.0


def run(quick: bool, folder: Path) -> Result:
    """Start all, let them settle, watch."""
    seconds = WATCH_S / 6 if quick else WATCH_S
    with tempfile.TemporaryDirectory(prefix="watchpoint-bench-") as place:
        api, app, worker = free_port(), free_port(), free_port()
        ports = {"WATCHPOINT_APP_PORT": str(app), "WATCHPOINT_WORKER_PORT": str(worker)}
        variables = environment(Path(place) / "data", api, **ports)
        with (Path(place) / "up.log").open("ab") as log:
            up = subprocess.Popen(
                [sys.executable, "-m", "monitor", "up"], cwd=ROOT, env=variables, stdout=log, stderr=log
            )
        try:
            _wait_for(
                *(f"http://127.0.0.1:{where}" for where in (f"{api}/healthz", f"{app}/healthz", f"{worker}/health"))
            )
            time.sleep(SETTLE_S / 4 if quick else SETTLE_S)
            rows = _watch(psutil.Process(up.pid), seconds)
        finally:
            up.terminate()
            up.wait(60)
    total = {
        "process": "together",
        **{name: sum(row[name] for row in rows) for name in ("rss MiB", "pss MiB", "cpu %", "threads")},
    }
    checks = [
        Check(
            f"under {BAR_MIB:,.0f} MiB together (resident)", f"{total['rss MiB']:.0f} MiB", total["rss MiB"] < BAR_MIB
        ),
        Check(f"under {BAR_PERCENT:g} % of one core", f"{total['cpu %']:.2f} %", total["cpu %"] < BAR_PERCENT),
    ]
    return Result([*rows, total], checks, {"watched_s": seconds})


def _watch(up: psutil.Process, seconds: float) -> list[dict[str, Any]]:
    processes = [up, *up.children(recursive=True)]
    before = {process.pid: process.cpu_times() for process in processes}
    time.sleep(seconds)
    rows = []
    for process in processes:
        first, last = before[process.pid], process.cpu_times()
        busy = last.user + last.system - first.user - first.system
        rows.append(
            {
                "process": process.cmdline()[-1],
                "rss MiB": process.memory_info().rss / 2**20,
                "pss MiB": _proportional_mib(process.pid),
                "cpu %": round(100 * busy / seconds, 2),
                "threads": process.num_threads(),
            }
        )
    return rows


def _proportional_mib(pid: int) -> float:
    """Memory with each shared page divided by the number of its users."""
    found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


def _wait_for(*urls: str) -> None:
    deadline = time.monotonic() + 120
    while not all(answers(url) for url in urls):
        if time.monotonic() > deadline:
            raise RuntimeError(f"not ready within two minutes: {', '.join(urls)}")
        time.sleep(0.2)
