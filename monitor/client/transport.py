"""Sends one batch over HTTP and says what became of it; used by `sender`, in its thread. Never raises."""

import contextlib
import email.utils
import http.client
import json
import os
import ssl
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import urlsplit

from monitor.client.options import Options
from monitor.client.outbox import Parcel

PATH = "/api/v1/predictions"
ANSWER_BYTES = 1024 * 1024
REASON_CHARS = 500
LONGEST_RETRY_AFTER_S = 3600.0
SURE_S = 24 * 3600.0  # below the time for which the server remembers an Idempotency-Key

_abandoned: list[http.client.HTTPConnection] = []


@dataclass(frozen=True, slots=True)
class Answer:
    """`delivered`: the server has the batch. `refused`: it never will. `away`: try again later, with the same key."""

    outcome: Literal["delivered", "refused", "away"]
    accepted: int = 0
    rejected: int = 0
    reason: str = ""
    retry_after_s: float = 0.0


class Transport:
    """One kept connection to the server."""

    def __init__(self, options: Options) -> None:
        parts = urlsplit(options.url)
        self._secure = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = parts.port
        self._path = parts.path.rstrip("/") + PATH
        self._timeout_s = options.timeout_s
        self._headers = {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}
        if options.token:
            self._headers["Authorization"] = f"Bearer {options.token}"
        self._connection: http.client.HTTPConnection | None = None

    def post(self, parcel: Parcel) -> Answer:
        """Sends a parcel, a second time at once if a kept connection turns out to be closed."""
        kept = self._connection is not None
        try:
            return self._post(parcel)
        except (http.client.HTTPException, OSError, ValueError) as error:
            self.close()
            if kept and isinstance(error, ConnectionError):  # RemoteDisconnected is one
                return self.post(parcel)
            return Answer("away", reason=f"{type(error).__name__}: {error}"[:REASON_CHARS])

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def abandon(self) -> None:
        """In a forked child: gives up the parent's connection without touching its buffers.

        A thread of the parent may have held the lock of a buffer at the fork; closing, or collecting, the buffer
        would then wait for ever. So the socket is closed below Python, and the object is never collected.
        """
        connection, self._connection = self._connection, None
        if connection is not None:
            _abandoned.append(connection)
            if connection.sock is not None:
                with contextlib.suppress(OSError):
                    os.close(connection.sock.detach())

    def _post(self, parcel: Parcel) -> Answer:
        if self._connection is None:
            self._connection = self._connect()
        # The server forgets a key after a while; then it has to look for each event by its id.
        old = time.time() - parcel.created_ns / 1e9 > SURE_S
        path = self._path + ("?dedupe=event_id" if old else "")
        self._connection.request("POST", path, parcel.body, self._headers | {"Idempotency-Key": parcel.key})
        response = self._connection.getresponse()
        body = response.read(ANSWER_BYTES)
        if not response.isclosed():  # more than we want to read
            self.close()
        return read_answer(response.status, response.getheader("Retry-After"), body)

    def _connect(self) -> http.client.HTTPConnection:
        if self._secure:
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout_s, context=context)
        return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)


def read_answer(status: int, retry_after: str | None, body: bytes) -> Answer:
    """What the server's answer means for the batch."""
    document = _object(body)
    if 200 <= status < 300:
        return _read_counts(status, document)
    reason = f"{status}: {document.get('error') or body[:REASON_CHARS].decode(errors='replace')}"[:REASON_CHARS]
    if status == 429 or status >= 500 or status < 400:  # a redirect is a wrong address, which can be put right
        return Answer("away", reason=reason, retry_after_s=retry_seconds(retry_after))
    return Answer("refused", reason=reason)


def _read_counts(status: int, document: dict[str, Any]) -> Answer:
    try:
        accepted = int(document["accepted"]) + int(document.get("duplicates", 0))
        rejected = int(document.get("rejected", 0))
    except (KeyError, TypeError, ValueError):
        return Answer("away", reason=f"{status} without the counts of Watchpoint: does something else listen there?")
    return Answer("delivered", accepted, rejected, _first_reason(document) if rejected else "")


def _first_reason(document: dict[str, Any]) -> str:
    try:
        return str(document["errors"][0]["reason"])[:REASON_CHARS]
    except (KeyError, IndexError, TypeError):
        return "no reason given"


def _object(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def retry_seconds(header: str | None) -> float:
    """Seconds of a Retry-After header (a number or a date), 0 without one."""
    if not header:
        return 0.0
    try:
        seconds = float(header)
    except ValueError:
        try:
            at = email.utils.parsedate_to_datetime(header)
        except ValueError:
            return 0.0
        seconds = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - datetime.now(UTC).timestamp()
    return min(seconds, LONGEST_RETRY_AFTER_S) if seconds > 0 else 0.0
