"""How commands and jobs reach the door: over HTTP while an `api` runs, else by owning the store meanwhile."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import httpx
import msgspec
import pyarrow as pa

from monitor.config import Settings
from monitor.errors import BadInput, NotFound, StoreError, StoreLocked, TooLarge, WatchpointError
from monitor.fleet import load_fleet
from monitor.queries import Ask, ask
from monitor.store.owner import StoreOwner
from monitor.store.results import write

ARROW = "application/vnd.apache.arrow.stream"
TIMEOUT = httpx.Timeout(600, connect=2)


class OpenDoor(Protocol):
    """What both ways can do."""

    def send(self, lines: Sequence[bytes], *, dedupe: bool = False) -> dict[str, Any]:
        """Post events, one JSON line each; returns the answer of the door."""

    def keep(self, image: bytes) -> None:
        """Keep an image file for the requests that name its SHA-256."""

    def see(self, sha256: str) -> bytes | None:
        """An image file that is kept, None where it is not."""

    def maintain(self, job: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Do a maintenance verb: retention or backup."""

    def query(self, name: str, **params: Any) -> list[dict[str, Any]]:
        """The rows of a registered query."""

    def table(self, name: str, **params: Any) -> pa.Table:
        """The answer of a registered query as it is: for many rows."""

    def write(self, verb: str, body: Any) -> dict[str, Any]:
        """Write what a job found: one of `monitor.store.results.VERBS`."""


@contextmanager
def open_door(settings: Settings, *, may_own: bool = True) -> Iterator[OpenDoor]:
    """The running api; without one, the store itself if we may. Raises StoreError when its owner does not answer."""
    with httpx.Client(base_url=settings.api, timeout=TIMEOUT, trust_env=False) as http:
        try:
            http.get("/healthz").raise_for_status()
        except httpx.HTTPError as error:
            unreachable = str(error)
        else:
            yield _Http(http)
            return
    if not may_own:
        raise StoreError(f"the api at {settings.api} does not answer ({unreachable}); start it, then this goes on")
    owner = StoreOwner(settings, load_fleet(settings.fleet_file))
    try:
        owner.start()
    except StoreLocked as error:
        raise StoreError(f"the api at {settings.api} does not answer ({unreachable}), and {error}") from None
    try:
        yield _Local(owner)
    finally:
        owner.stop()


class _Http:
    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def send(self, lines: Sequence[bytes], *, dedupe: bool = False) -> dict[str, Any]:
        params = {"dedupe": "event_id"} if dedupe else None
        return self._post("/api/v1/predictions", b"\n".join(lines), "application/x-ndjson", params)

    def keep(self, image: bytes) -> None:
        self._post("/api/v1/media", image, "application/octet-stream", None)

    def maintain(self, job: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._post(f"/api/v1/maintenance/{job}", msgspec.json.encode(body), "application/json", None)

    def see(self, sha256: str) -> bytes | None:
        try:
            return self._get(f"/api/v1/media/{sha256}", {})
        except NotFound:
            return None

    def query(self, name: str, **params: Any) -> list[dict[str, Any]]:
        return list(self.table(name, **params).to_pylist())

    def table(self, name: str, **params: Any) -> pa.Table:
        with pa.ipc.open_stream(self._get(f"/api/v1/queries/{name}", params)) as stream:
            return stream.read_all()

    def _get(self, path: str, params: dict[str, Any]) -> bytes:
        given = {key: value for key, value in params.items() if value is not None}
        try:
            response = self._http.get(path, params=given, headers={"Accept": ARROW})
        except httpx.HTTPError as error:
            raise StoreError(f"{self._http.base_url}: {error or type(error).__name__}") from None
        if not response.is_success:
            raise _as_error(response)
        return response.content

    def write(self, verb: str, body: Any) -> dict[str, Any]:
        return self._post(f"/api/v1/results/{verb}", msgspec.json.encode(body), "application/json", None)

    def _post(self, path: str, body: bytes, kind: str, params: dict[str, str] | None) -> dict[str, Any]:
        try:
            response = self._http.post(path, content=body, headers={"Content-Type": kind}, params=params)
        except httpx.HTTPError as error:
            raise StoreError(
                f"{self._http.base_url}{path}: {error or type(error).__name__}; send again, what was kept counts once"
            ) from None
        if response.is_success:
            return dict(response.json())
        raise _as_error(response)


class _Local:
    def __init__(self, owner: StoreOwner) -> None:
        self._owner = owner

    def send(self, lines: Sequence[bytes], *, dedupe: bool = False) -> dict[str, Any]:
        answer = self._owner.door.accept(b"\n".join(lines), "application/x-ndjson", self._owner.clock(), dedupe=dedupe)
        return dict(msgspec.to_builtins(answer.result()))

    def keep(self, image: bytes) -> None:
        self._owner.media.keep(image)

    def see(self, sha256: str) -> bytes | None:
        try:
            return self._owner.media.read(sha256)[1]
        except NotFound:
            return None

    def maintain(self, job: str, body: Mapping[str, Any]) -> dict[str, Any]:
        if job == "retention":
            return {"job": job, "left_the_store": self._owner.expire(self._owner.clock())}
        return {"job": job, **self._owner.back_up(Path(body["target"]))}

    def query(self, name: str, **params: Any) -> list[dict[str, Any]]:
        return list(self.table(name, **params).to_pylist())

    def table(self, name: str, **params: Any) -> pa.Table:
        owner = self._owner
        with owner.cursor() as con:
            return ask(name, params, Ask(con, owner.fleet, owner.clock(), owner.figures))

    def write(self, verb: str, body: Any) -> dict[str, Any]:
        return write(self._owner, verb, msgspec.json.encode(body))


def _as_error(response: httpx.Response) -> WatchpointError:
    try:
        message = str(response.json()["error"])
    except (ValueError, KeyError, TypeError):
        message = response.text[:500]
    kinds: dict[int, type[WatchpointError]] = {
        413: TooLarge,
        400: BadInput,
        404: NotFound,
        415: BadInput,
        422: BadInput,
    }
    return kinds.get(response.status_code, StoreError)(f"{message} (HTTP {response.status_code})")
