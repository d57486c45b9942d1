"""The probe side of the api as a Python object: images up and down, one question to several targets, runs in the
background. Pages and scripts use it.

    prober = Prober("http://127.0.0.1:8600")
    image = prober.upload(Path("street.png").read_bytes())
    for event in prober.stream({"targets": ["chat-prod"], "messages": [...]}): ...

What is read of runs comes from the queries `probe_run`, `probe_items` and the others named `probe_...`.
"""

import threading
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Self

import httpx
import msgspec

from monitor.client.reader import TIMEOUT, Unreachable, _error_of, _reason
from monitor.config import load_settings

UPLOAD_S = 60.0

SILENCE_S = 30.0
"""So long beyond its deadline a question may stay without a word."""

DEADLINE_S = 60.0


class Prober:
    """One connection pool to one api; safe to share between threads.

    Every method raises what `Reader` raises: BadInput, NotFound, Overloaded, StoreError, Unreachable.
    """

    def __init__(self, base_url: str) -> None:
        self.address = base_url.rstrip("/")
        self._http = httpx.Client(base_url=self.address, timeout=TIMEOUT, trust_env=False)
        self._lock = threading.Lock()
        self._down_since: datetime | None = None

    def upload(self, image: bytes) -> dict[str, Any]:
        """Keep an image file; returns sha256, mime, bytes, width and height. The same file twice is kept once."""
        kind = {"Content-Type": "application/octet-stream"}
        with self._told():
            answer = self._http.post("/api/v1/media", content=image, headers=kind, timeout=UPLOAD_S)
        return dict(_checked(answer).json())

    def media(self, sha256: str) -> bytes:
        """An image file as it was uploaded. Raises NotFound when it is not, or no longer, kept."""
        with self._told():
            answer = self._http.get(f"/api/v1/media/{sha256}", timeout=UPLOAD_S)
        return _checked(answer).content

    def stream(self, body: Mapping[str, Any]) -> Generator[dict[str, Any], None, None]:
        """Ask up to four targets at once; yields run, start, piece, reply, error and end as they come.

        Closing the iterator (or leaving its loop) cancels what still runs.
        """
        settings = body.get("settings") or {}
        patience = float(settings.get("deadline_s") or DEADLINE_S) + SILENCE_S
        timeout = httpx.Timeout(patience, connect=TIMEOUT.connect)
        with self._told(), self._http.stream("POST", "/api/v1/probes", timeout=timeout, **_json(body)) as answer:
            if answer.is_error:
                answer.read()
            for line in _lines(_checked(answer)):
                yield dict(msgspec.json.decode(line))

    def start(self, body: Mapping[str, Any]) -> str:
        """Start a run of kind batch or load; returns its id. It goes on when nobody looks."""
        with self._told():
            answer = self._http.post("/api/v1/probe-runs", timeout=UPLOAD_S, **_json(body))
        return str(_checked(answer).json()["run"])

    def cancel(self, run: str) -> None:
        """Stop a run; what it has by then is kept. Nothing happens to one that is over."""
        with self._told():
            answer = self._http.post(f"/api/v1/probe-runs/{run}/cancel", **_json({}))
        _checked(answer)

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


def connect(address: str | None = None) -> Prober:
    """A prober of the given api, or of the one that the settings name."""
    return Prober(address or load_settings().api)


def _json(body: Mapping[str, Any]) -> dict[str, Any]:
    return {"content": msgspec.json.encode(body), "headers": {"Content-Type": "application/json"}}


def _lines(answer: httpx.Response) -> Iterator[bytes]:
    """Lines end with a line feed and nothing else: answers may hold other characters that Python splits at."""
    rest = b""
    for part in answer.iter_bytes():
        *whole, rest = (rest + part).split(b"\n")
        yield from whole


def _checked(answer: httpx.Response) -> httpx.Response:
    if answer.is_error:
        raise _error_of(answer)
    return answer
