"""The file and its folder: who may open it, which versions can, and what an upgrade does."""

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from monitor.config import Settings
from monitor.errors import SchemaTooNew, StoreError, StoreLocked
from monitor.records import Fleet
from monitor.store.database import FILE, open_database, schema_version, transaction
from monitor.store.migrations import MIGRATIONS, Migration
from monitor.store.owner import StoreOwner
from tests.conftest import ROOT
from tests.doorway import one, post, select

Own = Callable[..., StoreOwner]
NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
NEWEST = MIGRATIONS[-1].number
NEXT = Migration(
    NEWEST + 1, "a colour", "alter table predictions add column colour varchar; create table more (n bigint)"
)
BROKEN = Migration(NEWEST + 1, "broken", "create table half (n bigint); alter table nothing add column x bigint")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data" / FILE


def test_a_new_file_gets_every_migration_once(file: Path) -> None:
    for _ in range(2):
        con = open_database(file, NOW)
        assert con.execute("select number, applied_at from migrations").fetchall() == [
            (migration.number, NOW.replace(tzinfo=None)) for migration in MIGRATIONS
        ]
        con.close()
    assert list(file.parent.glob("*before*")) == []


def test_numbers_of_migrations_go_up_by_one() -> None:
    assert [migration.number for migration in MIGRATIONS] == list(range(1, NEWEST + 1))


def test_an_older_file_is_upgraded_and_a_copy_of_it_is_kept(own: Own, file: Path) -> None:
    owner = own()
    post(owner, [{"deployment": "d"}] * 5)
    owner.stop()
    con = open_database(file, NOW, migrations=(*MIGRATIONS, NEXT))
    assert con.execute("select count(*), count(colour) from predictions").fetchall() == [(5, 0)]
    assert schema_version(con) == NEWEST + 1
    con.close()
    copy = file.with_suffix(f".before-{NEWEST + 1}.duckdb")
    with duckdb.connect(str(copy)) as before:
        assert before.execute("select count(*) from predictions").fetchall() == [(5,)]
        assert schema_version(before) == NEWEST


def test_a_migration_that_fails_changes_nothing_and_the_old_version_still_opens_the_file(file: Path) -> None:
    open_database(file, NOW).close()
    with pytest.raises(StoreError, match=rf"migration {NEWEST + 1} \(broken\) failed and changed nothing: .*nothing"):
        open_database(file, NOW, migrations=(*MIGRATIONS, BROKEN))
    con = open_database(file, NOW)
    assert schema_version(con) == NEWEST
    assert con.execute("select count(*) from duckdb_tables() where table_name = 'half'").fetchall() == [(0,)]
    con.close()


def test_a_newer_file_is_refused_and_left_as_it_is(own: Own, file: Path) -> None:
    own().stop()
    open_database(file, NOW, migrations=(*MIGRATIONS, NEXT)).close()
    before = file.read_bytes()
    with pytest.raises(
        SchemaTooNew, match=f"has schema version {NEWEST + 1}, this Watchpoint knows up to {NEWEST}; start the newer"
    ):
        own()
    assert file.read_bytes() == before
    open_database(file, NOW, migrations=(*MIGRATIONS, NEXT)).close()  # and nobody holds its lock


@pytest.mark.parametrize("content", [b"not a database" * 10_000, b"", os.urandom(5000)], ids=["text", "empty", "noise"])
def test_a_file_that_is_no_database_is_said_to_be_one(file: Path, content: bytes) -> None:
    file.parent.mkdir()
    file.write_bytes(content)
    with pytest.raises(
        StoreError, match=r"cannot be opened: .*; restore a backup with `python -m monitor restore`"
    ) as error:
        open_database(file, NOW)
    assert not isinstance(error.value, StoreLocked)
    assert file.read_bytes() == content


def test_a_damaged_file_is_not_mistaken_for_a_locked_one(own: Own, file: Path) -> None:
    owner = own()
    post(owner, [{"deployment": "d", "input_text": str(i) * 200} for i in range(2000)])
    owner.stop()
    data = bytearray(file.read_bytes())
    for place in range(4096, 16384):  # the headers, whose errors speak of blocks
        data[place] ^= 0xFF
    file.write_bytes(data)
    with pytest.raises(StoreError) as error:
        own()
    assert not isinstance(error.value, StoreLocked)


def test_a_second_owner_is_refused_with_the_pid_of_the_first(own: Own, settings: Settings) -> None:
    own()
    with pytest.raises(StoreLocked, match=rf"is owned by another process \(pid {os.getpid()}\); a store has one owner"):
        StoreOwner(settings, Fleet()).claim()
    other = subprocess.run(
        [sys.executable, "-m", "monitor", "api"],
        cwd=ROOT,
        env=os.environ | {"WATCHPOINT_DATA_DIR": settings.data_dir, "WATCHPOINT_FLEET_FILE": settings.fleet_file},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert other.returncode == 2
    assert f"pid {os.getpid()}" in other.stderr


def test_a_file_that_another_tool_has_open_is_said_to_be_in_use(own: Own, file: Path) -> None:
    own().stop()
    hold = f"import duckdb; con = duckdb.connect({str(file)!r}); print('open', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(StoreLocked, match="is in use by another process"):
            own()
        holder.communicate(b"\n")
    own()


def test_an_owner_that_could_not_start_lets_go_of_the_folder(own: Own, settings: Settings) -> None:
    settings.data.mkdir()
    (settings.data / "spool").touch()  # a file where the folder belongs
    with pytest.raises(FileExistsError):
        own()
    (settings.data / "spool").unlink()
    own()


def test_a_store_can_be_opened_on_a_full_disk_for_reading(own: Own, settings: Settings) -> None:
    """Opening writes nothing that is there already, so that pages work while nothing can be written."""
    owner = own()
    post(owner, {"deployment": "d"})
    owner.stop()
    before = (settings.data / FILE).read_bytes()
    own().stop()
    assert (settings.data / FILE).read_bytes() == before


def test_a_transaction_that_fails_leaves_nothing_and_the_connection_usable(own: Own) -> None:
    owner = own()

    def fail(con: duckdb.DuckDBPyConnection) -> None:
        with transaction(con):
            con.execute("insert into facts values ('half', 'done')")
            con.execute("select * from nowhere")

    with pytest.raises(duckdb.Error, match="nowhere"):
        owner.run(fail).result(10)
    assert one(owner, "select count(*) from facts where name = 'half'") == 0
    post(owner, {"deployment": "d"})
    owner.wait_loaded()
    assert select(owner, "select count(*) from predictions") == [(1,)]
