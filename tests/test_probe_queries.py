"""The queries of the probe, asked of a real store with runs and their answers in it."""

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from monitor.errors import BadInput, NotFound
from monitor.queries import Ask, ask
from monitor.records import Checkpoint, Deployment, Fleet, Model
from monitor.stats.intervals import wilson
from monitor.stats.paired import mcnemar_midp, paired_difference
from monitor.store.owner import StoreOwner
from monitor.store.probes import Run, add_run, update_run

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
BEGAN = NOW - timedelta(minutes=10)
A, B = "vision-prod", "worker/v2"
Own = Callable[..., StoreOwner]
Rows = list[dict[str, Any]]


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    """Two deployments that can be called, one that cannot, and two checkpoints of which one has weights here."""
    (tmp_path / "weights" / "v2").mkdir(parents=True)
    return Fleet(
        models={"vision": Model("vision")},
        checkpoints={
            "v1": Checkpoint("v1", "vision", step=100, weights="acme/vision-v1"),
            "v2": Checkpoint("v2", "vision", step=200, parent="v1", weights="weights/v2"),
        },
        deployments={
            "vision-prod": Deployment("vision-prod", "v1", "vision", url="http://127.0.0.1:8000/v1"),
            "vision-next": Deployment("vision-next", "v2", "vision", "staging", "local"),
            "vision-log": Deployment("vision-log", "v1", "vision"),
        },
        path=str(tmp_path / "watchpoint.toml"),
    )


@pytest.fixture
def owner(own: Own, fleet: Fleet) -> StoreOwner:
    return own(fleet, lambda: NOW)


def rows(owner: StoreOwner, name: str, **params: Any) -> Rows:
    with owner.cursor() as con:
        found: Rows = ask(name, params, Ask(con, owner.fleet, NOW, owner.figures)).to_pylist()
    return found


def run_of(**changes: Any) -> Run:
    return replace(Run("r1", "batch", "two hundred", "ann", (A, B), 200, None, BEGAN, {"kind": "batch"}), **changes)


def keep(owner: StoreOwner, run: Run, updated: datetime = NOW) -> None:
    owner.run(lambda con: add_run(con, replace(run, state="running", ended_at=None))).result()
    owner.run(lambda con: update_run(con, run, updated)).result()


def answer(item: str, target: str, text: str | None, label: str | None = "red", **fields: Any) -> dict[str, Any]:
    """The event of one answer as the probe logs it; no text is a failure."""
    said = {"output_text": text} if text is not None else {"status": "error", "error_type": "target_timeout"}
    return {
        "ts": (BEGAN + timedelta(seconds=1)).isoformat(),
        "source": "probe",
        "session_id": "r1",
        "deployment": "worker" if target.startswith("worker/") else target,
        "checkpoint": "v2" if target == B else "v1",
        "latency_ms": 100.0,
        "input_text": "What colour is it?",
        "label": label,
        "attrs": {"target": target, "item": item, "settings": {"max_tokens": 8}},
        **said,
        **fields,
    }


def post(owner: StoreOwner, events: Rows) -> None:
    accepted = owner.door.accept(orjson.dumps(events), "application/json", NOW).result()
    assert accepted.rejected == 0, accepted.errors
    owner.wait_loaded(rolled=True)


# -- targets


def test_targets_are_deployments_that_can_be_called_and_checkpoints_with_weights(owner: StoreOwner) -> None:
    found = {row["target"]: row for row in rows(owner, "probe_targets")}
    assert list(found) == ["vision-prod", "vision-next", "worker/v2"]
    assert found["vision-prod"] == {
        "target": "vision-prod",
        "kind": "deployment",
        "deployment": "vision-prod",
        "checkpoint": "v1",
        "model": "vision",
        "step": 100,
        "parent": None,
        "environment": "production",
        "runtime": "openai",
        "has_weights": False,
    }
    assert found["vision-next"]["has_weights"]
    bare = found["worker/v2"]
    assert (bare["kind"], bare["deployment"], bare["environment"], bare["runtime"]) == (
        "checkpoint",
        "worker",
        None,
        "local",
    )


