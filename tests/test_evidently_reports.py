"""Reports from the question to the file: asked for over HTTP, made by the job, kept, shown, and gone by age."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, expect

from jobs import evidently as job
from jobs.evidently import evidently_job
from jobs.running import run_slot
from monitor.client.drift_reports import DriftReports
from monitor.config import Settings, load_settings
from monitor.doors import OpenDoor, open_door
from monitor.errors import BadInput, NotFound, Overloaded, StoreError
from monitor.evidently import making
from monitor.evidently.child import Made
from monitor.queries import Ask, ask
from monitor.store import reports
from monitor.store.backup import restore
from monitor.store.owner import StoreOwner
from monitor.store.results import write
from tests.canarying import place
from tests.conftest import free_port, running_api
from tests.doorway import one, select
from tests.evidently_store import HOSTILE, REFERENCE, SPANS, WINDOW, N, fill
from tests.test_browser import CHROMIUM, browser  # noqa: F401  a fixture

Own = Callable[..., StoreOwner]
NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
MADE = Made(b"<html>", b"{}", {"drifted": 1})


@dataclass
class Api:
    """A running api, a door to it, and the settings of both."""

    url: str
    settings: Settings
    door: OpenDoor

    def ask(self, **more: Any) -> str:
        with DriftReports(self.url) as asking:
            return asking.ask(**({"deployment": "watched", "asked_by": "mia"} | SPANS | more))

    def work(self) -> str | None:
        return run_slot(self.door, evidently_job(self.settings), datetime.now(UTC), trigger="command")

    def report(self, id_: str) -> dict[str, Any]:
        [row] = self.door.query("drift_reports", id=id_)
        return row


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    folder, port = tmp_path_factory.mktemp("reports"), free_port()
    settings = load_settings({}, data_dir=str(folder / "data"), api_port=port)
    with running_api(folder / "data", port), open_door(settings, may_own=False) as door:
        fill(door)
        yield Api(settings.api, settings, door)


@pytest.fixture(scope="module")
def made(api: Api) -> str:
    """The one report that Evidently really makes here, with its tests, as the command for pipelines has them."""
    whole = partial(making.made_of, tests=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job, "made_of", whole)
        id_ = api.ask(preset="all", asked_by="<b>mia")
        assert api.work() == "done"
    return id_


def test_a_report_that_was_asked_for_is_made_and_told(api: Api, made: str) -> None:
    row = api.report(made)
    assert (row["state"], row["problem"], row["step"]) == ("done", None, "keep")
    assert (row["n_window"], row["of_window"], row["n_reference"], row["of_reference"]) == (N, N, N, N)
    assert (row["starts"], row["reference_starts"]) == (WINDOW, REFERENCE)
    assert row["seconds"] > 0
    found = json.loads(row["summary"])
    features = {feature["feature"]: feature for feature in found["features"]}
    assert features["prompt_chars"]["drifted"]
    assert not features["answer_chars"]["drifted"]
    assert {"prompt: length", "answer: words", "input_text", "event.client"} <= features.keys()
    assert found["left_out"]["image_width"] == "no values in the reference"
    assert found["columns"] == len(features)
    [run] = api.door.query("job_runs", job="evidently", limit=1)
    assert [line.split(maxsplit=1)[1].split(",")[0] for line in run["log"].splitlines()][:5] == [*making.ALL_STEPS]


def test_the_summary_counts_what_evidently_counts(api: Api, made: str) -> None:
    with DriftReports(api.url) as reading:
        told = json.loads(reading.figures(made))
    found = told["watchpoint"]["summary"]
    [counted] = [
        metric["value"] for metric in told["metrics"] if metric["metric_name"].startswith("DriftedColumnsCount")
    ]
    assert found["drifted"] == counted["count"] >= 1
    drifted = {one["feature"]: one["drifted"] for one in found["features"]}
    judged = {
        name.removeprefix("Value Drift for column "): test["status"] != "SUCCESS"
        for test in found["tests"]
        if (name := test["name"]).startswith("Value Drift")
    }
    assert judged == drifted
    assert any(test["name"].startswith("Share of Drifted Columns") for test in found["tests"])
    assert told["watchpoint"]["deployment"] == "watched"


def test_the_page_of_a_report_may_draw_itself_and_nothing_else(api: Api, made: str) -> None:
    answer = httpx.get(f"{api.url}/api/v1/drift-reports/{made}.html", trust_env=False)
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("sandbox allow-scripts allow-downloads; default-src 'none'; script-src 'unsafe-inline';")
    assert "allow-same-origin" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert re.search(r'<head><meta http-equiv="Content-Security-Policy" content="default-src', answer.text)
    assert f"Window: watched (source production), {WINDOW:%Y-%m-%d %H:%M} to" in answer.text
    assert f"all {N:,} described predictions" in answer.text
    assert HOSTILE not in answer.text
    figures = httpx.get(f"{api.url}/api/v1/drift-reports/{made}.json", trust_env=False)
    assert figures.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert figures.headers["content-type"] == "application/json"


@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no browser: {CHROMIUM} is missing (apt-get install chromium)")
def test_the_page_draws_in_its_sandbox_and_asks_for_nothing(api: Api, made: str, browser: Browser) -> None:  # noqa: F811
    page = browser.new_page()
    said, asked = list[str](), list[str]()
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{api.url}/api/v1/drift-reports/{made}.html")
    page.locator("tbody tr button").first.click()
    expect(page.locator(".js-plotly-plot .plot rect, .js-plotly-plot .bars path").first).to_be_attached()
    assert page.evaluate("() => [window.broken, window.origin]") == [None, "null"]
    assert (said, [url for url in asked if not url.startswith(("data:", "blob:"))]) == ([], [page.url])
    page.close()


def test_the_same_report_is_asked_for_once_while_it_waits(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "make", lambda *_, **__: MADE)
    first = api.ask()
    assert api.ask(asked_by="noah") == first != api.ask(preset="summary")
    assert api.report(first)["state"] == "waiting"
    assert {"waiting"} <= {run["state"] for run in api.door.query("job_runs", job="evidently")}
    assert not evidently_job(api.settings).idle()
    assert api.work() == "done"
    assert evidently_job(api.settings).idle()
    assert api.report(first)["state"] == "done"
    assert api.ask() != first
    assert api.work() == "done"


def test_one_report_that_fails_says_why_and_the_next_is_made(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def picky(order: Any, *_: Any, **__: Any) -> Made:
        if order.preset == "text":
            raise BadInput("no such thing")
        if order.preset == "summary":
            raise ZeroDivisionError
        return MADE

    monkeypatch.setattr(making, "make", picky)
    ids = [api.ask(preset=preset, seed=3) for preset in ("text", "summary", "drift")]
    assert api.work() == "failed"
    assert [api.report(id_)["state"] for id_ in ids] == ["failed", "failed", "done"]
    assert api.report(ids[0])["problem"] == "no such thing"
    assert "it failed in an unexpected way (ZeroDivisionError)" in api.report(ids[1])["problem"]
    [run] = api.door.query("job_runs", job="evidently", limit=1)
    assert run["problem"] == "2 of 3 reports could not be made"
    no_file = rf"report {ids[0]} has no file: it is failed \(no such thing\)"
    with DriftReports(api.url) as reading, pytest.raises(NotFound, match=no_file):
        reading.page(ids[0])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"deployment": "other"}, "other .source production. has no described predictions in the window, from 20"),
        ({"reference_deployment": "other"}, "other .* has no described predictions in the reference"),
        ({"reference_start": None, "reference_end": None}, "there is no reference for 'watched'"),
        ({"reference": "unknown", "reference_start": None, "reference_end": None}, "no reference 'unknown'"),
        ({"preset": "best"}, "Invalid enum value 'best'"),
        ({"sample": 99}, "Expected `int` >= 100"),
        ({"sample": 100_001}, "Expected `int` <= 100000"),
        ({"start": "now", "end": "-1h"}, "start .* is not before end"),
        ({"source": "people"}, "source is 'people'"),
        ({"unknown": 1}, "unknown field `unknown`"),
    ],
    ids=str,
)
def test_what_cannot_be_reported_is_refused(api: Api, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        api.ask(**wrong)


def test_a_form_of_another_site_cannot_ask(api: Api) -> None:
    answer = httpx.post(f"{api.url}/api/v1/drift-reports", content=b"{}", trust_env=False)
    assert answer.status_code == 415


@pytest.mark.parametrize("name", ["unknown.html", "../watchpoint.duckdb.html", "unknown.json"])
def test_there_are_no_other_files(api: Api, name: str) -> None:
    answer = httpx.get(f"{api.url}/api/v1/drift-reports/{name}", trust_env=False)
    assert answer.status_code == 404


def test_a_sample_is_the_same_each_time_and_of_the_window_only(tmp_path: Path) -> None:
    with place(tmp_path) as made:
        fill(made.door, "a")
        fill(made.door, "b")

        def ids(**more: Any) -> list[str]:
            rows = made.door.query("drift_report_rows", deployment="a", **window, **more)
            assert {row["of_rows"] for row in rows} == {N}
            return [row["event_id"] for row in rows]

        window = {"start": WINDOW.isoformat(), "end": (WINDOW + HOUR).isoformat()}
        whole = ids()
        assert (len(whole), {id_.split("-")[0] for id_ in whole}) == (N, {"a"})
        assert ids(sample=100) == ids(sample=100) == whole[:100]
        assert len({*ids(sample=100, seed=1)} & {*whole[:100]}) < 60
        [texts] = {
            row["input_text"] is not None
            for row in made.door.query("drift_report_rows", deployment="a", **window, texts=True)
        }
        assert texts


# -- the store


def asking(**more: Any) -> dict[str, Any]:
    spans = {"starts": NOW - HOUR, "ends": NOW, "reference_starts": NOW - 9 * HOUR, "reference_ends": NOW - 8 * HOUR}
    whose = {"source": "production", "deployment": "d", "reference_deployment": "d", "asked_by": "mia"}
    return {name: it.isoformat() if isinstance(it, datetime) else it for name, it in (spans | whose | more).items()}


def verb(owner: StoreOwner, name: str, body: dict[str, Any]) -> dict[str, Any]:
    return write(owner, f"drift-report-{name}", json.dumps(body).encode())


class Clock:
    """A time that tests move."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def started(owner: StoreOwner, who: str = "one") -> dict[str, Any]:
    """A run of the job that is alive, as its process claims it."""
    claim = {"run": f"run-{who}", "job": "evidently", "slot": NOW.isoformat(), "trigger": "page", "owner": who}
    write(owner, "job-claim", json.dumps(claim).encode())
    return {"run": f"run-{who}", "owner": who}


