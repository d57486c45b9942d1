"""The two servers that `bench.inference` calls over HTTP: our worker, and `transformers serve`, each as a process."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from bench.server import ROOT, answers, environment, free_port

READY_WITHIN_S = 180.0
CHECKPOINT = "bench-vlm"
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}

FLEET = """\
[models.bench]

[checkpoints.{id}]
model = "bench"
weights = "{folder}"
dtype = "float32"
engine = "transformers"
"""


@dataclass(frozen=True, slots=True)
class Server:
    """A process that answers chat completions for one checkpoint, under the name that it wants to be asked for."""

    name: str
    port: int
    model: str
    process: subprocess.Popen[bytes]

    def peak_mib(self) -> float:
        """Largest resident set so far, of it and of its children together."""
        tree = [self.process.pid, *(child.pid for child in psutil.Process(self.process.pid).children(recursive=True))]
        return sum(_peak_mib(pid) for pid in tree)


@contextmanager
def running_worker(folder: Path, place: Path, core: int | None, port: int = 0) -> Iterator[Server]:
    """`python -m monitor worker` with the checkpoint in `folder`, on a port of its own unless one is given."""
    port = port or free_port()
    (place / "watchpoint.toml").write_text(FLEET.format(id=CHECKPOINT, folder=folder.resolve()))
    variables = environment(
        place / "data", free_port(), WATCHPOINT_WORKER_PORT=str(port), WATCHPOINT_WORKER_THREADS="1", **ONE_THREAD
    )
    command = [sys.executable, "-m", "monitor", "worker"]
    with _running(command, variables, place / "worker.log", core) as process:
        _wait(process, place / "worker.log", lambda: answers(f"http://127.0.0.1:{port}/health"))
        yield Server("worker", port, CHECKPOINT, process)


@contextmanager
def running_serve(folder: Path, place: Path, core: int | None) -> Iterator[Server]:
    """`transformers serve` with the same folder, in the same precision, quiet and offline."""
    port = free_port()
    hub = place / "hub-home"
    (hub / "hub").mkdir(parents=True)  # it fails without this folder
    variables = os.environ | ONE_THREAD | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(hub)}
    program = str(Path(sys.executable).with_name("transformers"))
    model = str(folder.resolve())
    command = [program, "serve", model, "--device", "cpu", "--dtype", "float32", "--port", str(port)]
    command += ["--host", "127.0.0.1", "--log-level", "error"]
    with _running(command, variables, place / "serve.log", core) as process:
        _wait(process, place / "serve.log", lambda: answers(f"http://127.0.0.1:{port}/health"))
        yield Server("transformers serve", port, model, process)


@contextmanager
def _running(
    command: list[str], variables: dict[str, str], log: Path, core: int | None
) -> Iterator["subprocess.Popen[bytes]"]:
    """A process, on one core if one is named; ended by its id, by force if it does not go."""
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=ROOT, env=variables, stdout=out, stderr=out)
    try:
        if core is not None:
            psutil.Process(process.pid).cpu_affinity([core])
        yield process
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: "subprocess.Popen[bytes]", log: Path, ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{' '.join(map(str, process.args))} did not start:\n{log.read_text()[-2000:]}")  # type: ignore[arg-type]  # a list here
        time.sleep(0.1)


def first_answer(server: Server, body: bytes) -> str:
    """The answer to one request, with time for a checkpoint that is loaded on demand."""
    url = f"http://127.0.0.1:{server.port}/v1/chat/completions"
    headers = {"Content-Type": "application/json"}
    answer = httpx.post(url, content=body, headers=headers, timeout=READY_WITHIN_S, trust_env=False)
    if answer.status_code != 200:
        raise RuntimeError(f"{server.name} answered {answer.status_code}: {answer.text[:500]}")
    return str(answer.json()["choices"][0]["message"]["content"])


def _peak_mib(pid: int) -> float:
    found = re.search(r"^VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0
