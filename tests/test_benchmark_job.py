"""Our own evaluation: every checkpoint once, item by item, resumed where it was cut short; and its command."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import Response

from jobs import benchmark, evaluating
from jobs.benchmark import benchmark_job
from jobs.evaluating import Asked, Tally, chosen_targets, suite_of
from jobs.running import run_slot
from jobs.table import jobs_of
from monitor.config import load_settings
from monitor.demo import suites
from monitor.errors import BadInput, ConfigError, NotFound
from monitor.fleet import load_fleet
from monitor.runtimes.calls import Health
from monitor.store import benchmarks, jobs
from tests.canarying import Place, impatient, in_this_process, place, prompt_of, red, reply, variables, write_suite
from tests.conftest import ROOT, wait_until
from tests.model_servers import Server, chunk, serving, sse
from tests.workers import running_worker

TEN = [f"item-{n}" for n in range(10)]
FLEET = """
[models.shapes]

[checkpoints.one]
model = "shapes"
step = 100

[checkpoints.two]
model = "shapes"
step = 200

[deployments.first]
checkpoint = "one"
url = "{one}/v1"

[deployments.second]
checkpoint = "two"
url = "{two}/v1"

[benchmarks.colours]
suite = "suite.yaml"
in_flight = 2
retries = 0
{more}
"""


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    impatient(monkeypatch)
    monkeypatch.setattr(evaluating, "READY_S", 3)


@contextmanager
def evaluated(
    folder: Path,
    one: Callable[[dict[str, Any]], Any] = red,
    two: Callable[[dict[str, Any]], Any] = red,
    more: str = "",
) -> Iterator[tuple[Place, Server, Server]]:
    """Two checkpoints behind servers that answer as they are told, and a benchmark of ten items."""
    write_suite(folder, TEN, tags=["odd"] * 4)
    with serving(one) as first, serving(two) as second:
        (folder / "watchpoint.toml").write_text(FLEET.format(one=first.url, two=second.url, more=more))
        with place(folder) as made:
            yield made, first, second


def evaluate(made: Place, **asked: Any) -> dict[str, Tally]:
    fleet, tallies = load_fleet(made.settings.fleet_file), list[Tally]()
    job = benchmark_job(made.settings, fleet, fleet.benchmarks["colours"], Asked(**asked), tallies)
    run_slot(made.door, job, datetime.now(UTC), trigger="command", asked_by="test")
    return {tally.checkpoint: tally for tally in tallies}


def some_blue(body: dict[str, Any]) -> Response:
    return reply("blue" if prompt_of(body) in ("item-1", "item-2") else "red")


def test_every_checkpoint_is_asked_every_item_once_and_never_again(tmp_path: Path) -> None:
    with evaluated(tmp_path, two=some_blue) as (made, first, second):
        found = evaluate(made)
        assert [(name, one.done, one.right, one.problem) for name, one in found.items()] == [
            ("one", 10, 10, None),
            ("two", 10, 8, None),
        ]
        assert Counter(map(prompt_of, [*first.asked, *second.asked])) == dict.fromkeys(TEN, 2)
        scores = made.door.query("benchmark_scores", categories=True, checkpoint="two")
        assert {row["category"]: (row["value"], row["n"], row["how"]) for row in scores} == {
            "": (0.8, 10, "wilson"),
            "tag=all": (1.0, 6, "wilson"),
            "tag=odd": (0.5, 4, "wilson"),
        }
        assert {(row["step"], row["model"], row["origin"]) for row in scores} == {(200, "shapes", "job")}
        again = evaluate(made)
        assert {one.left_out for one in again.values()} == {"has a result already"}
        assert len(first.asked) + len(second.asked) == 20
        assert evaluate(made, again=True, checkpoints=("one",))["one"].right == 10
        assert len(made.door.query("benchmark_runs")) == 3


def test_what_was_asked_answered_and_expected_is_kept_item_by_item(tmp_path: Path) -> None:
    with evaluated(tmp_path, two=some_blue) as (made, _, __):
        evaluate(made)
        [flip, _] = made.door.query("benchmark_flips", a="one", b="two", benchmark="colours")
        told = (flip["item"], flip["question"], flip["target"], flip["answer_a"], flip["answer_b"], flip["better"])
        assert told == ("item-1", "item-1", "red", "red", "blue", "one")


def test_a_changed_suite_is_evaluated_anew_and_kept_apart(tmp_path: Path) -> None:
    with evaluated(tmp_path) as (made, _, __):
        evaluate(made)
        write_suite(tmp_path, TEN[:5])
        assert {tally.done for tally in evaluate(made).values()} == {5}
        groups = made.door.query("benchmark_protocols", benchmark="colours")
        assert [group["n_checkpoints"] for group in groups] == [2, 2]
        assert groups[1]["apart"][0].startswith("task: ")


def test_questions_that_found_nobody_are_asked_again_and_the_others_are_not(tmp_path: Path) -> None:
    away = True

    def flaky(body: dict[str, Any]) -> Response:
        return Response("later", 503) if away and prompt_of(body) in TEN[6:] else reply("red")

    with evaluated(tmp_path, two=flaky) as (made, first, second):
        found = evaluate(made)
        assert (found["one"].problem, found["two"].done) == (None, 6)
        assert "4 questions have no verdict; the next run asks them again" in str(found["two"].problem)
        states = {row["checkpoint"]: (row["state"], row["done"]) for row in made.door.query("benchmark_runs")}
        assert states == {"one": ("done", 10), "two": ("failed", 6)}
        assert [row["checkpoint"] for row in made.door.query("benchmark_scores")] == ["one"]
        away, asked = False, len(second.asked)
        assert evaluate(made)["two"].right == 10
        assert sorted(map(prompt_of, second.asked[asked:])) == TEN[6:]
        assert len(first.asked) == 10
        [score] = made.door.query("benchmark_scores", checkpoint="two")
        assert (score["value"], score["n"]) == (1.0, 10)


def test_a_question_that_is_refused_counts_as_wrong_but_not_when_most_are(tmp_path: Path) -> None:
    def refuses(body: dict[str, Any]) -> Response:
        return Response("too long", 400) if prompt_of(body) == "item-3" else reply("red")

    def locked(_: dict[str, Any]) -> Response:
        return Response("who are you", 401)

    with evaluated(tmp_path, one=refuses, two=locked) as (made, _, __):
        found = evaluate(made)
        assert (found["one"].right, found["one"].problem) == (9, None)
        assert "10 of 10 questions got no usable answer, the last: " in str(found["two"].problem)
        assert "401" in str(found["two"].problem)
        rows = {row["checkpoint"]: row for row in made.door.query("benchmark_runs")}
        assert (rows["one"]["state"], rows["one"]["failed"], rows["two"]["state"]) == ("done", 1, "failed")
        [failed] = made.door.query("benchmark_items", run=rows["one"]["run"], failed=True)
        assert failed["failed"].startswith("TargetRefused: ")
        assert "one" not in {row["checkpoint"] for row in made.door.query("benchmark_scores") if row["value"] == 1.0}


def test_a_server_that_is_still_starting_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = iter([False, False, True])

    async def starting(*_: object) -> Health:
        return Health(next(found, True), "loading")

    monkeypatch.setattr(evaluating, "health", starting)
    with evaluated(tmp_path, more='checkpoints = ["one"]') as (made, first, _):
        assert evaluate(made)["one"].right == 10
        assert next(found, None) is None
        assert len(first.asked) == 10


def test_a_server_that_is_away_touches_no_other_checkpoint(tmp_path: Path) -> None:
    with evaluated(tmp_path, two=lambda _: sse(chunk("re"), breaks=True)) as (made, _, __):
        found = evaluate(made)
        assert (found["one"].problem, found["one"].right) == (None, 10)
        assert "questions in a row found nobody" in str(found["two"].problem)


def test_checkpoints_are_chosen_by_the_fleet_file(tmp_path: Path) -> None:
    with evaluated(tmp_path, more='checkpoints = ["two"]') as (made, first, _):
        assert list(evaluate(made)) == ["two"]
        assert first.asked == []
        fleet = load_fleet(made.settings.fleet_file)
        with pytest.raises(NotFound, match="is not for 'one'; it is for two"):
            chosen_targets(fleet.benchmarks["colours"], fleet, ("one",))


def test_one_that_cannot_be_asked_is_named(tmp_path: Path) -> None:
    with evaluated(tmp_path) as (made, _, __):
        fleet = load_fleet(made.settings.fleet_file)
        silent = replace(fleet, deployments={})
        with pytest.raises(BadInput, match="no checkpoint can be asked; give one `weights`"):
            chosen_targets(fleet.benchmarks["colours"], silent)
        with pytest.raises(BadInput, match="has no suite in the fleet file"):
            suite_of(replace(fleet.benchmarks["colours"], suite=None), fleet)


@pytest.mark.parametrize(
    "lines, problem",
    [
        ('weight = 2\nmodel = "shapes"', "benchmarks.b.model: is read beside suite only"),
        ('suite = "s"\nmodel = "shapes"\ncheckpoints = ["one"]', "benchmarks.b.model: stands beside checkpoints"),
        ("weight = -1", "benchmarks.b.weight = -1: must be 0 or more"),
        ("margin = 2", "benchmarks.b.margin = 2: must be a share between 0 and 1"),
        ('suite = "s"\nevery = "1h"\ncron = "* * * * *"', "benchmarks.b.every: stands beside cron"),
        ('suite = "s"\ncheckpoints = ["none"]', "the ids of checkpoints in this file"),
    ],
)
def test_a_mistake_in_the_fleet_file_is_named_at_its_line(tmp_path: Path, lines: str, problem: str) -> None:
    file = tmp_path / "watchpoint.toml"
    file.write_text(f'[models.shapes]\n[checkpoints.one]\nmodel = "shapes"\n[benchmarks.b]\n{lines}\n')
    with pytest.raises(ConfigError) as told:
        load_fleet(file)
    assert problem in str(told.value)


def test_each_benchmark_with_a_suite_is_a_job(tmp_path: Path) -> None:
    file = tmp_path / "watchpoint.toml"
    file.write_text('[benchmarks.b]\nsuite = "s"\nevery = "2h"\n[benchmarks.read]\nweight = 2\n')
    known = jobs_of(load_settings({}, data_dir=str(tmp_path)), load_fleet(file))
    assert (known["benchmark-b"].schedule.every_s, "benchmark-read" in known) == (7200, False)


# -- the command


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run the command in this process."""
    return in_this_process(benchmark.main, tmp_path, monkeypatch)


