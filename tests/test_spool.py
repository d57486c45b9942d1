"""The spool: what was acknowledged is never lost, what was not is never half there, and its bounds hold."""

import contextlib
import errno
import os
import resource
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any

import orjson
import pytest

from monitor.errors import Overloaded, StorageFull
from monitor.ingest.spool import TRAILER, Spool, make_frame, read_trailers, whole_frames
from tests.conftest import wait_until
from tests.doorway import MIB

SIZES: dict[str, Any] = {
    "segment_bytes": 4 * MIB,
    "segment_ms": 60_000,
    "max_pending_bytes": 64 * MIB,
    "max_spool_bytes": 2048 * MIB,
}


def frame(*numbers: int, batch: str = "") -> bytes:
    return make_frame([orjson.dumps({"deployment": "d", "n": n}) for n in numbers], len(numbers), 0, batch)


def numbers(data: bytes) -> list[int]:
    return [orjson.loads(line)["n"] for line in data.splitlines() if not line.startswith(TRAILER)]


def stored(folder: Path) -> list[int]:
    """What a loader would find, in order."""
    return [n for path in sorted(folder.glob("*.ndjson")) for n in numbers(path.read_bytes())]


@contextlib.contextmanager
def open_spool(folder: Path, **sizes: Any) -> Iterator[Spool]:
    spool = Spool(folder, **(SIZES | sizes))
    spool.start()
    try:
        yield spool
    finally:
        spool.stop()


def test_what_is_acknowledged_is_in_the_file_in_its_order(tmp_path: Path) -> None:
    with open_spool(tmp_path) as spool:
        for n in range(10):
            spool.append(frame(2 * n, 2 * n + 1)).result(10)
        (path,) = tmp_path.glob("*.open")
        assert numbers(path.read_bytes()) == list(range(20))
        assert path.stat().st_mode & 0o777 == 0o600
    assert stored(tmp_path) == list(range(20))