def ended(owner: StoreOwner, who: dict[str, Any], id_: str, page: str = "PGh0bWw+") -> dict[str, Any]:
    return verb(owner, "end", who | {"id": id_, "html": page, "json": "e30=", "summary": {"drifted": 2}})


def test_a_report_belongs_to_the_process_that_took_it_up(own: Own) -> None:
    owner = own(clock=Clock())
    id_ = verb(owner, "ask", asking())["id"]
    mine, other = started(owner), {"run": "run-other", "owner": "other"}
    taken = verb(owner, "take", mine)
    assert (taken["id"], taken["starts"], taken["features"]) == (id_, "2026-03-10T11:00:00Z", [])
    assert verb(owner, "take", other) == {"id": None}
    for body in (other, mine | {"owner": "other"}):
        with pytest.raises(NotFound, match="is not made by other: another process has taken it up, or it is over"):
            verb(owner, "step", body | {"id": id_, "step": "read", "steps_done": 0, "steps": 5})
    assert ended(owner, mine, id_)["bytes"] == 8
    folder = owner.settings.data / reports.FOLDER
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        f"{id_}.html": b"<html>",
        f"{id_}.json": b"{}",
    }
    with pytest.raises(NotFound):
        ended(owner, mine, id_)


def test_a_report_whose_process_is_gone_is_taken_up_again_once(own: Own) -> None:
    clock = Clock()
    owner = own(clock=clock)
    id_ = verb(owner, "ask", asking())["id"]
    assert verb(owner, "take", started(owner))["id"] == id_
    clock.now += timedelta(seconds=60)
    assert verb(owner, "take", started(owner, "two")) == {"id": None}
    clock.now += timedelta(seconds=31)
    assert verb(owner, "take", started(owner, "three"))["id"] == id_
    clock.now += timedelta(seconds=91)
    with owner.cursor() as con:
        [row] = ask("drift_reports", {}, Ask(con, owner.fleet, clock.now)).to_pylist()
    assert (row["id"], row["state"]) == (id_, "lost")
    assert verb(owner, "take", started(owner, "four")) == {"id": None}
    [(state, problem)] = select(owner, "select state, problem from drift_reports")
    assert (state, problem) == (
        "failed",
        "the process that made it ended 2 times before it did: ask for a smaller sample",
    )