def test_a_fleet_without_targets_has_none(own: Own) -> None:
    assert rows(own(Fleet(), lambda: NOW), "probe_targets") == []


# -- runs


def test_runs_are_listed_newest_first_of_all_kinds_or_one(owner: StoreOwner) -> None:
    for hours, kind in enumerate(("batch", "load", "single")):
        keep(owner, run_of(run=f"r{hours}", kind=kind, started_at=BEGAN - timedelta(hours=hours), done=3, state="done"))
    assert [row["run"] for row in rows(owner, "probe_runs")] == ["r0", "r1", "r2"]
    assert [row["run"] for row in rows(owner, "probe_runs", kind="load")] == ["r1"]
    (row,) = rows(owner, "probe_runs", limit=1)
    assert (row["targets"], row["total"], row["done"], row["visitor"]) == ([A, B], 200, 3, "ann")
    assert row["started_at"] == BEGAN
    with pytest.raises(BadInput, match="kind is 'canary'"):
        rows(owner, "probe_runs", kind="canary")


def test_a_running_run_tells_its_rate_and_the_time_that_is_left(owner: StoreOwner) -> None:
    keep(owner, run_of(done=50, failed=2), updated=BEGAN + timedelta(seconds=100))
    (row,) = rows(owner, "probe_run", run="r1")
    assert row["per_s"] == pytest.approx(0.5)
    assert row["left_s"] == pytest.approx(300)
    assert row["elapsed_s"] == pytest.approx(600)
    assert orjson.loads(row["spec"]) == {"kind": "batch"}
    assert row["result"] is None


def test_a_run_without_an_answer_has_no_rate(owner: StoreOwner) -> None:
    keep(owner, run_of())
    (row,) = rows(owner, "probe_run", run="r1")
    assert (row["per_s"], row["left_s"]) == (None, None)


def test_a_run_that_is_over_has_its_rate_and_nothing_left(owner: StoreOwner) -> None:
    over = run_of(done=200, failed=3, state="done", ended_at=BEGAN + timedelta(seconds=50), result={"knee": 4})
    keep(owner, over)
    (row,) = rows(owner, "probe_run", run="r1")
    assert (row["per_s"], row["left_s"], row["elapsed_s"]) == (4.0, None, 50.0)
    assert orjson.loads(row["result"]) == {"knee": 4}


@pytest.mark.parametrize("query", ["probe_run", "probe_items"])
def test_a_run_that_is_not_known_is_not_found(owner: StoreOwner, query: str) -> None:
    with pytest.raises(NotFound, match="there is no probe run 'r9'"):
        rows(owner, query, run="r9")


# -- items


def test_items_come_in_the_order_in_which_they_were_asked_with_all_their_answers(owner: StoreOwner) -> None:
    keep(owner, run_of())
    later = (BEGAN + timedelta(seconds=9)).isoformat()
    post(
        owner,
        [answer("i1", A, "red", ts=later), answer("i2", A, "blue"), answer("i2", B, "red"), answer("i1", B, "red")],
    )
    found = rows(owner, "probe_items", run="r1")
    assert [(row["item"], row["target"], row["output_text"]) for row in found] == [
        ("i1", A, "red"),
        ("i1", B, "red"),
        ("i2", A, "blue"),
        ("i2", B, "red"),
    ]
    assert {row["deployment"] for row in found} == {"vision-prod", "worker"}
    assert orjson.loads(found[0]["attrs"])["settings"] == {"max_tokens": 8}
    assert [row["item"] for row in rows(owner, "probe_items", run="r1", only=[B])] == ["i1", "i2"]
    assert len(rows(owner, "probe_items", run="r1", limit=3)) == 3


@pytest.mark.parametrize(
    "text, label, right",
    [
        ("red", "red", True),
        ("  red\n circle ", "red circle", True),
        ("red  circle", "red\tcircle", True),
        ("Red", "red", False),
        ("red.", "red", False),
        ("", "red", False),
        ("red", None, None),
        (None, "red", None),
    ],
)
def test_an_answer_is_right_when_it_is_the_label_blanks_apart(
    owner: StoreOwner, text: str | None, label: str | None, right: bool | None
) -> None:
    keep(owner, run_of())
    post(owner, [answer("i1", A, text, label)])
    (row,) = rows(owner, "probe_items", run="r1")
    assert row["right"] is right


