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
from typing import Any

import msgspec
import structlog

from monitor.errors import Overloaded, StorageFull

log = structlog.get_logger(__name__)

OPEN, SEALED, DAMAGED = ".open", ".ndjson", ".damaged"
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
    """The trailers of a segment in their order, without those that cannot be read."""
    lines = (line for line in data.split(b"\n") if line.startswith(TRAILER))
    return [trailer for line in lines if (trailer := _trailer(line)) is not None]


def _trailer(line: bytes) -> Trailer | None:
    try:
        return msgspec.json.decode(line, type=Trailer)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def whole_frames(data: bytes) -> list[slice]:
    """Where the whole frames of a segment lie; a damaged one does not take those behind it along."""
    frames: list[slice] = []
    behind = start = 0
    while (end := data.find(b"\n", start)) >= 0:
        trailer = _trailer(data[start:end]) if data.startswith(TRAILER, start) else None
        if trailer is not None:
            first = start - trailer.size
            if first >= behind and trailer.crc == zlib.crc32(data[first:start]):
                frames.append(slice(first, end + 1))
                behind = end + 1
        start = end + 1
    return frames


def promise() -> "Future[Any]":
    """A future that its reader cannot cancel: others may wait for the same one."""
    done: Future[Any] = Future()
    done.set_running_or_notify_cancel()
    return done


def sync_folder(folder: Path) -> None:
    """Make creations and renames in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_durably(path: Path, data: bytes) -> None:
    """Write a file, for the eyes of its owner, so that after a crash it is whole or not there."""
    part = path.with_name(path.name + ".part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
    part.rename(path)
    sync_folder(path.parent)


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
        self._stopped = False
        self._pending_bytes = 0
        self._sealed_bytes = 0
        self._file: int | None = None
        self._torn = False  # half a frame stands at the end of the open segment
        self._path = folder
        self._size = 0
        self._opened = 0.0
        self._thread = threading.Thread(target=self._run, name="spool", daemon=True)
        folder.mkdir(parents=True, exist_ok=True)
        self.recovered_bytes_cut = self._recover()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, seal, and end the writer; whoever comes later is sent away."""
        with self._lock:
            self._stopped = True
            self._queue.put(None)
        self._thread.join()

    # -- for the door

    def append(self, frame: bytes) -> "Future[None]":
        """Queue a frame; the future resolves once it is on disk.

        Raises Overloaded at a bound. The future raises StorageFull on a full disk; then nothing of the frame was kept.
        """
        pending = _Pending(frame, promise())
        with self._lock:
            self._check_bounds(len(frame))
            self._pending_bytes += len(frame)
            self._queue.put(pending)
        return pending.done

    def _check_bounds(self, more: int) -> None:
        unloaded = self._sealed_bytes + self._size
        if self._stopped:
            raise Overloaded("the server is stopping; send again when it is back", 5)
        if self._pending_bytes and self._pending_bytes + more > self._max_pending:
            raise Overloaded(
                f"{self._pending_bytes} bytes wait for the disk, at most {self._max_pending} may; send again later", 1
            )
        if unloaded > self._max_spool:
            raise Overloaded(
                f"the spool holds {unloaded} bytes not yet loaded, at most {self._max_spool} may; send again later", 5
            )

    def seal(self) -> "Future[None]":
        """Close the open segment now; resolves when all frames queued before are in sealed segments."""
        done: Future[None] = promise()
        with self._lock:
            if self._stopped:
                done.set_result(None)  # by `stop`
            else:
                self._queue.put(done)
        return done

    # -- for the loader

    def sealed(self) -> list[Path]:
        """Loadable segments, oldest first; other files are none of ours."""
        return sorted(path for path in self.folder.glob(f"*{SEALED}") if path.stem.isdigit())

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
        """Seal what a crash left open, without what is torn; returns the bytes that were cut."""
        cut = 0
        for path in sorted(self.folder.glob(f"*{OPEN}")):
            data = path.read_bytes()
            frames = whole_frames(data)
            good = b"".join(data[frame] for frame in frames)
            if len(good) < len(data):
                cut += len(data) - len(good)
                self._cut(path, data, good, torn=data.startswith(good))
            if good:
                path.rename(path.with_suffix(SEALED))
            else:
                path.unlink()
        sync_folder(self.folder)
        self._sealed_bytes = sum(path.stat().st_size for path in self.sealed())
        return cut

    def _cut(self, path: Path, data: bytes, good: bytes, *, torn: bool) -> None:
        if torn:
            log.warning(
                "spool segment ended in a torn frame that was never acknowledged",
                segment=path.name,
                cut_bytes=len(data) - len(good),
            )
            os.truncate(path, len(good))
            return
        kept = path.with_suffix(DAMAGED)
        log.error(
            "spool segment is damaged; its whole frames are loaded",
            segment=path.name,
            kept=str(kept),
            frames_bytes=len(good),
        )
        kept.write_bytes(data)
        write_durably(path, good)

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
                if self._file is None:
                    done.set_result(None)
                else:
                    done.set_exception(StorageFull(f"the spool ({self.folder}) cannot be sealed; the log says why"))
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
        except (OSError, MemoryError) as error:
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
            self._file = self._open()
        elif self._torn:
            self._truncate(self._file)
        try:
            view, written = memoryview(data), 0
            while written < len(data):
                written += os.write(self._file, view[written:])
            os.fdatasync(self._file)
        except OSError:
            self._torn = True
            self._truncate(self._file)
            raise
        with self._lock:
            self._size += len(data)

    def _truncate(self, file: int) -> None:
        """Half a frame must not stay in front of later ones."""
        os.ftruncate(file, self._size)
        os.lseek(file, self._size, os.SEEK_SET)
        self._torn = False

    def _open(self) -> int:
        self._path = self.folder / f"{time.time_ns():020d}{OPEN}"
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._opened = time.monotonic()
        try:
            sync_folder(self.folder)
        except OSError:
            os.close(file)
            raise
        return file

    def _seal(self) -> None:
        """Make the open segment loadable; where that fails it stays open, and is tried again when it is due next."""
        if self._file is None:
            return
        self._opened = time.monotonic()
        try:
            if self._torn:
                self._truncate(self._file)
            if self._size:
                self._path.rename(self._path.with_suffix(SEALED))
            else:
                self._path.unlink()
        except OSError as error:
            log.error("spool segment cannot be sealed; trying again", error=str(error), segment=self._path.name)
            return
        os.close(self._file)
        self._file = None
        with self._lock:
            self._sealed_bytes += self._size
            self._size = 0
        self._on_seal()

    def _explain(self, error: OSError | MemoryError) -> StorageFull:
        log.error("spool write failed", error=str(error), folder=str(self.folder))
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return StorageFull(
                f"the disk of the spool ({self.folder}) is full; nothing of this request was kept; "
                "free space, then send it again"
            )
        return StorageFull(
            f"the spool ({self.folder}) cannot be written: {error or 'out of memory'}; "
            "nothing of this request was kept; send it again later"
        )
