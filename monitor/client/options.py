"""The options of the SDK and their limits; read by `sdk.configure` and `sdk.Client`.

The SDK runs inside other people's processes, so it reads its few environment variables by itself instead of through
`monitor.config`, and a bad value is reported and replaced by the default instead of raised.
"""

import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

MIB = 1024 * 1024
VARIABLES = {"url": "WATCHPOINT_API_URL", "token": "WATCHPOINT_TOKEN", "spool": "WATCHPOINT_SDK_SPOOL"}

LIMITS: dict[str, tuple[float, float]] = {
    "spool_bytes": (0, 1024 * 1024 * MIB),
    "queue_events": (1, 10_000_000),
    "queue_bytes": (1024, 1024 * 1024 * MIB),
    "batch_events": (1, 5_000),
    "batch_s": (0.001, 60),
    "timeout_s": (0.05, 600),
    "retry_s": (0.001, 60),
    "exit_s": (0, 60),
}


@dataclass(frozen=True, slots=True)
class Options:
    """Where events go, and the bounds that they stay within on the way."""

    url: str = "http://127.0.0.1:8600"
    token: str = ""  # sent as `Authorization: Bearer ...` when set
    spool: str = ""  # folder; empty: a private one under the temporary folder
    spool_bytes: int = 64 * MIB  # compressed bytes on disk
    queue_events: int = 10_000  # waiting in memory
    queue_bytes: int = 32 * MIB  # waiting in memory
    batch_events: int = 500  # most events in one request
    batch_s: float = 0.5  # a smaller batch leaves at this age
    timeout_s: float = 10.0  # of one request
    retry_s: float = 0.5  # first pause after a failure; it doubles up to 30 s
    exit_s: float = 3.0  # most time that the end of the process waits

    @property
    def folder(self) -> Path:
        """Folder of this server's batches: events meant for one server are never sent to another."""
        readable = re.sub(r"[^A-Za-z0-9.]+", "-", self.url.partition("://")[2])[:40]
        root = Path(self.spool) if self.spool else default_spool()
        return root / f"{readable}-{hashlib.sha256(self.url.encode()).hexdigest()[:12]}"


def default_spool() -> Path:
    """The spool folder when none is given; one for each user, because the temporary folder belongs to everybody."""
    user = os.getuid() if hasattr(os, "getuid") else "user"
    try:
        temporary = tempfile.gettempdir()
    except OSError:  # nothing here can be written: the outbox will say so when it is needed
        temporary = os.sep + "tmp"
    return Path(temporary) / f"watchpoint-sdk-{user}"


def read_options(given: Mapping[str, Any], environ: Mapping[str, str], complain: Callable[[str], None]) -> Options:
    """Options from arguments, then environment, then defaults; what cannot be used is told to `complain`."""
    values = {name: environ[variable] for name, variable in VARIABLES.items() if environ.get(variable)}
    values |= {name: value for name, value in given.items() if value is not None}
    usable: dict[str, Any] = {}
    for name, value in values.items():
        try:
            usable[name] = _check(name, value)
        except (ValueError, TypeError, OSError) as error:
            complain(f"option {name}={_shown(name, value)} is not used: {error}")
    return Options(**usable)


def _check(name: str, value: Any) -> Any:
    if name == "url":
        return _check_url(str(value))
    if name == "token":
        return _check_token(str(value))
    if name == "spool":
        return str(Path(os.fsdecode(value)).absolute())  # the process may change its folder later
    if name not in LIMITS:
        raise ValueError(f"allowed are {', '.join(field.name for field in fields(Options))}")
    least, most = LIMITS[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ValueError(f"expected a number from {least:g} to {most:g}")
    return value if name.endswith("_s") else int(value)


def _check_url(text: str) -> str:
    url = text if "://" in text else f"http://{text}"
    parts = urlsplit(url)
    if parts.username or parts.password:
        raise ValueError("credentials do not belong into the address; use token=... or WATCHPOINT_TOKEN")
    if parts.scheme not in ("http", "https") or not parts.hostname or not 0 <= (parts.port or 0) <= 65535:
        raise ValueError("expected an address like http://127.0.0.1:8600")
    return url.rstrip("/")


def _check_token(text: str) -> str:
    if not text.isascii() or not text.isprintable():
        raise ValueError("a token holds printable ASCII characters only")
    return text


def _shown(name: str, value: object) -> str:
    return "***" if name == "token" or (name == "url" and "@" in str(value)) else repr(value)[:200]
