"""One question to several targets at once, over HTTP and with a real server behind each of them."""

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest

from monitor.errors import BadInput, NotFound, Overloaded
from tests.chat_server import ChatServer, chat_server
from tests.conftest import free_port, wait_until
from tests.probing import Bench, bench, by_type, fleet_of, picture, user


@pytest.fixture(scope="module")
def red() -> Iterator[ChatServer]:
    with chat_server("red") as server:
        yield server


@pytest.fixture(scope="module")
def probes(red: ChatServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """An api whose fleet has a red, a blue and a dead deployment."""
    with chat_server("blue") as blue:
        fleet = fleet_of(red=red.url, blue=blue.url, dead=f"http://127.0.0.1:{free_port()}/v1")
        fleet += '[deployments.log-only]\ncheckpoint = "one"\n'
        with bench(tmp_path_factory.mktemp("single"), fleet, WATCHPOINT_PROBES_PER_MINUTE="20") as made:
            yield made


def ask(probes: Bench, visitor: str, text: str, **settings: Any) -> list[dict[str, Any]]:
    """One question to the red deployment."""
    body = {"targets": ["red"], "messages": user(text), "settings": settings, "visitor": visitor}
    return list(probes.prober.stream(body))


def test_two_targets_stream_side_by_side_and_both_answers_are_logged_once(probes: Bench) -> None:
    image = probes.prober.upload(picture("red"))["sha256"]
    body: dict[str, Any] = {
        "targets": ["red", "blue"],
        "messages": [{"role": "system", "content": "Be short."}, *user("words=5 delay=0.05 Which colour?", image)],
        "settings": {"max_tokens": 9, "seed": 7, "top_logprobs": 2},
        "from_request": "an-event",
        "visitor": "ada",
    }
    events = list(probes.prober.stream(body))
    run = events[0]["run"]
    assert events[0] == {"type": "run", "run": run}
    assert events[-1] == {"type": "end", "run": run, "state": "done"}
    assert {event["target"] for event in by_type(events, "start")} == {"red", "blue"}
    pieces = [event["target"] for event in by_type(events, "piece")]
    assert pieces != sorted(pieces), "the answers come one after the other, not side by side"
    replies = {event["target"]: event for event in by_type(events, "reply")}
    assert {name: reply["text"] for name, reply in replies.items()} == {"red": "red 1 2 3 4", "blue": "blue 1 2 3 4"}
    for name, reply in replies.items():
        assert "".join(e["text"] for e in by_type(events, "piece") if e["target"] == name) == reply["text"]
        assert (reply["finish_reason"], reply["tokens_out"]) == ("stop", 5)
        assert reply["confidence"] == pytest.approx(0.9)
        assert [text for text, _ in reply["tokens"][1]["top"]] == [" 1", "other"]
        assert 0 < reply["timings"]["ttft_ms"] < reply["timings"]["total_ms"]
    rows = probes.logged(run, 2)
    assert set(rows["event_id"]) == {reply["event_id"] for reply in replies.values()}
    row = rows[rows["target"] == "red"].iloc[0]
    assert (row["output_text"], row["checkpoint"], row["environment"]) == ("red 1 2 3 4", "one", "staging")
    assert row["media"][0]["sha256"] == image
    attrs = json.loads(row["attrs"])
    assert attrs["messages"] == [
        {"role": "system", "content": [{"type": "text", "text": "Be short."}]},
        *body["messages"][1:],
    ]
    assert attrs["from_request"] == "an-event"
    assert attrs["settings"] == {
        "max_tokens": 9,
        "temperature": 0.0,
        "top_p": 1.0,
        "seed": 7,
        "stop": [],
        "top_logprobs": 2,
        "deadline_s": 60.0,
    }
    assert attrs["tokens"][0][:2] == ["red", pytest.approx(-0.105, abs=0.001)]
    assert [text for text, _ in attrs["tokens"][1][2]] == [" 1", "other"], "choices are gone after a reload"
    stored = probes.over(run)
    assert (stored["kind"], stored["state"]) == ("single", "done")
    assert (stored["total"], stored["done"], stored["failed"]) == (2, 2, 0)
    assert (stored["visitor"], stored["from_request"]) == ("ada", "an-event")
    assert stored["spec"]["messages"] == body["messages"]


def test_a_prediction_of_a_probe_says_that_it_is_one(probes: Bench) -> None:
    events = ask(probes, "b", "hello")
    probes.logged(events[0]["run"], 1)
    row = probes.reader.query("request", event_id=by_type(events, "reply")[0]["event_id"]).iloc[0]
    assert (row["source"], row["model"], row["status"], row["input_text"]) == ("probe", "shapes", "ok", "hello")
    assert (row["deployment"], row["session_id"]) == ("red", events[0]["run"])
    assert row["user_hash"] is not None


def test_one_target_that_fails_does_not_stop_the_other_and_its_failure_is_logged(probes: Bench) -> None:
    body = {"targets": ["dead", "red"], "messages": user("words=2"), "visitor": "c"}
    events = list(probes.prober.stream(body))
    assert by_type(events, "reply")[0]["target"] == "red"
    [failure] = by_type(events, "error")
    assert (failure["target"], failure["kind"]) == ("dead", "TargetUnreachable")
    assert "dead cannot be reached at http://127.0.0.1" in failure["error"]
    rows = probes.logged(events[0]["run"], 2).set_index("target")
    assert (rows.loc["dead", "status"], rows.loc["dead", "error_type"]) == ("error", "TargetUnreachable")
    assert probes.over(events[0]["run"])["failed"] == 1


@pytest.mark.parametrize(
    ("text", "kind"),
    [("status=400", "TargetRefused"), ("status=503", "TargetBusy"), ("break=2 delay=0.01", "TargetUnreachable")],
)
def test_an_error_carries_its_kind(probes: Bench, text: str, kind: str) -> None:
    events = ask(probes, kind, text)
    assert [event["kind"] for event in by_type(events, "error")] == [kind]


def test_characters_that_look_like_the_end_of_a_line_come_through(probes: Bench) -> None:
    assert by_type(ask(probes, "odd", "odd words=1"), "reply")[0]["text"] == "red\u2028\x85"


def test_a_deadline_ends_the_answer(probes: Bench) -> None:
    events = ask(probes, "d", "words=99 delay=0.1", deadline_s=0.5)
    assert [event["kind"] for event in by_type(events, "error")] == ["TargetTimeout"]


def test_a_client_that_leaves_cancels_the_calls(probes: Bench, red: ChatServer) -> None:
    before = red.counts()["left"]
    body = {"targets": ["red"], "messages": user("words=500 delay=0.05"), "visitor": "e"}
    with closing(probes.prober.stream(body)) as events:
        run = next(events)["run"]
        assert next(event for event in events if event["type"] == "piece")["text"] == "red"
    stored = probes.over(run, 10)
    assert (stored["state"], stored["done"]) == ("cancelled", 0)
    wait_until(lambda: red.counts()["left"] == before + 1, 10)


def test_a_run_that_is_cancelled_from_elsewhere_ends_its_stream(probes: Bench, red: ChatServer) -> None:
    events = probes.prober.stream({"targets": ["red"], "messages": user("words=500 delay=0.05"), "visitor": "f"})
    run = next(events)["run"]
    next(event for event in events if event["type"] == "piece")
    probes.prober.cancel(run)
    assert list(events)[-1] == {"type": "end", "run": run, "state": "cancelled"}
    probes.prober.cancel(run)  # once more does nothing
    assert probes.run(run)["state"] == "cancelled"


def test_unknown_targets_images_and_runs_are_not_found(probes: Bench) -> None:
    with pytest.raises(NotFound, match=r"'nobody' cannot be called: .*; targets are red, blue"):
        list(probes.prober.stream({"targets": ["nobody"], "messages": user("x")}))
    with pytest.raises(NotFound, match="watched through its log only"):
        list(probes.prober.stream({"targets": ["log-only"], "messages": user("x")}))
    with pytest.raises(NotFound, match=rf"the image {'a' * 64} is not in the media store: send it"):
        list(probes.prober.stream({"targets": ["red"], "messages": user("x", "a" * 64)}))
    with pytest.raises(NotFound, match="there is no run 'nothing'"):
        probes.prober.cancel("nothing")


def test_bodies_that_are_wrong_are_refused_with_what_is_allowed(probes: Bench) -> None:
    with pytest.raises(BadInput, match="settings has no field `max_token`; its fields are max_tokens, temp"):
        list(probes.prober.stream({"targets": ["red"], "messages": user("x"), "settings": {"max_token": 1}}))
    with pytest.raises(BadInput, match=r"targets is \['red', .*: expected `array` of length <= 4"):
        list(probes.prober.stream({"targets": ["red"] * 5, "messages": user("x")}))
    with pytest.raises(BadInput, match="messages is empty: write a text, or add an image"):
        list(probes.prober.stream({"targets": ["red"], "messages": user("  ")}))
    form = httpx.post(f"{probes.url}/api/v1/probes", data={"targets": "red"}, trust_env=False)
    assert (form.status_code, form.json()["error"][:36]) == (415, "send Content-Type: application/json,")


def test_a_visitor_who_probes_too_often_has_to_wait_and_others_do_not(probes: Bench) -> None:
    body = {"targets": ["red"], "messages": user("words=1"), "visitor": "eager"}
    for _ in range(20):
        list(probes.prober.stream(body))
    with pytest.raises(Overloaded, match=r"eager has started 20 probes within a minute; allowed are 20 ") as error:
        list(probes.prober.stream(body))
    assert 1 <= error.value.retry_after_s <= 60
    assert by_type(list(probes.prober.stream(body | {"visitor": "patient"})), "reply")


def test_secrets_in_a_question_reach_the_target_and_no_disk(probes: Bench) -> None:
    text = "write to ada@example.org"
    events = ask(probes, "g", text)
    run = probes.over(events[0]["run"])
    assert run["spec"]["messages"] == user("write to [email]")
    row = probes.logged(events[0]["run"], 1).iloc[0]
    assert json.loads(row["attrs"])["messages"] == user("write to [email]")


def test_a_question_longer_than_attributes_may_be_is_logged_without_its_messages(probes: Bench) -> None:
    events = ask(probes, "h", "long " * 20_000)
    row = probes.logged(events[0]["run"], 1).iloc[0]
    attrs = json.loads(row["attrs"])
    assert (attrs["left_out"], list(row["cut"])) == (["messages"], ["input_text"])
    assert "messages" not in attrs


def test_the_metrics_count_runs_and_answers(probes: Bench) -> None:
    ask(probes, "i", "words=1")
    text = httpx.get(f"{probes.url}/metrics", trust_env=False).text
    assert 'watchpoint_probe_runs_total{kind="single",state="done"}' in text
    assert 'watchpoint_probe_answers_total{kind="single",outcome="ok"}' in text
    assert 'watchpoint_probes_running{kind="load"} 0.0' in text
