"""Files to import, and a real door in front of a real store."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.config import load_settings
from monitor.records import Fleet
from monitor.store.owner import StoreOwner
from tests.importers.logs import Door, Write


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    store = StoreOwner(load_settings({}, data_dir=str(tmp_path / "store"), segment_ms=20), Fleet())
    store.start()
    yield Door(store)
    store.stop()