def test_only_so_many_reports_wait(own: Own, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "MOST_WAITING", 2)
    owner = own(clock=Clock())
    for seed in range(2):
        verb(owner, "ask", asking(seed=seed))
    assert verb(owner, "ask", asking(seed=1))["made"] is False
    with pytest.raises(Overloaded, match="2 reports wait to be made, at most 2 may; ask again"):
        verb(owner, "ask", asking(seed=2))


def test_a_report_that_is_too_large_or_cannot_be_written_is_not_kept(own: Own, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "MOST_BYTES", 7)
    owner = own(clock=Clock())
    id_, who = verb(owner, "ask", asking())["id"], started(owner)
    verb(owner, "take", who)
    with pytest.raises(BadInput, match="the report has 8 bytes; kept are at most 7: ask for fewer features"):
        ended(owner, who, id_)
    verb(owner, "fail", who | {"id": id_, "problem": "token sk-abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKL"})
    assert "abcdefghijklm" not in one(owner, "select problem from drift_reports")
    assert not (owner.settings.data / reports.FOLDER).exists()


def test_the_newest_reports_stay(own: Own, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "KEPT", 2)
    clock = Clock()
    owner, ids = own(clock=clock), []
    who = started(owner)
    for seed in range(3):
        clock.now += timedelta(seconds=1)
        ids.append(verb(owner, "ask", asking(seed=seed))["id"])
        verb(owner, "take", who)
        ended(owner, who, ids[-1])
    folder = owner.settings.data / reports.FOLDER
    assert (
        {path.stem for path in folder.iterdir()}
        == {*ids[1:]}
        == {id_ for (id_,) in select(owner, "select id from drift_reports")}
    )


