"""Batches of questions in the background: progress, cancelling, servers that die, an api that dies, and samples."""

import asyncio
import json
import os
import signal
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import httpx
import pytest

from monitor.errors import BadInput, NotFound, Overloaded
from monitor.ingest.door import Answer
from monitor.probe.bodies import read_run
from monitor.probe.limits import LIMITS, Limits
from monitor.probe.log import Logbook
from monitor.probe.service import Probes
from monitor.records import Checkpoint, Deployment, Fleet, Model
from monitor.store.owner import StoreOwner
from tests.chat_server import ChatServer, chat_server
from tests.conftest import free_port, running_api, wait_until
from tests.doorway import one
from tests.probing import Bench, bench, bench_here, fleet_of, items, picture, user

Own = Callable[..., StoreOwner]
IMPATIENT = Limits(LIMITS.at_once, outage_s=1.0, attempts=2, progress_s=0.1)


@pytest.fixture(scope="module")
def red() -> Iterator[ChatServer]:
    with chat_server("red") as server:
        yield server


@pytest.fixture(scope="module")
def probes(red: ChatServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with chat_server("blue") as blue:
        fleet = fleet_of(red=red.url, blue=blue.url)
        with bench(tmp_path_factory.mktemp("batch"), fleet, WATCHPOINT_PROBE_IN_FLIGHT="4") as made:
            yield made


def batch(texts: list[str], *targets: str, **more: Any) -> dict[str, Any]:
    return {"kind": "batch", "targets": list(targets or ("red",)), "items": items(texts, "red"), **more}


def test_a_batch_asks_every_target_every_item_and_tells_how_far_it_is(probes: Bench, red: ChatServer) -> None:
    texts = [f"number {i} words=1 delay=1.2" for i in range(14)]
    run = probes.prober.start(batch([*texts, "status=400"], "red", "blue", name="colours", visitor="ada"))
    wait_until(lambda: 0 < probes.run(run)["done"] < 30)
    meanwhile = probes.run(run)
    assert (meanwhile["state"], meanwhile["total"]) == ("running", 30)
    assert set(meanwhile["result"]["targets"]) == {"red", "blue"}
    ended = probes.over(run)
    assert (ended["state"], ended["done"], ended["failed"], ended["problem"]) == ("done", 30, 2, None)
    assert (ended["kind"], ended["name"], ended["visitor"], list(ended["targets"])) == (
        "batch",
        "colours",
        "ada",
        ["red", "blue"],
    )
    blue = ended["result"]["targets"]["blue"]
    assert blue == {"total": 15, "done": 15, "failed": 1, "errors": {"TargetRefused": 1}, "outages": 0, "problem": None}
    rows = probes.logged(run, 30)
    assert {name: set(found["item"]) for name, found in rows.groupby("target")} == {
        name: {f"i{i}" for i in range(15)} for name in ("red", "blue")
    }
    assert rows["event_id"].is_unique
    right = rows[rows["status"] == "ok"].groupby("target")["right"].mean()
    assert (right["red"], right["blue"]) == (1, 0)
    assert red.counts()["most"] == 4, "more, or fewer, were with the target at once than the setting says"


def test_a_batch_can_be_cancelled_and_keeps_what_it_has(probes: Bench, red: ChatServer) -> None:
    run = probes.prober.start(batch([f"words=1 delay=0.3 {i}" for i in range(100)]))
    wait_until(lambda: probes.run(run)["done"] > 0)
    probes.prober.cancel(run)
    ended = probes.over(run, 10)
    assert ended["state"] == "cancelled"
    assert 0 < ended["done"] < 100
    probes.logged(run, ended["done"])
    wait_until(lambda: red.counts()["active"] == 0)


def test_what_is_being_logged_when_a_run_is_cancelled_is_counted(
    tmp_path: Path, red: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    accepted, cancelled = threading.Event(), threading.Event()
    post = Logbook._post

    def slow(self: Logbook, event: Mapping[str, Any]) -> "Future[Answer]":
        """A disk that answers only after the run was cancelled."""
        answer = post(self, event)
        accepted.set()
        cancelled.wait(10)
        return answer

    monkeypatch.setattr(Logbook, "_post", slow)
    with bench_here(tmp_path, fleet_of(red=red.url), LIMITS, probe_in_flight=2) as here:
        run = here.prober.start(batch([f"words=1 {i}" for i in range(20)]))
        assert accepted.wait(10)
        here.prober.cancel(run)
        cancelled.set()
        ended = here.over(run, 10)
        assert (ended["state"], ended["done"]) == ("cancelled", len(here.logged(run, ended["done"])))
        assert ended["done"] > 0


def test_a_server_that_dies_and_comes_back_costs_no_answer(tmp_path: Path) -> None:
    with (
        chat_server("green") as green,
        bench_here(tmp_path, fleet_of(green=green.url), LIMITS, probe_in_flight=4) as here,
    ):
        run = here.prober.start(batch([f"words=1 delay=0.1 {i}" for i in range(60)], "green"))
        wait_until(lambda: here.run(run)["done"] > 0)
        green.kill()
        wait_until(lambda: here.run(run)["problem"] is not None)
        meanwhile = here.run(run)
        assert meanwhile["problem"].startswith("green does not answer since ")
        assert "UTC, trying again (green cannot be reached at " in meanwhile["problem"]
        assert (meanwhile["state"], meanwhile["failed"]) == ("running", 0)
        green.start()
        ended = here.over(run)
        assert (ended["state"], ended["done"], ended["failed"], ended["problem"]) == ("done", 60, 0, None)
        assert ended["result"]["targets"]["green"]["outages"] >= 1
        assert set(here.logged(run, 60)["status"]) == {"ok"}


def test_a_target_that_stays_away_is_given_up_and_the_other_one_goes_on(red: ChatServer, tmp_path: Path) -> None:
    fleet = fleet_of(red=red.url, dead=f"http://127.0.0.1:{free_port()}/v1")
    with bench_here(tmp_path, fleet, IMPATIENT, probe_in_flight=2) as here:
        ended = here.over(here.prober.start(batch([f"words=1 {i}" for i in range(10)], "red", "dead")))
        told = ended["result"]["targets"]
        assert ended["state"] == "failed"
        assert "dead does not answer since" in ended["problem"]
        assert "gave up after 1 s" in ended["problem"]
        assert ended["problem"].endswith("8 of its 10 questions were not asked")
        assert (told["red"]["done"], told["red"]["failed"]) == (10, 0)
        assert told["dead"]["errors"] == {"TargetUnreachable": 2}
        assert len(here.logged(ended["run"], 12)) == 12


def test_a_question_that_kills_the_server_again_and_again_fails_alone(tmp_path: Path) -> None:
    with chat_server("green") as green:
        stopped = threading.Event()

        def supervise() -> None:
            while not stopped.wait(0.2):
                if green.died():
                    green.start()

        keeper = threading.Thread(target=supervise)
        keeper.start()
        try:
            patient = Limits(LIMITS.at_once, outage_s=30.0, attempts=2, progress_s=0.1)
            with bench_here(tmp_path, fleet_of(green=green.url), patient, probe_in_flight=1) as here:
                ended = here.over(here.prober.start(batch(["words=1 a", "die", "words=1 b"], "green")))
                assert (ended["state"], ended["done"], ended["failed"]) == ("done", 3, 1)
                rows = here.logged(ended["run"], 3).set_index("item")
                assert (rows.loc["i1", "error_type"], rows.loc["i2", "status"]) == ("TargetUnreachable", "ok")
        finally:
            stopped.set()
            keeper.join(60)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "stopped"])
