"""Processes that are killed and disks that are full: nothing acknowledged is lost, nothing is there twice."""

import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from monitor.config import Settings
from monitor.store.archive import EVER, FOREVER, raw_relation
from monitor.store.owner import StoreOwner
from tests.conftest import ROOT, free_port, running_api, wait_until
from tests.doorway import one, post, select

Own = Callable[..., StoreOwner]
NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
ROUNDS = 3
BATCH = 20


@dataclass
class Load:
    """A client that posts without a pause, and what it was told. With keys it retries; without, it goes on."""

    url: str
    name: str
    keyed: bool
    acknowledged: list[int] = field(default_factory=list)
    unknown: list[int] = field(default_factory=list)
    replays: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        n = 0
        while not self.stop.is_set():
            while not self.send(n):
                if self.stop.wait(0.02):
                    self.unknown.append(n)
                    return
            n += 1

    def send(self, n: int) -> bool:
        """Whether this batch is done with."""
        events = [{"deployment": self.name, "event_id": f"{n}-{i}"} for i in range(BATCH)]
        headers = {"Idempotency-Key": f"{self.name}-{n}"} if self.keyed else {}
        try:
            answer = httpx.post(self.url, json=events, headers=headers, timeout=10, trust_env=False)
        except httpx.HTTPError:
            if not self.keyed:
                self.unknown.append(n)
            return not self.keyed
        assert answer.status_code == 200, answer.text
        assert answer.json()["accepted"] == BATCH
        self.replays += "Idempotent-Replay" in answer.headers
        self.acknowledged.append(n)
        return True


def test_nothing_is_lost_or_doubled_when_the_api_is_killed_under_load(own: Own, settings: Settings) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/api/v1/predictions"
    loads = [Load(url, f"client-{n}", keyed=n % 2 == 0) for n in range(4)]
    threads = [threading.Thread(target=load.run) for load in loads]
    for kill in range(ROUNDS):
        with running_api(settings.data, port) as process:
            if kill == 0:
                for thread in threads:
                    thread.start()
            had = sum(len(load.acknowledged) for load in loads)
            wait_until(lambda had=had: sum(len(load.acknowledged) for load in loads) > had + 50)  # type: ignore[misc]  # the default binds the value of this round
            time.sleep(random.random() * 0.3)
            process.kill()
            process.wait()
    for load in loads:
        load.stop.set()
    for thread in threads:
        thread.join(30)
    owner = own()
    owner.wait_loaded()
    for load in loads:
        rows = select(owner, "select event_id from predictions where deployment = $name", name=load.name)
        stored = Counter(event_id for (event_id,) in rows)
        assert set(stored.values()) == {1}
        batches = Counter(int(event_id.partition("-")[0]) for event_id in stored)
        assert set(batches.values()) == {BATCH}  # each batch whole
        assert set(load.acknowledged) <= set(batches) <= {*load.acknowledged, *load.unknown}
    assert sum(len(load.acknowledged) for load in loads) > 50 * ROUNDS


RETENTION = """
import sys
from datetime import datetime, timedelta, UTC
from monitor.config import load_settings
from monitor.records import Fleet
from monitor.store.owner import StoreOwner

now = datetime(2026, 3, 10, 12, tzinfo=UTC) - timedelta(days=60)
owner = StoreOwner(load_settings({}, data_dir=sys.argv[1]), Fleet())
owner.start()
print("ready", flush=True)
for day in range(300):
    owner.expire(now + timedelta(days=day % 100))
"""


def test_rows_are_somewhere_and_only_once_when_retention_is_killed(own: Own, settings: Settings) -> None:
    owner = own(clock=lambda: NOW)
    days = range(30, 90, 3)
    for day in days:
        ts = (NOW - timedelta(days=day)).isoformat()
        post(
            owner,
            [{"deployment": "d", "event_id": f"{day}-{i}", "ts": ts, "input_text": "x" * 500} for i in range(200)],
        )
    owner.wait_loaded(rolled=True)
    owner.stop()
    for _ in range(3):
        command = [sys.executable, "-c", RETENTION, settings.data_dir]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            while process.stdout.readline() not in (b"ready\n", b""):
                pass
            time.sleep(random.random() * 0.8)
            process.kill()
        owner = own(clock=lambda: NOW)
        with owner.cursor() as con:
            raw = raw_relation(con, EVER, FOREVER)
            found = con.execute(f"select count(*), count(distinct event_id) from {raw}").fetchall()
        assert found == [(len(days) * 200, len(days) * 200)]
        owner.stop()
    owner = own(clock=lambda: NOW)
    owner.expire(NOW + timedelta(days=100))
    owner.expire(NOW + timedelta(days=100))  # what a merge replaced goes with the next run
    listed = {path for (path,) in select(owner, "select path from archive_files")}
    assert {f"{path.parent.name}/{path.name}" for path in (settings.data / "archive").rglob("*.*")} == listed
    assert one(owner, "select sum(n) from rollups where grain_s = 86400 and by_what = 'all'") == len(days) * 200


# -- the disk of the store is full


@pytest.fixture
def small_disk(settings: Settings, tmp_path: Path) -> Iterator[Path]:
    """The data folder on a file system of 24 MiB, its spool on another one."""
    settings.data.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", settings.data], check=False).returncode:
        pytest.skip("no file system can be mounted here: needs root")
    (tmp_path / "spool").mkdir()
    (settings.data / "spool").symlink_to(tmp_path / "spool")
    yield settings.data
    subprocess.run(["umount", "--lazy", settings.data], check=True)


def test_a_full_disk_of_the_store_stops_the_loader_and_nothing_else_until_there_is_space(
    own: Own, small_disk: Path
) -> None:
    owner = own(segment_ms=20)
    noise = random.Random(5)

    def send(n: int) -> None:
        text = f"{noise.getrandbits(4000):x}"
        assert (
            post(owner, [{"deployment": "d", "event_id": f"{n}-{i}", "input_text": text} for i in range(50)]).accepted
            == 50
        )

    send(0)
    owner.wait_loaded()
    (small_disk / "other").write_bytes(b"x" * (os.statvfs(small_disk).f_bavail * 4096 - 200_000))
    sent = 1
    deadline = time.monotonic() + 30
    while owner.problem is None:
        send(sent)
        sent += 1
        assert time.monotonic() < deadline
    assert "No space left on device" in owner.problem
    send(sent)  # still acknowledged: the spool has space
    assert one(owner, "select count(*) from predictions") >= 50  # still read
    owner.stop()
    owner = own()  # still starts
    assert one(owner, "select count(*) from predictions") >= 50
    (small_disk / "other").unlink()
    owner.wait_loaded(20)
    wait_until(lambda: owner.problem is None)
    assert select(owner, "select count(*), count(distinct event_id) from predictions") == [((sent + 1) * 50,) * 2]
    assert shutil.disk_usage(small_disk).free > 0
    owner.stop()
