"""Evaluations in the store: whole or not seen at all, once, taken up again by whoever comes next, and forgotten."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from monitor.errors import BadInput, NotFound
from monitor.harnesses import writing
from monitor.harnesses.writing import KEPT, KNOWN
from monitor.queries import Ask, ask
from monitor.store.jobs import LEASE
from monitor.store.owner import StoreOwner
from monitor.store.results import write
from tests.benchmarking import Place, evaluation, place

CLAIM = {
    "run": "one",
    "benchmark": "maths",
    "checkpoint": "small-100",
    "named": "small-100",
    "protocol": {"harness": "h"},
    "origin": "job",
    "source": "suite maths",
    "source_sha256": "0",
    "owner": "first",
    "total": 3,
}
SCORE = {"metric": "acc", "value": 1.0, "most": 1.0, "headline": True}


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Place]:
    with place(tmp_path) as made:
        yield made


class Clock:
    """A time that a test moves."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(own: Callable[..., StoreOwner], clock: Clock) -> StoreOwner:
    return own(clock=clock)


def do(store: StoreOwner, verb: str, **body: Any) -> dict[str, Any]:
    return write(store, f"benchmark-{verb}", msgspec.json.encode(body))


def result(item: str, **more: Any) -> dict[str, Any]:
    return {"item": item, "item_hash": "0123456789abcdef", "scores": {"acc": 1.0}} | more


def rows(store: StoreOwner, query: str, **params: Any) -> list[dict[str, Any]]:
    with store.cursor() as con:
        return list(ask(query, params, Ask(con, store.fleet, store.clock())).to_pylist())


def test_an_evaluation_is_kept_once(here: Place) -> None:
    one = evaluation("small-100", [1.0, 0.0, 1.0])
    assert [here.keep(one), here.keep(one), here.keep(one, owner="another")] == [KEPT, KNOWN, KNOWN]
    [run] = here.query("benchmark_runs")
    assert (run["done"], run["state"]) == (3, "done")
    assert len(here.query("benchmark_items", run=run["run"])) == 3
    assert len(here.query("benchmark_scores")) == 1


def test_another_file_checkpoint_or_protocol_is_another_evaluation(here: Place) -> None:
    one = evaluation("small-100", [1.0, 0.0])
    for other in (one, replace(one, source_sha256="other"), replace(one, model="small-200"), replace(one, at=None)):
        assert here.keep(other) == KEPT
    assert here.keep(replace(one, protocol=replace(one.protocol, judge="j"))) == KEPT
    assert len(here.query("benchmark_runs")) == 5


def test_one_that_is_said_to_be_of_another_checkpoint_moves_there(here: Place) -> None:
    one = evaluation("harness-name", [1.0, 0.0])
    here.keep(one)
    mapped = replace(here, names=replace(here.names, mapping={"harness-name": "small-100"}))
    assert mapped.keep(one) == KNOWN
    assert [row["checkpoint"] for row in here.query("benchmark_scores")] == ["small-100"]
    assert here.keep(one) == KNOWN
    assert [row["checkpoint"] for row in here.query("benchmark_scores")] == ["small-100"], "nobody says otherwise"


def test_results_that_are_sent_twice_count_once(store: StoreOwner) -> None:
    do(store, "claim", **CLAIM)
    for _ in range(2):
        do(store, "results", run="one", owner="first", results=[result("a"), result("b", failed="refused")])
    [run] = rows(store, "benchmark_runs")
    assert (run["done"], run["failed"]) == (2, 1)
    assert len(rows(store, "benchmark_items", run="one")) == 2


def test_texts_that_no_evaluation_has_any_more_are_forgotten_too(here: Place) -> None:
    here.keep(evaluation("small-100", [1.0, 0.0]))
    here.keep(evaluation("small-200", [1.0]))
    first = here.query("benchmark_runs", checkpoint="small-100")[0]["run"]
    here.door.write("benchmark-forget", {"run": first})
    left = here.query("benchmark_runs")[0]["run"]
    assert [row["question"] for row in here.query("benchmark_items", run=left)] == ["question 0"]
    here.keep(evaluation("small-300", [1.0, 0.0], tags=["a", "b"]))
    assert len(here.query("benchmark_scores", checkpoint="small-300", categories=True)) == 3


@pytest.mark.parametrize("end, left", [(KeyboardInterrupt, ["running"]), (BadInput, [])], ids=["killed", "refused"])
def test_an_import_that_is_cut_short_is_not_seen_and_begun_anew(
    here: Place, monkeypatch: pytest.MonkeyPatch, end: type[BaseException], left: list[str]
) -> None:
    monkeypatch.setattr(writing, "BATCH_ITEMS", 2)
    one, written = evaluation("small-100", [1.0] * 7), 0

    def dies(verb: str, body: Any) -> dict[str, Any]:
        nonlocal written
        written += 1
        if written == 4:
            raise end
        return here.door.write(verb, body)

    with pytest.raises(end):
        writing.keep(one, here.names.named("small-100"), dies, "test")
    assert here.query("benchmark_scores") == []
    assert [run["state"] for run in here.query("benchmark_runs")] == left
    assert here.keep(one) == KEPT
    [run] = here.query("benchmark_runs")
    assert (run["state"], run["done"]) == ("done", 7)
    assert len(here.query("benchmark_items", run=run["run"])) == 7


