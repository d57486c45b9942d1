"""The shifts that are planted in the demo are found by the job: feature, slice, verdict, pictures. Nothing else is."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from monitor.demo.asked import all_scenes
from monitor.demo.generator import hour_events
from monitor.demo.incidents import Incident, Truth, anchor, write_truth
from monitor.demo.recorded import recorded_answers, recorded_shift
from monitor.demo.render import png
from monitor.demo.shifted import all_files
from monitor.demo.shifts import SHIFTED, Shift
from monitor.demo.traffic import tell
from tests.drifting import Place, place

HOUR = timedelta(hours=1)
EVERY = 8
"""Of the fourteen days each eighth hour is loaded, and those of the shortest shift: all of them would take minutes."""

OTHERS = ("latency_regression", "error_burst")
"""Incidents that move outputs: another checkpoint is surer, and requests fail."""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, Truth]]:
    folder = tmp_path_factory.mktemp("demo")
    now = datetime.now(UTC)
    truth = write_truth(folder / "truth.json", now)
    blank = next(one for one in truth.shifts if one.kind == "blank_images")
    hours = [anchor(now) - HOUR * back for back in range(14 * 24, 0, -1)]
    chosen = [at for number, at in enumerate(hours) if number % EVERY == 0 or blank.start <= at < blank.end]
    with place(folder / "store") as here:
        for image in {*map(png, all_scenes()), *all_files()}:
            here.door.keep(image)
        story = tell(now, truth.seed, recorded_answers, recorded_shift)
        for at in chosen:
            here.door.send([orjson.dumps(event) for event in hour_events(story, at)])
        here.door.maintain("retention", {})
        here.work()
        yield here, truth


def hours_of(here: Place, deployment: str) -> dict[datetime, str]:
    """The verdict of each hour that was judged."""
    window = {"start": "-14d", "end": "now", "grain": "hour"}
    rows = here.query("drift_windows", source="demo", deployment=deployment, **window)
    return {row["bucket"]: row["verdict"] for row in rows}


def moved(here: Place, deployment: str, at: datetime) -> set[str]:
    rows = here.query("drift_ranking", source="demo", deployment=deployment, grain="hour", bucket=at.isoformat())
    return {row["feature"] for row in rows if row["state"] == "moved"}


def within(here: Place, one: Shift) -> list[datetime]:
    return [at for at in hours_of(here, one.deployment) if one.start <= at < one.end]


@pytest.mark.parametrize("kind", SHIFTED)
def test_each_planted_shift_is_found_by_its_feature(told: tuple[Place, Truth], kind: str) -> None:
    here, truth = told
    one = next(shift for shift in truth.shifts if shift.kind == kind)
    hours = within(here, one)
    found = [at for at in hours if one.feature in moved(here, one.deployment, at)]
    assert len(hours) >= 2
    assert len(found) >= 0.7 * len(hours), f"{kind}: {one.feature} moved in {len(found)} of {len(hours)} hours"


@pytest.mark.parametrize("kind", SHIFTED)
def test_only_what_hurts_is_an_alarm(told: tuple[Place, Truth], kind: str) -> None:
    here, truth = told
    one = next(shift for shift in truth.shifts if shift.kind == kind)
    verdicts = [hours_of(here, one.deployment)[at] for at in within(here, one)]
    if one.hurts:
        assert verdicts.count("worse") >= 1, verdicts
    else:
        assert "worse" not in verdicts, verdicts
        assert {"held", "unknown"} & {*verdicts}, verdicts


@pytest.mark.parametrize("kind", [kind for kind in SHIFTED if kind != "blank_images"])
def test_the_slice_that_it_was_planted_in_is_named(told: tuple[Place, Truth], kind: str) -> None:
    here, truth = told
    one = next(shift for shift in truth.shifts if shift.kind == kind)
    assert one.slice is not None
    hours = [at for at in within(here, one) if one.feature in moved(here, one.deployment, at)]
    found = here.query(
        "drift_slices",
        source="demo",
        deployment=one.deployment,
        feature=one.feature,
        start=min(hours).isoformat(),
        end=(max(hours) + HOUR).isoformat(),
    )
    dimension, value = one.slice
    assert (f"event.{dimension}", value) in {(row["dimension"], row["value"]) for row in found[:3]}


def test_pictures_of_a_shift_are_those_that_were_changed(told: tuple[Place, Truth]) -> None:
    here, truth = told
    one = next(shift for shift in truth.shifts if shift.kind == "blank_images")
    window = {"start": one.start.isoformat(), "end": one.end.isoformat(), "feature": "image_blank"}
    shown = here.query("drift_examples", source="demo", deployment=one.deployment, **window)
    assert {row["value"] for row in shown} == {"yes"}
    beside = here.query("drift_examples", source="demo", deployment=one.deployment, of="reference", **window)
    assert {row["value"] for row in beside} == {"no"}
    assert all(here.door.see(row["image"]) for row in [*shown, *beside])


def test_hours_in_which_nothing_was_planted_are_not_called(told: tuple[Place, Truth]) -> None:
    here, truth = told
    planted: list[Shift | Incident] = [*truth.shifts, *(one for one in truth.incidents if one.kind in OTHERS)]
    calm = called = 0
    for deployment in {one.deployment for one in planted}:
        for at, verdict in hours_of(here, deployment).items():
            if any(one.deployment == deployment and one.start < at + HOUR and at < one.end for one in planted):
                continue
            calm += 1
            called += verdict in ("held", "unknown", "worse")
    assert calm >= 20
    assert called <= 1, f"{called} of {calm} hours"  # at most one in a hundred by chance
