"""`python -m monitor up`: starts the processes of one machine, restarts what dies, stops all cleanly."""

import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field

import httpx
import structlog

from monitor.config import Settings

log = structlog.get_logger(__name__)

READY_WITHIN_S = 60.0
STOP_WITHIN_S = 20.0
BACK_OFF_S = (1.0, 2.0, 5.0, 15.0, 60.0)
CALM_S = 60.0


@dataclass(slots=True)
class _Child:
    """One process, and how often it died in a row."""

    name: str
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    deaths: int = 0
    next_start: float = field(default_factory=time.monotonic)

    def start(self) -> None:
        self.process = subprocess.Popen([sys.executable, "-m", "monitor", self.name])
        self.started = time.monotonic()

    def died(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def put_off(self) -> float:
        """Plan the next start: later with each death in a row."""
        assert self.process is not None
        if time.monotonic() - self.started > CALM_S:
            self.deaths = 0
        wait = BACK_OFF_S[min(self.deaths, len(BACK_OFF_S) - 1)]
        self.deaths += 1
        self.next_start, self.process = time.monotonic() + wait, None
        return wait


class _Stop(Exception):
    """A signal asked for the end."""


def run_all(settings: Settings) -> int:
    """Run api, app, scheduler and worker until a signal; returns the exit code."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _on_signal)
    children = [_Child("api"), _Child("app"), _Child("scheduler"), _Child("worker")]
    try:
        children[0].start()
        if not _wait_ready(f"{settings.api}/readyz", children[0]):
            print("error: api did not start; its log above says why", file=sys.stderr)
            return 1
        for child in children[1:3]:
            child.start()
        app = f"http://{settings.app_host}:{settings.app_port}"
        if _wait_ready(f"{app}/healthz", children[1]):
            print(
                f"\n  Watchpoint  {app}\n  api         {settings.api}/docs\n  metrics     {settings.api}/metrics\n"
                f"  worker      {settings.worker}/v1/models\n",
                flush=True,
            )
        children[3].start()  # last, and nobody waits for it: everything but probes works without
        _watch(children)
    except _Stop:
        pass
    finally:
        _stop(children)
    return 0


def _on_signal(number: int, _: object) -> None:
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, signal.SIG_IGN)
    raise _Stop


def _wait_ready(url: str, child: _Child) -> bool:
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline and not child.died():
        try:
            if httpx.get(url, timeout=2, trust_env=False).is_success and not child.died():
                return True
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    return False


def _watch(children: list[_Child]) -> None:
    while True:
        for child in children:
            if child.died():
                assert child.process is not None
                code = child.process.returncode
                log.error("a process died", name=child.name, exit_code=code, restart_in_s=child.put_off())
            elif child.process is None and time.monotonic() >= child.next_start:
                child.start()
                log.info("restarted", name=child.name)
        time.sleep(0.5)


def _stop(children: list[_Child]) -> None:
    """All at once, but the api last: what the others still send is kept."""
    for together in (children[1:], children[:1]):
        running = [(child, child.process) for child in together if child.process is not None and not child.died()]
        for _, process in running:
            process.terminate()
        deadline = time.monotonic() + STOP_WITHIN_S
        for child, process in running:
            _end(child, process, deadline)
    print("stopped", flush=True)


def _end(child: _Child, process: subprocess.Popen[bytes], deadline: float) -> None:
    try:
        process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        log.error("did not stop in time, killed; nothing acknowledged is lost", name=child.name)
        process.kill()
        process.wait()
