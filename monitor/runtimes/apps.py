"""Connections to Gradio apps through gradio_client, kept for the next call for a few seconds.

gradio_client blocks, so `connect` runs in a thread. It is imported with the first call: that takes 0.2 s and 10 MB,
which a fleet without Gradio does not pay. Left alone, it reports the address of each app to its maker, sends the
user's Hugging Face token along and takes proxies from the environment; here it does none of these.
"""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx

IDLE_S = 10.0

AGE_S = 60.0
"""An app that was deployed again may have other endpoints: what is known about it is read anew."""

SILENT_S = 30.0
"""A queue of Gradio sends a heartbeat each 15 s; without one for so long, the app is gone."""


@dataclass(slots=True)
class App:
    """A connected app, used by one call at a time."""

    client: Any = field(repr=False)
    made: float
    since: float = 0.0

    @property
    def clean(self) -> bool:
        """Whether the stream of the call before has ended, so that a new session may begin."""
        return not self.client.stream_open

    def writes(self, api_name: str) -> bool:
        """Whether the endpoint writes its answer bit by bit."""
        found = (one.dependency for one in self.client.endpoints.values() if one.api_name == api_name)
        return any((one.get("types") or {}).get("generator") for one in found)

    def close(self) -> None:
        self.client.leave()


class Apps:
    """Idle connections by address and key. `now` is in seconds of any clock."""

    def __init__(self) -> None:
        self._idle: dict[tuple[str, str | None], list[App]] = {}

    def take(self, url: str, key: str | None, now: float) -> App | None:
        """A connection with a fresh session, None where a new one must be made."""
        self.prune(now)
        idle = self._idle.get((url, key), [])
        app = next((one for one in reversed(idle) if one.clean), None)
        if app:
            idle.remove(app)
            app.client.reset_session()
        return app

    def give(self, url: str, key: str | None, app: App, now: float) -> None:
        """Keep it for the next call; one whose call failed is closed instead."""
        app.since = now
        self._idle.setdefault((url, key), []).append(app)

    def prune(self, now: float) -> None:
        for place, idle in list(self._idle.items()):
            old = [app for app in idle if now - app.since > IDLE_S or now - app.made > AGE_S]
            for app in old:
                idle.remove(app)
                app.close()
            if not idle:
                del self._idle[place]

    def __iter__(self) -> Iterator[App]:
        """Those that are idle."""
        return iter([app for idle in self._idle.values() for app in idle])

    def close(self) -> None:
        for app in self:
            app.close()
        self._idle.clear()


def connect(url: str, key: str | None, tls: ssl.SSLContext, now: float) -> App:
    """Reads the app's configuration: two requests, about 30 ms. Raises what gradio_client and httpx raise."""
    client = _client_class()(
        url,
        token=False,
        headers={"Authorization": f"Bearer {key}"} if key else None,
        verbose=False,
        download_files=False,  # else files that an app names are fetched into a temporary folder, redirects followed
        ssl_verify=tls,
        analytics_enabled=False,
        max_workers=2,
        httpx_kwargs={"trust_env": False, "timeout": httpx.Timeout(SILENT_S, connect=10.0)},
    )
    return App(client, now)


@cache
def _client_class() -> Any:
    from gradio_client import Client  # noqa: PLC0415 - see the top: only who calls a Gradio app pays for it

    class QuietClient(Client):  # type: ignore[misc]  # the library ships no types
        """A client that talks to the app only, and only while a call runs."""

        def _telemetry_thread(self) -> None:
            """`analytics_enabled=False` alone does not switch it off."""

        @staticmethod
        def _stream_heartbeat(*_: object) -> None:
            """A connection that keeps the session of a visitor alive; each call here is a visit of its own."""

        def leave(self) -> None:
            for threads in (self.executor, self.helper_executor, self.stream_executor):
                threads.shutdown(wait=False)

    return QuietClient
