"""What the objects share that write to an api: one pool of connections, and since when nobody answers."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Self

import httpx
import msgspec

from monitor.client.reader import TIMEOUT, Unreachable, _error_of, _reason


class Connection:
    """One connection pool to one api; safe to share between threads.

    Every method raises what `Reader` raises: BadInput, NotFound, Overloaded, StoreError, Unreachable.
    """

    def __init__(self, base_url: str) -> None:
        self.address = base_url.rstrip("/")
        self._http = httpx.Client(base_url=self.address, timeout=TIMEOUT, trust_env=False)
        self._lock = threading.Lock()
        self._down_since: datetime | None = None

    @property
    def down_since(self) -> datetime | None:
        """When the api stopped answering, None while it answers."""
        return self._down_since

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """A broken connection as Unreachable, with the time since when."""
        try:
            yield
        except httpx.TransportError as error:
            with self._lock:
                since = self._down_since = self._down_since or datetime.now(UTC)
            raise Unreachable(self.address, since, _reason(error)) from error
        with self._lock:
            self._down_since = None


def json_body(body: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments with which httpx sends an object."""
    return {"content": msgspec.json.encode(body), "headers": {"Content-Type": "application/json"}}


def checked(answer: httpx.Response) -> httpx.Response:
    """The answer, if it is none of an error."""
    if answer.is_error:
        raise _error_of(answer)
    return answer
