"""The spool folder of the SDK: one file for each batch that the server has not answered yet; used by `sender`.

Several processes may share the folder. A file is written under another name and renamed, it is claimed by an advisory
lock, which the system releases when its process dies, and its name carries the Idempotency-Key, so that a batch counts
once even where two processes send it.
"""

import os
import re
import stat
import time
from collections import deque
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: the Idempotency-Key alone keeps a batch from counting twice
    fcntl = None  # type: ignore[assignment]  # not on Windows

_NAME = re.compile(r"(\d{20})-([0-9a-f]{32})-(\d+)\.ndjson\.gz")
SIZE_AGE_S = 5.0  # how long the measured size of a folder that others write to is believed
LEFTOVER_S = 3600.0


@dataclass(frozen=True, slots=True)
class Parcel:
    """A batch as it goes over the wire and lies on disk: NDJSON, compressed."""

    key: str
    created_ns: int
    events: int
    body: bytes

    @property
    def name(self) -> str:
        return f"{self.created_ns:020d}-{self.key}-{self.events}.ndjson.gz"


class Outbox:
    """A folder of parcels, bounded in bytes; `private` is the folder that must belong to this user alone."""

    def __init__(self, folder: Path, most_bytes: int, private: Path | None = None) -> None:
        self.folder = folder
        self._most_bytes = most_bytes
        self._private = private
        self._bytes = 0
        self._measured = float("-inf")
        self._own: set[str] = set()
        self._queue: deque[str] = deque()
        self._stuck: set[str] = set()
        self._claimed: FileIO | None = None

    def put(self, parcel: Parcel) -> str:
        """Stores a parcel; the answer is empty, or the reason why it could not be stored."""
        try:
            self._make_folder()
            if self._size() + len(parcel.body) > self._most_bytes:
                return f"its bound of {self._most_bytes} bytes is reached"
            self._write(parcel)
        except OSError as error:
            return f"{type(error).__name__}: {error}"
        self._bytes += len(parcel.body)
        self._own.add(parcel.name)
        return ""

    def claim(self) -> Parcel | None:
        """The next parcel that no other process is sending; `done` or `release` must follow."""
        if not self._queue:
            self._queue.extend(name for name in self._names() if name not in self._stuck)
        while self._queue:
            parcel = self._open(self._queue.popleft())
            if parcel is not None:
                return parcel
        return None

    def done(self, parcel: Parcel) -> None:
        """Removes a claimed parcel that the server has answered."""
        try:
            (self.folder / parcel.name).unlink(missing_ok=True)
            self._bytes = max(0, self._bytes - len(parcel.body))
        except OSError:
            self._stuck.add(parcel.name)  # a folder without the right to delete must not be sent again and again
        self._own.discard(parcel.name)
        self.release()

    def release(self) -> None:
        """Lets go of the claimed parcel; also called in a forked child, where it leaves the parent's claim alone."""
        if self._claimed is not None:
            self._claimed.close()
            self._claimed = None

    def own_left(self) -> bool:
        """Is a parcel that this process wrote still waiting?"""
        for name in tuple(self._own):
            if (self.folder / name).exists():
                return True
            self._own.discard(name)  # another process has sent it
        return False

    def events(self) -> int:
        """How many events wait in the folder, from all processes that share it."""
        return sum(int(name.rsplit("-", 1)[1].partition(".")[0]) for name in self._names())

    def _names(self) -> list[str]:
        if self._foreign():
            return []
        try:
            names = [path.name for path in self.folder.iterdir()]
        except OSError:
            return []
        return sorted(name for name in names if _NAME.fullmatch(name))

    def _open(self, name: str) -> Parcel | None:
        match = _NAME.fullmatch(name)
        try:
            file = FileIO(self.folder / name, "rb")  # stays open, because it carries the lock
        except OSError:
            return None
        try:
            if not _lock(file) or os.fstat(file.fileno()).st_nlink == 0:
                file.close()
                return None
            body = file.read()
        except OSError:
            file.close()
            return None
        assert match is not None
        self._claimed = file
        return Parcel(key=match[2], created_ns=int(match[1]), events=int(match[3]), body=body)

    def _write(self, parcel: Parcel) -> None:
        temporary = self.folder / f".{parcel.name}.{os.getpid()}.tmp"
        try:
            temporary.touch(mode=0o600)  # prompts are for this user only
            temporary.write_bytes(parcel.body)
            temporary.replace(self.folder / parcel.name)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise

    def _make_folder(self) -> None:
        if self._private is not None:
            self._private.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._foreign():
            raise PermissionError(f"{self._private} belongs to somebody else; name another folder with spool=...")
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _foreign(self) -> bool:
        """Did another user lay this folder out in the shared temporary folder, to read prompts or plant events?"""
        if self._private is None or not hasattr(os, "getuid"):
            return False
        try:
            info = os.lstat(self._private)
        except OSError:
            return False
        return not stat.S_ISDIR(info.st_mode) or info.st_uid != os.getuid()

    def _size(self) -> int:
        now = time.monotonic()
        if now - self._measured > SIZE_AGE_S:
            self._bytes = self._measure()
            self._measured = now
        return self._bytes

    def _measure(self) -> int:
        """Bytes in the folder; what a killed process left half written is removed on the way."""
        total = 0
        with os.scandir(self.folder) as entries:
            for entry in entries:
                info = entry.stat()
                if entry.name.endswith(".tmp") and time.time() - info.st_mtime > LEFTOVER_S:
                    Path(entry.path).unlink(missing_ok=True)
                else:
                    total += info.st_size
        return total


def _lock(file: FileIO) -> bool:
    """False when another process has claimed the file."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks: the Idempotency-Key has to do
        return True
    return True