def test_only_answers_of_this_run_are_its_items(owner: StoreOwner) -> None:
    keep(owner, run_of())
    keep(owner, run_of(run="r2"))
    other = answer("i1", A, "red", session_id="r2")
    production = answer("i1", A, "red", source="production")
    post(owner, [answer("i1", A, "red"), other, production])
    assert len(rows(owner, "probe_items", run="r1")) == 1


def test_items_are_found_after_they_have_left_for_the_archive(own: Own, fleet: Fleet) -> None:
    clock = [NOW]
    owner = own(fleet, lambda: clock[0], raw_action="archive", raw_days=30)
    keep(owner, run_of(state="done", ended_at=BEGAN + timedelta(minutes=5)))
    post(owner, [answer("i1", A, "red"), answer("i1", B, "blue")])
    before = rows(owner, "probe_items", run="r1")
    clock[0] = NOW + timedelta(days=90)
    assert owner.expire(clock[0]) == 2
    assert rows(owner, "probe_items", run="r1") == before
    assert rows(owner, "probe_comparison", run="r1", a=A, b=B)[0]["n_pairs"] == 1


# -- comparison


def compare(owner: StoreOwner, a: str = A, b: str = B) -> dict[str, Any]:
    (row,) = rows(owner, "probe_comparison", run="r1", a=a, b=b)
    return row


def batch(*texts: tuple[str | None, str | None], label: str | None = "red") -> Rows:
    """Answers of A and B to one item after the other."""
    return [
        answer(f"i{number}", target, text, label)
        for number, pair in enumerate(texts)
        for target, text in zip((A, B), pair, strict=True)
    ]


def test_the_comparison_counts_pairs_agreement_accuracy_and_flips(owner: StoreOwner) -> None:
    keep(owner, run_of())
    post(owner, batch(*[("red", "red")] * 30, *[("red", "blue")] * 2, *[("blue", "red")] * 9, *[("blue", "blue")] * 5))
    row = compare(owner)
    assert (row["n_items"], row["n_pairs"], row["n_labelled"], row["failed_a"], row["failed_b"]) == (46, 46, 46, 0, 0)
    assert (row["both_right"], row["only_a"], row["only_b"], row["both_wrong"]) == (30, 2, 9, 5)
    assert (row["agreement"], row["agreement_low"], row["agreement_high"]) == pytest.approx((35 / 46, *wilson(35, 46)))
    assert (row["accuracy_a"], row["accuracy_a_low"], row["accuracy_a_high"]) == pytest.approx(
        (32 / 46, *wilson(32, 46))
    )
    assert row["accuracy_b"] == pytest.approx(39 / 46)
    expected = (7 / 46, *paired_difference(9, 2, 46))
    assert (row["difference"], row["difference_low"], row["difference_high"]) == pytest.approx(expected)
    assert row["p_value"] == pytest.approx(mcnemar_midp(9, 2))
    assert row["verdict"] == "b_higher"
    assert compare(owner, B, A)["verdict"] == "b_lower"
    assert compare(owner, B, A)["difference"] == pytest.approx(-7 / 46)


def test_items_that_one_failed_on_are_left_out_and_counted(owner: StoreOwner) -> None:
    keep(owner, run_of())
    post(owner, batch(("red", "red"), ("red", None), (None, "red"), (None, None), ("red", "red")))
    row = compare(owner)
    assert (row["n_items"], row["n_pairs"], row["failed_a"], row["failed_b"]) == (5, 2, 2, 2)
    assert row["agreement"] == 1.0


def test_an_item_that_was_asked_again_counts_once_with_its_answer(owner: StoreOwner) -> None:
    keep(owner, run_of())
    again = answer("i0", A, None, ts=(BEGAN + timedelta(seconds=30)).isoformat())
    post(owner, [*batch(("red", "red")), again])
    assert (compare(owner)["n_items"], compare(owner)["n_pairs"]) == (1, 1)


