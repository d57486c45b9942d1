import json
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitor.client import Client
from monitor.client.transport import read_answer, retry_seconds
from tests.sdk.receiver import Receiver, Reply, failure, quick, until


def test_an_event_arrives_with_an_id_and_the_start_of_the_call(receiver: Receiver, client: Client) -> None:
    before = datetime.now(UTC)
    client.log(deployment="chat", latency_ms=2000, tokens_out=None, features={"length": 3})
    assert client.flush()
    headers, path, [event] = receiver.requests[0]
    assert path == "/api/v1/predictions"
    assert headers["content-type"] == "application/x-ndjson"
    assert "authorization" not in headers
    assert uuid.UUID(event.pop("event_id")).version == 4
    ts = event.pop("ts")
    assert ts.endswith("Z")
    assert len(ts) == len("2025-01-01T00:00:00.000000Z")
    assert abs(datetime.fromisoformat(ts) - before + timedelta(seconds=2)) < timedelta(seconds=1)
    assert event == {"deployment": "chat", "latency_ms": 2000, "features": {"length": 3}}
    assert client.stats().sent == 1


def test_a_token_is_sent_as_bearer_and_a_path_before_the_api_is_kept(receiver: Receiver, tmp_path: Path) -> None:
    client = quick(receiver, tmp_path, url=receiver.url + "/watchpoint/", token="s3cret")
    client.log("chat")
    client.flush()
    headers, path, _ = receiver.requests[0]
    assert (path, headers["authorization"]) == ("/watchpoint/api/v1/predictions", "Bearer s3cret")
    client.close()


def test_events_travel_in_batches_with_a_key_each(receiver: Receiver, tmp_path: Path) -> None:
    client = quick(receiver, tmp_path, batch_events=100, batch_s=30)
    for number in range(250):
        client.log("chat", tokens_in=number)
    until(lambda: len(receiver.events) == 200)
    until(lambda: client.stats().pending == 50)
    assert client.flush()
    assert [len(events) for _, _, events in receiver.requests] == [100, 100, 50]
    assert len(set(receiver.keys)) == 3
    assert [event["tokens_in"] for event in receiver.events] == list(range(250))
    client.close()


def test_a_small_batch_leaves_by_its_age(receiver: Receiver, client: Client) -> None:
    client.log("chat")
    until(lambda: receiver.events)


@pytest.mark.parametrize(
    "reply",
    [None, failure(500), failure(503), failure(507), failure(429), failure(302), (200, {}, b"<html>hello</html>")],
    ids=["dropped", "500", "503", "507", "429", "302", "not Watchpoint"],
)
def test_a_retried_batch_keeps_its_key_and_counts_once(receiver: Receiver, client: Client, reply: Reply | None) -> None:
    receiver.replies = [reply, reply]
    client.log("chat")
    assert client.flush()
    assert len(receiver.requests) == 3
    assert len(set(receiver.keys)) == 1
    assert (client.stats().sent, client.stats().dropped, client.stats().spooled) == (1, 0, 0)


def test_a_kept_connection_that_the_server_has_closed_costs_no_back_off(receiver: Receiver, client: Client) -> None:
    client.log("chat")
    client.flush()
    receiver.down()
    receiver.up()
    client.log("chat")
    assert client.flush()
    assert client._sender._failures == 0
    assert len(receiver.events) == 2


def test_retry_after_is_honoured(receiver: Receiver, client: Client) -> None:
    receiver.replies = [failure(429, "full", Retry_After="0.4")]
    client.log("chat")
    until(lambda: len(receiver.requests) == 2)
    assert 0.4 <= receiver.times[1] - receiver.times[0] < 3


def test_retry_after_may_be_a_date() -> None:
    later = datetime.now(UTC) + timedelta(seconds=30)
    assert 25 < retry_seconds(later.strftime("%a, %d %b %Y %H:%M:%S GMT")) <= 30
    assert retry_seconds("Tue, 01 Jan 2019 00:00:00 GMT") == 0
    assert retry_seconds("soon") == 0
    assert retry_seconds("1e9") == 3600


def test_pauses_between_attempts_grow_and_are_random(receiver: Receiver, tmp_path: Path) -> None:
    client = quick(receiver, tmp_path, retry_s=0.5)
    pauses = []
    for failures in (1, 3, 30):
        client._sender._failures = failures
        pauses.append([client._sender._back_off_s() for _ in range(50)])
    for pause, most in zip(pauses, (0.5, 2.0, 30.0), strict=True):
        assert most / 2 <= min(pause) < max(pause) <= most
    client.close()


def test_a_refused_batch_is_dropped_and_its_reason_told_once(
    receiver: Receiver, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.replies = [failure(400, "the body is not JSON"), failure(413, "too large")]
    for expected in (1, 2):
        client.log("chat")
        assert client.flush()
        assert client.stats().dropped_by == {"refused": expected}
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "400: the body is not JSON" in caplog.text
    assert client.stats().spooled == 0


def test_rejected_events_are_counted_and_told_at_most_once_a_minute(
    receiver: Receiver, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    answer = {"accepted": 1, "rejected": 1, "duplicates": 0, "errors": [{"index": 1, "reason": "latency_ms is -5"}]}
    receiver.replies = [(200, {}, json.dumps(answer).encode())] * 2
    for _ in range(2):
        client.log("chat")
        client.log("chat", latency_ms=-5)
        assert client.flush()
    assert (client.stats().sent, client.stats().rejected) == (2, 2)
    assert caplog.text.count("latency_ms is -5") == 1


@pytest.mark.parametrize("body", [b'{"accepted": 0, "rejected": 2}', b'{"accepted": 0, "rejected": 2, "errors": []}'])
def test_rejects_without_a_reason_are_still_an_answer(body: bytes) -> None:
    answer = read_answer(200, None, body)
    assert (answer.outcome, answer.rejected, answer.reason) == ("delivered", 2, "no reason given")
