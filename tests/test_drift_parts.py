"""Parts of drift: where a feature moved to, what that did to quality, profiles on their way, references from files."""

import importlib
import math
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from jobs.references import Meaning, make_of_file
from monitor.cli import cli
from monitor.drift.judging import Pair, Rule, judge, null_band, strength
from monitor.drift.profile import Category, Numeric, edges_of, merge, profile_names, profile_numbers
from monitor.drift.quality import Compared, Counts, compare, verdict
from monitor.drift.region import moved_to
from monitor.drift.windows import side_by_side, together
from monitor.errors import BadInput, ConfigError
from monitor.fleet import load_fleet
from monitor.records import Drift
from monitor.store.profiles import profile_table, read_edges, read_profiles, read_whole
from tests.drifting import DAYS, ENGLISH, GERMAN, HOURS, asked, day, place

RNG = np.random.default_rng(3)
VALUES = RNG.normal(size=2000)
EDGES = edges_of(VALUES)


@pytest.mark.parametrize("name", ["monitor.drift.region", "monitor.drift.quality", "monitor.drift.windows"])
def test_every_example_in_a_docstring_is_right(name: str) -> None:
    import doctest

    found = doctest.testmod(importlib.import_module(name))
    assert (found.failed, found.attempted > 0) == (0, True)


@pytest.mark.parametrize(("n", "exact"), [(300, True), (2000, False)])
def test_the_region_of_numbers_is_the_side_that_has_grown(n: int, exact: bool) -> None:
    before = profile_numbers(VALUES[:n], EDGES)
    assert (before.points is not None) is exact
    higher = moved_to(before, profile_numbers(VALUES[:n] + 1.0, EDGES))
    lower = moved_to(before, profile_numbers(VALUES[:n] - 1.0, EDGES))
    assert higher is not None
    assert lower is not None
    assert (higher.high, lower.low) == (None, None)
    assert higher.low is not None
    assert lower.high is not None
    assert 0 < higher.low < 1  # two normal densities one apart cross between their means
    assert -1 < lower.high < 0
    assert higher.share_window - higher.share_reference == pytest.approx(0.38, abs=0.06)


def test_the_region_of_names_are_those_that_rose_most_first() -> None:
    before = profile_names(["a"] * 80 + ["b"] * 10 + ["c"] * 10)
    now = profile_names(["a"] * 20 + ["b"] * 30 + ["c"] * 50)
    region = moved_to(before, now)
    assert region is not None
    assert region.names == ("c", "b")
    assert [region.share_reference, region.share_window] == pytest.approx([0.2, 0.8])


def test_where_values_went_missing_that_is_where_it_moved_to() -> None:
    before = profile_numbers(VALUES, EDGES)
    gone = np.where(RNG.random(VALUES.size) < 0.5, np.nan, VALUES)
    region = moved_to(before, profile_numbers(gone, EDGES))
    assert region is not None
    assert region.missing
    assert region.share_window == pytest.approx(0.5, abs=0.05)
    assert moved_to(profile_names([]), profile_names(["a"])) is None


def counts(
    bad: int,
    n: int,
    before: int,
    n_before: int,
    measure: str = "wrong",
    feature: str = "x",
    against: str = "same",
) -> Counts:
    return Counts(feature, measure, bad, n, before, n_before, against)


@pytest.mark.parametrize(
    ("one", "state"),
    [
        (counts(40, 100, 100, 1000), "worse"),
        (counts(100, 1000, 100, 1000), "held"),
        (counts(1, 10, 100, 1000), "unknown"),
        (counts(10_500, 100_000, 10_000, 100_000), "held"),  # sure, and too small to call
        (counts(0, 1000, 100, 1000), "held"),
    ],
)
def test_a_measure_is_worse_held_or_not_known(one: Counts, state: str) -> None:
    (found,) = compare([one])
    assert found.state == state
    assert found.low <= found.difference <= found.high


def test_one_worse_among_many_comparisons_must_be_surer() -> None:
    doubtful = counts(20, 100, 110, 1000)
    alone, among = compare([doubtful])[0], compare([doubtful, *[counts(100, 1000, 100, 1000)] * 60])[0]
    assert (alone.state, among.state) == ("worse", "unknown")
    assert among.low < alone.low


def test_what_nobody_judged_is_not_compared() -> None:
    assert compare([counts(0, 0, 10, 100), counts(1, 10, 0, 0)]) == []


