"""What tests post to: a door with a real spool behind it and no store, or a whole store; and what was written."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from monitor.ingest.door import Answer, Door, Keys
from monitor.ingest.normalise import EventIds, Normaliser
from monitor.ingest.redact import build_redactor
from monitor.ingest.spool import TRAILER, Spool
from monitor.records import Checkpoint, Deployment, Fleet, Model, Redaction
from monitor.store.owner import StoreOwner

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
MIB = 1024 * 1024
JSON, NDJSON = "application/json", "application/x-ndjson"
Line = dict[str, Any]

FLEET = Fleet(
    models={"vision": Model("vision")},
    checkpoints={"v1": Checkpoint("v1", "vision")},
    deployments={"vision-prod": Deployment("vision-prod", "v1", "vision")},
)


@dataclass(frozen=True, slots=True)
class Doorway:
    """The door, and the folder behind it."""

    door: Door
    spool: Spool

    def post(self, body: object, kind: str = JSON, **options: Any) -> Answer:
        """Post bytes, or anything that JSON can say; returns the answer."""
        plain = body if isinstance(body, bytes) else orjson.dumps(body)
        return self.door.accept(plain, kind, NOW, **options).result(30)

    def lines(self) -> list[Line]:
        """Every row and reject that was written, in order."""
        self.spool.seal().result(30)
        data = b"".join(segment.read_bytes() for segment in self.spool.sealed())
        return [orjson.loads(line) for line in data.splitlines() if not line.startswith(TRAILER)]

    def rows(self) -> list[Line]:
        return [line for line in self.lines() if "reject" not in line]

    def rejects(self) -> list[Line]:
        return [line for line in self.lines() if "reject" in line]

    def only_row(self) -> Line:
        (row,) = self.rows()
        return row

    def only_reject(self) -> Line:
        (reject,) = self.rejects()
        return reject


@contextmanager
def open_doorway(
    folder: Path,
    *,
    fleet: Fleet = FLEET,
    redaction: Redaction | None = None,
    max_text_bytes: int = 64 * 1024,
    max_body_bytes: int = 32 * MIB,
    **bounds: int,
) -> Iterator[Doorway]:
    """A door over an empty spool."""
    sizes: dict[str, Any] = {
        "segment_bytes": 4 * MIB,
        "segment_ms": 250,
        "max_pending_bytes": 64 * MIB,
        "max_spool_bytes": 2048 * MIB,
    }
    spool = Spool(folder / "spool", **(sizes | bounds))
    redactor = build_redactor(redaction or Redaction())
    normaliser = Normaliser(fleet, redactor, b"salt", max_text_bytes, EventIds())
    spool.start()
    try:
        yield Doorway(Door(normaliser, spool, Keys(lambda _: None), lambda _: set(), max_body_bytes), spool)
    finally:
        spool.stop()


def post(owner: StoreOwner, body: object, kind: str = JSON, **options: Any) -> Answer:
    """Post to the door of a whole store; returns the answer, once it is acknowledged."""
    plain = body if isinstance(body, bytes) else orjson.dumps(body)
    return owner.door.accept(plain, kind, owner.clock(), **options).result(60)


def select(owner: StoreOwner, statement: str, **values: Any) -> list[tuple[Any, ...]]:
    """The rows of a statement, as the store has them now."""
    with owner.cursor() as con:
        rows: list[tuple[Any, ...]] = con.execute(statement, values).fetchall()
    return rows


def one(owner: StoreOwner, statement: str, **values: Any) -> Any:
    """The only value of a statement."""
    ((value,),) = select(owner, statement, **values)
    return value
