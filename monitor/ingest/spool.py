"""The spool: the folder of segments between the door and the store. What is in it after `append` returns is never lost.

A segment is NDJSON. Each batch is one frame: its row lines, its reject lines, and last a trailer line that counts and
checksums them. The writer thread gathers whatever waits, writes it in one go and calls fdatasync once (group commit).
A full or old segment is sealed by a rename; only sealed segments are loaded. After a crash the open segment is cut
behind its last whole frame: what is cut off was never acknowledged.
"""

import errno
import os
import queue
import threading
import time
import zlib
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog

from monitor.errors import Overloaded, StorageFull

log = structlog.get_logger(__name__)

OPEN, SEALED = ".open", ".ndjson"
TRAILER = b'{"batch":'


class Trailer(msgspec.Struct, omit_defaults=True):
    """The last line of a frame. `batch` is the Idempotency-Key (or empty), `answer` what the client was told."""

    batch: str
    rows: int
    rejects: int
    size: int  # bytes of the lines before it
    crc: int
    digest: str = ""  # of the body, so that a key cannot be used twice for different ones
    answer: str = ""


@dataclass(frozen=True, slots=True)
class _Pending:
    frame: bytes
    done: "Future[None]"


def make_frame(
    lines: list[bytes], rows: int, rejects: int, batch: str = "", digest: str = "", answer: str = ""
) -> bytes:
    """The lines and their trailer as bytes."""
    body = b"\n".join(lines) + b"\n" if lines else b""
    trailer = Trailer(batch, rows, rejects, len(body), zlib.crc32(body), digest, answer)
    return body + msgspec.json.encode(trailer) + b"\n"


def read_trailers(data: bytes) -> list[Trailer]:
    """The trailers of a segment in their order."""
    return [msgspec.json.decode(line, type=Trailer) for line in data.split(b"\n") if line.startswith(TRAILER)]


def whole_frames(data: bytes) -> int:
    """How many leading bytes of a segment are whole frames."""
    good = start = 0
    while (end := data.find(b"\n", start)) >= 0:
        line = data[start:end]
        if line.startswith(TRAILER):
            try:
                trailer = msgspec.json.decode(line, type=Trailer)
            except msgspec.MsgspecError:
                break
            if trailer.size != start - good or trailer.crc != zlib.crc32(data[good:start]):
                break
            good = end + 1
        start = end + 1
    return good


