"""The canary job: it learns, replays, logs and judges; and what goes wrong with one deployment stays there."""

import math
import random
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import Response

from monitor.canary import replay
from monitor.errors import StoreError
from monitor.ids import run_id
from monitor.queries import canary_replays
from tests.canarying import Place, impatient, place, prompt_of, red, reply, watched, write_fleet, write_suite
from tests.model_servers import chunk, says, serving, sse

LESSONS = 3 + 6
"""Passes that learn: three with one question at a time, six with four, as replays have."""

QUALITY = ("quality", "")
TEN = [f"item-{n}" for n in range(10)]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    impatient(monkeypatch)


def test_the_first_run_learns_every_item_and_then_replays_it_once(tmp_path: Path) -> None:
    with watched(tmp_path, TEN) as (made, server):
        (tally,) = made.replay()
        assert (tally.done, tally.passed, tally.errors, tally.problem) == (10, 10, 0, None)
        assert Counter(map(prompt_of, server.asked)) == dict.fromkeys(TEN, LESSONS + 1)
        runs = {row["kind"]: row for row in made.door.query("canary_runs")}
        assert (runs["learn"]["done"], runs["replay"]["done"], runs["replay"]["state"]) == (10 * LESSONS, 10, "done")
        made.replay()
        assert len(server.asked) == 10 * (LESSONS + 2), "what is learned is not learned again"
        assert set(made.states().values()) == {"ok"}


def test_each_answer_is_logged_as_a_prediction_that_the_probe_can_open(tmp_path: Path) -> None:
    with watched(tmp_path, ["item-1"]) as (made, _):
        made.replay()
        (row,) = made.door.query("canary_item", canary="colours", deployment="watched", item="item-1", limit=1)
        assert (row["outcome"], row["answer"], row["last_good"]) == ("pass", "red", True)
        assert row["logprob"] == pytest.approx(math.log(0.9))
        wait_loaded(made.door)
        (logged,) = made.door.query("request", event_id=row["event_id"])
        assert (logged["source"], logged["output_text"], logged["session_id"], logged["label"]) == (
            "canary",
            "red",
            row["run"],
            "red",
        )
        assert '"messages"' in logged["attrs"]


def wait_loaded(door: Any) -> None:
    door._owner.wait_loaded()


def test_a_slot_is_done_once_whoever_asks(tmp_path: Path) -> None:
    with watched(tmp_path, TEN) as (made, server):
        slot = datetime.now(UTC)
        made.replay(slot)
        asked = len(server.asked)
        assert made.replay(slot) == []
        assert len(server.asked) == asked


def test_a_changed_item_is_learned_anew_and_the_others_keep_their_history(tmp_path: Path) -> None:
    with watched(tmp_path, TEN) as (made, server):
        made.replay()
        text = (tmp_path / "suite.yaml").read_text()
        (tmp_path / "suite.yaml").write_text(text.replace('prompt: "item-3"', 'prompt: "item-3, please"'))
        server.asked.clear()
        made.replay()
        asked = Counter(map(prompt_of, server.asked))
        assert asked == {**dict.fromkeys(TEN[:3] + TEN[4:], 1), "item-3, please": LESSONS + 1}
        cells = {
            (row["item"], row["kind"]): row["cell"]
            for row in made.door.query("canary_matrix", canary="colours", deployment="watched")
        }
        assert cells["item-3", "replay"] == "pass"
        whole = next(
            row
            for row in made.door.query("canary_evidence", canary="colours", deployment="watched")
            if (row["channel"], row["tag"]) == ("quality", "")
        )
        assert whole["n_items"] == 10


def test_another_answer_behind_the_same_address_is_found_within_two_replays(tmp_path: Path) -> None:
    ids = [f"item-{n}" for n in range(30)]
    with watched(tmp_path, ids) as (made, server):
        made.replay()
        made.replay()
        assert set(made.states().values()) == {"ok"}
        server.answer = lambda body: reply("scarlet" if prompt_of(body) in ids[:12] else "red", math.log(0.9))
        tallies = [made.replay()[0] for _ in range(2)]
        assert made.states()[("quality", "")] == "alert"
        assert made.states()[("behaviour", "")] == "alert"
        assert "quality changed" in tallies[-1].words
        (worst, *_) = made.door.query("canary_signals", canary="colours", deployment="watched")
        assert set(worst["items"]) <= set(ids[:12])
        changes = made.door.query("canary_changes", start="-1h", end="now")
        whole = [(row["from_state"], row["to_state"]) for row in changes if (row["channel"], row["tag"]) == QUALITY]
        assert whole[::-1] == [("ok", "warn"), ("warn", "alert")]


