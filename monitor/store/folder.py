"""The data folder of an installation: who owns it, and its salt. Called by the store owner when it starts."""

import fcntl
import os
from pathlib import Path

from monitor.errors import StoreLocked
from monitor.ingest.spool import write_durably
from monitor.store.backup import SALT


def lock_folder(data: Path) -> int:
    """Become the owner of a data folder, for as long as the descriptor is open. Raises StoreLocked."""
    descriptor = os.open(data / "owner.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise StoreLocked(
            f"{data} is owned by another process (pid {holder}); a store has one owner: use its API, or stop it first"
        ) from None
    os.ftruncate(descriptor, 0)
    os.write(descriptor, str(os.getpid()).encode())
    return descriptor


def read_salt(data: Path) -> bytes:
    """The key of the user hashes of this installation; made once."""
    path = data / SALT
    if not path.exists():
        write_durably(path, os.urandom(32))
    return path.read_bytes()