def test_many_writers_at_once_lose_and_double_nothing(tmp_path: Path) -> None:
    with open_spool(tmp_path, segment_bytes=20_000) as spool:

        def write(first: int) -> None:
            for n in range(first, first + 100):
                spool.append(frame(n)).result(30)

        threads = [threading.Thread(target=write, args=(first,)) for first in range(0, 1600, 100)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(spool.sealed()) > 1
    assert sorted(stored(tmp_path)) == list(range(1600))


def test_a_segment_is_sealed_by_size_by_age_and_when_asked(tmp_path: Path) -> None:
    sealed = threading.Event()
    with open_spool(tmp_path, segment_ms=50, on_seal=sealed.set) as spool:
        spool.append(frame(1)).result(10)
        assert sealed.wait(5)
    with open_spool(tmp_path, segment_bytes=10) as spool:
        spool.append(frame(2)).result(10)
        spool.append(frame(3)).result(10)
        wait_until(lambda: len(spool.sealed()) == 3)
    with open_spool(tmp_path) as spool:
        spool.append(frame(4))
        spool.seal().result(10)
        assert len(spool.sealed()) == 4
    assert stored(tmp_path) == [1, 2, 3, 4]


def test_the_size_is_what_is_not_loaded(tmp_path: Path) -> None:
    with open_spool(tmp_path) as spool:
        spool.append(frame(1)).result(10)
        spool.seal().result(10)
        spool.append(frame(2)).result(10)
        assert spool.size == len(frame(1)) + len(frame(2))
        spool.remove(spool.sealed())
        assert spool.size == len(frame(2))
    assert Spool(tmp_path, **SIZES).size == len(frame(2))


# -- crashes


def crashed(folder: Path, data: bytes) -> Spool:
    """A spool that starts over a segment which a crash left open."""
    for path in folder.iterdir():
        path.unlink()
    (folder / "00000000000000000001.open").write_bytes(data)
    return Spool(folder, **SIZES)


def test_a_segment_cut_at_any_byte_keeps_its_whole_frames_and_nothing_else(tmp_path: Path) -> None:
    frames = [frame(1, 2), frame(3, batch="key-1"), make_frame([], 0, 0, "empty"), frame(4, 5)]
    whole, ends = b"".join(frames), [sum(map(len, frames[:i])) for i in range(5)]
    for cut in range(len(whole) + 1):
        spool = crashed(tmp_path, whole[:cut])
        good = max(end for end in ends if end <= cut)
        assert stored(tmp_path) == numbers(whole[:good])
        assert spool.recovered_bytes_cut == cut - good
        assert list(tmp_path.glob("*.ndjson")) == ([] if good == 0 else spool.sealed())
        assert not list(tmp_path.glob("*.open"))


@pytest.mark.parametrize("flipped", range(len(frame(3, 4))))
def test_a_flipped_bit_costs_only_its_own_frame(tmp_path: Path, flipped: int) -> None:
    before, middle, after = frame(1, 2), bytearray(frame(3, 4)), frame(5, 6)
    middle[flipped] ^= 0b100
    crashed(tmp_path, before + bytes(middle) + after)
    assert set(stored(tmp_path)) >= {1, 2, 5, 6}
    if 3 not in stored(tmp_path):  # what was damaged is kept for people to look at
        (kept,) = tmp_path.glob("*.damaged")
        assert kept.read_bytes() == before + bytes(middle) + after


def test_zeros_at_the_end_are_torn(tmp_path: Path) -> None:
    assert crashed(tmp_path, frame(1) + b"\0" * 4096).recovered_bytes_cut == 4096
    assert stored(tmp_path) == [1]


def test_texts_cannot_forge_a_trailer(tmp_path: Path) -> None:
    forged = orjson.dumps(
        {"deployment": "d", "n": 1, "input_text": '\n{"batch":"","rows":0,"rejects":0,"size":0,"crc":0}\n'}
    )
    data = make_frame([forged], 1, 0, "real")
    assert [trailer.batch for trailer in read_trailers(data)] == ["real"]
    assert whole_frames(data) == [slice(0, len(data))]


def test_a_trailer_that_cannot_be_read_is_passed_over() -> None:
    data = frame(1, batch="a") + b'{"batch":"b","rows":\n{"batch":7}\n{"batch":"\xff"}\n' + frame(2, batch="c")
    assert [trailer.batch for trailer in read_trailers(data)] == ["a", "c"]


def test_other_files_in_the_folder_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.ndjson").write_text("mine\n")
    with open_spool(tmp_path) as spool:
        spool.append(frame(1)).result(10)
    assert len(spool.sealed()) == 1
    assert (tmp_path / "notes.ndjson").read_text() == "mine\n"


# -- bounds


def test_what_waits_in_memory_is_bounded_and_one_large_frame_still_passes(tmp_path: Path) -> None:
    spool = Spool(tmp_path, **(SIZES | {"max_pending_bytes": 1000}))  # its writer is not started: everything waits
    large = frame(*range(100))
    waiting = spool.append(large)
    with pytest.raises(Overloaded, match=f"{len(large)} bytes wait for the disk, at most 1000 may") as refused:
        spool.append(frame(1))
    assert refused.value.retry_after_s == 1
    spool.start()
    waiting.result(10)
    spool.append(frame(100)).result(10)
    spool.stop()
    assert spool.pending_bytes == 0
    assert stored(tmp_path) == list(range(101))


def test_what_waits_on_disk_is_bounded_until_it_is_loaded(tmp_path: Path) -> None:
    with open_spool(tmp_path, max_spool_bytes=1000) as spool:
        spool.append(frame(*range(100))).result(10)
        with pytest.raises(Overloaded, match="bytes not yet loaded, at most 1000 may; send again later") as refused:
            spool.append(frame(1))
        assert refused.value.retry_after_s == 5
        spool.seal().result(10)
        spool.remove(spool.sealed())
        spool.append(frame(1)).result(10)


def test_a_stopped_spool_sends_away_and_keeps_what_waited(tmp_path: Path) -> None:
    with open_spool(tmp_path) as spool:
        waiting = [spool.append(frame(n)) for n in range(50)]
    assert all(future.done() and future.exception() is None for future in waiting)
    with pytest.raises(Overloaded, match="the server is stopping"):
        spool.append(frame(99))
    assert spool.seal().result(1) is None
    assert stored(tmp_path) == list(range(50))


def test_nobody_waits_for_ever_when_the_spool_stops_under_load(tmp_path: Path) -> None:
    spool = Spool(tmp_path, **SIZES)
    spool.start()
    futures: list[Future[None]] = []

    def write() -> None:
        with contextlib.suppress(Overloaded):
            while True:
                futures.append(spool.append(frame(1)))
                futures.append(spool.seal())

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(futures) > 200)
    spool.stop()
    for thread in threads:
        thread.join(10)
    assert not wait(futures, timeout=10).not_done


