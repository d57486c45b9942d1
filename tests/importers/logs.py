"""Small logs, and the door that the tests of the importers send to."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from monitor.importers import Import
from monitor.store.owner import StoreOwner

SHARED = Path(__file__).parents[3] / "shared"
needs_samples = pytest.mark.skipif(not SHARED.exists(), reason=f"the shared samples are not at {SHARED}")

SET = {"deployment": "vision-prod"}
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
"""A picture of one pixel, 70 bytes."""

Write = Callable[[str, str | bytes], Path]


class Door:
    """The real door in front of a real store, as `send` of an import."""

    def __init__(self, store: StoreOwner) -> None:
        self.store = store
        self.sizes: list[int] = []

    def __call__(self, lines: list[bytes]) -> dict[str, Any]:
        self.sizes.append(len(lines))
        body = b"\n".join(lines)
        answer = self.store.door.accept(body, "application/x-ndjson", datetime.now(UTC), dedupe=True).result(30)
        answered: dict[str, Any] = msgspec.to_builtins(answer)
        return answered

    def count(self, what: str = "predictions") -> int:
        self.store.wait_loaded()
        with self.store.cursor() as con:
            return int(con.execute(f"select count(*) from {what}").fetchall()[0][0])


def events(imported: Import) -> list[dict[str, Any]]:
    rows = list(imported)
    assert [row.problem for row in rows if row.problem] == []
    return [row.event for row in rows if row.event is not None]


def problems(imported: Import) -> list[tuple[int, str]]:
    return [(row.line, row.problem) for row in imported if row.problem]


def naive(**fields: Any) -> str:
    row = {"timestamp": "2026-11-20T10:00:00Z", "input_text": "hi", "output": "ho", "model_version": "v3"} | fields
    return json.dumps(row) + "\n"
