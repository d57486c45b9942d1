"""What the store does not take: refused before it is claimed or forgotten again, by its name, and the rest goes in."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from monitor.benchmarks.evaluation import ItemResult, Score
from monitor.errors import BadInput, NotFound, Overloaded, StoreError, TooLarge, WatchpointError
from monitor.harnesses import writing
from monitor.harnesses.checking import problem_of
from monitor.harnesses.naming import Names
from monitor.harnesses.run import import_tree
from monitor.harnesses.writing import KEPT, batches, keep
from monitor.records import Fleet
from tests.benchmarking import evaluation, place
from tests.harnesses.made import tree_of

LONG = "x" * 600
ITEM = ItemResult("1", "0" * 16, {"acc": 1.0})


@pytest.mark.parametrize(
    "wrong, why",
    [
        ({"benchmark": LONG}, "a data set has 600 characters, allowed are 512"),
        ({"model": LONG}, "a model has 600"),
        ({"revision": LONG}, "a revision has 600"),
        ({"scores": (Score(LONG, 1.0),)}, "a metric has 600"),
        ({"scores": (Score("acc", 1.0, category=LONG),)}, "a category has 600"),
        ({"scores": (Score("", 1.0),)}, "a score has no name"),
        ({"scores": (Score("acc", 1.0, n=10**12),)}, "acc is over 1000000000000 items, allowed is 0 to 2147483647"),
        ({"items": (replace(ITEM, item=LONG),)}, "an item has 600"),
        ({"items": (replace(ITEM, item=""),)}, "an item has no name"),
        ({"items": (replace(ITEM, group=LONG),)}, "a group has 600"),
        ({"items": (replace(ITEM, categories=(LONG,)),)}, "a category has 600"),
        ({"items": (replace(ITEM, scores={LONG: 1.0}),)}, "a metric has 600"),
        ({"notes": ("x" * 5000,)}, "a note has 5,000 characters, allowed are 4,096"),
        ({"state": "failed", "problem": "x" * 5000}, "a problem has 5,000"),
        ({"step": 2**60}, "its training step is 1152921504606846976"),
        ({"step": -1}, "its training step is -1"),
    ],
)
def test_what_is_too_long_or_too_large_is_refused_before_anything_is_claimed(wrong: dict[str, Any], why: str) -> None:
    one = replace(evaluation("m", [1.0, 0.0]), **wrong)
    assert why in (problem_of(one) or "")
    asked: list[str] = []

    def write(verb: str, _: Any) -> dict[str, Any]:
        asked.append(verb)
        return {}

    with pytest.raises(BadInput, match=r"allowed|has no name"):
        keep(one, Names(Fleet()).named("m"), write, "me")
    assert asked == []


@pytest.mark.parametrize("names", [{"checkpoint": LONG}, {"model": LONG}, {"step": 10**20}])
def test_what_somebody_calls_it_is_checked_too(names: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match="allowed"):
        keep(evaluation("m", [1.0]), Names(Fleet(), **names).named("m"), lambda *_: {}, "me")


@pytest.mark.parametrize("verb", ["benchmark-results", "benchmark-end"])
def test_what_is_refused_half_way_neither_shows_nor_blocks(tmp_path: Path, verb: str) -> None:
    one = evaluation("small-100", [1.0, 0.0])
    with place(tmp_path) as here:

        def write(asked: str, body: Any) -> dict[str, Any]:
            if asked == verb:
                raise TooLarge("the body is too large")
            return here.door.write(asked, body)

        with pytest.raises(TooLarge):
            keep(one, here.names.named(one.model), write, "first")
        assert here.query("benchmark_runs") == []
        assert here.keep(one, "second") == KEPT


def test_what_another_process_has_taken_over_is_left_to_it(tmp_path: Path) -> None:
    with place(tmp_path) as here:

        def write(asked: str, body: Any) -> dict[str, Any]:
            if asked == "benchmark-results":
                raise NotFound("it is run by another process")
            return here.door.write(asked, body)

        with pytest.raises(NotFound):
            keep(evaluation("m", [1.0]), here.names.named("m"), write, "first")
        assert [row["state"] for row in here.query("benchmark_runs")] == ["running"]


@pytest.mark.parametrize("error", [TooLarge("no"), NotFound("no"), Overloaded("no", 1)])
def test_one_evaluation_that_is_refused_does_not_end_the_import(error: WatchpointError) -> None:
    lines = "".join(f"b,{name},acc,1\n" for name in "ABC")
    tree = tree_of({"own.csv": f"benchmark,checkpoint,metric,value\n{lines}"})
    refused: list[str] = []

    def write(verb: str, body: Any) -> dict[str, Any]:
        if verb == "benchmark-claim" and body["checkpoint"] == "B":
            refused.append(verb)
            raise error
        return {"claimed": True, "state": "running"}

    found = list(import_tree(tree, Names(Fleet()), write, "me"))
    assert [line.outcome for line in found] == ["kept", "refused", "kept"]
    assert "no" in found[1].problem
    assert refused


def test_a_store_that_is_away_ends_the_import() -> None:
    def write(verb: str, body: Any) -> dict[str, Any]:
        raise StoreError("away")

    tree = tree_of({"own.csv": "benchmark,checkpoint,metric,value\nb,A,acc,1\n"})
    with pytest.raises(StoreError, match="away"):
        list(import_tree(tree, Names(Fleet()), write, "me"))


@pytest.mark.parametrize(
    "more",
    [
        {"question": "ü" * 1000},
        {"scores": {f"metric {n}": 1.0 for n in range(100)}},
        {"categories": tuple(f"category={n}" for n in range(100))},
    ],
)
def test_batches_are_cut_by_the_bytes_that_are_sent(monkeypatch: pytest.MonkeyPatch, more: dict[str, Any]) -> None:
    import msgspec

    monkeypatch.setattr(writing, "BATCH_BYTES", 20_000)
    sent = list(batches([replace(ITEM, item=str(n), **more) for n in range(100)]))
    assert sum(map(len, sent)) == 100
    assert max(len(msgspec.json.encode(batch)) for batch in sent) <= 20_001
    assert max(map(len, sent)) > 1