def test_the_command_says_what_came_of_each_checkpoint(tmp_path: Path, command: Any) -> None:
    write_suite(tmp_path, TEN)
    with serving(red) as one, serving(lambda _: Response("later", 503)) as two:
        (tmp_path / "watchpoint.toml").write_text(FLEET.format(one=one.url, two=two.url, more=""))
        planned = command("--dry-run")
        assert (planned.exit_code, one.asked) == (0, [])
        assert "colours of one: 10 questions to first" in planned.output
        found = command()
        assert found.exit_code == 3
        assert "colours, one: 10 of 10 right" in found.output
        assert "colours, two: 0 of 0 right; 5 questions in a row found nobody" in found.output
        two.answer = red
        again = command("--benchmark", "colours", "--in-flight", "4")
        assert again.exit_code == 0
        assert "colours, one: has a result already" in again.output
        with pytest.raises(BadInput, match="there is no benchmark 'others' with a suite; the fleet file has colours"):
            command("--benchmark", "others")


def test_a_process_that_is_killed_in_the_middle_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [f"item-{n}" for n in range(30)]
    write_suite(tmp_path, ids)

    def slow(_: dict[str, Any]) -> Response:
        time.sleep(0.05)
        return reply("red")

    with serving(slow) as one, serving(slow) as two:
        fleet = FLEET.format(one=one.url, two=two.url, more='checkpoints = ["one"]')
        (tmp_path / "watchpoint.toml").write_text(fleet)
        environment = os.environ | variables(tmp_path)
        process = subprocess.Popen([sys.executable, "-m", "jobs.benchmark"], cwd=ROOT, env=environment)
        wait_until(lambda: len(one.asked) > 10)
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        with place(tmp_path) as made:
            [run] = made.door.query("benchmark_runs")
            assert run["state"] == "running"
            kept = run["done"]
            assert 0 < kept < 30
            for module in (benchmarks, jobs):
                monkeypatch.setattr(module, "LEASE", timedelta(0))  # nobody has heard of it for long
            before = len(one.asked)
            assert evaluate(made)["one"].right == 30
            assert len(one.asked) - before == 30 - kept
            [score] = made.door.query("benchmark_scores")
            assert (score["value"], score["n"]) == (1.0, 30)
            rows = made.door.query("benchmark_items", run=run["run"])
            assert sorted(row["item"] for row in rows) == sorted(ids)


