import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest

from monitor.client.reader import Reader, Unreachable, connect
from monitor.errors import BadInput, NotFound, Overloaded, StoreError
from tests.conftest import free_port, wait_until


@pytest.fixture
def reader(api_url: str) -> Iterator[Reader]:
    with Reader(api_url) as one:
        yield one


def test_a_query_answers_a_frame_with_aware_times_and_maps_as_dicts(reader: Reader) -> None:
    event = {"deployment": "chat", "event_id": "e1", "features": {"brightness": 0.5, "camera": "north"}}
    httpx.post(f"{reader.address}/api/v1/predictions", json=event).raise_for_status()
    wait_until(lambda: len(reader.query("requests", start="-1h", end="now")) == 1)
    row = reader.query("request", event_id="e1").iloc[0]
    assert row["ts"].tzinfo is not None
    assert dict(row["features_num"]) == {"brightness": 0.5}
    assert dict(row["features_str"]) == {"camera": "north"}


def test_lists_repeat_a_parameter_times_are_sent_in_utc_and_nothing_is_left_out() -> None:
    with Reader("http://127.0.0.1:8600/") as one:
        start = datetime.fromisoformat("2026-11-20T14:00:00+02:00")
        url = one.url("requests", deployments=["a b", "c"], start=start, text=None, limit=5)
    assert url == (
        "http://127.0.0.1:8600/api/v1/queries/requests?deployments=a+b&deployments=c&start=2026-11-20T12%3A00%3A00Z&limit=5"
    )


def test_the_api_lists_what_can_be_asked(reader: Reader) -> None:
    names = {one["name"] for one in reader.names()}
    assert {"fleet", "golden_signals", "requests", "request"} <= names


def test_a_file_comes_as_the_api_wrote_it(reader: Reader) -> None:
    assert reader.fetch("deployments", "text/csv").startswith(b'"deployment","source"')


def test_a_refused_question_carries_the_words_of_the_api(reader: Reader) -> None:
    with pytest.raises(BadInput, match="there is no parameter 'colour'"):
        reader.query("fleet", colour="red")
    with pytest.raises(NotFound, match="nope"):
        reader.query("request", event_id="nope")


def test_an_api_that_is_away_is_named_with_the_time_since_when() -> None:
    address = f"http://127.0.0.1:{free_port()}"
    with Reader(address) as one:
        assert not one.reachable()
        first = one.down_since
        assert first is not None
        with pytest.raises(Unreachable, match=r"Cannot reach the api at http://127\.0\.0\.1:") as caught:
            one.query("fleet")
        assert caught.value.since == first, "the first failure counts"
        assert (datetime.now(UTC) - first).total_seconds() < 20


def test_an_api_that_came_back_is_no_longer_down(reader: Reader) -> None:
    assert reader.reachable()
    assert reader.down_since is None


@pytest.mark.parametrize("status, kind", [(429, Overloaded), (503, StoreError), (500, StoreError), (418, BadInput)])
def test_each_status_is_an_error_of_its_own(status: int, kind: type[Exception]) -> None:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b'{"error": "said by the api"}' if status != 500 else b"<html>"
            self.send_response(status)
            self.send_header("Retry-After", "7")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name is given
            """Tests stay quiet."""

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with Reader(f"http://127.0.0.1:{server.server_port}") as one, pytest.raises(kind) as caught:
            one.query("fleet")
        server.shutdown()
    assert "said by the api" in str(caught.value) or "the api answered 500" in str(caught.value)
    if isinstance(caught.value, Overloaded):
        assert caught.value.retry_after_s == 7


def test_the_settings_say_where_the_api_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHPOINT_API_URL", "http://127.0.0.1:9999/")
    with connect() as one:
        assert one.address == "http://127.0.0.1:9999"
