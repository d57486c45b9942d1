"""The Live-probe page, the way Streamlit runs it, against a real api and real servers of models."""

import io
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from monitor.ui import access
from monitor.ui.pages import PROBE, REQUESTS
from monitor.ui.probe import progress, results
from tests.chat_server import ChatServer, chat_server
from tests.conftest import free_port, wait_until
from tests.probing import Bench, bench, items, picture, user
from tests.test_pages import See, see, texts, titles  # noqa: F401  `see` is a fixture

FLEET = """
[models.shapes]
[checkpoints.step-300]
model = "shapes"
step = 300
[checkpoints.step-600]
model = "shapes"
step = 600
parent = "step-300"
[deployments.prod]
checkpoint = "step-600"
url = "{red}"
[deployments.edge]
checkpoint = "step-300"
environment = "edge"
url = "{blue}"
[deployments.gone]
checkpoint = "step-300"
environment = "edge"
url = "http://127.0.0.1:{port}/v1"
"""


@pytest.fixture(scope="module")
def blue() -> Iterator[ChatServer]:
    with chat_server("blue") as server:
        yield server


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, blue: ChatServer) -> Iterator[Bench]:
    """An api that can ask two servers, of which one says red and the other blue, and one that is not there."""
    with chat_server("red") as red:
        fleet = FLEET.format(red=red.url, blue=blue.url, port=free_port())
        with bench(tmp_path_factory.mktemp("probe"), fleet, WATCHPOINT_PROBES_PER_MINUTE="500") as one:
            yield one


@pytest.fixture
def page(see: See, made: Bench) -> "Page":  # noqa: F811
    return Page(see, made)


class Page:
    """Opens the page, and finds what is on it by key."""

    def __init__(self, see: See, made: Bench) -> None:  # noqa: F811
        self._see, self._made = see, made

    def __call__(self, **query: str | list[str]) -> AppTest:
        return self._see(PROBE, self._made.url, **query)


def ask(app: AppTest, question: str | None = None) -> AppTest:
    if question is not None:
        app.text_area(key="prompt").set_value(question)
    app.button(key="ask").click()
    app = app.run()
    assert not app.exception, app.exception
    return app


def in_address(app: AppTest, name: str) -> list[str]:
    """The values of a parameter of the address."""
    found = app.query_params.get(name, [])
    return [found] if isinstance(found, str) else list(found)


def headings(app: AppTest) -> list[str]:
    return [str(one.value) for one in app.header]


def log(made: Bench, event: dict[str, Any]) -> None:
    """Log a request, and wait until it can be read."""
    base = {"deployment": "prod", "checkpoint": "step-600", "latency_ms": 5}
    httpx.post(f"{made.url}/api/v1/predictions", json=base | event, trust_env=False).raise_for_status()

    def there() -> bool:
        return len(made.reader.query("requests", start="-1h", end="now", text=event["input_text"])) > 0

    wait_until(there)


def logged_request(made: Bench, event_id: str, question: str, answer: str, **attrs: Any) -> str:
    """A request with an image in the store, messages and settings; returns the hash of the image."""
    sha256 = str(made.prober.upload(picture("green"))["sha256"])
    settings = {"max_tokens": 32, "temperature": 0.0, "top_p": 1.0, "seed": 7}
    log(
        made,
        {
            "event_id": event_id,
            "input_text": question,
            "output_text": answer,
            "media": [{"sha256": sha256, "mime": "image/png", "width": 32, "height": 24}],
            "attrs": {"messages": user(question, sha256), "settings": settings} | attrs,
        },
    )
    return sha256


# -- asking


def test_two_targets_answer_side_by_side_with_their_difference_and_a_link(page: Page, made: Bench) -> None:
    app = ask(page(targets=["prod", "edge"]), "hello words=2")
    assert headings(app)[:2] == ["A: prod", "B: edge"]
    shown = texts(app)
    assert ":red-background[~~red~~]" in shown
    assert ":green-background[**blue**]" in shown
    assert "2 out · confidence 90 %" in shown
    assert app.get("echarts_chart")[0].proto.alt.startswith("A: "), "where the time went"
    [run] = in_address(app, "run")
    made.logged(run, 2)
    again = page(run=run)
    assert again.text_area(key="prompt").value == "hello words=2"
    assert headings(again)[:2] == ["A: prod", "B: edge"]
    assert ":red-background[~~red~~]" in texts(again)


