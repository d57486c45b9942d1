"""A server, and a client that is quick enough for tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.client import Client
from tests.sdk.receiver import Receiver, quick


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    yield server
    server.hang.set()
    server.down()


@pytest.fixture
def client(receiver: Receiver, tmp_path: Path) -> Iterator[Client]:
    client = quick(receiver, tmp_path)
    yield client
    client.close(1)