def test_of_the_small_checkpoints_the_best_is_not_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three real checkpoints behind a real worker, on images that nobody has trained on."""
    monkeypatch.setattr(suites, "BENCHMARKS", replace(suites.BENCHMARKS, singles=15, each=15))
    steps = (450, 900, 1020)
    fleet = ["[models.shapes]"]
    for step in steps:
        weights = ROOT / f"monitor/demo/checkpoints/shapes-vlm-step-{step:05}"
        fleet += [f'[checkpoints.step-{step}]\nmodel = "shapes"\nstep = {step}\nweights = "{weights}"']
    fleet.append('[benchmarks.colours]\nsuite = "suites/shapes-vqa"\nin_flight = 16')
    (tmp_path / "watchpoint.toml").write_text("\n".join(fleet))
    suites.write_benchmarks(tmp_path / "suites")
    with running_worker(tmp_path / "watchpoint.toml") as worker, place(tmp_path) as found_here:
        port = int(worker.url.rsplit(":", 1)[1])
        made = replace(found_here, settings=replace(found_here.settings, worker_port=port))
        tallies = evaluate(made)
        assert [one.problem for one in tallies.values()] == [None] * 3
        [overall, found] = made.door.query("benchmark_best")
        assert (found["best"], found["last"], found["last_shown"]) == ("step-900", "step-1020", True)
        assert found["chance_of_best"] > 0.95
        assert found["last_high"] < 0
        assert (overall["best"], found["n_items"]) == ("step-900", 90)
        trend = made.door.query("benchmark_scores", benchmark="colours")
        values = {row["step"]: row["value"] for row in trend}
        assert values[450] < values[900] > values[1020]