def test_the_same_answers_with_other_log_probabilities_are_another_behaviour(tmp_path: Path) -> None:
    ids = [f"item-{n}" for n in range(30)]
    with watched(tmp_path, ids) as (made, server):
        for _ in range(2):
            made.replay()
        server.answer = lambda _: reply("red", math.log(0.8))
        for _ in range(2):
            made.replay()
        assert made.states()[("behaviour", "")] == "alert"
        assert made.states()[("quality", "")] == "ok"


def test_a_fault_that_comes_back_is_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canary_replays, "WINDOW", 4)
    ids = [f"item-{n}" for n in range(12)]

    def states(made: Place, times: int) -> list[str]:
        found = []
        for _ in range(times):
            made.replay()
            found.append(made.states()[("behaviour", "")])
        return found

    with watched(tmp_path, ids) as (made, server):
        assert set(states(made, 2)) == {"ok"}
        server.answer = lambda _: reply("scarlet")
        assert states(made, 3)[-1] == "alert"
        server.answer = red
        assert states(made, 6)[-2:] == ["ok", "ok"]
        server.answer = lambda _: reply("scarlet")
        assert states(made, 2)[-1] == "alert"


def test_what_is_accepted_is_learned_anew_and_no_alarm_any_more(tmp_path: Path) -> None:
    ids = [f"item-{n}" for n in range(30)]
    with watched(tmp_path, ids) as (made, server):
        for _ in range(2):
            made.replay()
        server.answer = lambda _: reply("red", math.log(0.8))
        for _ in range(2):
            made.replay()
        body = {"canary": "colours", "deployment": "watched", "by": "ada", "reason": "a new kernel"}
        made.door.write("canary-accept", body)
        server.asked.clear()
        made.replay()
        assert len(server.asked) == 30 * (LESSONS + 1)
        assert set(made.states().values()) == {"ok"}


def test_noise_that_was_there_before_raises_nothing(tmp_path: Path) -> None:
    """Three items of thirty answer by chance: learned as flaky, and never a reason to wake anybody."""
    chance = random.Random(5)
    ids = [f"item-{n}" for n in range(30)]

    def noisy(body: dict[str, Any]) -> Response:
        flips = prompt_of(body) in ids[:3] and chance.random() < 0.5
        return reply("blue" if flips else "red", math.log(0.9) + chance.gauss(0, 1e-6))

    with watched(tmp_path, ids, noisy) as (made, _):
        for _ in range(12):
            made.replay()
            assert "alert" not in made.states().values()
        flaky = {
            row["item"]
            for row in made.door.query("canary_noise", canary="colours", deployment="watched")
            if row["flaky"]
        }
        assert flaky == set(ids[:3])


# -- what goes wrong


NO_TEXT = b"".join(
    b"data: %s\n\n" % part
    for part in (
        b'{"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": "re\xff\xfed"}}]}',
        b'{"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}',
        b"[DONE]",
    )
)


def broken(kind: str) -> Any:
    """Answers of a deployment that is broken in one way, after it has learned."""
    answers: dict[str, Any] = {
        "busy": lambda _: says({"error": {"message": "too many"}}, 429),
        "error event": lambda _: sse({"error": {"message": "CUDA out of memory", "code": 500}}),
        "empty": lambda _: sse(chunk(""), chunk(finish_reason="stop")),
        "cut": lambda _: sse(chunk("re"), breaks=True),
        "not UTF-8": lambda _: Response(NO_TEXT, 200, {}, "text/event-stream"),
        "slow": lambda _: sse(chunk("red"), chunk(finish_reason="stop"), pause_s=3),
        "refused": lambda _: says({"error": {"message": "no such model"}}, 404),
    }
    return answers[kind]


