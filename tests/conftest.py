"""What the tests share: a running api with an empty store, one with the demo, and a store owned in process."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from monitor.config import Settings, load_settings
from monitor.fleet import load_fleet
from monitor.records import Fleet
from monitor.store.owner import StoreOwner

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared"


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
    """A port of loopback that nobody listens on right now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


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


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
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
def demo_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the demo, made once per test process by the command that users call."""
    folder = tmp_path_factory.mktemp("demo")
    environment = os.environ | {
        "WATCHPOINT_DATA_DIR": str(folder / "data"),
        "WATCHPOINT_FLEET_FILE": str(folder / "watchpoint.toml"),
        "WATCHPOINT_API_PORT": str(free_port()),
    }
    subprocess.run([sys.executable, "-m", "monitor", "demo"], cwd=ROOT, env=environment, check=True, timeout=300)
    return folder / "data"


@pytest.fixture(scope="session")
def demo_api_url(demo_data: Path) -> Iterator[str]:
    """A running api over the demo, shared by the tests of one process: read only."""
    port = free_port()
    with running_api(demo_data, port):
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
