"""`python -m jobs.canary`: exit codes, what it prints, and a process that is killed in the middle."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import Response

from jobs.canary import main
from monitor.errors import BadInput, NotFound
from tests.canarying import in_this_process, place, prompt_of, red, reply, variables, write_fleet, write_suite
from tests.conftest import ROOT, wait_until
from tests.model_servers import chunk, serving, sse

IDS = [f"item-{n}" for n in range(20)]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run the command in this process."""
    return in_this_process(main, tmp_path, monkeypatch)


def test_the_exit_code_says_whether_all_is_as_before(tmp_path: Path, command: Any) -> None:
    write_suite(tmp_path, IDS)
    with serving(red) as server:
        write_fleet(tmp_path, {"watched": server.url}, retries=0)
        first = command("--now")
        assert (first.exit_code, "20 of 20 passed" in first.output) == (0, True)
        server.answer = lambda _: reply("blue")
        command("--now")
        changed = command("--now", "--suite", "colours", "--deployment", "watched", "--in-flight", "2")
        assert changed.exit_code == 1
        assert "colours, watched: 0 of 20 passed; quality changed" in changed.output
        server.answer = lambda _: sse(chunk("re"), breaks=True)
        assert command("--now").exit_code == 3
    assert command("--now").exit_code == 3, "nobody is there any more"


def test_a_slot_that_is_done_is_not_asked_again_from_cron(tmp_path: Path, command: Any) -> None:
    write_suite(tmp_path, ["one"])
    with serving(red) as server:
        write_fleet(tmp_path, {"watched": server.url})
        assert command().exit_code == 0
        asked = len(server.asked)
        again = command()
        assert (again.exit_code, len(server.asked)) == (0, asked)
        assert "is done, or another process is at it" in again.output


def test_a_dry_run_says_what_it_would_ask_and_asks_nothing(tmp_path: Path, command: Any) -> None:
    write_suite(tmp_path, IDS)
    with serving(red) as server:
        write_fleet(tmp_path, {"watched": server.url})
        found = command("--dry-run")
        assert (found.exit_code, server.asked) == (0, [])
        assert not (tmp_path / "data").exists()
        assert found.output.startswith("colours on watched, every 1h: suite colours ")
        assert ", 20 questions, 4 at once; 180 more to learn what was not learned yet" in found.output


def test_who_asks_for_one_now_wants_it_asked(tmp_path: Path, command: Any) -> None:
    write_suite(tmp_path, ["one"])
    with serving(red) as server:
        write_fleet(tmp_path, {"watched": server.url})
        with place(tmp_path) as made:
            body = {"run": "other", "job": "canary-colours", "slot": "2026-01-01T00:00:00Z", "trigger": "schedule"}
            made.door.write("job-claim", body | {"owner": "scheduler"})
        found = command("--now")
        assert (found.exit_code, server.asked) == (3, [])
        assert "another process is at it" in found.output


def test_a_suite_that_is_broken_is_a_mistake_and_takes_no_slot(tmp_path: Path, command: Any) -> None:
    (tmp_path / "suite.yaml").write_text("suite: colours\nitems:\n  - id: one\n")
    write_fleet(tmp_path, {"watched": "http://127.0.0.1:9"})
    with pytest.raises(BadInput, match=r"suite\.yaml:3"):
        command()
    assert not (tmp_path / "data").exists()


def test_accepting_says_why_and_learns_anew(tmp_path: Path, command: Any) -> None:
    write_suite(tmp_path, ["one"])
    with serving(red) as server:
        write_fleet(tmp_path, {"watched": server.url})
        command("--now")
        server.asked.clear()
        assert command("--accept", "a new kernel").exit_code == 0
        assert len(server.asked) == 9 + 1
    with place(tmp_path) as made:
        owner = made.door._owner  # type: ignore[attr-defined]  # the local door
        with owner.cursor() as con:
            assert con.execute("select reason from canary_baselines").fetchall() == [("a new kernel",)]


def test_mistakes_are_told_with_what_there_is(tmp_path: Path, command: Any) -> None:
    with pytest.raises(BadInput, match=r"has no canaries: add \[canaries.ID\]"):
        command("--now")
    write_suite(tmp_path, ["one"])
    write_fleet(tmp_path, {"watched": "http://127.0.0.1:9"})
    with pytest.raises(BadInput, match="there is no canary 'other'; the fleet file has colours"):
        command("--suite", "other")
    with pytest.raises((BadInput, NotFound), match="does not run on 'elsewhere'; it runs on watched"):
        command("--dry-run", "--deployment", "elsewhere")


def test_a_process_that_is_killed_in_the_middle_goes_on_where_it_was(tmp_path: Path) -> None:
    write_suite(tmp_path, IDS)

    def slowly(body: dict[str, Any]) -> Response:
        time.sleep(0.01)
        return red(body)

    with serving(slowly) as server:
        write_fleet(tmp_path, {"watched": server.url}, in_flight=2)
        command = [sys.executable, "-m", "jobs.canary"]
        environment = os.environ | variables(tmp_path)
        process = subprocess.Popen(command, cwd=ROOT, env=environment)
        wait_until(lambda: len(server.asked) >= 200, 90)
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        killed_at = len(server.asked)
        expected = len(IDS) * (3 + 3 + 6 + 1)
        assert killed_at < expected
        with place(tmp_path) as made:  # time passes
            owner = made.door._owner  # type: ignore[attr-defined]  # the local door
            kept = len(made.door.query("canary_item", canary="colours", deployment="watched", item="item-1"))
            assert kept >= 7, "more than half of what is learned"
            long_ago = datetime.now(UTC) - timedelta(minutes=5)
            for table in ("canary_runs", "job_runs"):
                sql = f"update {table} set beat_at = '{long_ago:%Y-%m-%d %H:%M:%S}'"
                owner.run(lambda con, sql=sql: con.execute(sql)).result()
        again = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120
        )
        assert (again.returncode, "20 of 20 passed" in again.stdout) == (0, True), again.stdout + again.stderr
        twice = len(server.asked) - expected
        assert 0 <= twice <= 3 * 4, "only what was under way, or on its way into the store, is asked again"
        asked = Counter(map(prompt_of, server.asked))
        assert set(asked) == set(IDS)
    with place(tmp_path) as made:
        runs = {row["kind"]: row for row in made.door.query("canary_runs")}
        assert (runs["learn"]["done"], runs["replay"]["done"]) == (len(IDS) * 12, len(IDS))
        made.door._owner.wait_loaded()  # type: ignore[attr-defined]  # the local door
        logged = made.door.query("requests", start="-1h", end="now", source="canary", limit=500)
        ids = {row["event_id"] for row in logged}
        assert expected <= len(ids) == len(logged) <= len(server.asked), "asked twice is logged twice, and told apart"
        results = made.door.query("canary_item", canary="colours", deployment="watched", item="item-7")
        assert {row["event_id"] for row in results} <= ids