def test_the_verdict_asks_for_quality_over_the_window_and_where_it_moved_most() -> None:
    held = compare([counts(100, 1000, 100, 1000, feature=feature) for feature in ("", "x")])
    assert verdict(["moved", "steady"], held, "x") == "held"
    assert verdict(["moved", "steady"], held, "y") == "unknown"
    assert verdict(["moved", "steady"], held[:1], "x") == "unknown"
    errors: list[Compared] = compare([counts(0, 1000, 0, 1000, "errors", feature) for feature in ("", "x")])
    assert verdict(["moved"], errors, "x") == "unknown"  # requests that do not fail may be answered wrongly
    worse = compare([counts(90, 100, 100, 1000, "canary", "")])
    assert verdict(["moved"], held + worse, "x") == "worse"
    assert verdict(["steady", "too_few"], worse, "") == "steady"
    assert verdict(["too_few", "no_data"], [], "") == "too_few"
    assert verdict(["no_data"], [], "") == "no_data"
    assert verdict(["steady"] + ["too_few"] * 40, [], "") == "too_few"


@pytest.mark.parametrize(
    ("against", "overall", "told"),
    [("same", 150, "worse"), ("whole", 150, "unknown"), ("rest", 150, "unknown"), ("whole", 250, "worse")],
)
def test_a_part_that_was_always_harder_makes_no_alarm(against: str, overall: int, told: str) -> None:
    everywhere = counts(overall, 1000, 175, 1000, feature="")
    there = counts(170, 650, 175, 1000, against=against)
    assert verdict(["moved"], compare([everywhere, there]), "x") == told


def test_hours_are_put_together_whatever_features_they_have() -> None:
    number, name = profile_numbers(np.arange(5.0), np.array([2.0])), profile_names(["gold", "gold", "silver"])
    rows = profile_names(["a"] * 5), profile_names(["a"] * 3)
    both = together([{"tier": number, "client": rows[0]}, {"tier": name, "client": rows[1]}, {"client": rows[1]}])
    assert (both["tier"].n, both["tier"].missing) == (5, 6)  # a number more often than a name
    assert (both["client"].n, both["client"].missing) == (11, 0)
    old, new = side_by_side(both, {"other": rows[1]})["tier"]
    assert (old.n, new.n, new.missing) == (5, 0, 3)


def test_a_quiet_hour_does_not_blind_the_band() -> None:
    hours = [profile_numbers(RNG.normal(size=200), EDGES) for _ in range(40)]
    quiet = [profile_numbers(np.array([3.0, 3.1]), EDGES)]
    assert null_band([*hours, *quiet], Rule()) == pytest.approx(null_band(hours, Rule()))
    assert null_band(hours, Rule()) < 0.25


def test_what_moved_is_ordered_by_how_far_it_is_beyond_what_calls_it() -> None:
    gone = Pair("gone", profile_numbers(VALUES, EDGES), profile_numbers(np.full(500, np.nan), EDGES), math.nan)
    small = Pair("small", profile_numbers(VALUES, EDGES), profile_numbers(VALUES + 0.4, EDGES), math.nan)
    judged = {one.feature: one for one in judge([gone, small], Rule())}
    assert judged["gone"].called_by == ("missing",)
    assert strength(judged["gone"]) > strength(judged["small"]) > 1


def test_profiles_come_back_from_the_table_as_they_were() -> None:
    few, many = profile_numbers(VALUES[:100], EDGES), profile_numbers(VALUES, EDGES)
    names = profile_names(["b", "a", "b", None])
    nothing = profile_numbers(np.array([np.nan]), EDGES)
    table = profile_table([("few", few), ("many", many), ("names", names), ("nothing", nothing)], edges=True)
    edges = read_edges(table)
    found = dict(zip(table["feature"].to_pylist(), read_profiles(table, edges), strict=True))
    assert found.keys() == read_whole(table).keys()
    assert edges["names"] is None
    for name, profile in (("few", few), ("many", many), ("nothing", nothing)):
        back = found[name]
        assert isinstance(back, Numeric)
        np.testing.assert_array_equal(back.counts, profile.counts)
        np.testing.assert_array_equal(back.sums, profile.sums)
        np.testing.assert_array_equal(back.edges, EDGES)
        assert (back.points is None) is (profile.points is None)
        assert (back.n, back.missing, back.spread) == (profile.n, profile.missing, profile.spread)
    back = found["names"]
    assert isinstance(back, Category)
    assert (back.names, back.counts.tolist(), back.missing) == (names.names, names.counts.tolist(), 1)
    assert merge([found["few"], found["many"]]).n == 2100


