"""Backup and restore: a consistent copy while everything runs, and nothing but a whole copy is ever put back."""

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor.config import Settings, load_settings
from monitor.errors import BadInput, SchemaTooNew, StoreError
from monitor.records import Fleet
from monitor.store.backup import MANIFEST, restore
from monitor.store.owner import StoreOwner
from tests.conftest import wait_until
from tests.doorway import one, post, select

Own = Callable[..., StoreOwner]
NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
TABLES = ("predictions", "rejects", "rollups", "counts", "histograms", "deployments_seen", "batches")


def fill(owner: StoreOwner) -> None:
    days = [
        {"deployment": "d", "event_id": str(i), "ts": (NOW - timedelta(days=i)).isoformat()} for i in range(0, 50, 7)
    ]
    post(owner, [*days, {"deployment": "d", "latency_ms": -1}], key="k")
    owner.wait_loaded(rolled=True)
    owner.expire(NOW)


def content(owner: StoreOwner) -> dict[str, list[Any]]:
    owner.wait_loaded(rolled=True)
    return {table: select(owner, f"select * from {table} order by all") for table in TABLES}


def opened(data: Path) -> StoreOwner:
    owner = StoreOwner(load_settings({}, data_dir=str(data)), Fleet(), lambda: NOW)
    owner.start()
    return owner


@pytest.fixture
def backed_up(own: Own, tmp_path: Path) -> Path:
    owner = own(clock=lambda: NOW)
    fill(owner)
    owner.back_up(tmp_path / "backup")
    return tmp_path / "backup"


def test_a_restored_backup_has_the_same_rows_answers_keys_and_hashes(own: Own, tmp_path: Path) -> None:
    owner = own(clock=lambda: NOW)
    fill(owner)
    post(owner, {"deployment": "d", "user": "alice"})
    before = content(owner)
    said = owner.back_up(tmp_path / "backup")
    assert said["predictions"] == len(before["predictions"])
    owner.stop()
    restore(tmp_path / "backup", tmp_path / "elsewhere", NOW)
    again = opened(tmp_path / "elsewhere")
    assert content(again) == before
    archived = select(again, "select path from archive_files")
    assert archived
    assert all((tmp_path / "elsewhere" / "archive" / path).exists() for (path,) in archived)
    post(again, {"deployment": "d", "user": "alice"})
    again.wait_loaded()
    assert one(again, "select count(distinct user_hash) from predictions") == 1
    again.stop()


def test_a_backup_taken_while_everything_runs_holds_what_was_acknowledged_before_it(own: Own, tmp_path: Path) -> None:
    owner = own(segment_ms=20)
    acknowledged: list[int] = []
    stop = threading.Event()

    def write() -> None:
        for n in range(1_000_000):
            if stop.is_set():
                return
            post(owner, [{"deployment": "d", "event_id": f"{n}-{i}"} for i in range(5)], key=f"key-{n}")
            acknowledged.append(n)

    def read() -> None:
        while not stop.is_set():
            select(owner, "select * from predictions order by ts limit 1000")

    threads = [threading.Thread(target=work) for work in (write, read)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(acknowledged) > 20)
    taken = []
    for n in range(3):
        before = len(acknowledged)
        owner.back_up(tmp_path / str(n))
        taken.append((before, len(acknowledged) + 1))
    stop.set()
    for thread in threads:
        thread.join()
    for n, (least, most) in enumerate(taken):
        restore(tmp_path / str(n), tmp_path / f"restored-{n}", NOW)
        again = opened(tmp_path / f"restored-{n}")
        again.wait_loaded()
        batches = select(
            again, "select split_part(event_id, '-', 1)::int, count(*) from predictions group by 1 order by 1"
        )
        assert least <= len(batches) <= most
        assert batches == [(batch, 5) for batch in range(len(batches))]  # whole, once, and none left out between
        assert post(again, [{"deployment": "d", "event_id": f"0-{i}"} for i in range(5)], key="key-0").replayed
        again.stop()


