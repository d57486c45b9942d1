"""The scheduler as a real process: it runs what is due, what is asked for, and says that it is there."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from monitor.client.reader import Reader
from monitor.records import Schedule
from monitor.scheduler import Slots
from tests.canarying import red, write_suite
from tests.conftest import ROOT, free_port, running_api, wait_until
from tests.model_servers import serving

FLEET = """\
[models.shapes]
[checkpoints.one]
model = "shapes"
[deployments.watched]
checkpoint = "one"
url = "{url}/v1"
[canaries.colours]
suite = "suite.yaml"
every = "3s"
learn_in_flight = [1]
learn_repeats = 1
in_flight = 2
[jobs.demo]
enabled = false
"""


def test_the_slots_of_a_schedule_are_moved_by_its_jitter_and_never_into_the_next_one() -> None:
    slots = Slots(Schedule(every_s=60, jitter_s=3600))
    now = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)
    found = [slots.get_next_fire_time(None, now) for _ in range(200)]
    assert all(now.replace(minute=1, second=0) <= one < now.replace(minute=2, second=0) for one in found)
    assert len(set(found)) > 100
    plain = Slots(Schedule(every_s=60))
    assert plain.get_next_fire_time(now, now) == now.replace(minute=1, second=0)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """An api and a scheduler over a canary that is due every three seconds."""
    folder, port = tmp_path_factory.mktemp("scheduler"), free_port()
    write_suite(folder, ["one", "two"])
    with serving(red) as server:
        (folder / "watchpoint.toml").write_text(FLEET.format(url=server.url))
        with running_api(folder / "data", port), Reader(f"http://127.0.0.1:{port}") as made:
            process = _scheduler(folder, port)
            try:
                wait_until(lambda: len(made.query("jobs")) == 3)  # whichever test comes first on this process
                yield made
            finally:
                process.terminate()
                assert process.wait(20) == 0
                log = (folder / "scheduler.log").read_text()
                assert "Traceback" not in log, log


def _scheduler(folder: Path, port: int) -> "subprocess.Popen[bytes]":
    environment = os.environ | {
        "WATCHPOINT_DATA_DIR": str(folder / "data"),
        "WATCHPOINT_FLEET_FILE": str(folder / "watchpoint.toml"),
        "WATCHPOINT_API_PORT": str(port),
    }
    with (folder / "scheduler.log").open("wb") as out:
        command = [sys.executable, "-m", "monitor", "scheduler"]
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=subprocess.STDOUT)


def test_what_is_due_runs_once_for_each_slot(reader: Reader) -> None:
    wait_until(lambda: len(reader.query("canary_runs", canary="colours")) >= 4, 60)
    runs = reader.query("canary_runs", canary="colours")
    replays = runs[runs["kind"] == "replay"]
    assert replays["slot"].is_unique
    assert set(runs["trigger"]) == {"schedule"}
    done = replays[replays["state"] == "done"]
    assert (done["passed"] == 2).all()
    gaps = replays["slot"].sort_values().diff().dropna()
    assert all(gap % timedelta(seconds=3) == timedelta(0) for gap in gaps)


def test_it_says_that_it_is_there_and_what_it_will_do(reader: Reader) -> None:
    jobs = reader.query("jobs").set_index("job")
    assert list(jobs.index) == ["canary-colours", "drift", "retention"]
    assert jobs["scheduler_here"].all()
    assert jobs.loc["retention", "schedule"] == "cron 17 0 * * * (UTC)"
    due: Any = jobs.loc["canary-colours", "next_at"]
    assert due <= datetime.now(UTC) + timedelta(seconds=3)


def test_what_the_page_asks_for_is_taken_up(reader: Reader) -> None:
    body = {"run": "abcdefghijklmnop", "job": "retention", "asked_by": "ada"}
    answer = httpx.post(f"{reader.address}/api/v1/results/job-ask", json=body, trust_env=False)
    assert answer.json() == {"run": "abcdefghijklmnop", "state": "waiting"}

    def state() -> str:
        runs = reader.query("job_runs", job="retention")
        return str(runs.set_index("run").loc["abcdefghijklmnop", "state"])

    wait_until(lambda: state() == "done", 40)
    row = reader.query("job_runs", job="retention").set_index("run").loc["abcdefghijklmnop"]
    assert (row["trigger"], row["asked_by"]) == ("page", "ada")
    assert "retention done" in row["log"]