def test_a_run_whose_api_ends_is_interrupted_and_keeps_its_answers(red: ChatServer, tmp_path: Path, end: int) -> None:
    with bench(tmp_path, fleet_of(red=red.url)) as here:
        run = here.prober.start(batch([f"words=1 delay=0.3 {i}" for i in range(200)]))
        wait_until(lambda: here.run(run)["done"] > 0)
        pid = int((tmp_path / "data" / "owner.lock").read_text())
        os.kill(pid, end)
        wait_until(lambda: not here.reader.reachable())
        with running_api(tmp_path / "data", int(here.url.rsplit(":", 1)[1])):
            stored = here.run(run)
            assert (stored["state"], stored["problem"][:29]) == ("interrupted", "the api was stopped while it ")
            assert stored["ended_at"] is not None
            assert stored["done"] > 0
            wait_until(lambda: len(here.reader.query("probe_items", run=run)) >= stored["done"])  # the spool is loaded
            assert list(here.reader.query("probe_runs")["state"]) == ["interrupted"]


def test_a_batch_with_images_does_not_hold_up_the_loop_that_takes_predictions(red: ChatServer, own: Own) -> None:
    owner = own(_one_target(red))
    image = owner.media.keep(picture("red", (130, 130), "BMP")).sha256
    asked = [{"id": str(i), "messages": user(f"words=3 {i}", image)} for i in range(200)]
    busy, waits = asyncio.run(_beside(owner, {"kind": "batch", "targets": ["red"], "items": asked}))
    owner.wait_loaded()
    assert one(owner, "select count(*) from predictions where source = 'probe' and status = 'ok'") == 200
    assert sum(busy) / 200 < 0.03, "seconds of computing on the loop for each question"
    assert statistics.median(waits) < 0.2, "seconds until a prediction was on disk"