def test_the_page_begins_with_a_target_in_production(page: Page) -> None:
    app = page()
    assert app.multiselect(key="probe-targets").value == ["prod"]
    assert "Press Run to ask" in texts(app)


def test_nothing_is_asked_without_a_question_or_a_target(page: Page) -> None:
    app = ask(page())
    assert titles(app) == ["Nothing was asked"]
    app.multiselect(key="probe-targets").set_value([])
    app = ask(app.run(), "hello")
    assert "Choose at least one target." in app.warning[0].value


def test_a_target_that_is_away_is_told_with_its_words_and_what_to_do(page: Page) -> None:
    app = ask(page(targets=["gone", "edge"]), "hello")
    assert titles(app) == ["No answer"]
    assert "gone cannot be reached at" in app.error[0].value.replace("\\", "")
    assert "Start the server, or correct `url` in the fleet file" in texts(app)
    assert "3 out" in texts(app), "the other one answered all the same"


def test_a_server_that_fails_is_quoted(page: Page) -> None:
    app = ask(page(targets="prod"), "status=500")
    assert "it was told to fail" in app.error[0].value.replace("\\", "")


def test_settings_come_from_the_address_and_go_with_the_question(page: Page, made: Bench) -> None:
    app = page(targets="prod", max_tokens="9", temperature="0.5", seed="3", stop="x|y", top_logprobs="off")
    assert "Up to 9 tokens, temperature 0.5, top p 1, seed 3, 2 stop texts" in texts(app)
    app = ask(app, "hello settings")
    [run] = in_address(app, "run")
    settings = made.logged(run, 1).iloc[0]["attrs"]
    for part in ('"max_tokens":9', '"temperature":0.5', '"seed":3', '"stop":["x","y"]', '"top_logprobs":null'):
        assert part in settings.replace(" ", "")


# -- images


def test_a_chosen_file_goes_to_the_media_store_and_into_the_address(page: Page, made: Bench) -> None:
    app = page()
    app.session_state["add-images"] = True
    app = app.run()
    app.file_uploader[0].set_value([("one.png", picture("blue"), "image/png")])
    app = app.run()
    [sha256] = in_address(app, "images")
    assert made.prober.media(sha256) == picture("blue")
    assert "Images (1)" in texts(app)
    assert [one.alt.split(" (")[0] for image in app.get("image") for one in image.proto.imgs] == ["Image 1 of 1"]
    app.button(key="remove-image-0").click()
    app = app.run()
    assert in_address(app, "images") == []


def test_a_file_that_is_no_image_is_refused_in_words(page: Page) -> None:
    app = page()
    app.session_state["add-images"] = True
    app = app.run()
    app.file_uploader[0].set_value([("one.png", b"not an image", "image/png")])
    app = app.run()
    assert titles(app) == ["This image cannot be used"]


def test_a_pasted_picture_is_added_and_its_text_becomes_the_question(page: Page) -> None:
    app = page()
    app.session_state["add-images"] = True
    app = app.run()
    app.chat_input(key="paste").set_value("What is it?").upload("image.png", picture("red"), "image/png")
    app = app.run()
    assert len(in_address(app, "images")) == 1
    assert app.text_area(key="prompt").value == "What is it?"


def test_an_image_of_the_address_that_is_gone_is_told_before_anything_is_asked(page: Page) -> None:
    app = page(images="f" * 64, targets="prod")
    assert "is not in the media store" in texts(app)
    assert "1 of its images are not in the media store" in ask(app, "hello").warning[0].value


# -- a logged request


