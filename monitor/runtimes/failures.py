"""What servers say when they fail, in all the shapes that they say it, as the errors of Watchpoint.

A server fails by its status, by an error inside a stream that began with 200, or by silence. Its own words are kept,
without the key that it was called with.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from monitor.errors import TargetBusy, TargetError, TargetRefused, TargetTimeout, TargetUnreachable

LONGEST = 600

KINDS: dict[int, type[TargetError]] = {
    408: TargetTimeout,
    429: TargetBusy,
    502: TargetUnreachable,  # a proxy in front of it found nobody
    503: TargetBusy,
    504: TargetTimeout,
    507: TargetRefused,  # it does not fit into the memory of the server
    529: TargetBusy,
}
"""Other statuses from 300 on are refusals, other ones from 500 on plain TargetErrors."""

SPENT = ("insufficient_quota", "billing_hard_limit_reached")
"""Codes that come with 429, but that waiting does not cure."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a call goes: its name in messages, the base address, the key and the server's name of the model."""

    name: str
    url: httpx.URL
    key: str | None
    model: str
    start: str = "is it running?"  # what to do when nobody is there

    def __repr__(self) -> str:
        return f"Place({self.name!r}, {self.shown!r}, model={self.model!r})"

    @property
    def shown(self) -> str:
        """The address without a query, which may hold a key."""
        return str(self.url.copy_with(query=None))

    def at(self, path: str) -> httpx.URL:
        """An address below the base one; a query, such as an api-version, is kept."""
        return self.url.copy_with(path=self.url.path.rstrip("/") + path)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}

    def scrubbed(self, words: str) -> str:
        """Words of the server, on one line, short, and without our key in them."""
        plain = words.replace(self.key, "(key)") if self.key else words
        plain = re.sub(r"\s+", " ", plain).strip()
        return plain if len(plain) <= LONGEST else f"{plain[: LONGEST - 3]}..."


class Failure(Exception):
    """A server said that it failed; `status` is that of the response, or the one named by an error inside a stream."""

    def __init__(
        self, words: str, status: int | None = None, *, code: str = "", wait: str = "", path: str = ""
    ) -> None:
        super().__init__(words)
        self.words = words
        self.status = status
        self.code = code
        self.wait = wait
        self.path = path

    def error(self, place: Place, progress: str = "") -> TargetError:
        """The same for whoever called. `progress` says how much of the answer had come."""
        kind = kind_of(self.status, self.code)
        said = place.scrubbed(self.words) or "no further words"
        status = f"HTTP {self.status}" if self.status else "an error"
        after = f" {progress}" if progress else ""
        return kind(f"{place.name} ({place.shown}) answered {status}{after}: {said}{_advice(self, place)}")


def kind_of(status: int | None, code: str = "") -> type[TargetError]:
    if code in SPENT:
        return TargetRefused
    if status is None:
        return TargetError
    return KINDS.get(status, TargetRefused if status < 500 else TargetError)


def _advice(failure: Failure, place: Place) -> str:
    if failure.status in (401, 403):
        return (
            "; check the key that key_env of the fleet file names" if place.key else "; it may need a key: see key_env"
        )
    if failure.status in (404, 405) and failure.path and not place.url.path.rstrip("/").endswith("/v1"):
        return "; most servers answer below /v1: check url in the fleet file"
    if failure.status is not None and failure.status < 400:
        return "; redirects are not followed: put the final address into the fleet file"
    return f"; it asks to wait {failure.wait} s" if failure.wait.isdigit() else ""


async def read_failure(response: httpx.Response) -> Failure:
    """What a response with a status other than 2xx says."""
    body = b""
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > 65536:
            break
    text = body.decode("utf-8", "replace")
    try:
        found = json.loads(text)
    except ValueError:
        found = _without_tags(text)
    words, code = words_of(found), code_of(found)
    if response.is_redirect:
        words = f"a redirect to {response.headers.get('location', 'nowhere')}"
    wait = response.headers.get("retry-after", "")
    path = response.request.url.path
    return Failure(words or response.reason_phrase, response.status_code, code=code, wait=wait, path=path)


def failure_in(chunk: Any) -> Failure | None:
    """The failure that a part of a stream, or a body of a 200, tells about; None for a part of an answer."""
    if not isinstance(chunk, dict):
        return Failure(words_of(chunk) or "something that is not a completion")
    flat = chunk.get("object") == "error" or ("choices" not in chunk and ("detail" in chunk or "message" in chunk))
    if not chunk.get("error") and not flat:
        return None
    inside = chunk["error"] if isinstance(chunk.get("error"), dict) else chunk
    number = next(
        (n for n in (inside.get("code"), inside.get("status")) if isinstance(n, int) and 300 <= n < 600), None
    )
    return Failure(words_of(chunk) or "an error without words", number, code=code_of(chunk))


def words_of(found: Any) -> str:
    """The message in an error body of any shape: OpenAI, flat, TGI, FastAPI, nested, or plain text."""
    return "; ".join(dict.fromkeys(word.strip() for word in _words(found) if word.strip()))


def _words(found: Any) -> Iterator[str]:
    if isinstance(found, str):
        yield found
    elif isinstance(found, list):
        for item in found[:5]:
            yield from _words(item)
    elif isinstance(found, Mapping):
        if "msg" in found and isinstance(found.get("loc"), list):  # FastAPI: what is wrong with which field
            yield f"{'.'.join(str(part) for part in found['loc'])}: {found['msg']}"
            return
        for key in ("error", "message", "detail", "reason", "error_type", "errors"):
            yield from _words(found.get(key))


def code_of(found: Any) -> str:
    """The server's code word for an error, such as insufficient_quota."""
    if not isinstance(found, dict):
        return ""
    inside = found["error"] if isinstance(found.get("error"), dict) else found
    codes = (inside.get(key) for key in ("code", "type", "error_type"))
    return next((code for code in codes if isinstance(code, str)), "")


def _without_tags(text: str) -> str:
    """A page of a proxy in plain words."""
    return re.sub(r"<(script|style).*?</\1>|<[^>]*>", " ", text, flags=re.DOTALL | re.IGNORECASE)


def broken(place: Place, error: Exception, progress: str) -> TargetUnreachable:
    """No connection, or one that broke."""
    if isinstance(error, httpx.ConnectTimeout | httpx.ConnectError):
        why = "no connection in time" if isinstance(error, httpx.ConnectTimeout) else str(error) or "no connection"
        return TargetUnreachable(
            f"{place.name} cannot be reached at {place.shown}: {place.scrubbed(why)}; {place.start}"
        )
    why = place.scrubbed(str(error)) or type(error).__name__
    return TargetUnreachable(f"{place.name} ({place.shown}) broke the connection {progress}: {why}")
