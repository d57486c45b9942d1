import asyncio
import signal
import subprocess
import sys
import threading
import time
from dataclasses import fields
from pathlib import Path

import pytest

import monitor.client as sdk
from monitor.client import Client
from monitor.client.options import MIB, Options
from monitor.client.sender import EVENT_BYTES
from monitor.client.tally import Stats
from tests.sdk.receiver import REPOSITORY, Receiver, run_python, spooled_files, until


def test_the_event_loop_does_not_wait_for_a_server_that_hangs(receiver: Receiver, client: Client) -> None:
    receiver.hang.clear()

    async def main() -> float:
        longest = 0.0
        for _ in range(50):
            started = time.perf_counter()
            client.log("chat", input_text="x" * 1000)
            longest = max(longest, time.perf_counter() - started)
            await asyncio.sleep(0.001)
        return longest

    assert asyncio.run(main()) < 0.5
    assert receiver.requests


def test_many_threads_lose_and_double_nothing(receiver: Receiver, client: Client) -> None:
    def work(number: int) -> None:
        for step in range(200):
            client.log("chat", tokens_in=number, tokens_out=step)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.flush()
    assert len({(event["tokens_in"], event["tokens_out"]) for event in receiver.events}) == len(receiver.events) == 1600


def test_a_signal_handler_may_log_at_any_moment(receiver: Receiver, client: Client) -> None:
    handled = 0

    def handle(*_: object) -> None:
        nonlocal handled
        handled += 1
        client.log("signal")

    before = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    try:
        for _ in range(3000):
            client.log("main")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert client.flush()
    assert len(receiver.events) == 3000 + handled > 3000


FORK = """
import os, sys, time
from monitor.client import configure, log, flush, stats
client = configure(batch_s=30, retry_s=0.02)
for _ in range(3): log("parent")
if sys.argv[1] == "in flight":
    client._sender.flush(0.1)
child = os.fork()
if child == 0:
    assert stats().pending == stats().logged == 0, stats()
    log("child")
    assert stats().pending == 1
    sys.exit(0 if flush(10) else 7)
log("parent")
_, status = os.waitpid(child, 0)
assert flush(10)
sys.exit(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.parametrize("moment", ["idle", "in flight"])
def test_after_a_fork_the_child_starts_empty_and_the_parent_keeps_its_events(
    receiver: Receiver, tmp_path: Path, moment: str
) -> None:
    if moment == "in flight":  # the parent's thread waits for an answer while it forks
        receiver.hang.clear()
        threading.Timer(1.0, receiver.hang.set).start()
    result = run_python(FORK.replace("sys.argv[1]", repr(moment)), receiver, tmp_path)
    assert result.returncode == 0, result.stderr
    assert sorted(event["deployment"] for event in receiver.events) == ["child"] + ["parent"] * 4


def test_children_of_multiprocessing_send_their_last_events(receiver: Receiver, tmp_path: Path) -> None:
    code = "import multiprocessing\nfrom monitor.client import log\n"
    code += "log('parent')\nchild = multiprocessing.get_context('fork').Process(target=log, args=('child',))\n"
    code += "child.start(); child.join()"
    result = run_python(code, receiver, tmp_path)
    assert result.returncode == 0, result.stderr
    assert sorted(event["deployment"] for event in receiver.events) == ["child", "parent"]


def test_the_end_of_the_process_sends_what_is_left(receiver: Receiver, tmp_path: Path) -> None:
    result = run_python("from monitor.client import log\nlog('chat')\nraise KeyError('boom')", receiver, tmp_path)
    assert result.returncode == 1
    assert len(receiver.events) == 1


def test_the_end_of_the_process_does_not_wait_for_a_server_that_hangs(receiver: Receiver, tmp_path: Path) -> None:
    receiver.hang.clear()
    started = time.monotonic()
    code = "from monitor.client import configure, log\nconfigure(exit_s=0.3)\nfor _ in range(3): log('chat')"
    result = run_python(code, receiver, tmp_path)
    assert time.monotonic() - started < 3
    assert result.returncode == 0, result.stderr
    receiver.hang.set()
    [file] = spooled_files(tmp_path)
    assert "-3." in file.name
    assert file.name.split("-")[1] == receiver.keys[0]  # so that the server counts it once


def test_the_end_of_the_process_says_what_was_dropped(receiver: Receiver, tmp_path: Path) -> None:
    receiver.down()
    code = "from monitor.client import configure, log\nconfigure(queue_events=5, batch_s=30, batch_events=100)\n"
    result = run_python(code + "for _ in range(9): log('chat')", receiver, tmp_path)
    assert result.returncode == 0
    assert "at exit: 4 events were dropped (queue full: 4); 5 are kept in" in result.stderr
    assert str(tmp_path) in result.stderr


def test_importing_the_client_brings_the_standard_library_only() -> None:
    code = f"import sys; sys.path.insert(0, {str(REPOSITORY)!r}); import monitor.client; print([n for n in sys.modules "
    code += "if n.partition('.')[0] not in sys.stdlib_module_names | {'monitor', '__main__', 'sitecustomize'}])"
    result = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_the_page_about_the_sdk_names_every_option_and_cause() -> None:
    page = (REPOSITORY / "docs" / "sdk.md").read_text("utf-8")
    missing = [field.name for field in fields(Options) + fields(Stats) if field.name not in page]
    assert not missing
    assert str(EVENT_BYTES // MIB) + " MiB" in page


def test_the_functions_of_the_module_share_a_default_client(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHPOINT_API_URL", receiver.url)
    monkeypatch.setenv("WATCHPOINT_TOKEN", "from-environment")
    monkeypatch.setenv("WATCHPOINT_SDK_SPOOL", str(tmp_path))

    @sdk.watch(deployment="watched")
    def answer() -> int:
        return 1

    client = sdk.configure(batch_s=0.02)
    sdk.log(deployment="logged")
    assert answer() == 1
    with sdk.track(deployment="tracked") as event:
        event["tokens_out"] = 5
    assert sdk.flush()
    assert [event["deployment"] for event in receiver.events] == ["logged", "watched", "tracked"]
    assert receiver.requests[0][0]["authorization"] == "Bearer from-environment"
    assert sdk.stats() == client.stats()
    assert sdk.stats().sent == 3
    client.close()


def test_a_new_configuration_finishes_the_old_client(receiver: Receiver, tmp_path: Path) -> None:
    first = sdk.configure(url=receiver.url, spool=tmp_path, batch_s=30)
    sdk.log("chat")
    second = sdk.configure(url=receiver.url, spool=tmp_path, batch_s=0.02)
    until(lambda: len(receiver.events) == 1)
    sdk.log("chat")
    until(lambda: len(receiver.events) == 2)
    until(lambda: (first.stats().sent, second.stats().sent) == (1, 1))
    second.close()
