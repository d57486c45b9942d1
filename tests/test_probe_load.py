"""Load probes: a ramp against one target, its figures, its knee, and what stops it."""

import math
import time
from collections.abc import Iterator

import httpx
import pytest

from monitor.chat import Generation, Reply, Timings
from monitor.errors import BadInput, Overloaded, TargetBusy
from monitor.probe.figures import Shot, figures
from monitor.probe.outcome import Outcome
from monitor.probe.questions import Question
from monitor.records import Checkpoint
from monitor.runtimes import Target
from monitor.store.owner import utc_now
from tests.chat_server import ChatServer, chat_server
from tests.conftest import wait_until
from tests.probing import Bench, bench, fleet_of, user


@pytest.fixture(scope="module")
def narrow() -> Iterator[ChatServer]:
    """A server that answers two at once."""
    with chat_server(capacity=2) as server:
        yield server


@pytest.fixture(scope="module")
def probes(narrow: ChatServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    fleet = fleet_of(narrow=narrow.url, prod=narrow.url)
    with bench(tmp_path_factory.mktemp("load"), fleet, WATCHPOINT_LOAD_SECONDS="8") as made:
        yield made


def load(*texts: str, **more: object) -> dict[str, object]:
    return {"kind": "load", "target": "narrow", "messages": [user(text) for text in texts], "seconds_each": 1.5, **more}


def test_a_ramp_finds_the_knee_where_a_target_has_no_more_to_give(probes: Bench, narrow: ChatServer) -> None:
    body = load("words=2 delay=0.1", "words=2 delay=0.1 more", concurrency=[1, 2, 4, 8], name="ramp", visitor="ada")
    run = probes.prober.start(body)
    wait_until(lambda: probes.run(run)["done"] == 1)
    assert [step["concurrency"] for step in probes.run(run)["result"]["steps"]] == [1]
    ended = probes.over(run)
    assert (ended["kind"], ended["state"], ended["total"], ended["done"], ended["problem"]) == (
        "load",
        "done",
        4,
        4,
        None,
    )
    steps = ended["result"]["steps"]
    assert [step["concurrency"] for step in steps] == [1, 2, 4, 8]
    assert steps[1]["per_s"] == pytest.approx(2 * steps[0]["per_s"], rel=0.4)
    assert steps[3]["per_s"] == pytest.approx(steps[1]["per_s"], rel=0.4)
    assert steps[3]["p50_ms"] > 2.5 * steps[1]["p50_ms"]
    assert ended["result"]["knee"] == 2
    for step in steps:
        assert step["failed"] == 0
        assert step["tokens_per_s"] == pytest.approx(2 * step["per_s"])
        assert step["p50_low"] is None or step["p50_low"] <= step["p50_ms"]
        assert step["ttft_p50_ms"] < step["p50_ms"]
    assert steps[0]["p95_high"] is None, "so few answers give no upper bound of the 95th percentile"
    rows = probes.logged(run, ended["result"]["requests"])
    assert rows["event_id"].is_unique
    assert set(rows["status"]) == {"ok"}
    assert set(rows["item"]) == {"0", "1"}, "the questions are asked in turn"


def test_a_ramp_stops_when_more_than_half_of_the_questions_fail(probes: Bench) -> None:
    ended = probes.over(probes.prober.start(load("status=503", concurrency=[2, 4, 8])))
    assert (ended["state"], ended["done"]) == ("done", 1)
    assert ended["problem"].startswith("stopped at 2 clients: ")
    assert "it was told to fail" in ended["problem"]
    assert ended["result"]["failed_requests"] == ended["result"]["requests"] >= 10
    assert ended["result"]["knee"] is None
    assert ended["result"]["steps"][0]["p50_ms"] is None


def test_a_ramp_ends_at_the_limit_of_time_however_slow_the_target_is(probes: Bench) -> None:
    began = time.monotonic()
    body = load("words=300 delay=0.1", concurrency=[1], seconds_each=1)
    run = probes.prober.start(body)
    with pytest.raises(Overloaded, match="1 load run is under way, and no more may be: wait for one to end"):
        probes.prober.start(body)
    ended = probes.over(run)
    assert 7 < time.monotonic() - began < 20
    assert ended["problem"] == "stopped at 1 clients, at the limit of time (WATCHPOINT_LOAD_SECONDS)"


def test_a_ramp_can_be_cancelled(probes: Bench, narrow: ChatServer) -> None:
    run = probes.prober.start(load("words=3 delay=0.1", concurrency=[2], seconds_each=8))
    wait_until(lambda: narrow.counts()["active"] > 0)
    probes.prober.cancel(run)
    assert probes.over(run, 10)["state"] == "cancelled"
    wait_until(lambda: narrow.counts()["active"] == 0)
    assert 'watchpoint_probes_running{kind="load"} 0.0' in httpx.get(f"{probes.url}/metrics", trust_env=False).text


def test_production_is_loaded_only_by_who_says_so(probes: Bench) -> None:
    body = load("words=1", target="prod", concurrency=[1], seconds_each=1)
    with pytest.raises(BadInput, match=r'prod is of the environment production: .* send "allow_production": true'):
        probes.prober.start(body)
    assert probes.over(probes.prober.start(body | {"allow_production": True}))["state"] == "done"


def test_a_ramp_that_is_too_steep_or_too_long_is_refused(probes: Bench) -> None:
    with pytest.raises(BadInput, match=r"concurrency goes up to 65; allowed are 64 clients \(WATCHPOINT_LOAD_CONC"):
        probes.prober.start(load("x", concurrency=[65]))
    with pytest.raises(BadInput, match=r"3 steps of 3 s are 9 s; allowed are 8 s \(WATCHPOINT_LOAD_SECONDS\)"):
        probes.prober.start(load("x", concurrency=[1, 2, 3], seconds_each=3))
    with pytest.raises(BadInput, match=r"concurrency is \[2, 1\]: each step has more clients than the one before"):
        probes.prober.start(load("x", concurrency=[2, 1]))


# -- figures


def shot(began: float, seconds: float, *, fails: bool = False) -> Shot:
    target = Target("t", None, Checkpoint("one", "shapes"), "local")
    reply = None if fails else Reply("x", "stop", Timings(seconds * 1e3, seconds * 500), tokens_out=10)
    error = TargetBusy("no") if fails else None
    outcome = Outcome(target, Question("q", ()), Generation(), utc_now(), seconds * 1e3, reply, error)
    return Shot(began, began + seconds, outcome)


def test_rates_count_answers_within_the_window_and_latency_questions_of_it() -> None:
    warm_up, over_the_end = shot(0.0, 1.5), shot(9.0, 5.0)
    found = figures([shot(0.0, 0.5), warm_up, *(shot(1.0 + i, 1.0) for i in range(8)), over_the_end], 1.0, 10.0)
    assert (found["n"], found["failed"], found["answers"], found["seconds"]) == (9, 0, 9, 9.0)
    assert found["per_s"] == pytest.approx(1.0)
    assert found["tokens_per_s"] == pytest.approx(10.0)
    assert found["p50_ms"] == pytest.approx(1000)
    assert found["p95_ms"] == pytest.approx(3400), "the slow one that ended later is not left out"


def test_intervals_are_order_statistics_and_open_where_values_are_too_few() -> None:
    found = figures([shot(i / 10, (i + 1) / 1000) for i in range(100)], 0.0, 100.0)
    assert (found["p50_low"], found["p50_high"]) == (pytest.approx(40), pytest.approx(61))
    assert found["p95_low"] < found["p95_ms"] < found["p95_high"]
    few = figures([shot(0.0, 1.0)], 0.0, 10.0)
    assert (few["p95_low"], few["p95_high"]) == (None, None)


def test_failures_are_counted_and_in_no_latency() -> None:
    found = figures([shot(1.0, 9.0, fails=True), shot(1.0, 1.0)], 0.0, 20.0)
    assert (found["n"], found["failed"], found["answers"]) == (2, 1, 1)
    assert found["p95_ms"] == pytest.approx(1000)
    nothing = figures([], 0.0, 1.0)
    assert (nothing["n"], nothing["per_s"], nothing["p50_ms"], nothing["tokens_per_s"]) == (0, 0.0, None, None)
    assert not any(isinstance(value, float) and math.isnan(value) for value in nothing.values())
