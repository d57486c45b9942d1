"""What calls share for as long as a process runs: connections, threads, and what servers were found to refuse."""

import asyncio
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Self

import httpx

from monitor.config import Settings, secret
from monitor.errors import ConfigError, TargetRefused
from monitor.runtimes.apps import Apps

CONNECT_S = 10.0

KEEP_S = 2.0
"""Idle connections are closed after so long: servers close theirs after 5 s, and a request must not meet that."""

REMEMBER_S = 3600.0

GRADIO_THREADS = 32


@dataclass(frozen=True, slots=True)
class Health:
    """Whether a target would answer now, and what says so."""

    ready: bool
    reason: str


class Calls:
    """Use it as `async with Calls(settings) as calls`; safe to share between tasks of one event loop."""

    def __init__(self, settings: Settings) -> None:
        self.worker = settings.worker
        self.tls = _tls()
        # Addresses come from the fleet file: no proxy or .netrc of the shell, no redirect leads elsewhere. How many
        # calls run at once is bounded by who makes them: waiting here for a connection would look like a slow server.
        self.http = httpx.AsyncClient(
            verify=self.tls,
            timeout=httpx.Timeout(None, connect=CONNECT_S),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=128, keepalive_expiry=KEEP_S),
            trust_env=False,
            follow_redirects=False,
        )
        self.apps = Apps()
        self._refused: dict[tuple[str, ...], tuple[float, str]] = {}
        self._threads: ThreadPoolExecutor | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self.http.aclose()
        self.apps.close()
        if self._threads:
            self._threads.shutdown(wait=False)

    @property
    def threads(self) -> ThreadPoolExecutor:
        """Threads for what blocks, made when they are first needed."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(GRADIO_THREADS, "runtimes")
        return self._threads

    def remember_refusal(self, what: tuple[str, ...], words: str) -> None:
        """A server refused a setting: for an hour it is not asked for it again."""
        self._refused[what] = (time.monotonic(), words)

    def refusal(self, what: tuple[str, ...]) -> str | None:
        """In what words the server refused it, None where it did not or where that is long ago."""
        when, words = self._refused.get(what, (0.0, ""))
        return words if words and time.monotonic() - when < REMEMBER_S else None


def key_of(name: str, key_env: str | None) -> str | None:
    """The key of a target. Raises TargetRefused, without the key, where it cannot be sent."""
    try:
        return secret(key_env) if key_env else None
    except ConfigError as error:
        raise TargetRefused(f"{name} was not called: {error}") from None


def clock() -> float:
    """Seconds of the running event loop, which deadlines count in."""
    return asyncio.get_running_loop().time()


@cache
def _tls() -> ssl.SSLContext:
    """Trusts the usual authorities and those of this machine, which may be an organisation's own."""
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
    return context
