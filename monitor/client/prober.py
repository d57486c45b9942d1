"""The probe side of the api as a Python object: images up and down, one question to several targets, runs in the
background. Pages and scripts use it.

    prober = Prober("http://127.0.0.1:8600")
    image = prober.upload(Path("street.png").read_bytes())
    for event in prober.stream({"targets": ["chat-prod"], "messages": [...]}): ...

What is read of runs comes from the queries `probe_run`, `probe_items` and the others named `probe_...`.
"""

from collections.abc import Generator, Iterator, Mapping
from typing import Any

import httpx
import msgspec

from monitor.client.connection import Connection, checked, json_body
from monitor.client.reader import TIMEOUT
from monitor.config import load_settings

UPLOAD_S = 60.0

SILENCE_S = 30.0
"""So long beyond its deadline a question may stay without a word."""

DEADLINE_S = 60.0


class Prober(Connection):
    """Probes of one api. Raises what `Connection` says."""

    def upload(self, image: bytes) -> dict[str, Any]:
        """Keep an image file; returns sha256, mime, bytes, width and height. The same file twice is kept once."""
        kind = {"Content-Type": "application/octet-stream"}
        with self._told():
            answer = self._http.post("/api/v1/media", content=image, headers=kind, timeout=UPLOAD_S)
        return dict(checked(answer).json())

    def media(self, sha256: str) -> bytes:
        """An image file as it was uploaded. Raises NotFound when it is not, or no longer, kept."""
        with self._told():
            answer = self._http.get(f"/api/v1/media/{sha256}", timeout=UPLOAD_S)
        return checked(answer).content

    def stream(self, body: Mapping[str, Any]) -> Generator[dict[str, Any], None, None]:
        """Ask up to four targets at once; yields run, start, piece, reply, error and end as they come.

        Closing the iterator (or leaving its loop) cancels what still runs.
        """
        settings = body.get("settings") or {}
        patience = float(settings.get("deadline_s") or DEADLINE_S) + SILENCE_S
        timeout = httpx.Timeout(patience, connect=TIMEOUT.connect)
        with self._told(), self._http.stream("POST", "/api/v1/probes", timeout=timeout, **json_body(body)) as answer:
            if answer.is_error:
                answer.read()
            for line in _lines(checked(answer)):
                yield dict(msgspec.json.decode(line))

    def start(self, body: Mapping[str, Any]) -> str:
        """Start a run of kind batch or load; returns its id. It goes on when nobody looks."""
        with self._told():
            answer = self._http.post("/api/v1/probe-runs", timeout=UPLOAD_S, **json_body(body))
        return str(checked(answer).json()["run"])

    def cancel(self, run: str) -> None:
        """Stop a run; what it has by then is kept. Nothing happens to one that is over."""
        with self._told():
            answer = self._http.post(f"/api/v1/probe-runs/{run}/cancel", **json_body({}))
        checked(answer)


def connect(address: str | None = None) -> Prober:
    """A prober of the given api, or of the one that the settings name."""
    return Prober(address or load_settings().api)


def _lines(answer: httpx.Response) -> Iterator[bytes]:
    """Lines end with a line feed and nothing else: answers may hold other characters that Python splits at."""
    rest = b""
    for part in answer.iter_bytes():
        *whole, rest = (rest + part).split(b"\n")
        yield from whole
