"""Probes of checkpoints in a real worker process, which is killed in the middle of a batch and started again."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, answers, free_port, wait_until
from tests.probing import Bench, bench, by_type, picture, user
from tests.workers import ONE_THREAD, save_checkpoints


class Worker:
    """A worker that always listens on the same port."""

    def __init__(self, fleet: Path) -> None:
        self.fleet, self.port = fleet, free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        variables = {
            "WATCHPOINT_FLEET_FILE": str(self.fleet),
            "WATCHPOINT_DATA_DIR": str(self.fleet.parent / "data"),
            "WATCHPOINT_WORKER_PORT": str(self.port),
        }
        with (self.fleet.parent / "worker.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "monitor", "worker"],
                cwd=ROOT,
                env=os.environ | ONE_THREAD | variables,
                stdout=log,
                stderr=log,
            )
        wait_until(lambda: answers(f"{self.url}/health"), 60)

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    made = Worker(save_checkpoints(tmp_path_factory.mktemp("probed"), early="vlm", late="vlm"))
    made.start()
    yield made
    made.kill()


@pytest.fixture(scope="module")
def probes(worker: Worker) -> Iterator[Bench]:
    fleet = worker.fleet.read_text()
    with bench(worker.fleet.parent, fleet, WATCHPOINT_WORKER_URL=worker.url) as made:
        yield made


def test_two_checkpoints_answer_about_an_image_and_tell_where_the_time_went(probes: Bench) -> None:
    image = probes.prober.upload(picture("red", (64, 64)))["sha256"]
    body: dict[str, Any] = {
        "targets": ["worker/early", "worker/late"],
        "messages": user("What colour is it?", image),
        "settings": {"max_tokens": 6, "top_logprobs": 1},
    }
    events = list(probes.prober.stream(body))
    assert by_type(events, "error") == []
    replies = {event["target"]: event for event in by_type(events, "reply")}
    assert set(replies) == {"worker/early", "worker/late"}
    for reply in replies.values():
        assert {"total_ms", "ttft_ms", "queue_ms", "preprocess_ms", "prefill_ms", "decode_ms"} <= set(reply["timings"])
        assert reply["batch_rows"] == 1
        assert 0 < reply["confidence"] <= 1
        assert "".join(token["text"] for token in reply["tokens"]).strip() == reply["text"].strip()
    rows = probes.logged(events[0]["run"], 2)
    assert list(rows["deployment"]) == ["worker", "worker"]
    assert set(rows["checkpoint"]) == {"early", "late"}
    assert json.loads(rows.iloc[0]["attrs"])["timings"]["prefill_ms"] > 0


def test_a_batch_goes_on_when_the_worker_was_killed_in_the_middle_of_it(probes: Bench, worker: Worker) -> None:
    image = probes.prober.upload(picture("blue", (64, 64)))["sha256"]
    asked = [{"id": str(i), "messages": user(f"What is number {i}?", image)} for i in range(60)]
    body = {"kind": "batch", "targets": ["worker/early"], "items": asked, "settings": {"max_tokens": 24}}
    run = probes.prober.start(body)
    wait_until(lambda: probes.run(run)["done"] > 0, 60)
    worker.kill()
    wait_until(lambda: probes.run(run)["problem"] is not None)
    assert "worker/early does not answer since" in probes.run(run)["problem"]
    assert "start it with `python -m monitor worker`" in probes.run(run)["problem"]
    worker.start()
    ended = probes.over(run)
    assert (ended["state"], ended["done"], ended["failed"], ended["problem"]) == ("done", 60, 0, None)
    assert ended["result"]["targets"]["worker/early"]["outages"] == 1
    assert set(probes.logged(run, 60)["status"]) == {"ok"}