async def _beside(owner: StoreOwner, body: dict[str, Any]) -> tuple[list[float], list[float]]:
    """What the thread of the loop computed while each prediction waited, and how long they took, beside a batch."""
    probes = Probes(owner, owner.settings)
    await probes.start(read_run(json.dumps(body).encode(), 200))
    busy: list[float] = []
    waits: list[float] = []
    while probes.running["batch"]:
        computed, began = time.thread_time(), time.perf_counter()
        await asyncio.wrap_future(owner.door.accept(b'{"deployment": "d"}', "application/json", owner.clock()))
        waits.append(time.perf_counter() - began)
        busy.append(time.thread_time() - computed)
    await probes.stop()
    return busy, waits


def _one_target(server: ChatServer) -> Fleet:
    checkpoint, deployment = Checkpoint("one", "shapes"), Deployment("red", "one", "shapes", url=server.url)
    return Fleet({"shapes": Model("shapes")}, {"one": checkpoint}, {"red": deployment})


# -- samples


@pytest.fixture(scope="module")
def sampled(probes: Bench) -> list[str]:
    """Event ids of logged requests: 12 that can be asked again, and one each that cannot."""
    image = probes.prober.upload(picture("yellow"))["sha256"]
    good: list[dict[str, Any]] = [
        {"deployment": "old", "event_id": f"good-{i}", "input_text": f"words=1 {i}", "media": [{"sha256": image}]}
        for i in range(10)
    ]
    good.append({"deployment": "old", "event_id": "good-text", "input_text": "words=1", "label": "red"})
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "words=1"}]
    good.append({"deployment": "old", "event_id": "good-turns", "input_text": "?", "attrs": {"messages": turns}})
    bad = [
        {"deployment": "old", "event_id": "no-image", "input_text": "x", "media": [{"sha256": "b" * 64}]},
        {"deployment": "old", "event_id": "no-text"},
        {"deployment": "old", "event_id": "cut", "input_text": "x" * 70_000},
        {"deployment": "old", "event_id": "odd", "attrs": {"messages": "what?"}},
    ]
    answer = httpx.post(f"{probes.url}/api/v1/predictions", json=[*good, *bad], trust_env=False)
    assert answer.json()["accepted"] == 16
    wait_until(lambda: len(probes.reader.query("requests", start="-1h", end="now", deployments=["old"])) == 16)
    return [str(event["event_id"]) for event in good]


def sample(**more: Any) -> dict[str, Any]:
    return {"start": "-1h", "end": "now", "deployments": ["old"], "n": 16, **more}