def test_reports_leave_by_age_and_are_part_of_a_backup(own: Own, tmp_path: Path) -> None:
    clock = Clock()
    owner = own(clock=clock)
    id_, who = verb(owner, "ask", asking())["id"], started(owner)
    verb(owner, "take", who)
    ended(owner, who, id_)
    folder = owner.settings.data / reports.FOLDER
    (folder / "nobody.html").write_text("left by a crash")
    owner.back_up(tmp_path / "backup")
    owner.expire(NOW + timedelta(days=30))
    assert sorted(path.name for path in folder.iterdir()) == [f"{id_}.html", f"{id_}.json"]
    owner.expire(NOW + timedelta(days=32))
    assert [*folder.iterdir(), *select(owner, "select id from drift_reports")] == []
    owner.stop()
    restore(tmp_path / "backup", tmp_path / "restored", NOW)
    with_it = own(clock=clock, data_dir=str(tmp_path / "restored"))
    with with_it.cursor() as con:
        assert reports.read_file(con, id_, ".html") == b"<html>"


def test_a_file_that_is_gone_is_told(own: Own) -> None:
    owner = own(clock=Clock())
    id_, who = verb(owner, "ask", asking())["id"], started(owner)
    verb(owner, "take", who)
    ended(owner, who, id_)
    (owner.settings.data / reports.FOLDER / f"{id_}.html").unlink()
    with (
        owner.cursor() as con,
        pytest.raises(NotFound, match=r"the file of report .* is gone; ask for the report again"),
    ):
        reports.read_file(con, id_, ".html")


def test_the_job_is_no_reason_to_start_without_an_api(tmp_path: Path) -> None:
    settings = load_settings({}, data_dir=str(tmp_path), api_port=1)
    with pytest.raises(StoreError, match="does not answer"):
        evidently_job(settings).idle()
