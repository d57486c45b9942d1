"""What the tests share: a running api with an empty store, one with the demo, and a store owned in process."""

import fcntl
import itertools
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import httpx
import hypothesis
import pytest

from monitor.config import Settings, load_settings
from monitor.fleet import load_fleet
from monitor.records import Fleet
from monitor.store.owner import StoreOwner

# How long an example takes says more about the machine's other work than about the code. The same code gets the same
# examples, so that a red build is the change's fault; HYPOTHESIS_PROFILE=search looks for new ones.
hypothesis.settings.register_profile("watchpoint", deadline=None, derandomize=True)
hypothesis.settings.register_profile("search", deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "watchpoint"))

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared"
_ports = itertools.count(os.getpid())  # another run on the same machine begins elsewhere


@pytest.fixture(scope="session")
def shared() -> Path:
    """Files written by other tools, which lie beside the project and are not part of it."""
    if not SHARED.exists():
        pytest.skip("the shared samples are not here: no folder ../shared beside the project")
    return SHARED


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a fresh data folder."""
    return load_settings({}, data_dir=str(tmp_path / "data"), fleet_file=str(tmp_path / "watchpoint.toml"))


@pytest.fixture
def own(settings: Settings) -> Iterator[Callable[..., StoreOwner]]:
    """Start owners of the fresh data folder, one after the other; stops what is still running at the end."""
    started: list[StoreOwner] = []

    def start(
        fleet: Fleet | None = None, clock: Callable[[], datetime] | None = None, **changes: str | int
    ) -> StoreOwner:
        chosen = load_settings({}, **({"data_dir": settings.data_dir, "fleet_file": settings.fleet_file} | changes))
        owner = StoreOwner(chosen, fleet or Fleet(), clock or (lambda: datetime.now(UTC)))
        owner.start()
        started.append(owner)
        return owner

    yield start
    for owner in started:
        if owner.running:
            owner.stop()


def free_port() -> int:
    """A port of loopback that nobody uses right now, and that nobody is given while a server of ours is away.

    Systems take the local ports of outgoing connections from 32768 on (Linux) or 49152 on: a port from there, left
    for a second by a server that a test kills and starts again, may be gone. Test processes share no ports.
    """
    own = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 10
    while True:
        port = 12_000 + 2_000 * own + next(_ports) % 2_000
        with socket.socket() as one, suppress(OSError):
            one.bind(("127.0.0.1", port))
            return port


@contextmanager
def running_api(data: Path, port: int, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """A real `python -m monitor api`; its log stands in data/../api.log."""
    environment = os.environ | {
        "WATCHPOINT_DATA_DIR": str(data),
        "WATCHPOINT_FLEET_FILE": str(data.parent / "watchpoint.toml"),
        "WATCHPOINT_API_PORT": str(port),
        **variables,
    }
    log = data.parent / "api.log"
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "monitor", "api"], cwd=ROOT, env=environment, stdout=out, stderr=subprocess.STDOUT
        )
    try:
        wait_until(lambda: process.poll() is not None or answers(f"http://127.0.0.1:{port}/readyz"), 60)
        assert process.poll() is None, log.read_text()
        yield process
    finally:
        process.terminate()
        process.wait(20)


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Return once the condition holds; fail the test when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)


@pytest.fixture
def api_url(tmp_path: Path) -> Iterator[str]:
    """A running api with an empty store of its own."""
    port = free_port()
    with running_api(tmp_path / "data", port):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="session")
def demo_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo, loaded by the command that users call, once for all test processes of a run. Only to be copied."""
    base = tmp_path_factory.getbasetemp()
    made = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "demo-once"
    made.mkdir(exist_ok=True)
    with (made / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (made / "done").exists():
            environment = os.environ | {
                "WATCHPOINT_DATA_DIR": str(made / "copied" / "data"),
                "WATCHPOINT_FLEET_FILE": str(made / "copied" / "watchpoint.toml"),
                "WATCHPOINT_API_PORT": str(free_port()),
            }
            (made / "copied").mkdir(exist_ok=True)
            subprocess.run(
                [sys.executable, "-m", "monitor", "demo"], cwd=ROOT, env=environment, check=True, timeout=280
            )
            (made / "done").touch()
    return made / "copied"


@pytest.fixture(scope="session")
def demo_data(demo_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the demo, for an owner in this process."""
    return shutil.copytree(demo_once, tmp_path_factory.mktemp("demo") / "owned") / "data"


@pytest.fixture(scope="session")
def demo_api_url(demo_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running api over a copy of the demo, shared by the tests of one process: read only."""
    folder = shutil.copytree(demo_once, tmp_path_factory.mktemp("demo") / "served")
    port = free_port()
    with running_api(folder / "data", port):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="session")
def demo_owner(demo_data: Path) -> Iterator[StoreOwner]:
    """The demo owned in this process, for tests that look at the store itself."""
    chosen = load_settings({}, data_dir=str(demo_data), fleet_file=str(demo_data.parent / "watchpoint.toml"))
    owner = StoreOwner(chosen, load_fleet(chosen.fleet_file))
    owner.start()
    owner.wait_loaded(60, rolled=True)
    yield owner
    owner.stop()
