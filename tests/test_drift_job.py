"""The job of drift on a real store: what it describes, what it calls, since when, and whether that matters."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from jobs.drift import Range
from monitor.errors import BadInput, NotFound
from monitor.store.profiles import as_stream
from tests.drifting import DAYS, ENGLISH, GERMAN, HOURS, PER_HOUR, Place, asked, day, event, picture, place

MOVED = 8
"""The first day on which something has moved."""


def traffic() -> list[dict[str, Any]]:
    """Three deployments: one moves and gets worse, one moves and holds, one stays."""
    days = [(number, hour) for number in range(DAYS) for hour in HOURS]
    return [
        *chain.from_iterable(
            asked("hurt", number, hour, GERMAN if number >= MOVED else ENGLISH, 0.6 if number >= MOVED else 0.1)
            for number, hour in days
        ),
        *chain.from_iterable(
            asked("held", number, hour, GERMAN if number >= MOVED else ENGLISH, 0.0) for number, hour in days
        ),
        *chain.from_iterable(asked("same", number, hour, ENGLISH, 0.1) for number, hour in days),
    ]


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with place(tmp_path_factory.mktemp("drift")) as found:
        found.send(traffic())
        found.first = found.work()
        yield found


def windows(here: Place, deployment: str, grain: str = "day") -> dict[Any, dict[str, Any]]:
    rows = here.query("drift_windows", deployment=deployment, grain=grain, start="-20d", end="now")
    return {row["bucket"]: row for row in rows}


def ranking(here: Place, deployment: str) -> dict[str, dict[str, Any]]:
    return {row["feature"]: row for row in here.query("drift_ranking", deployment=deployment)}


def test_the_first_week_is_the_reference_until_somebody_chooses_one(here: Place) -> None:
    rows = {row["deployment"]: row for row in here.query("drift_references")}
    assert rows.keys() == {"hurt", "held", "same"}
    assert rows["hurt"]["automatic"] is True
    assert rows["hurt"]["starts"] == day(0) + timedelta(hours=9)
    assert rows["hurt"]["ends"] - rows["hurt"]["starts"] == timedelta(days=7)


def test_every_prediction_is_described_once(here: Place) -> None:
    assert here.first.described == 3 * DAYS * len(HOURS)
    assert {row["due"] for row in here.query("drift")} == {0}
    again = here.work()
    assert (again.described, again.judged) == (0, 0)


def test_the_days_that_moved_are_told_with_what_it_did_to_the_answers(here: Place) -> None:
    told = {name: {at: row["verdict"] for at, row in windows(here, name).items()} for name in ("hurt", "held", "same")}
    assert told["hurt"] == {day(8): "worse", day(9): "worse"}
    assert told["held"] == {day(8): "held", day(9): "held"}
    assert told["same"] == {day(8): "too_few", day(9): "too_few"}  # a hundred do not show a tenth


def test_the_feature_that_moved_comes_first_with_its_evidence(here: Place) -> None:
    first = here.query("drift_ranking", deployment="hurt")[0]
    assert first["state"] == "moved"
    language = ranking(here, "hurt")["prompt_language"]
    assert (language["state"], language["since"]) == ("moved", day(MOVED))
    assert language["moved_at"] in ("english", "german")
    assert language["low"] <= language["effect"] <= language["high"]
    assert language["n_window"] <= len(HOURS) * PER_HOUR
    assert language["q"] < 0.001
    assert {row["state"] for row in ranking(here, "same").values()} <= {"steady", "too_few", "no_data"}


def test_hours_with_few_predictions_say_what_they_could_have_seen(here: Place) -> None:
    row = next(
        row
        for row in here.query("drift_heat", deployment="same", grain="hour", start="-20d", end="now")
        if row["feature"] == "prompt_chars"
    )
    assert row["state"] in ("steady", "too_few")
    assert row["n_window"] == PER_HOUR


def test_changes_have_the_day_on_which_they_began(here: Place) -> None:
    rows = here.query("drift_changes", deployment="held", start="-20d", end="now")
    begun = {row["feature"]: row for row in rows}
    assert begun["prompt_language"]["bucket"] == day(MOVED)
    assert (begun["prompt_language"]["before"], begun["prompt_language"]["state"]) in (
        (None, "moved"),
        ("steady", "moved"),
    )
    assert here.query("drift_changes", deployment="same", start="-20d", end="now") == []


def test_the_overview_has_a_line_for_each_deployment(here: Place) -> None:
    rows = {row["deployment"]: row for row in here.query("drift")}
    assert (rows["hurt"]["day"], rows["hurt"]["day_verdict"]) == (day(9), "worse")
    assert "prompt_language" in rows["hurt"]["moved"]
    assert rows["hurt"]["since"] == day(MOVED)
    assert (rows["same"]["moved"], rows["same"]["since"]) == ([], None)


def test_one_feature_opened_shows_both_distributions_and_where_it_moved_to(here: Place) -> None:
    window = {"start": day(9).isoformat(), "end": day(10).isoformat()}
    rows = {
        row["name"]: row for row in here.query("drift_feature", deployment="hurt", feature="prompt_language", **window)
    }
    assert rows["german"]["moved"] is True
    assert rows["german"]["share_reference"] == 0
    assert rows["german"]["window_low"] < rows["german"]["share_window"] <= rows["german"]["window_high"]
    assert rows["(missing)"]["n_window"] == 0
    bins = here.query("drift_feature", deployment="hurt", feature="prompt_chars", **window)
    assert sum(row["n_window"] for row in bins[:-1]) == len(HOURS) * PER_HOUR
    assert sum(row["share_reference"] for row in bins[:-1]) == pytest.approx(1)


def test_the_part_that_moved_is_followed_over_time(here: Place) -> None:
    rows = here.query(
        "drift_feature_history",
        deployment="hurt",
        feature="prompt_language",
        grain="day",
        start=day(0).isoformat(),
        end=day(10).isoformat(),
    )
    shares = {row["bucket"]: row["share"] for row in rows}
    assert [shares[day(number)] for number in range(MOVED)] == [0] * MOVED
    assert shares[day(9)] > 0.8


def test_examples_are_where_it_moved_to_and_beside_them_the_reference(here: Place) -> None:
    window = {"start": day(9).isoformat(), "end": day(10).isoformat(), "feature": "prompt_language"}
    new = here.query("drift_examples", deployment="hurt", **window, limit=50)
    old = here.query("drift_examples", deployment="hurt", of="reference", **window, limit=50)
    assert {row["value"] for row in new} == {"german"}
    assert all(row["input_preview"].startswith(("Welche", "Wie viele", "Was")) for row in new)
    assert len({row["input_preview"] for row in new}) == len(new)
    assert {row["ts"] < day(7) + timedelta(hours=9) for row in old} == {True}


def test_quality_is_told_for_the_part_that_moved(here: Place) -> None:
    window = {"start": day(9).isoformat(), "end": day(10).isoformat(), "features": ["prompt_language"]}
    rows = {row["measure"]: row for row in here.query("drift_quality", deployment="hurt", **window)}
    assert rows["wrong"]["n"] > 80
    assert rows["wrong"]["bad"] / rows["wrong"]["n"] > 0.4 > 3 * rows["wrong"]["bad_before"] / rows["wrong"]["n_before"]
    assert rows["wrong"]["against"] == "whole"  # the reference has no German


def test_the_slice_that_a_shift_comes_from_is_named(tmp_path: Path) -> None:
    with place(tmp_path) as here:
        events = []
        for number in range(DAYS):
            for hour in HOURS:
                for one in asked("mixed", number, hour, ENGLISH, 0.0):
                    long = number >= MOVED and one["features"]["client"] == "mobile"
                    events.append(one | {"input_text": one["input_text"] + " Please, think twice." * (4 * long)})
        here.send(events)
        here.work()
        assert ranking(here, "mixed")["prompt_chars"]["state"] == "moved"
        window = {"start": day(MOVED).isoformat(), "end": day(DAYS).isoformat()}
        found = here.query("drift_slices", deployment="mixed", feature="prompt_chars", **window)
        assert (found[0]["dimension"], found[0]["value"]) in (("event.client", "mobile"), ("event.client", "web"))
        mobile = next(row for row in found if row["value"] == "mobile")
        assert mobile["explains"] > 0.8
        assert mobile["low"] <= mobile["explains"] <= mobile["high"]
        assert mobile["sampled_window"] == 2 * len(HOURS) * PER_HOUR


def test_a_threshold_can_be_tried_before_it_is_saved(here: Place) -> None:
    high = {row["feature"]: row for row in here.query("drift_trial", deployment="hurt", threshold=5.0)}
    low = {row["feature"]: row for row in here.query("drift_trial", deployment="hurt", threshold=0.1)}
    assert (high["prompt_words"]["fired"], high["prompt_words"]["called"]) == (0, 2)
    assert high["prompt_language"]["fired"] == 2  # a language that was never seen calls whatever the effect
    assert (low["prompt_language"]["fired"], low["prompt_language"]["episodes"]) == (2, 1)


def test_an_unknown_feature_is_refused_by_name(here: Place) -> None:
    window = {"start": day(9).isoformat(), "end": day(10).isoformat()}
    with pytest.raises(NotFound, match="has no feature 'prompt_smell'"):
        here.query("drift_feature", deployment="hurt", feature="prompt_smell", **window)
    with pytest.raises(NotFound, match="no reference for 'nobody'"):
        here.query("drift_feature", deployment="nobody", feature="prompt_chars", **window)


def test_late_predictions_are_described_and_their_day_is_judged_again(tmp_path: Path) -> None:
    with place(tmp_path) as here:
        here.send([one for number in range(DAYS) for one in asked("late", number, 9, ENGLISH, 0.0)])
        here.work()
        at = day(9) + timedelta(hours=9)
        here.send([event("late", at, 100 + n, "Where is the dog?", "there") for n in range(5)])
        again = here.work()
        assert (again.described, again.judged) == (1, 2)  # its hour and its day
        assert windows(here, "late")[day(9)]["n"] == PER_HOUR + 5


def test_a_range_is_described_alone(tmp_path: Path) -> None:
    with place(tmp_path) as here:
        here.send([one for number in range(DAYS) for one in asked("one", number, 9, ENGLISH, 0.0)])
        first = here.work(Range("one", day(8), day(9)))
        assert first.described == 7 + 1  # what the reference is made of, and the day
        assert windows(here, "one").keys() == {day(8)}
        assert here.work().described == DAYS - 8


def test_a_feature_that_becomes_a_name_stops_nobody(tmp_path: Path) -> None:
    with place(tmp_path) as here:
        for name in ("mixed", "plain"):
            events = []
            for number in range(DAYS):
                for hour in HOURS:
                    tier: str | int = "gold" if number == 9 and hour == HOURS[1] else 1
                    features = {"tier": tier} if name == "mixed" else {}
                    events += [one | {"features": features} for one in asked(name, number, hour, ENGLISH, 0.0)]
            here.send(events)
        here.work()
        assert windows(here, "plain").keys() == windows(here, "mixed").keys() == {day(8), day(9)}
        found = ranking(here, "mixed")["event.tier"]
        assert (found["kind"], found["missing_window"]) == ("number", 0.5)


def test_darker_images_are_found_and_shown(tmp_path: Path) -> None:
    with place(tmp_path) as here:
        events = []
        for number in range(DAYS):
            at = day(number) + timedelta(hours=9)
            for index in range(PER_HOUR):
                content = picture(40 if number == 9 else 200, index)
                kept = {"sha256": here.keep(content), "width": 64, "height": 48}
                events.append(event("eye", at, index, "What is this?", "a ring", media=[kept]))
        here.send(events)
        here.work()
        row = ranking(here, "eye")["image_brightness"]
        assert (row["state"], row["since"]) == ("moved", day(9))
        window = {"start": day(9).isoformat(), "end": day(10).isoformat()}
        shown = here.query("drift_examples", deployment="eye", feature="image_brightness", **window)
        values = [float(one["value"]) for one in shown]
        assert values == sorted(values)  # the darkest first
        assert max(values) < 0.4
        assert all(here.door.see(one["image"]) for one in shown)


@pytest.mark.parametrize(
    ("wish", "version", "name"),
    [
        ({"kind": "rolling", "days": 3, "name": "three days"}, 2, "three days"),
        ({"kind": "deployment", "other": "other", "days": 5, "name": "the other one"}, 2, "the other one"),
    ],
)
def test_another_reference_is_made_when_somebody_asks(
    tmp_path: Path, wish: dict[str, Any], version: int, name: str
) -> None:
    with place(tmp_path) as here:
        for one in ("mine", "other"):
            here.send([e for number in range(DAYS) for e in asked(one, number, 9, ENGLISH, 0.0)])
        here.work()
        before = windows(here, "mine")
        here.door.write("drift-want", {"source": "production", "deployment": "mine", "by": "me", **wish})
        assert here.work().described > 0
        row = here.query("drift_references", deployment="mine")[0]
        assert (row["version"], row["name"], row["automatic"], row["by_whom"]) == (version, name, False, "me")
        assert {row["version"] for row in windows(here, "mine").values()} == {version}
        old = here.query("drift_references", deployment="mine")[1]
        assert old["ended_at"] is not None
        assert before[day(9)]["version"] == 1
        assert here.query("drift_wishes", waiting=True) == []


def test_a_reference_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    with place(tmp_path) as here:
        here.send([one for number in range(DAYS) for one in asked("one", number, 9, ENGLISH, 0.0)])
        wish = {"source": "production", "deployment": "one", "by": "me", "kind": "pinned", "name": "long ago"}
        here.door.write("drift-want", wish | {"starts": day(-50).isoformat(), "ends": day(-40).isoformat()})
        here.work()
        (row,) = here.query("drift_wishes")
        assert "one has no predictions (source production) from" in row["problem"]
        with pytest.raises(BadInput, match="a pinned reference needs starts and ends"):
            here.door.write("drift-want", wish)


def test_what_is_written_has_to_fit(here: Place) -> None:
    body = {"source": "production", "deployment": "one", "hour": day(1), "part": 0}
    with pytest.raises(BadInput, match="the rows of features are no Arrow stream"):
        here.door.write("drift-features", body | {"table": b"no"})
    with pytest.raises(BadInput, match="features has no column 'smell'"):
        here.door.write("drift-features", body | {"table": as_stream(pa.table({"smell": [1.0]}))})