def test_a_file_can_be_the_reference(tmp_path: Path) -> None:
    rows = [one for number in range(7) for hour in HOURS for one in asked("other", number, hour, ENGLISH, 0.0)]
    frame = pd.DataFrame(
        {
            "input_text": [row["input_text"] for row in rows],
            "output_text": [row["output_text"] for row in rows],
            "client": [row["features"]["client"] for row in rows],
        }
    )
    frame.to_parquet(tmp_path / "eval.parquet")
    with place(tmp_path / "store") as here:
        here.send([one for number in range(DAYS) for one in asked("one", number, 9, GERMAN, 0.0)])
        meaning = Meaning("production", "one", "dataset", "the evaluation set", by="me", reason="it was tuned on it")
        made = make_of_file(here.door, meaning, tmp_path / "eval.parquet")
        assert (made["version"], made["made"]) == (1, True)
        here.work()
        (row,) = here.query("drift_references", deployment="one")
        assert (row["kind"], row["other"], row["n_learned"]) == ("dataset", "eval.parquet", len(rows))
        found = {row["feature"]: row for row in here.query("drift_ranking", deployment="one")}
        assert found["prompt_language"]["state"] == "moved"
        language = {"prompt_oov_share", "prompt_nonascii_share", "prompt_language", "prompt_type"}
        shape = {f"prompt_{name}" for name in ("chars", "words", "letters_share", "upper_share", "punctuation_share")}
        moved = {name for name, one in found.items() if one["state"] == "moved"}
        assert moved <= language | shape  # not what the file knows nothing about
        assert found["event.client"]["n_reference"] == len(rows)
        window = {"start": day(9).isoformat(), "end": day(10).isoformat()}
        bins = here.query("drift_feature", deployment="one", feature="prompt_language", **window)
        assert {row["name"] for row in bins} >= {"english", "german"}


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with place(tmp_path / "store") as here:
        meaning = Meaning("production", "one", "dataset", "nothing")
        with pytest.raises(BadInput, match="is not there"):
            make_of_file(here.door, meaning, tmp_path / "no.parquet")


def test_described_predictions_leave_with_the_raw_ones_and_profiles_stay(tmp_path: Path) -> None:
    with place(tmp_path) as here:
        here.send([one for number in range(DAYS) for one in asked("old", number, 9, ENGLISH, 0.0)])
        here.work()
        window = {"start": day(9).isoformat(), "end": day(10).isoformat(), "feature": "prompt_words"}
        before = here.query("drift_feature", deployment="old", **window)
        assert here.query("drift_examples", deployment="old", **window)
        owner = here.door._owner  # type: ignore[attr-defined]
        owner.expire(day(10) + timedelta(days=owner.settings.raw_days))
        assert here.query("drift_feature", deployment="old", **window) == before
        assert here.query("drift_examples", deployment="old", **window) == []


def test_two_files_are_compared_on_the_command_line(tmp_path: Path) -> None:
    pd.DataFrame({"size": VALUES, "kind": ["a", "b"] * 1000}).to_parquet(tmp_path / "a.parquet")
    pd.DataFrame({"size": VALUES + 1, "kind": ["b", "a"] * 1000}).to_csv(tmp_path / "b.csv", index=False)
    found = CliRunner().invoke(cli, ["drift-files", str(tmp_path / "a.parquet"), str(tmp_path / "b.csv")])
    assert found.exit_code == 1
    assert "1 of 2 columns moved" in found.output
    same = CliRunner().invoke(cli, ["drift-files", str(tmp_path / "a.parquet"), str(tmp_path / "a.parquet"), "--all"])
    assert same.exit_code == 0
    assert "0 of 2 columns moved" in same.output


def test_the_fleet_file_says_what_calls_a_drift(tmp_path: Path) -> None:
    file = tmp_path / "watchpoint.toml"
    file.write_text('[drift]\nnumbers = "psi"\nthreshold = 0.2\nfdr = 0.05\n')
    assert load_fleet(file).drift == Drift("psi", "tv", 0.2, 0.05)
    file.write_text('[drift]\nnumbers = "magic"\nfdr = 2\n')
    with pytest.raises(ConfigError, match="one of ks, psi, js, wasserstein"):
        load_fleet(file)
