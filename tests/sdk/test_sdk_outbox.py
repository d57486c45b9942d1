import gzip
import json
import signal
import time
import uuid
from pathlib import Path

import pytest

from monitor.client import Client
from monitor.client.outbox import Outbox, Parcel
from tests.sdk.receiver import Receiver, failure, quick, run_python, spooled_files, until


def test_events_of_an_outage_arrive_when_the_server_is_back(receiver: Receiver, client: Client) -> None:
    receiver.down()
    for number in range(20):
        client.log("chat", tokens_in=number)
    until(lambda: client.stats().spooled == 20)
    assert not client.flush(0.1)
    receiver.up()
    until(lambda: len(receiver.events) == 20)
    until(lambda: client.stats().spooled == 0)
    assert client.stats().sent == 20


def test_spooled_events_survive_the_process(receiver: Receiver, tmp_path: Path) -> None:
    receiver.down()
    first = run_python("from monitor.client import log\nfor _ in range(7): log('chat')", receiver, tmp_path)
    assert first.returncode == 0, first.stderr
    assert sum(int(path.name.split("-")[2].split(".")[0]) for path in spooled_files(tmp_path)) == 7
    receiver.up()
    wait = "from monitor.client import configure\nimport time\nclient = configure()\n"
    wait += "while client.stats().spooled: time.sleep(0.01)\n"
    second = run_python(wait, receiver, tmp_path)
    assert second.returncode == 0, second.stderr
    assert len(receiver.events) == 7
    assert spooled_files(tmp_path) == []


def test_a_killed_process_leaves_its_spool_to_the_next(receiver: Receiver, tmp_path: Path) -> None:
    receiver.down()
    code = "import os, signal, time\nfrom monitor.client import configure, log\nclient = configure(batch_s=0.01)\n"
    code += "log('chat')\nwhile not client.stats().spooled: time.sleep(0.01)\nos.kill(os.getpid(), signal.SIGKILL)"
    assert run_python(code, receiver, tmp_path).returncode == -signal.SIGKILL
    receiver.up()
    client = quick(receiver, tmp_path)
    client.start()
    until(lambda: len(receiver.events) == 1)
    client.close()


def test_processes_that_share_a_folder_send_each_file_once(receiver: Receiver, tmp_path: Path) -> None:
    client = quick(receiver, tmp_path, batch_events=5)
    folder = client._options.folder
    outbox = Outbox(folder, 10**6)
    for _ in range(40):
        assert outbox.put(parcel_of(1)) == ""
    others = [quick(receiver, tmp_path) for _ in range(3)]
    for one in [client, *others]:
        one.start()
    until(lambda: len(receiver.events) == 40 and not outbox.events())
    assert len(receiver.requests) == 40
    for one in [client, *others]:
        one.close()


def parcel_of(events: int, age_s: float = 0.0) -> Parcel:
    line = json.dumps({"deployment": "chat"}).encode() + b"\n"
    created = time.time_ns() - int(age_s * 1e9)
    return Parcel(uuid.uuid4().hex, created, events, gzip.compress(line * events))


def test_a_claimed_file_is_left_alone_until_its_owner_lets_go(tmp_path: Path) -> None:
    first, second = Outbox(tmp_path, 10**6), Outbox(tmp_path, 10**6)
    first.put(parcel_of(3))
    claimed = first.claim()
    assert claimed is not None
    assert second.claim() is None
    first.release()
    again = second.claim()
    assert again == claimed
    second.done(claimed)
    assert first.claim() is None
    assert not first.own_left()


def test_one_file_that_always_fails_does_not_block_the_others(receiver: Receiver, tmp_path: Path) -> None:
    client = quick(receiver, tmp_path)
    outbox = Outbox(client._options.folder, 10**6)
    parcels = [parcel_of(1) for _ in range(3)]
    for parcel in parcels:
        outbox.put(parcel)
    accept = receiver.accept
    poison = min(parcels, key=lambda parcel: parcel.name).key
    receiver.accept = lambda key, events: failure(500) if key == poison else accept(key, events)  # type: ignore[method-assign]  # the receiver is told how to answer
    client.start()
    until(lambda: len(receiver.events) == 2 and client.stats().spooled == 1)
    client.close()


def test_an_old_file_is_sent_with_a_look_at_event_ids(receiver: Receiver, tmp_path: Path) -> None:
    client = quick(receiver, tmp_path)
    Outbox(client._options.folder, 10**6).put(parcel_of(1, age_s=25 * 3600))
    client.start()
    until(lambda: receiver.requests)
    assert receiver.requests[0][1] == "/api/v1/predictions?dedupe=event_id"
    client.close()


def test_events_for_one_server_are_not_sent_to_another(receiver: Receiver, tmp_path: Path) -> None:
    other = quick(receiver, tmp_path, url="http://127.0.0.1:9")
    other.log("chat")
    other.close()
    assert len(spooled_files(tmp_path)) == 1
    client = quick(receiver, tmp_path)
    client.log("chat")
    client.flush()
    client.close()
    assert len(receiver.events) == 1
    assert len(spooled_files(tmp_path)) == 1


def test_a_spooled_file_is_readable_by_its_user_only(receiver: Receiver, tmp_path: Path) -> None:
    other = quick(receiver, tmp_path, url="http://127.0.0.1:9")
    other.log("chat", input_text="private")
    other.close()
    [file] = spooled_files(tmp_path)
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_a_folder_of_somebody_else_in_the_temporary_folder_is_not_used(tmp_path: Path) -> None:
    planted = tmp_path / "watchpoint-sdk-0"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    planted.symlink_to(elsewhere)
    outbox = Outbox(planted / "server", 10**6, private=planted)
    assert "belongs to somebody else" in outbox.put(parcel_of(1))
    assert outbox.claim() is None
    assert list(elsewhere.iterdir()) == []


def test_where_nothing_can_be_spooled_events_wait_in_memory(
    receiver: Receiver, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "a file, no folder"
    blocked.write_text("")
    client = quick(receiver, blocked, batch_events=1)
    receiver.down()
    for _ in range(5):
        client.log("chat")
    until(lambda: "cannot be used" in caplog.text)
    assert client.stats().pending == 5
    receiver.up()
    assert client.flush()
    assert (len(receiver.events), client.stats().sent) == (5, 5)
    client.close()