def sync_folder(folder: Path) -> None:
    """Make creations and renames in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Spool:
    """Writer of one spool folder; one process owns it. `on_seal` is called whenever a segment became loadable."""

    def __init__(
        self,
        folder: Path,
        *,
        segment_bytes: int,
        segment_ms: int,
        max_pending_bytes: int,
        max_spool_bytes: int,
        on_seal: Callable[[], None] = lambda: None,
    ) -> None:
        self.folder = folder
        self._segment_bytes, self._segment_s = segment_bytes, segment_ms / 1000
        self._max_pending, self._max_spool = max_pending_bytes, max_spool_bytes
        self._on_seal = on_seal
        self._queue: queue.SimpleQueue[_Pending | Future[None] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._pending_bytes = 0
        self._sealed_bytes = 0
        self._file: int | None = None
        self._path = folder
        self._size = 0
        self._opened = 0.0
        self._thread = threading.Thread(target=self._run, name="spool", daemon=True)
        folder.mkdir(parents=True, exist_ok=True)
        self.recovered_bytes_cut = self._recover()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, seal, and end the writer."""
        self._queue.put(None)
        self._thread.join()

    # -- for the door

    def append(self, frame: bytes) -> "Future[None]":
        """Queue a frame; the future resolves once it is on disk.

        Raises Overloaded at a bound. The future raises StorageFull when the disk is full; then nothing of the frame was kept.
        """
        with self._lock:
            if self._pending_bytes and self._pending_bytes + len(frame) > self._max_pending:
                raise Overloaded(
                    f"{self._pending_bytes} bytes wait for the disk, at most {self._max_pending} may; send again later",
                    1,
                )
            if self._sealed_bytes + self._size > self._max_spool:
                raise Overloaded(
                    f"the spool holds {self._sealed_bytes + self._size} bytes not yet loaded, at most {self._max_spool} may; send again later",
                    5,
                )
            self._pending_bytes += len(frame)
        pending = _Pending(frame, Future())
        self._queue.put(pending)
        return pending.done

    def seal(self) -> "Future[None]":
        """Ask the writer to close the open segment now; resolves when all frames queued before are in sealed segments."""
        done: Future[None] = Future()
        self._queue.put(done)
        return done

    # -- for the loader

    def sealed(self) -> list[Path]:
        """Loadable segments, oldest first."""
        return sorted(self.folder.glob(f"*{SEALED}"))

    def remove(self, segments: list[Path]) -> None:
        """Delete loaded segments."""
        for segment in segments:
            size = segment.stat().st_size
            segment.unlink()
            with self._lock:
                self._sealed_bytes -= size

    @property
    def size(self) -> int:
        """Bytes on disk that are not loaded yet."""
        with self._lock:
            return self._sealed_bytes + self._size

    @property
    def pending_bytes(self) -> int:
        return self._pending_bytes

    # -- the writer thread

    def _recover(self) -> int:
        cut = 0
        for path in sorted(self.folder.glob(f"*{OPEN}")):
            data = path.read_bytes()
            good = whole_frames(data)
            cut += len(data) - good
            if good < len(data):
                log.warning(
                    "spool segment ended in a torn frame that was never acknowledged",
                    segment=path.name,
                    cut_bytes=len(data) - good,
                )
                os.truncate(path, good)
            if good:
                path.rename(path.with_suffix(SEALED))
            else:
                path.unlink()
        sync_folder(self.folder)
        self._sealed_bytes = sum(path.stat().st_size for path in self.sealed())
        return cut

    def _run(self) -> None:
        while True:
            try:
                first = self._queue.get(timeout=self._wait())
            except queue.Empty:
                self._seal()
                continue
            batch = [first]
            while True:
                try:
                    batch.append(self._queue.get_nowait())
                except queue.Empty:
                    break
            self._write([item for item in batch if isinstance(item, _Pending)])
            seals = [item for item in batch if isinstance(item, Future)]
            if seals or None in batch or self._size >= self._segment_bytes or self._wait() == 0:
                self._seal()
            for done in seals:
                done.set_result(None)
            if None in batch:
                return

    def _wait(self) -> float | None:
        """Seconds until the open segment is due, None while there is none."""
        return None if self._file is None else max(0.0, self._opened + self._segment_s - time.monotonic())

    def _write(self, batch: list[_Pending]) -> None:
        if not batch:
            return
        failure: Exception | None = None
        try:
            self._append_and_sync(b"".join(pending.frame for pending in batch))
        except OSError as error:
            failure = self._explain(error)
        with self._lock:
            self._pending_bytes -= sum(len(pending.frame) for pending in batch)
        for pending in batch:
            if failure is None:
                pending.done.set_result(None)
            else:
                pending.done.set_exception(failure)

    def _append_and_sync(self, data: bytes) -> None:
        if self._file is None:
            self._open()
        assert self._file is not None
        try:
            view, written = memoryview(data), 0
            while written < len(data):
                written += os.write(self._file, view[written:])
            os.fdatasync(self._file)
        except OSError:
            # half a frame must not stay in front of later ones
            os.ftruncate(self._file, self._size)
            os.lseek(self._file, self._size, os.SEEK_SET)
            raise
        with self._lock:
            self._size += len(data)

    def _open(self) -> None:
        self._path = self.folder / f"{time.time_ns():020d}{OPEN}"
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        sync_folder(self.folder)
        self._opened = time.monotonic()

    def _seal(self) -> None:
        if self._file is None:
            return
        os.close(self._file)
        self._file = None
        if self._size:
            self._path.rename(self._path.with_suffix(SEALED))
        else:
            self._path.unlink()
        with self._lock:
            self._sealed_bytes += self._size
            self._size = 0
        self._on_seal()

    def _explain(self, error: OSError) -> Exception:
        log.error("spool write failed", error=str(error), folder=str(self.folder))
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return StorageFull(
                f"the disk of the spool ({self.folder}) is full; nothing of this request was kept; free space, then send it again"
            )
        return StorageFull(
            f"the spool ({self.folder}) cannot be written: {error.strerror}; nothing of this request was kept; send it again later"
        )