def test_a_request_opens_with_everything_filled_in_and_the_verdict_blames_the_weights(page: Page, made: Bench) -> None:
    sha256 = logged_request(made, "same", "the first words=1", "red")
    app = page(request="same")
    assert app.text_area(key="prompt").value == "the first words=1"
    assert in_address(app, "images") == [sha256]
    assert app.multiselect(key="probe-targets").value == ["prod", "edge"]
    shown = texts(app)
    assert "Up to 32 tokens, greedy, seed 7" in shown
    assert "Messages, images and settings are those of the log." in shown
    app = ask(app)
    shown = texts(app)
    assert "**A answers exactly as logged.**" in shown
    assert "**B answers differently from what was logged.**" in shown
    assert "What this says" in titles(app)
    assert "the difference lies in the weights" in app.info[0].value.replace("\\", "")


def test_a_checkpoint_that_does_not_repeat_itself_is_said(page: Page, made: Bench) -> None:
    logged_request(made, "other", "the second words=1", "green")
    shown = texts(ask(page(request="other", targets="prod")))
    assert "step-600 does not repeat its logged answer to the same messages" in shown.replace("\\", "")


def test_an_edited_question_says_nothing_about_the_checkpoints(page: Page, made: Bench) -> None:
    logged_request(made, "edited", "the third words=1", "red")
    app = ask(page(request="edited"), "something else words=1")
    assert "Asked with other messages than logged" in texts(app)
    assert "What this says" not in titles(app)


def test_what_was_not_logged_is_said_plainly(page: Page, made: Bench) -> None:
    media = [{"sha256": "e" * 64}]
    log(made, {"event_id": "bare", "input_text": "a bare one", "output_text": "x", "media": media, "checkpoint": "old"})
    app = page(request="bare")
    assert titles(app) == ["Not everything could be brought back"]
    shown = texts(app).replace("\\", "")
    assert "Its image is not in the media store" in shown
    assert "The log has no messages for it" in shown
    assert "does not have its max tokens, temperature, top p" in shown
    assert "The checkpoint that answered, old, cannot be asked" in shown


def test_a_request_that_is_gone_leaves_a_page_that_works(page: Page) -> None:
    app = page(request="nope")
    assert titles(app) == ["This request is not known"]
    assert headings(ask(app, "hello"))[0] == "A: prod"


def test_a_run_that_is_not_known_leaves_a_page_that_works(page: Page) -> None:
    app = page(run="nope")
    assert titles(app) == ["This run is not known"]
    assert app.button(key="ask")


def test_start_afresh_empties_the_form(page: Page, made: Bench) -> None:
    logged_request(made, "afresh", "the fourth words=1", "red")
    app = page(request="afresh")
    app.button(key="afresh").click()
    app = app.run()
    assert app.text_area(key="prompt").value == ""
    assert "request" not in app.query_params
    assert in_address(app, "images") == []


def test_a_request_shows_its_picture_and_leads_to_the_probe(see: See, made: Bench) -> None:  # noqa: F811
    logged_request(made, "shown", "the fifth words=1", "red")
    app = see(REQUESTS, made.url, event="shown")
    [link] = [one for one in app.get("page_link") if one.proto.label == "Open in probe"]
    assert link.proto.query_string.startswith("request=shown&at=20")
    assert [one.alt.split(" (")[0] for image in app.get("image") for one in image.proto.imgs] == [
        "Image 1 of the request"
    ]


# -- a batch


def wait_for_end(app: AppTest, made: Bench) -> AppTest:
    [run] = in_address(app, "run")
    ended = made.over(run)
    if ended["kind"] == "batch":
        made.logged(run, ended["done"])
    st.cache_resource.clear()  # nothing of the run while it ran is remembered
    app = app.run()
    assert not app.exception, app.exception
    return app


