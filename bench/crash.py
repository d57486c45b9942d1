"""kill -9 under load: what was acknowledged is stored exactly once.

Clients send batches, each under its own Idempotency-Key, while the api is killed again and again. After a kill most of
them send the open batch again, under the same key, until it is acknowledged; the others give it up. At the end the
store is compared with what the clients know.
"""

import http.client
import random
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import orjson
import pyarrow as pa

from bench.events import dated, event
from bench.result import Check, Result
from bench.server import Api, running_api
from monitor.config import load_settings
from monitor.records import Fleet
from monitor.store.database import Connection
from monitor.store.owner import StoreOwner

KILLS, BATCH, CLIENTS = 20, 100, 8
GIVES_UP = 4
"""Every so many-th client never repeats a batch."""

_ID = b"0000000000"
_ANSWER_WITHIN_S = 20


@dataclass(slots=True)
class Client:
    """One sender in a thread, and what it knows about its batches."""

    number: int
    port: int
    stop: threading.Event
    acked: list[str] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)
    retries: int = 0
    replays: int = 0
    problems: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Send until `stop`, and then until nothing is open."""
        bodies = _bodies(self.number)
        connection = self._connect()
        batch = 0
        while not self.stop.is_set():
            key = f"{self.number:03d}{batch:07d}"
            body = dated(next(bodies)).replace(_ID, key.encode())
            batch += 1
            while not self._sent(connection, key, body):
                connection = self._reconnect(connection)
                self.retries += 1
                if self.number % GIVES_UP == 0:
                    self.given_up.append(key)
                    break
        connection.close()

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=_ANSWER_WITHIN_S)

    def _reconnect(self, connection: http.client.HTTPConnection) -> http.client.HTTPConnection:
        """A new connection, once somebody listens again."""
        connection.close()
        while True:
            fresh = self._connect()
            try:
                fresh.connect()
            except OSError:
                time.sleep(0.02)
                continue
            return fresh

    def _sent(self, connection: http.client.HTTPConnection, key: str, body: bytes) -> bool:
        headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": key}
        try:
            connection.request("POST", "/api/v1/predictions", body, headers)
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):
            return False
        if answer.status == 429:
            return False
        if answer.status != 200 or orjson.loads(text)["accepted"] != BATCH:
            self.problems.append(f"{answer.status} {text[:200]!r}")
            return False
        self.replays += answer.headers["Idempotent-Replay"] == "true"
        self.acked.append(key)
        return True


def run(quick: bool, folder: Path) -> Result:
    """Kill, compare, count."""
    kills = 4 if quick else KILLS
    with tempfile.TemporaryDirectory(prefix="watchpoint-bench-") as place, running_api(Path(place) / "data") as api:
        clients, restarts = _kill_under_load(api, kills)
        api.stop()
        found = _compare(api.data, clients)
    problems = [problem for client in clients for problem in client.problems]
    row: dict[str, Any] = {
        "kills": kills,
        "acknowledged": found["acknowledged"],
        "lost": found["lost"],
        "duplicated": found["duplicated"],
        "batches sent again": sum(client.retries for client in clients),
        "of these stored before": sum(client.replays for client in clients),
        "given up": found["given_up"],
        "of these stored": found["given_up_stored"],
        "not in rollups": found["not_in_rollups"],
        "restart ms": 1000 * median(restarts),
        "slowest": 1000 * max(restarts),
    }
    checks = [
        Check("no acknowledged event is lost", f"{row['lost']} of {row['acknowledged']:,}", row["lost"] == 0),
        Check("no event is stored twice", f"{row['duplicated']} of {found['stored']:,}", row["duplicated"] == 0),
        Check(
            "a batch is stored whole or not at all, and nothing else is",
            f"{found['in_part']} in part, {found['unexpected']} unknown",
            found["in_part"] == found["unexpected"] == 0,
        ),
        Check("the rollups count what is stored", f"{row['not in rollups']} differ", row["not in rollups"] == 0),
        Check("no other answer than 200 and 429", "; ".join(problems[:3]) or "none", not problems),
    ]
    return Result([row], checks, {"batch": BATCH, "clients": CLIENTS, "restarts_s": restarts, **found})


def _kill_under_load(api: Api, kills: int) -> tuple[list[Client], list[float]]:
    rng, stop = random.Random(3), threading.Event()
    clients = [Client(number, api.port, stop) for number in range(CLIENTS)]
    threads = [threading.Thread(target=client.run) for client in clients]
    for thread in threads:
        thread.start()
    restarts = []
    try:
        for _ in range(kills):
            time.sleep(rng.uniform(0.3, 1.8))
            api.kill()
            restarts.append(api.start())
        time.sleep(1)
    finally:
        stop.set()
    for thread in threads:
        thread.join()
    return clients, restarts


def _compare(data: Path, clients: list[Client]) -> dict[str, int]:
    """Own the store once more, so that it loads what the last process left, and hold it against the clients."""
    settings = load_settings({}, data_dir=str(data), fleet_file=str(data.parent / "watchpoint.toml"))
    owner = StoreOwner(settings, Fleet())
    owner.start()
    try:
        owner.wait_loaded(300, rolled=True)
        with owner.cursor() as con:
            return _counts(con, clients)
    finally:
        owner.stop()


def _counts(con: Connection, clients: list[Client]) -> dict[str, int]:
    acked = [key for client in clients for key in client.acked]
    given_up = [key for client in clients for key in client.given_up]
    con.register("acked", pa.table({"batch": pa.array(acked, pa.string())}))
    con.register("given_up", pa.table({"batch": pa.array(given_up, pa.string())}))
    con.execute(
        """
        create temp table found as
        select left(event_id, 10) as batch, count(*) as n, count(distinct event_id) as ids
        from predictions
        group by batch
        """
    )
    names = ("stored", "lost", "duplicated", "given_up_stored", "in_part", "unexpected", "not_in_rollups")
    row = con.execute(
        """
        select
            (select coalesce(sum(n), 0)::bigint from found),
            (select coalesce(sum($size - coalesce(ids, 0)), 0)::bigint from acked left join found using (batch)),
            (select coalesce(sum(n - ids), 0)::bigint from found),
            (select coalesce(sum(n), 0)::bigint from given_up join found using (batch)),
            (select count(*) from found where ids <> $size),
            (select count(*) from found where batch not in (from acked union all from given_up)),
            (select abs((select count(*) from predictions) - coalesce(sum(n), 0))::bigint from rollups
                where grain_s = 60 and by_what = 'all')
        """,
        {"size": BATCH},
    ).fetchall()[0]
    return {"acknowledged": BATCH * len(acked), "given_up": BATCH * len(given_up), **dict(zip(names, row, strict=True))}


def _bodies(seed: int) -> Iterator[bytes]:
    """Bodies whose ids begin with a mark that each batch replaces by its key."""
    rng = random.Random(seed)
    prepared = [b"\n".join(orjson.dumps(event(rng, f"{_ID.decode()}-{i:03d}")) for i in range(BATCH)) for _ in range(8)]
    while True:
        yield from prepared