@pytest.mark.parametrize(
    "kind, error, said",
    [
        ("busy", "TargetBusy", "too many"),
        ("error event", "TargetError", "CUDA out of memory"),
        ("empty", "EmptyAnswer", "without a text"),
        ("cut", "TargetUnreachable", "watched"),
        ("not UTF-8", "BrokenText", "holds bytes that are no UTF-8"),
        ("slow", "TargetTimeout", "2 s"),
        ("refused", "TargetRefused", "no such model"),
    ],
)
def test_each_kind_of_failure_has_its_own_state_and_message_and_the_others_are_untouched(
    tmp_path: Path, kind: str, error: str, said: str
) -> None:
    write_suite(tmp_path, ["one", "two", "three"])
    with serving(red) as well, serving(red) as ill:
        write_fleet(tmp_path, {"well": well.url, "watched": ill.url}, retries=0)
        with place(tmp_path) as made:
            made.replay()
            ill.answer = broken(kind)
            by_name = {tally.deployment: tally for tally in made.replay()}
            assert (by_name["well"].passed, by_name["well"].errors, by_name["well"].problem) == (3, 0, None)
            assert (by_name["watched"].passed, by_name["watched"].errors) == (0, 3)
            (row,) = made.door.query("canary_item", canary="colours", deployment="watched", item="one", limit=1)
            assert (row["outcome"], row["error_type"]) == ("error", error)
            assert said in row["error_message"]
            cells = made.door.query("canary_matrix", canary="colours", deployment="watched")
            assert [one["cell"] for one in cells if one["kind"] == "replay" and one["item"] == "one"] == [
                "pass",
                "error",
            ]
            assert made.states("well")[("quality", "")] == "ok"
            assert made.states()[("quality", "")] != "alert", "no answer is no wrong answer"


def test_an_answer_is_written_though_the_log_refuses_it(tmp_path: Path) -> None:
    with watched(tmp_path, ["one"]) as (made, _):
        made.replay()
        send = made.door.send
        refused = {"accepted": 0, "rejected": 1, "errors": [{"index": 0, "reason": "no"}]}
        made.door.send = lambda lines, **more: refused  # type: ignore[method-assign]  # the door refuses
        (tally,) = made.replay()
        made.door.send = send  # type: ignore[method-assign]  # the door refuses
        assert (tally.passed, tally.problem) == (1, None)
        (row,) = made.door.query("canary_item", canary="colours", deployment="watched", item="one", limit=1)
        assert (row["outcome"], row["event_id"]) == ("pass", None)


def test_a_write_that_fails_while_answers_queue_ends_the_run_and_hangs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with watched(tmp_path, [f"item-{n}" for n in range(40)], in_flight=4) as (made, _):
        made.replay()
        write, times = made.door.write, [0]

        def slow_then_broken(verb: str, body: Any) -> dict[str, Any]:
            if verb == "canary-results":
                times[0] += 1
                if times[0] > 1:
                    time.sleep(0.5)
                    raise StoreError("the disk is full")
            return write(verb, body)

        monkeypatch.setattr(made.door, "write", slow_then_broken)
        began = time.monotonic()
        (tally,) = made.replay()
        assert (tally.state, tally.problem) == ("failed", "the disk is full")
        assert time.monotonic() - began < 20


def test_a_deployment_that_is_down_opens_the_circuit_and_the_rest_is_not_asked(tmp_path: Path) -> None:
    with watched(tmp_path, [f"item-{n}" for n in range(40)], in_flight=2) as (made, server):
        made.replay()
        server.asked.clear()
        server.answer = lambda _: sse(chunk("re"), breaks=True)
        (tally,) = made.replay()
        assert tally.state == "failed"
        assert "5 questions in a row found nobody" in (tally.problem or "")
        assert "were not asked" in (tally.problem or "")
        assert len(server.asked) < 20
        (run, *_) = made.door.query("canary_runs")
        assert (run["state"], run["passed"]) == ("failed", 0)
        server.answer = red
        (tally,) = made.replay()
        assert (tally.state, tally.passed) == ("done", 40)