def test_without_labels_agreement_is_told_and_accuracy_is_not_known(owner: StoreOwner) -> None:
    keep(owner, run_of())
    post(owner, batch(*[("red", "red")] * 20, ("red", "blue"), label=None))
    row = compare(owner)
    assert (row["n_pairs"], row["n_labelled"]) == (21, 0)
    assert row["agreement"] == pytest.approx(20 / 21)
    assert (row["accuracy_a"], row["difference"], row["difference_low"], row["p_value"]) == (None, None, None, None)
    assert row["verdict"] == "not_enough_data"


def test_few_pairs_are_not_enough_data_however_they_part(owner: StoreOwner) -> None:
    keep(owner, run_of())
    post(owner, batch(*[("blue", "red")] * 9))
    assert (compare(owner)["n_labelled"], compare(owner)["verdict"]) == (9, "not_enough_data")
    post(owner, [answer("i9", A, "blue"), answer("i9", B, "red")])
    assert (compare(owner)["n_labelled"], compare(owner)["verdict"]) == (10, "b_higher")


def test_a_difference_needs_both_the_interval_and_the_test(owner: StoreOwner) -> None:
    """Four flips one way: the interval leaves out 0 by a hair, the mid-p value is above 5 %."""
    keep(owner, run_of())
    post(owner, batch(*[("red", "red")] * 16, *[("blue", "red")] * 4))
    row = compare(owner)
    assert row["difference_low"] > 0
    assert row["p_value"] == pytest.approx(0.0625)
    assert row["verdict"] == "no_difference_shown"


def test_latency_is_compared_item_by_item(owner: StoreOwner) -> None:
    keep(owner, run_of())
    events = batch(*[("red", "red")] * 40)
    for position, event in enumerate(events):
        item, is_b = divmod(position, 2)
        event["latency_ms"] = (50 + 10 * item) * (1.2 if is_b else 1.0) * (1 + 0.001 * (item % 7))
    events[0]["latency_ms"] = None
    post(owner, events)
    row = compare(owner)
    assert row["n_latency"] == 39
    assert row["latency_ratio_low"] <= row["latency_ratio"] <= row["latency_ratio_high"]
    assert row["latency_ratio"] == pytest.approx(1.2, rel=1e-9)
    assert row["latency_verdict"] == "b_higher"
    assert compare(owner, B, A)["latency_verdict"] == "b_lower"
    assert row["median_b_ms"] == pytest.approx(1.2 * row["median_a_ms"], rel=0.02)


def test_few_latencies_give_a_ratio_without_bounds(owner: StoreOwner) -> None:
    keep(owner, run_of())
    post(owner, batch(*[("red", "red")] * 3))
    row = compare(owner)
    assert (row["latency_ratio"], row["latency_ratio_low"], row["latency_ratio_high"]) == (1.0, None, None)
    assert row["latency_verdict"] == "not_enough_data"


def test_a_comparison_of_a_run_without_answers_knows_nothing(owner: StoreOwner) -> None:
    keep(owner, run_of())
    row = compare(owner)
    assert (row["n_items"], row["agreement"], row["latency_ratio"], row["verdict"]) == (
        0,
        None,
        None,
        "not_enough_data",
    )
    assert not any(isinstance(value, float) and math.isnan(value) for value in row.values())


def test_a_comparison_names_the_targets_that_were_asked(owner: StoreOwner) -> None:
    keep(owner, run_of())
    with pytest.raises(NotFound, match="run 'r1' did not ask 'chat'; its targets are vision-prod, worker/v2"):
        compare(owner, b="chat")
    with pytest.raises(NotFound, match="there is no probe run 'r9'"):
        rows(owner, "probe_comparison", run="r9", a=A, b=B)


def test_two_thousand_items_of_two_targets_are_compared_within_a_second(owner: StoreOwner) -> None:
    keep(owner, run_of(total=4000))
    post(owner, batch(*[("red", "red"), ("red", "blue")] * 1000))
    began = datetime.now(UTC)
    row = compare(owner)
    assert (row["n_pairs"], row["n_latency"]) == (2000, 2000)
    assert (datetime.now(UTC) - began).total_seconds() < 1
    assert len(rows(owner, "probe_items", run="r1")) == 4000
