import logging
import math
import time
from pathlib import Path
from typing import Any

import pytest

from monitor.client import Client
from monitor.client.sender import EVENT_BYTES
from monitor.client.tally import Tally
from tests.sdk.receiver import Awkward, Receiver, quick, spooled_files, until


def test_a_full_queue_drops_counts_and_never_blocks(
    receiver: Receiver, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client = quick(receiver, tmp_path, queue_events=50, batch_events=10)
    receiver.hang.clear()
    started = time.monotonic()
    for _ in range(200):
        client.log("chat")
    assert time.monotonic() - started < 1
    stats = client.stats()
    assert stats.pending <= 60
    assert stats.dropped == 200 - stats.pending > 0
    assert caplog.text.count("dropped so far (queue full)") == 1
    receiver.hang.set()
    assert client.flush()
    assert client.stats().sent + client.stats().dropped == client.stats().logged == 200
    client.close()


def test_the_queue_is_bounded_in_bytes_as_well(receiver: Receiver, tmp_path: Path) -> None:
    client = quick(receiver, tmp_path, queue_bytes=100_000)
    receiver.hang.clear()
    client.log("chat")
    until(lambda: receiver.requests)
    for _ in range(20):
        client.log("chat", input_text="x" * 10_000)
    assert client.stats().pending == 10
    assert client.stats().dropped_by == {"queue full": 11}
    client.close(0.1)


def test_a_full_spool_keeps_what_it_has_and_counts_the_rest(receiver: Receiver, tmp_path: Path) -> None:
    client = quick(receiver, tmp_path, spool_bytes=400, batch_events=1, queue_events=3)
    receiver.down()
    for _ in range(30):
        client.log("chat")
        time.sleep(0.002)
    client.close()
    stats = client.stats()
    assert stats.spooled > 0
    assert set(stats.dropped_by) == {"queue full", "spool"}
    assert stats.spooled + stats.dropped == 30
    assert sum(path.stat().st_size for path in spooled_files(tmp_path)) <= 400


def test_an_event_too_large_for_the_server_is_dropped_by_itself(receiver: Receiver, client: Client) -> None:
    client.log("chat", input_text="x" * (EVENT_BYTES + 1))
    client.log("chat")
    assert client.flush()
    assert client.stats().dropped_by == {"too large": 1}
    assert len(receiver.events) == 1


def test_a_closed_client_counts_what_comes_too_late(client: Client) -> None:
    client.close()
    client.log("chat")
    assert client.stats().dropped_by == {"closed": 1}


def test_warnings_speak_again_after_a_minute(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr("monitor.client.tally.QUIET_S", 0.0)
    tally = Tally()
    tally.drop("misuse", 1, "first")
    tally.drop("misuse", 2, "second")
    assert [record.getMessage().split(" (")[0] for record in caplog.records] == [
        "1 events dropped so far",
        "3 events dropped so far",
    ]


def test_what_had_to_be_cleaned_is_counted_and_told(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    client.log("chat", confidence=math.nan)
    assert client.stats().cleaned == 1
    assert "could not be written as JSON" in caplog.text


def test_a_value_may_change_after_the_call(receiver: Receiver, client: Client) -> None:
    features: dict[str, float | str] = {"length": 1}
    client.log("chat", features=features)
    features["length"] = 2
    client.flush()
    assert receiver.events[0]["features"] == {"length": 1}


@pytest.mark.parametrize(
    "use", [{}, {"deployment": None}, {"deployment": ""}, {"deployment": 5}, {"deployment": Awkward()}]
)
def test_an_event_without_a_deployment_is_counted_and_told(
    client: Client, caplog: pytest.LogCaptureFixture, use: dict[str, Any]
) -> None:
    client.log(**use)
    assert client.stats().dropped == 1
    assert len(caplog.records) == 1


def test_positional_values_and_unknown_names_do_not_raise(receiver: Receiver, client: Client) -> None:
    client.log("chat", 12.5, "text")
    client.log("chat", latency=5)  # type: ignore[call-arg]  # wrong on purpose
    assert client.flush()
    assert client.stats().dropped_by == {"misuse": 1}
    assert receiver.events[0]["latency"] == 5  # the server says what is wrong with it


def test_a_log_handler_that_logs_events_ends(client: Client) -> None:
    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            client.log()

    handler = Handler()
    logging.getLogger("watchpoint.sdk").addHandler(handler)
    try:
        client.log()
    finally:
        logging.getLogger("watchpoint.sdk").removeHandler(handler)
    assert client.stats().dropped_by == {"misuse": 2}


@pytest.mark.parametrize(
    "option, told",
    [
        ({"url": "ftp://somewhere"}, "expected an address like http://127.0.0.1:8600"),
        ({"url": "http://user:pass@host"}, "url=*** is not used: credentials do not belong"),
        ({"url": "http://host:99999"}, "url='http://host:99999' is not used"),
        ({"token": "line\nbreak"}, "token=*** is not used"),
        ({"batch_events": 0}, "batch_events=0 is not used: expected a number from 1 to 5000"),
        ({"batch_s": "soon"}, "batch_s='soon' is not used"),
        ({"spool": 5}, "spool=5 is not used"),
        ({"batchsize": 5}, "batchsize=5 is not used: allowed are url, token, spool"),
    ],
)
def test_an_option_that_cannot_be_used_is_told_and_its_default_taken(
    option: dict[str, Any], told: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = Client(**option)
    assert told in caplog.text
    for name in option.keys() & {"url", "token", "batch_events", "batch_s", "spool"}:
        assert getattr(client._options, name) == getattr(type(client._options)(), name)
    client.close()


def test_an_address_without_a_scheme_means_http() -> None:
    client = Client(url="watchpoint.internal:8600/")
    assert client._options.url == "http://watchpoint.internal:8600"
    client.close()