def test_a_store_that_fails_for_one_deployment_leaves_the_other_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_suite(tmp_path, TEN)
    with serving(red) as well, serving(red) as ill:
        write_fleet(tmp_path, {"well": well.url, "watched": ill.url})
        with place(tmp_path) as made:
            made.replay()
            write = made.door.write
            bad = run_id("colours", "watched", (slot := datetime.now(UTC)).isoformat(), "replay")

            def failing(verb: str, body: Any) -> dict[str, Any]:
                if verb == "canary-results" and body["run"] == bad:
                    raise StoreError("the disk is full")
                return write(verb, body)

            monkeypatch.setattr(made.door, "write", failing)
            by_name = {tally.deployment: tally for tally in made.replay(slot)}
            assert (by_name["well"].state, by_name["well"].passed) == ("done", 10)
            assert (by_name["watched"].state, by_name["watched"].problem) == ("failed", "the disk is full")
            runs = {row["deployment"]: row for row in made.door.query("canary_runs", limit=2)}
            assert (runs["well"]["state"], runs["watched"]["state"]) == ("done", "failed")
            (job, *_) = made.door.query("job_runs")
            assert "watched: no answer; the disk is full" in job["problem"]


def test_a_question_whose_connection_breaks_is_asked_again(tmp_path: Path) -> None:
    seen: Counter[str] = Counter()

    def once(body: dict[str, Any]) -> Response:
        seen[prompt_of(body)] += 1
        return sse(chunk("re"), breaks=True) if seen[prompt_of(body)] == 1 else red(body)

    with watched(tmp_path, ["one", "two"], once) as (made, _):
        (tally,) = made.replay()
        assert (tally.errors, tally.passed) == (0, 2)


def test_a_budget_counts_attempts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "BREAK_AFTER", 1000)
    with watched(tmp_path, TEN, more="max_requests = 4", in_flight=4, retries=3) as (made, server):
        server.answer = lambda _: says({"error": {"message": "too many"}}, 429)
        made.replay()
        assert len(server.asked) == 4 * 9, "nine passes that learn"


def test_a_budget_ends_a_run_and_says_which(tmp_path: Path) -> None:
    with watched(tmp_path, TEN, more="max_requests = 4", in_flight=2) as (made, server):
        (tally,) = made.replay()
        passes = 3 + 3 + 6  # at 1 and 4 in flight, and at that of replays
        assert (
            f"the budget of {4 * passes} requests (max_requests) is spent; {6 * passes} questions were not asked"
            in (tally.problem or "")
        )
        assert len(server.asked) == 4 * passes, "learning has so many passes, and so many times the budget"


def test_a_deployment_that_does_not_belong_to_the_canary_is_a_mistake(tmp_path: Path) -> None:
    with watched(tmp_path, ["one"]) as (made, server):
        assert made.replay(deployments=("elsewhere",)) == []
        (run,) = made.door.query("job_runs")
        assert (run["state"], server.asked) == ("failed", [])
        assert "does not run on 'elsewhere'" in run["problem"]


def test_a_run_that_was_left_behind_is_taken_over_without_asking_twice(tmp_path: Path) -> None:
    """Half of a replay stands in the store, and its process is gone."""
    with watched(tmp_path, TEN) as (made, server):
        made.replay()
        slot = datetime.now(UTC)
        made.replay(slot)
        (run, *_) = made.door.query("canary_runs")
        long_ago = datetime.now(UTC) - timedelta(hours=1)
        owner = made.door._owner  # type: ignore[attr-defined]  # the local door
        left = f"set state = 'running', claimed_by = 'gone', beat_at = '{long_ago:%Y-%m-%d %H:%M:%S}'"
        for statement in (
            f"update canary_runs {left} where run = '{run['run']}'",
            f"update job_runs {left} where run = '{run['job_run']}'",
            f"delete from canary_results where run = '{run['run']}' and item < 'item-5'",
        ):
            owner.run(lambda con, sql=statement: con.execute(sql)).result()
        server.asked.clear()
        (tally,) = made.replay(slot)
        assert sorted(map(prompt_of, server.asked)) == [f"item-{n}" for n in range(5)]
        (again, *_) = made.door.query("canary_runs")
        assert (again["run"], again["done"], again["state"]) == (run["run"], 10, "done")
        assert tally.done == 5
