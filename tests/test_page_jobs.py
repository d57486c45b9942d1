"""The Jobs page and its client, against a real api with runs that were written over the results API."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from monitor.client.jobs import Jobs
from monitor.client.reader import Reader, Unreachable
from monitor.errors import BadInput
from monitor.ui import access
from monitor.ui.jobs import table
from monitor.ui.pages import CANARIES, JOBS
from tests.canary_runs import Canaries, item
from tests.conftest import free_port
from tests.test_pages import See, see, texts, titles  # noqa: F401  `see` is a fixture

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
OWNER = "host-1"
Write = Callable[[str, Mapping[str, Any]], dict[str, Any]]


@pytest.fixture
def write(api_url: str) -> Write:
    def write(verb: str, body: Mapping[str, Any]) -> dict[str, Any]:
        answer = httpx.post(f"{api_url}/api/v1/results/{verb}", json=body, trust_env=False)
        assert answer.is_success, answer.text
        return dict(answer.json())

    return write


@pytest.fixture
def planned(write: Write) -> None:
    """A scheduler that is alive, with two jobs."""
    jobs = [
        {"job": "canary-shapes", "about": "replay suite shapes", "every_s": 600, "jitter_s": 20},
        {"job": "retention", "about": "old *rows* leave", "cron": "17 0 * * *"},
    ]
    write("job-table", {"owner": OWNER, "jobs": jobs})


def begin(write: Write, run: str, job: str = "canary-shapes") -> None:
    slot = datetime.now(UTC).isoformat()
    write("job-claim", {"run": run, "job": job, "slot": slot, "trigger": "schedule", "owner": OWNER})


def end(write: Write, run: str, state: str = "done", **more: Any) -> None:
    write("job-end", {"run": run, "owner": OWNER, "state": state, "total": 60, "done": 60, **more})


@pytest.fixture
def page(see: See, api_url: str) -> Callable[..., AppTest]:  # noqa: F811
    return lambda **query: see(JOBS, api_url, **query)


def test_every_job_says_when_it_runs_and_how_it_went(page: Callable[..., AppTest], write: Write, planned: None) -> None:
    begin(write, "one")
    end(write, "one")
    app = page()
    assert not app.error
    assert not app.warning
    shown = texts(app)
    assert "**canary\\-shapes** replay suite shapes" in shown
    assert "every 10 minutes, at a random moment of the first 20 s · last run " in shown
    assert "by its schedule · took " in shown
    assert "· next 20" in shown
    assert "**retention** old \\*rows\\* leave" in shown
    assert "every day at 00:17 UTC · never ran" in shown.replace("\\", "")
    assert [badge for badge in shown.split("\n") if "-badge[" in badge] == [
        ":green-badge[:material/check_circle: Done]",
        ":gray-badge[:material/pending: Never ran]",
    ]


def test_a_running_job_shows_how_far_it_is(page: Callable[..., AppTest], write: Write, planned: None) -> None:
    begin(write, "one")
    write("job-beat", {"run": "one", "owner": OWNER, "total": 120, "done": 30, "failed": 2})
    app = page()
    [bar] = app.get("progress")
    assert (bar.proto.value, bar.proto.text) == (25, "30 of 120, 2 failed")
    assert ":blue-badge[:material/progress_activity: Running]" in texts(app)


def test_a_failed_run_shows_what_was_wrong_and_the_end_of_its_log(
    page: Callable[..., AppTest], write: Write, planned: None
) -> None:
    begin(write, "bad")
    end(write, "bad", "failed", problem="edge: no *answer*", log="12:00:01 began\n12:00:02 no answer")
    begin(write, "good", "retention")
    end(write, "good")
    app = page()
    assert ":material/warning: Edge: no \\*answer\\*." in texts(app).replace("\\:", ":")
    rows = app.dataframe[0].value
    assert rows[["State", "Job", "Done"]].to_numpy().tolist() == [
        [["Done"], "retention", "60 of 60"],
        [["Failed"], "canary-shapes", "60 of 60"],
    ]
    opened = page(run="bad", job="canary-shapes")
    assert opened.dataframe[0].value["Job"].tolist() == ["canary-shapes"]
    assert opened.selectbox(key="jobs-filter").value == "canary-shapes"
    assert titles(opened) == ["What was wrong"]
    assert opened.code[0].value == "12:00:01 began\n12:00:02 no answer"
    opened.button(key="close-run").click()
    assert not opened.run().code
    opened.selectbox(key="jobs-filter").set_value("retention")
    assert opened.run().query_params["job"] == "retention"


def test_a_log_needs_the_permission_to_read_texts(
    page: Callable[..., AppTest], write: Write, planned: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(write, "one")
    end(write, "one", log="secret words")
    monkeypatch.setattr(access, "_visitor", lambda: access.Identity("guest", frozenset({"read"})))
    app = page(run="one")
    assert "secret words" not in texts(app)
    assert "needs the permission `read_text`" in texts(app)
    assert not [one for one in app.button if one.label == "Run now"]


def test_a_job_is_asked_to_run_now_in_the_name_of_the_visitor(
    page: Callable[..., AppTest], planned: None, api_url: str
) -> None:
    app = page()
    app.button(key="run-now-retention").click()
    app = app.run()
    assert not app.exception
    assert ":shimmer[Waits for the scheduler to take it up]" in texts(app)
    with Reader(api_url) as reader:
        [row] = reader.query("job_runs").to_dict("records")
    assert (row["job"], row["state"], row["trigger"], row["asked_by"]) == ("retention", "waiting", "page", "local")
    assert re.fullmatch("[a-z]{16}", row["run"])


def test_without_a_scheduler_the_page_warns_and_nothing_can_be_run(api_url: str, planned: None) -> None:
    with Reader(api_url) as reader:
        rows = reader.query("jobs")
    gone = rows.assign(scheduler_here=False, next_at=None, seen_at=rows["seen_at"] - timedelta(hours=3))
    app = AppTest.from_function(_draw_jobs, args=(gone,)).run()
    assert titles(app) == ["No scheduler is there"]
    assert "heard of 3 h ago" in app.warning[0].value
    assert all(button.disabled for button in app.button)
    assert "not due while no scheduler is there" in texts(app)


def _draw_jobs(rows: "pd.DataFrame") -> None:
    from datetime import UTC, datetime

    from monitor.ui.jobs.table import draw_jobs

    draw_jobs(rows, datetime.now(UTC), True)


def test_an_empty_store_says_how_to_start_a_scheduler(page: Callable[..., AppTest]) -> None:
    shown = texts(page())
    assert "No scheduler has told yet which jobs there are" in shown
    assert "python -m monitor scheduler" in shown


def test_an_api_that_is_away_is_named(see: See) -> None:  # noqa: F811
    assert titles(see(JOBS, f"http://127.0.0.1:{free_port()}")) == ["Cannot reach the api"]


def test_a_canary_is_run_now_from_its_own_page_only_where_a_scheduler_knows_it(
    see: See,  # noqa: F811
    api_url: str,
    write: Write,
) -> None:
    canaries = Canaries(api_url, items=[item("one")])
    canaries.know()
    canaries.run("shapes", "prod")
    assert see(CANARIES, api_url, canary="shapes", deployment="prod").button(key="run-canary").disabled
    write("job-table", {"owner": OWNER, "jobs": [{"job": "canary-shapes", "about": "", "every_s": 600}]})
    st.cache_resource.clear()
    app = see(CANARIES, api_url, canary="shapes", deployment="prod")
    app.button(key="run-canary").click()
    app.run()
    with Reader(api_url) as reader:
        assert reader.query("job_runs")["job"].tolist() == ["canary-shapes"]


# -- the client


@pytest.mark.usefixtures("planned")
def test_a_job_that_waits_already_is_not_asked_for_twice(api_url: str) -> None:
    with Jobs(api_url) as jobs:
        first = jobs.run_now("retention", "mia")
        assert jobs.run_now("retention", "noah") == first


def test_a_baseline_is_kept_with_who_and_why(api_url: str) -> None:
    with Jobs(api_url) as jobs, Reader(api_url) as reader:
        since = jobs.accept("shapes", "prod", "mia", "meant")
        assert abs(datetime.now(UTC) - since) < timedelta(minutes=1)
        assert reader.query("canary_deployments").empty, "it is planned nowhere, and never ran"


def test_a_refusal_and_a_dead_api_are_told_as_errors(api_url: str) -> None:
    with Jobs(api_url) as jobs, pytest.raises(BadInput, match="job-ask"):
        jobs.run_now("", "mia")
    with Jobs(f"http://127.0.0.1:{free_port()}") as jobs, pytest.raises(Unreachable, match="Cannot reach the api at"):
        jobs.run_now("retention", "mia")


# -- words


def row(**changes: Any) -> dict[str, Any]:
    base = {
        "job": "a",
        "state": "done",
        "schedule": "every 10m",
        "jitter_s": 0,
        "trigger": "schedule",
        "asked_by": "schedule",
        "started_at": NOW - timedelta(minutes=3),
        "seconds": 12.4,
        "next_at": NOW + timedelta(minutes=7),
    }
    return base | changes


@pytest.mark.parametrize(
    "schedule, words",
    [
        ("every 1h", "every hour"),
        ("every 90s", "every 90 seconds"),
        ("cron 7 * * * * (UTC)", "every hour at minute 7"),
        ("cron 17 0 * * * (UTC)", "every day at 00:17 UTC"),
        ("cron 0 6 * * 1 (UTC)", "every Monday at 06:00 UTC"),
        ("cron 0 6 * * 7 (UTC)", "every Sunday at 06:00 UTC"),
        ("cron */5 * * * * (UTC)", "cron */5 * * * * (UTC)"),
        ("cron 0 6 1 * * (UTC)", "cron 0 6 1 * * (UTC)"),
        ("cron 0 6 * * mon-fri (UTC)", "cron 0 6 * * mon-fri (UTC)"),
    ],
)
def test_a_schedule_is_told_in_words(schedule: str, words: str) -> None:
    assert table.schedule_in_words(row(schedule=schedule)) == words


def test_a_line_says_when_it_ran_how_long_it_took_and_when_it_is_due() -> None:
    assert table.facts(row(), NOW, True) == [
        "every 10 minutes",
        "last run 3 min ago, by its schedule",
        "took 12.40 s",
        "next 2026-11-21 12:07:00 UTC, in 7 min",
    ]
    asked = table.facts(row(state="running", trigger="page", asked_by="m*a", next_at=pd.NaT), NOW, True)
    assert asked[1:] == ["began 3 min ago, from this page (m\\*a)", "not due while no scheduler is there"]


def test_what_is_under_way_stands_first_and_then_what_failed() -> None:
    states = ["done", None, "failed", "running"]
    frame = pd.DataFrame([row(job=f"job-{n}", state=state) for n, state in enumerate(states)])
    assert [one["state"] for one in table.data_rows(frame)][:3] == ["running", "failed", "done"]


def test_every_state_of_a_run_has_its_own_word_and_icon() -> None:
    names, icons = zip(*[(name, icon) for name, icon, _ in table.STATES.values()], strict=True)
    assert len(set(names)) == len(set(icons)) == len(table.STATES)