def zipped(n: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        rows = ["id,prompt,image,label"]
        for number in range(n):
            archive.writestr(f"set/{number}.png", picture(f"#{number:06x}"))
            rows.append(f"i{number},number {number} words=1,{number}.png,{'red' if number % 4 else 'blue'}")
        archive.writestr("set/questions.csv", "\n".join(rows))
    return out.getvalue()


def test_a_zip_with_a_table_becomes_a_compared_batch(page: Page, made: Bench) -> None:
    app = page(mode="Batch", targets=["prod", "edge"])
    app.file_uploader[0].set_value([("set.zip", zipped(20), "application/zip")])
    app.text_input(key="batch-name").set_value("twenty")
    app = app.run()
    assert "20 pictures, a table of 20 rows, 20 of them with an expected answer." in texts(app)
    app.button(key="start-batch").click()
    app = wait_for_end(app.run(), made)
    shown = texts(app)
    assert "40 of 40 answers" in shown
    assert "A is right on 75 %, B on 25 %; they part on 20 of 20 labelled items." in shown
    assert "**B is less often right**" in shown
    rows = app.dataframe[0].value
    assert rows["A: answer"].tolist()[:2] == ["✗ red", "✓ red"]
    assert rows["Image"].str.startswith("data:image/png;base64,").all()
    app.segmented_control(key="view-items").set_value("gallery")
    assert any(str(mark.value).endswith("**B** blue") for mark in app.run().markdown)


def test_files_that_cannot_be_used_are_told_at_once(page: Page) -> None:
    app = page(mode="Batch")
    app.file_uploader[0].set_value([("q.csv", b"colour\nred\n", "text/csv")])
    app = app.run()
    assert titles(app) == ["These files cannot be used"]


def test_logged_requests_are_asked_again_by_filter(page: Page, made: Bench) -> None:
    log(made, {"event_id": "sampled", "input_text": "sampled words=1", "output_text": "red"})
    app = page(mode="Batch", targets="edge", start="-1h")
    app.segmented_control(key="what").set_value("Logged requests")
    app = app.run()
    app.number_input(key="sample-n").set_value(3)
    app.button(key="start-batch").click()
    app = wait_for_end(app.run(), made)
    assert "answers" in texts(app)
    assert len(app.dataframe[0].value) >= 1


def test_a_running_batch_shows_rate_and_can_be_cancelled(page: Page, made: Bench) -> None:
    slow = [f"words=40 delay=0.1 {number}" for number in range(60)]
    run = made.prober.start({"kind": "batch", "name": "slow", "targets": ["edge"], "items": items(slow)})
    app = page(run=run)
    assert app.button(key="cancel-run").label == "Cancel"
    assert "of 60 answers" in app.get("progress")[0].proto.text
    app.button(key="cancel-run").click()
    app.run()
    made.over(run)
    app = page(run=run)
    assert titles(app) == ["This run was cancelled"]


def test_a_server_that_dies_in_the_middle_is_told_and_the_batch_recovers(
    page: Page, made: Bench, blue: ChatServer
) -> None:
    slow = [f"words=3 delay=0.1 {number}" for number in range(60)]
    run = made.prober.start({"kind": "batch", "name": "killed", "targets": ["edge"], "items": items(slow)})
    wait_until(lambda: made.run(run)["done"] > 5)
    blue.kill()
    try:
        wait_until(lambda: made.run(run)["problem"] is not None)
        app = page(run=run)
        assert titles(app) == ["Something is wrong with a target"]
        assert "edge does not answer since" in app.warning[0].value.replace("\\", "")
    finally:
        blue.start()
    row = made.over(run)
    assert (row["done"], row["failed"]) == (60, 0)
    st.cache_resource.clear()
    assert "60 of 60 answers" in texts(page(run=run))


@pytest.mark.parametrize("state", sorted(progress.FACES))
def test_every_way_to_end_early_has_a_face(state: str) -> None:
    title, message = progress.FACES[state]
    assert title.startswith("This run")
    assert "kept below" in message


# -- load


def test_a_load_probe_warns_and_asks_before_it_loads_production(page: Page) -> None:
    app = page(mode="Load", targets="prod")
    assert titles(app) == ["What this does"]
    assert "up to 8 at once, for 20 seconds" in app.warning[0].value
    assert app.button(key="start-load").disabled
    app.checkbox(key="load-production").check()
    assert not app.run().button(key="start-load").disabled


def test_a_load_probe_gives_a_curve_and_a_table(page: Page, made: Bench) -> None:
    app = page(mode="Load", targets="edge")
    app.text_area(key="prompt").set_value("words=2 delay=0.02")
    app.number_input(key="seconds-each").set_value(1)
    app.button(key="start-load").click()
    app = wait_for_end(app.run(), made)
    assert "4 of 4 steps" in texts(app)
    assert headings(app)[1:] == ["Answers per second", "Latency"]
    assert [chart.proto.alt.split(":")[0] for chart in app.get("echarts_chart")] == ["1 at once", "1 at once"]


# -- runs, permissions, and what is missing


def test_earlier_runs_are_listed_with_their_state(page: Page, made: Bench) -> None:
    run = made.prober.start({"kind": "batch", "name": "for the list", "targets": ["edge"], "items": items(["words=1"])})
    made.over(run)
    st.cache_resource.clear()
    rows = page(mode="Runs").dataframe[0].value
    row = rows[rows["Run"] == run].iloc[0]
    assert (row["Kind"], row["Name"], row["State"], row["Done"]) == ("Batch", "for the list", "Done", "1 of 1")


def test_a_fleet_file_without_targets_says_what_to_write(see: See, api_url: str) -> None:  # noqa: F811
    app = see(PROBE, api_url)
    assert "The fleet file names no target" in texts(app)
    assert "[deployments.my-chat]" in app.code[0].value


def test_the_example_for_the_fleet_file_is_one(tmp_path: Path) -> None:
    from monitor.fleet import load_fleet
    from monitor.ui.probe.targets import EXAMPLE

    file = tmp_path / "watchpoint.toml"
    file.write_text(EXAMPLE)
    assert list(load_fleet(file).deployments) == ["my-chat"]


def test_nobody_probes_without_the_permission(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "_visitor", lambda: access.Identity("guest", frozenset({"read"})))
    app = page()
    assert titles(app) == ["Not allowed"]
    assert not app.tabs


def test_logged_texts_are_taken_over_only_by_those_who_may_read_them(
    page: Page, made: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged_request(made, "secret", "a secret words=1", "red")
    monkeypatch.setattr(access, "_visitor", lambda: access.Identity("guest", frozenset({"read", "probe"})))
    app = page(request="secret")
    assert "You may not read logged texts" in app.warning[0].value
    assert app.text_area(key="prompt").value == ""


def test_too_many_probes_are_told_with_when_to_come_back(see: See, tmp_path: Path, blue: ChatServer) -> None:  # noqa: F811
    fleet = FLEET.format(red=blue.url, blue=blue.url, port=1)
    with bench(tmp_path, fleet, WATCHPOINT_PROBES_PER_MINUTE="1") as made:
        app = ask(see(PROBE, made.url), "hello")
        assert headings(app)[0] == "A: prod"
        app = ask(app, "hello again")
        assert titles(app) == ["Too many probes at once"]
        assert "WATCHPOINT_PROBES_PER_MINUTE" in app.warning[0].value.replace("\\", "")


def test_results_wait_for_what_is_on_its_way_into_the_store_and_not_for_what_never_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = datetime.now(UTC)
    assert results._ended_just_now({"ended_at": pd.Timestamp(now - timedelta(seconds=5))})
    assert not results._ended_just_now({"ended_at": pd.Timestamp(now - timedelta(seconds=60))})
    assert not results._ended_just_now({"ended_at": pd.NaT})
    told: list[str] = []
    monkeypatch.setattr(results, "_await_the_rest", lambda run: told.append("wait"))
    monkeypatch.setattr("monitor.ui.probe.service.fresh", lambda question: pd.DataFrame({"item": range(3)}))
    results.draw_results({"run": "abc", "state": "done", "done": 4, "ended_at": pd.Timestamp(now), "targets": ["a"]})
    assert told == ["wait"]
