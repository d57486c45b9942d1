"""Runs of jobs: claimed once, kept alive by beats, taken over when their process is gone, asked for from the page."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from jobs import running
from jobs.running import Job, Run, run_slot
from jobs.table import jobs_of
from monitor.config import Settings
from monitor.doors import OpenDoor, open_door
from monitor.errors import BadInput, ConfigError, NotFound, StoreError
from monitor.fleet import load_fleet
from monitor.ids import run_id
from monitor.records import Fleet, Schedule
from monitor.store import jobs as store_jobs
from monitor.store.owner import StoreOwner
from monitor.store.results import write

Own = Callable[..., StoreOwner]
SLOT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = SLOT

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tell(own: Own, clock: Clock) -> Callable[..., dict[str, Any]]:
    """Write a verb into a store whose clock the test moves."""
    import msgspec

    owner = own(clock=clock)
    return lambda verb, **body: write(owner, verb, msgspec.json.encode(body))


def claim(run: str = "first", owner: str = "ada", **more: Any) -> dict[str, Any]:
    return {"run": run, "job": "canary", "slot": SLOT.isoformat(), "trigger": "schedule", "owner": owner, **more}


def test_a_run_is_claimed_by_one_process_and_the_other_is_told_by_whom(tell: Any) -> None:
    assert tell("job-claim", **claim())["claimed"]
    answer = tell("job-claim", **claim(owner="bob"))
    assert (answer["claimed"], answer["held_by"], answer["state"]) == (False, "ada", "running")


def test_a_run_that_does_not_beat_is_taken_over_and_its_old_owner_learns_it(tell: Any, clock: Clock) -> None:
    tell("job-claim", **claim())
    clock.now += store_jobs.LEASE - timedelta(seconds=1)
    tell("job-beat", run="first", owner="ada", total=10, done=5)
    clock.now += store_jobs.LEASE - timedelta(seconds=1)
    assert not tell("job-claim", **claim(owner="bob"))["claimed"], "it has beaten meanwhile"
    clock.now += timedelta(seconds=2)
    answer = tell("job-claim", **claim(owner="bob"))
    assert (answer["claimed"], answer["resumed"]) == (True, True)
    with pytest.raises(NotFound, match="is not run by ada; another process has taken it over"):
        tell("job-beat", run="first", owner="ada")
    with pytest.raises(NotFound, match="is not run by ada"):
        tell("job-end", run="first", owner="ada", state="done")
    assert tell("job-end", run="first", owner="bob", state="done")["state"] == "done"
    assert tell("job-claim", **claim(owner="eve"))["state"] == "done", "a slot that is done stays done"


def test_a_job_whose_last_run_goes_on_skips_a_slot_or_waits(tell: Any, clock: Clock) -> None:
    tell("job-claim", **claim())
    assert tell("job-claim", **claim("second", "bob"))["state"] == "skipped"
    answer = tell("job-claim", **claim("third", "bob", overlap="wait"))
    assert (answer["claimed"], answer["state"]) == (False, "waiting")
    tell("job-end", run="first", owner="ada", state="done")
    assert tell("job-claim", **claim("third", "bob", overlap="wait"))["claimed"]
    assert tell("job-claim", **claim("second", "bob"))["state"] == "skipped"


def test_a_run_that_was_asked_for_is_taken_up_once_by_a_scheduler_that_knows_the_job(tell: Any) -> None:
    with pytest.raises(NotFound, match="there is no job 'retention'; jobs are none, as no scheduler has run yet"):
        tell("job-ask", run="wanted", job="retention", asked_by="ada")
    tell("job-table", owner="s1", jobs=[{"job": "retention", "about": "", "every_s": 60}])
    assert tell("job-ask", run="wanted", job="retention", asked_by="ada") == {"run": "wanted", "state": "waiting"}
    assert tell("job-ask", run="again", job="retention", asked_by="bob")["run"] == "wanted"
    assert tell("job-take", owner="s1", jobs=["other"])["run"] is None
    assert tell("job-take", owner="s1", jobs=["retention"])["run"] == "wanted"
    assert tell("job-take", owner="s2", jobs=["retention"])["run"] is None


def test_what_was_asked_for_waits_for_a_run_that_goes_on_and_outlives_its_process(tell: Any, clock: Clock) -> None:
    tell("job-table", owner="s1", jobs=[{"job": "canary", "about": "", "every_s": 60}])
    tell("job-claim", **claim())
    tell("job-ask", run="wanted", job="canary", asked_by="ada")
    assert tell("job-take", owner="s1", jobs=["canary"])["run"] is None, "the run before still goes on"
    tell("job-end", run="first", owner="ada", state="done")
    assert tell("job-take", owner="s1", jobs=["canary"])["run"] == "wanted"
    clock.now += store_jobs.LEASE + timedelta(seconds=1)
    assert tell("job-take", owner="s2", jobs=["canary"])["run"] == "wanted", "s1 is gone"
    tell("job-end", run="wanted", owner="s2", state="interrupted")
    assert tell("job-take", owner="s3", jobs=["canary"])["run"] == "wanted", "s2 was stopped"
    tell("job-end", run="wanted", owner="s3", state="done")
    assert tell("job-take", owner="s4", jobs=["canary"])["run"] is None


def test_a_verb_that_is_none_and_a_body_that_is_wrong_are_told(tell: Any) -> None:
    with pytest.raises(NotFound, match="there is no result 'job-dance'; there are job-claim"):
        tell("job-dance")
    with pytest.raises(BadInput, match="job-claim: Object missing required field `run`"):
        tell("job-claim")
    with pytest.raises(BadInput, match="Invalid enum value 'whenever'"):
        tell("job-claim", **(claim() | {"trigger": "whenever"}))
    with pytest.raises(BadInput, match="timezone"):
        tell("job-claim", **(claim() | {"slot": "2026-03-01T12:00:00"}))


def test_of_each_job_the_newest_runs_stay(tell: Any, own: Own, monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    monkeypatch.setattr(store_jobs, "KEPT", 3)
    for n in range(6):
        clock.now += timedelta(minutes=1)
        tell("job-claim", **claim(f"run-{n}"))
        tell("job-end", run=f"run-{n}", owner="ada", state="done")
    assert [tell("job-claim", **claim(f"run-{n}"))["state"] for n in (5, 4)] == ["done", "done"]
    assert tell("job-claim", **claim("run-0"))["claimed"], "it is not known any more"


# -- running


@pytest.fixture
def door(settings: Settings) -> Any:
    with open_door(replace(settings, api_port=1)) as opened:
        yield opened


def job(work: Callable[[Run], str | None], **more: Any) -> Job:
    return Job("sweep", "sweep the floor", Schedule(every_s=60), work, **more)


def rows(door: OpenDoor) -> list[dict[str, Any]]:
    return door.query("job_runs")


def test_a_run_leaves_its_log_its_counts_and_how_it_ended(door: OpenDoor) -> None:
    def work(run: Run) -> None:
        run.say("swept", rooms=3)
        run.at(3, 4, failed=1)

    assert run_slot(door, job(work), SLOT) == "done"
    (row,) = rows(door)
    assert (row["state"], row["total"], row["done"], row["failed"], row["problem"]) == ("done", 4, 3, 1, None)
    assert "swept, rooms 3" in row["log"]
    assert row["run"] == run_id("sweep", SLOT.isoformat())
    assert run_slot(door, job(work), SLOT) is None, "the slot is done"


def test_a_slot_whose_process_is_gone_is_taken_over_within_the_lease(
    door: OpenDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_jobs, "LEASE", timedelta(seconds=1))
    monkeypatch.setattr(running, "LOST_S", 10.0)
    run = run_id("sweep", SLOT.isoformat())
    door.write("job-claim", {**claim(run, "gone"), "job": "sweep"})
    assert run_slot(door, job(lambda _: None), SLOT) == "done"
    assert rows(door)[0]["state"] == "done"


def test_one_slot_is_not_run_twice_by_two_threads_of_one_process(door: OpenDoor) -> None:
    began, go_on = threading.Event(), threading.Event()
    count: list[int] = []

    def work(_: Run) -> None:
        count.append(1)
        began.set()
        go_on.wait(10)

    first = threading.Thread(target=lambda: run_slot(door, job(work), SLOT))
    first.start()
    assert began.wait(10)
    assert run_slot(door, job(work), SLOT, trigger="command") is None
    go_on.set()
    first.join(10)
    assert count == [1]


def test_a_store_that_is_away_when_a_run_ends_is_told_later(door: OpenDoor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "END_PAUSES_S", (0.01, 0.01))
    write, failures = door.write, [1, 2]

    def flaky(verb: str, body: Any) -> dict[str, Any]:
        if verb == "job-end" and failures:
            failures.pop()
            raise StoreError("away")
        return write(verb, body)

    monkeypatch.setattr(door, "write", flaky)
    assert run_slot(door, job(lambda _: None), SLOT) == "done"
    assert rows(door)[0]["state"] == "done"


@pytest.mark.parametrize(
    "work, problem",
    [
        (lambda run: "a door was locked", "a door was locked"),
        (lambda run: (_ for _ in ()).throw(BadInput("no broom")), "no broom"),
        (
            lambda run: 1 / 0,
            "it failed in an unexpected way (ZeroDivisionError): the log of the process has the details",
        ),
    ],
)
def test_what_goes_wrong_is_written_with_the_run(door: OpenDoor, work: Any, problem: str) -> None:
    assert run_slot(door, job(work), SLOT) == "failed"
    (row,) = rows(door)
    assert (row["state"], row["problem"]) == ("failed", problem)


def test_secrets_in_a_log_are_hidden(door: OpenDoor) -> None:
    run_slot(door, job(lambda run: run.say("told by ada@example.com")), SLOT)
    assert "ada@example.com" not in rows(door)[0]["log"]
    assert "[email]" in rows(door)[0]["log"]


def test_the_table_of_jobs_takes_schedules_from_the_fleet_file(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "watchpoint.toml"
    file.write_text('[jobs.retention]\ncron = "5 3 * * *"\njitter_s = 60\n[jobs.demo]\nenabled = false\n')
    found = jobs_of(settings, load_fleet(file))
    assert found["retention"].schedule == Schedule(cron="5 3 * * *", jitter_s=60)
    assert "demo" not in found
    file.write_text("[jobs.retention]\ngrace_s = 5\n")
    assert jobs_of(settings, load_fleet(file))["retention"].schedule == Schedule(cron="17 0 * * *", grace_s=5)
    file.write_text('[jobs.retentoin]\nevery = "1h"\n')
    with pytest.raises(ConfigError, match="there is no job 'retentoin'; jobs are retention, demo, drift"):
        jobs_of(settings, load_fleet(file))
    assert {"retention", "demo", "drift"} <= set(jobs_of(settings, Fleet()))


def test_a_scheduler_tells_its_table_and_the_query_says_what_is_due(door: OpenDoor) -> None:
    planned = [{"job": "sweep", "about": "sweep the floor", "every_s": 900}]
    door.write("job-table", {"owner": "s1", "jobs": planned})
    (row,) = door.query("jobs")
    assert (row["schedule"], row["scheduler_here"], row["state"]) == ("every 15m", True, None)
    assert row["next_at"] > datetime.now(UTC)
    door.write("job-table", {"owner": "s1", "jobs": []})
    assert door.query("jobs") == []