def test_a_sample_asks_logged_requests_again_and_names_those_that_cannot_be(probes: Bench, sampled: list[str]) -> None:
    ended = probes.over(probes.prober.start({"kind": "batch", "targets": ["red", "blue"], "sample": sample()}))
    report = ended["result"]["sample"]
    assert (report["matching"], report["drawn"], report["asked"]) == (16, 16, 12)
    assert {why["event_ids"][0]: why["reason"] for why in report["left_out"]} == {
        "no-image": "an image of it is not in the media store",
        "no-text": "neither its text nor its images were logged",
        "cut": "its input was cut when it was logged",
        "odd": "its logged messages cannot be read",
    }
    assert (ended["state"], ended["total"], ended["failed"]) == ("done", 24, 0)
    rows = probes.logged(ended["run"], 24)
    assert set(rows["item"]) == set(sampled)
    red = rows[rows["target"] == "red"].set_index("item")
    assert red.loc["good-text", "right"]
    assert len(red.loc["good-3", "media"]) == 1
    assert json.loads(red.loc["good-turns", "attrs"])["messages"][0]["content"] == [
        {"type": "text", "text": "Be brief."}
    ]
    assert json.loads(red.loc["good-3", "attrs"])["from_request"] == "good-3"


def test_a_sample_is_drawn_by_its_seed(probes: Bench, sampled: list[str]) -> None:
    def drawn(seed: int) -> set[str]:
        body = {"kind": "batch", "targets": ["red"], "sample": sample(n=8, seed=seed)}
        run = probes.over(probes.prober.start(body))
        report = run["result"]["sample"]
        left = {name for why in report["left_out"] for name in why["event_ids"]}
        return left | set(probes.logged(run["run"], report["asked"])["item"])

    assert drawn(1) == drawn(1)
    assert len(drawn(1)) == 8
    assert drawn(1) != drawn(2)


def test_a_sample_without_anything_to_ask_is_refused_with_the_reasons(probes: Bench, sampled: list[str]) -> None:
    with pytest.raises(BadInput, match="no logged request matches the sample: choose another"):
        probes.prober.start({"kind": "batch", "targets": ["red"], "sample": sample(deployments=["nobody"])})
    lost = {"deployment": "lost", "input_text": "x", "media": [{"sha256": "b" * 64}]}
    httpx.post(f"{probes.url}/api/v1/predictions", json=lost, trust_env=False)
    wait_until(lambda: len(probes.reader.query("requests", start="-1h", end="now", deployments=["lost"])) == 1)
    with pytest.raises(BadInput, match=r"none of the 1 requests .* \(1: an image of it is not in the media store\)"):
        probes.prober.start({"kind": "batch", "targets": ["red"], "sample": sample(deployments=["lost"])})


def test_a_batch_that_is_wrong_is_refused(probes: Bench) -> None:
    start = probes.prober.start
    with pytest.raises(BadInput, match="a batch has either items or a sample"):
        start({"kind": "batch", "targets": ["red"]})
    with pytest.raises(BadInput, match=r"the batch has 2001 items; allowed are 1 to 2000 \(WATCHPOINT_PROBE_ITEMS\)"):
        start(batch(["x"] * 2001))
    with pytest.raises(BadInput, match="1 ids of items are given more than once, such as 'i0'"):
        start({"kind": "batch", "targets": ["red"], "items": items(["x"]) * 2})
    with pytest.raises(NotFound, match="'nobody' cannot be called"):
        start(batch(["x"], "nobody"))
    lost = [{"id": str(i), "messages": user("x", str(i) * 64)} for i in range(2)]
    with pytest.raises(NotFound, match="2 images are not in the media store"):
        start({"kind": "batch", "targets": ["red"], "items": lost})
    with pytest.raises(BadInput, match="kind: allowed are batch and load"):
        start({"kind": "other"})


def test_only_so_many_batches_run_at_once(probes: Bench) -> None:
    runs = [probes.prober.start(batch([f"words=1 delay=2 {i}" for i in range(50)], visitor=str(i))) for i in range(4)]
    with pytest.raises(Overloaded, match="4 batch runs are under way, and no more may be"):
        probes.prober.start(batch(["x"]))
    for run in runs:
        probes.prober.cancel(run)
    for run in runs:
        assert probes.over(run, 10)["state"] == "cancelled"