def test_the_lock_of_the_file_outlives_a_backup(own: Own, tmp_path: Path) -> None:
    """A file that this process opened and closed again would lose DuckDB's lock on it."""
    owner = own()
    owner.back_up(tmp_path / "backup")
    intruder = f"import duckdb; duckdb.connect({str(owner.settings.data / 'watchpoint.duckdb')!r})"
    result = subprocess.run([sys.executable, "-c", intruder], capture_output=True, text=True, check=False)
    assert "Could not set lock" in result.stderr


def test_a_backup_never_overwrites(own: Own, tmp_path: Path) -> None:
    owner = own()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    (tmp_path / "file").touch()
    for target in ("full", "file"):
        with pytest.raises(BadInput, match="is not an empty folder; a backup never overwrites"):
            owner.back_up(tmp_path / target)
    (tmp_path / "empty").mkdir()
    owner.back_up(tmp_path / "empty")


def test_a_backup_that_is_cut_short_is_no_backup(own: Own, tmp_path: Path) -> None:
    owner = own()
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"was cut short: .*take it again into a new folder"):
        owner.back_up(tmp_path / "file" / "below")
    assert post(owner, {"deployment": "d"}).accepted == 1


def test_a_folder_without_a_manifest_is_refused(backed_up: Path, tmp_path: Path) -> None:
    (backed_up / MANIFEST).unlink()
    with pytest.raises(BadInput, match=r"holds no backup.json: it is not a backup, or one that was cut short"):
        restore(backed_up, tmp_path / "new", NOW)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("harm", ["cut", "flip", "remove"])
def test_any_damaged_file_is_found_and_nothing_is_restored(backed_up: Path, tmp_path: Path, harm: str) -> None:
    files = [name for name in json.loads((backed_up / MANIFEST).read_text())["files"] if not name.endswith(".ndjson")]
    assert {Path(name).suffix for name in files} == {".duckdb", ".parquet", ".salt"}
    for name in files:
        damaged = tmp_path / f"damaged-{Path(name).name}"
        shutil.copytree(backed_up, damaged)
        data = bytearray((damaged / name).read_bytes())
        if harm == "flip":
            data[len(data) // 2] ^= 1
        (damaged / name).write_bytes(data[:-1] if harm == "cut" else data)
        if harm == "remove":
            (damaged / name).unlink()
        with pytest.raises(StoreError, match=f"is damaged: {name} is not what was backed up; use another backup"):
            restore(damaged, tmp_path / "new", NOW)
        assert [path.name for path in tmp_path.glob("new*")] == []


def test_a_restore_never_overwrites(backed_up: Path, settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is not an empty folder; a restore never overwrites"):
        restore(backed_up, settings.data, NOW)
    (tmp_path / "empty").mkdir()
    restore(backed_up, tmp_path / "empty", NOW)
    assert (tmp_path / "empty" / "watchpoint.duckdb").exists()


def test_what_an_interrupted_restore_left_does_not_matter(backed_up: Path, tmp_path: Path) -> None:
    (tmp_path / "new.restoring").mkdir()
    (tmp_path / "new.restoring" / "half").touch()
    restore(backed_up, tmp_path / "new", NOW)
    assert not (tmp_path / "new" / "half").exists()


def test_a_backup_of_a_newer_version_is_refused_and_leaves_nothing(own: Own, tmp_path: Path) -> None:
    owner = own()
    owner.run(lambda con: con.execute("insert into migrations values (999, 'future', now()::timestamp)")).result(10)
    owner.back_up(tmp_path / "backup")
    with pytest.raises(SchemaTooNew, match="start the newer version"):
        restore(tmp_path / "backup", tmp_path / "new", NOW)
    assert [path.name for path in tmp_path.glob("new*")] == []


def test_a_backup_of_a_backup_is_the_same_store(backed_up: Path, tmp_path: Path) -> None:
    restore(backed_up, tmp_path / "first", NOW)
    first = opened(tmp_path / "first")
    before = content(first)
    first.back_up(tmp_path / "second-backup")
    first.stop()
    restore(tmp_path / "second-backup", tmp_path / "second", NOW)
    second = opened(tmp_path / "second")
    assert content(second) == before
    second.stop()
