"""The read side of the api as a Python object: a query by name answers a DataFrame. Pages and command line use it.

    reader = Reader("http://127.0.0.1:8600")
    reader.query("golden_signals", start="-6h", by="deployment", deployments=["chat"])

`GET /api/v1/queries` lists the parameters. A list repeats its parameter, a datetime is sent in UTC, None is left out.
"""

import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Self

import httpx
import pandas as pd
import pyarrow as pa

from monitor.config import load_settings
from monitor.errors import BadInput, NotFound, Overloaded, StoreError, WatchpointError

ARROW = "application/vnd.apache.arrow.stream"
TIMEOUT = httpx.Timeout(20.0, connect=2.0)


class Unreachable(WatchpointError):
    """The api does not answer; `since` is when this process first noticed."""

    status = 503

    def __init__(self, address: str, since: datetime, reason: str) -> None:
        super().__init__(
            f"Cannot reach the api at {address} since {since:%Y-%m-%d %H:%M:%S} UTC ({reason}). "
            "Start it with `python -m monitor api`, or set WATCHPOINT_API_URL to where it listens."
        )
        self.address = address
        self.since = since
        self.reason = reason


class Reader:
    """One connection pool to one api; safe to share between threads."""

    def __init__(self, base_url: str) -> None:
        self.address = base_url.rstrip("/")
        # The api is ours and near: a proxy variable of the shell must not divert its calls.
        self._http = httpx.Client(base_url=self.address, timeout=TIMEOUT, trust_env=False)
        self._lock = threading.Lock()
        self._down_since: datetime | None = None

    def query(self, name: str, **params: Any) -> pd.DataFrame:
        """The rows of one query. Times are aware and in UTC, maps are dicts, nulls stay null."""
        return _frame(self.fetch(name, ARROW, **params))

    def fetch(self, name: str, media_type: str, **params: Any) -> bytes:
        """The answer of one query as the api sends it: JSON, CSV, Parquet or an Arrow stream."""
        return self._get(f"/api/v1/queries/{name}", params, media_type).content

    def names(self) -> list[dict[str, Any]]:
        """What can be asked: name, parameters and documentation of each query."""
        answer = self._get("/api/v1/queries", {}, "application/json").json()
        return list(answer["queries"] if isinstance(answer, dict) else answer)

    def reachable(self) -> bool:
        """Whether the api answers at all right now."""
        try:
            self._get("/healthz", {}, "application/json")
        except WatchpointError:
            return False
        return True

    def url(self, name: str, **params: Any) -> str:
        """The address of one query, to be pasted into a shell or a browser."""
        return str(self._http.build_request("GET", f"/api/v1/queries/{name}", params=_wire(params)).url)

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

    def _get(self, path: str, params: Mapping[str, Any], accept: str) -> httpx.Response:
        try:
            answer = self._http.get(path, params=_wire(params), headers={"Accept": accept})
        except httpx.TransportError as error:
            raise Unreachable(self.address, self._went_down(), _reason(error)) from error
        with self._lock:
            self._down_since = None
        if answer.is_error:
            raise _error_of(answer)
        return answer

    def _went_down(self) -> datetime:
        with self._lock:
            self._down_since = self._down_since or datetime.now(UTC)
            return self._down_since


def connect(address: str | None = None) -> Reader:
    """A reader of the given api, or of the one that the settings name."""
    return Reader(address or load_settings().api)


def _wire(params: Mapping[str, Any]) -> httpx.QueryParams:
    pairs: list[tuple[str, str]] = []
    for name, value in params.items():
        values = value if isinstance(value, (list, tuple, set)) else [value]
        pairs += [(name, _text(one)) for one in values if one is not None]
    return httpx.QueryParams(tuple(pairs))


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _frame(body: bytes) -> pd.DataFrame:
    table = pa.ipc.open_stream(body).read_all()
    frame: pd.DataFrame = table.to_pandas(maps_as_pydicts="lossy")
    for name in frame.columns:
        if pd.api.types.is_datetime64_dtype(frame[name]):  # the store keeps UTC without saying so
            frame[name] = frame[name].dt.tz_localize(UTC)
    return frame


def _reason(error: httpx.TransportError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    return str(error) or type(error).__name__


def _error_of(answer: httpx.Response) -> WatchpointError:
    """The error that the api meant, with its own message."""
    try:
        message = str(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        message = f"the api answered {answer.status_code} {answer.reason_phrase} to {answer.request.url}"
    if answer.status_code == 429:
        return Overloaded(message, int(answer.headers.get("Retry-After", "1")))
    if answer.status_code == 404:
        return NotFound(message)
    return BadInput(message) if answer.is_client_error else StoreError(message)