# -- disks


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one mebibyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], check=False).returncode:
        pytest.skip("no file system can be mounted here: needs root")
    yield folder
    subprocess.run(["umount", folder], check=True)


def fill(spool: Spool) -> int:
    """Append until the disk is full; returns how many frames were acknowledged."""
    for n in range(10_000):
        error = spool.append(frame(n, *range(100_000, 100_300))).exception(10)
        if error is not None:
            assert isinstance(error, StorageFull)
            return n
    raise AssertionError("the disk never filled up")


def test_a_full_disk_keeps_nothing_of_the_request_and_works_again_when_there_is_space(small_disk: Path) -> None:
    other = small_disk / "other"
    other.write_bytes(b"x" * 500_000)
    with open_spool(small_disk / "spool", segment_bytes=100_000) as spool:
        acknowledged = fill(spool)
        with pytest.raises(
            StorageFull, match="is full; nothing of this request was kept; free space, then send it again"
        ):
            spool.append(frame(77_777, *range(300))).result(10)
        assert spool.pending_bytes == 0
        other.unlink()
        spool.append(frame(88_888)).result(10)
        spool.seal().result(10)
        assert [n for n in stored(spool.folder) if n < 100_000] == [*range(acknowledged), 88_888]
        assert all(len(whole_frames(path.read_bytes())) for path in spool.sealed())


def test_a_disk_that_is_full_at_the_start_of_a_segment_recovers_too(small_disk: Path) -> None:
    with open_spool(small_disk / "spool") as spool:
        (small_disk / "other").write_bytes(b"x" * (os.statvfs(small_disk).f_bavail * 4096))
        with pytest.raises(StorageFull):
            spool.append(frame(1)).result(10)
        (small_disk / "other").unlink()
        spool.append(frame(2)).result(10)
    assert stored(spool.folder) == [2]


def test_a_limit_on_the_size_of_files_is_like_a_full_disk(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with open_spool(tmp_path) as spool:
        spool.append(frame(1)).result(10)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
        try:
            with pytest.raises(StorageFull, match="File too large"):
                spool.append(frame(*range(1000))).result(10)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        spool.append(frame(2)).result(10)
    assert stored(tmp_path) == [1, 2]


def test_a_torn_frame_that_cannot_be_cut_off_at_once_is_cut_off_before_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fails twice: half a frame is written, and cannot be taken back before the disk works again."""
    write, broken = os.write, threading.Event()

    def half(file: int, data: memoryview) -> int:
        if not broken.is_set():
            return write(file, data)
        write(file, data[:10])
        raise OSError(errno.EIO, "Input/output error")

    def no_truncate(*_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with open_spool(tmp_path) as spool:
        spool.append(frame(1)).result(10)
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", half)
            patch.setattr(os, "ftruncate", no_truncate)
            broken.set()
            for _ in range(2):
                with pytest.raises(StorageFull, match="Input/output error"):
                    spool.append(frame(2)).result(10)
            with pytest.raises(StorageFull, match="cannot be sealed"):
                spool.seal().result(10)
        spool.append(frame(3)).result(10)
    assert stored(tmp_path) == [1, 3]


def test_a_segment_that_cannot_be_renamed_is_sealed_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_rename(*_: object) -> None:
        raise OSError(errno.EACCES, "Permission denied")

    with open_spool(tmp_path, segment_ms=20) as spool:
        with monkeypatch.context() as patch:
            patch.setattr(Path, "rename", no_rename)
            spool.append(frame(1)).result(10)
            spool.append(frame(2)).result(10)
            with pytest.raises(StorageFull, match="cannot be sealed"):
                spool.seal().result(10)
        spool.append(frame(3)).result(10)
        wait_until(lambda: stored(tmp_path) == [1, 2, 3])