def test_one_that_another_process_writes_is_left_to_it_until_that_is_silent(store: StoreOwner, clock: Clock) -> None:
    assert do(store, "claim", **CLAIM)["claimed"]
    do(store, "results", run="one", owner="first", results=[result("a"), result("b", failed="refused")])
    other = do(store, "claim", **CLAIM | {"owner": "second"})
    assert (other["claimed"], other["state"], other["held_by"]) == (False, "running", "first")
    clock.now += LEASE - timedelta(seconds=1)
    do(store, "results", run="one", owner="first", results=[])  # a beat
    clock.now += LEASE
    taken = do(store, "claim", **CLAIM | {"owner": "second"})
    assert (taken["claimed"], taken["done"]) == (True, ["a"]), "what failed is asked again"
    with pytest.raises(NotFound, match="not run by first"):
        do(store, "results", run="one", owner="first", results=[result("c")])
    do(store, "results", run="one", owner="second", results=[result("b"), result("c")])
    do(store, "end", run="one", owner="second", state="done", scores=[SCORE])
    [run] = rows(store, "benchmark_runs")
    assert (run["state"], run["done"], run["failed"]) == ("done", 3, 0)


@pytest.mark.parametrize("state", ["failed", "interrupted"])
def test_one_that_ended_without_a_score_is_taken_up_at_once(store: StoreOwner, state: str) -> None:
    do(store, "claim", **CLAIM)
    do(store, "results", run="one", owner="first", results=[result("a")])
    do(store, "end", run="one", owner="first", state=state, problem="its server was away")
    assert rows(store, "benchmark_scores") == []
    again = do(store, "claim", **CLAIM | {"owner": "second"})
    assert (again["claimed"], again["done"]) == (True, ["a"])


def test_one_that_is_done_learns_the_step_that_is_told_later(store: StoreOwner) -> None:
    do(store, "claim", **CLAIM)
    do(store, "end", run="one", owner="first", state="done", scores=[SCORE])
    again = do(store, "claim", **CLAIM | {"owner": "second", "step": 100, "model": "small"})
    assert (again["claimed"], again["state"]) == (False, "done")
    [score] = rows(store, "benchmark_scores")
    assert (score["step"], score["model"]) == (100, "small")


def test_one_can_be_forgotten(here: Place) -> None:
    here.keep(evaluation("small-100", [1.0, 0.0]))
    [run] = here.query("benchmark_runs")
    here.door.write("benchmark-forget", {"run": run["run"]})
    assert here.query("benchmark_runs") == here.query("benchmark_scores") == []
    assert here.query("benchmark_items", run=run["run"]) == []
    with pytest.raises(NotFound, match="there is no evaluation"):
        here.door.write("benchmark-forget", {"run": run["run"]})
    assert here.keep(evaluation("small-100", [1.0, 0.0])) == KEPT


def test_texts_are_redacted_and_cut(here: Place) -> None:
    one = evaluation("small-100", [1.0])
    told = replace(one.items[0], answer="write to ada@example.org " + "x" * 20_000, question="of bob@example.org?")
    here.keep(replace(one, items=(told,), notes=("asked by eve@example.org",)))
    [run] = here.query("benchmark_runs")
    [item] = here.query("benchmark_items", run=run["run"])
    assert item["answer"].startswith("write to [email]")
    assert (len(item["answer"]), item["cut"], item["question"]) == (16_384, True, "of [email]?")
    assert run["notes"] == ["asked by [email]"]


@pytest.mark.parametrize(
    "verb, body, problem",
    [
        ("claim", CLAIM | {"origin": "rumour"}, "Invalid enum value 'rumour'"),
        ("claim", CLAIM | {"protocol": {"harness": 3}}, "Expected `str`, got `int`"),
        ("results", {"run": "one", "owner": "first", "results": [result("a", item_hash="?")]}, "item_hash"),
        ("results", {"run": "one", "owner": "first", "results": [result("a", scores={"acc": None})]}, "got `null`"),
        ("end", {"run": "one", "owner": "first", "state": "over"}, "Invalid enum value 'over'"),
    ],
)
def test_a_body_that_is_wrong_is_refused_with_its_reason(
    store: StoreOwner, verb: str, body: dict[str, Any], problem: str
) -> None:
    do(store, "claim", **CLAIM)
    with pytest.raises(BadInput, match=problem):
        do(store, verb, **body)
