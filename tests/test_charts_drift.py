"""Pictures of the Drift page: the strip of days, features by time, distributions beside each other, and the part that
moved over time."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from monitor.charts import driftbins, driftheat, drifthistory, driftstrip
from monitor.charts.marks import Option
from monitor.drift.profile import Numeric, edges_of, profile_numbers
from monitor.drift.region import Region, moved_to
from monitor.queries.drift_bins import cuts_of, in_bins

START = datetime(2026, 11, 9, tzinfo=UTC)  # a Monday


def option_json(option: Option) -> str:
    """What Streamlit sends: everything but the data as JSON."""
    return json.dumps({key: value for key, value in option.items() if key != "dataset"}, allow_nan=False)


# -- two weeks as a strip


def verdict(number: int, said: str, moved: int = 0) -> dict[str, Any]:
    bucket = START + timedelta(days=number)
    return {"bucket": bucket, "verdict": said, "n": 1200, "n_moved": moved, "n_features": 40}


DAYS = driftstrip.days_of(
    [verdict(7, "steady"), verdict(8, "worse", 3), verdict(9, "held", 1), verdict(10, "too_few")],
    (START, START + timedelta(days=7)),
    START + timedelta(days=11, hours=5),
)


def test_the_strip_has_a_cell_for_each_of_fourteen_days_also_of_those_that_were_not_judged() -> None:
    assert len(DAYS) == 14
    kinds = [day.kind for day in DAYS]
    assert kinds == ["none"] * 2 + ["reference"] * 7 + ["steady", "worse", "held", "too_few", "none"]


def test_each_kind_of_day_has_a_symbol_and_words_of_its_own() -> None:
    assert len({kind.symbol for kind in driftstrip.KINDS}) == len(driftstrip.KINDS)
    option = driftstrip.verdict_strip(DAYS)
    option_json(option)
    labels = {one["name"]: one["label"]["formatter"] for one in option["series"]}
    assert labels["moved and worse"] == "▼"
    hovers = [cell["name"] for one in option["series"] for cell in one["data"]]
    assert "Tue 17 Nov: moved and worse, 3 of 40 features (n 1,200)" in hovers
    assert len(hovers) == 14


def test_the_strip_in_words_names_the_days_that_moved() -> None:
    assert driftstrip.in_words(DAYS) == (
        "Tue 17 Nov: moved and worse, 3 of 40 features (n 1,200); Wed 18 Nov: moved, quality held, 1 of 40 features "
        "(n 1,200); 1 of 14 days on which nothing moved."
    )
    assert driftstrip.legend({"worse", "none"}) == "▼ moved and worse"


# -- features by time


def heat(**features: str) -> pd.DataFrame:
    """Features with a letter for each day: F far, M moved, n near, s steady, t too few, . no data."""
    effects = {"F": 0.4, "M": 0.15, "n": 0.06, "s": 0.01, "t": 0.3, ".": np.nan}
    states = {"F": "moved", "M": "moved", "n": "steady", "s": "steady", "t": "too_few", ".": "no_data"}
    rows = [
        {
            "feature": name,
            "bucket": pd.Timestamp(START + timedelta(days=number)),
            "effect": effects[letter],
            "low": effects[letter] - 0.01,
            "high": effects[letter] + 0.01,
            "threshold": 0.1,
            "state": states[letter],
            "n_window": 500,
        }
        for name, letters in features.items()
        for number, letter in enumerate(letters)
    ]
    return pd.DataFrame(rows)


FRAME = heat(calm="sss", sharp="sMF", late="nsM", small="ttt", gone="...")
NAMES: dict[datetime, str] = {pd.Timestamp(START + timedelta(days=number)): f"{9 + number} Nov" for number in range(3)}


def test_features_that_moved_farthest_stand_first_and_those_without_values_last() -> None:
    order = driftheat.moved_first(FRAME)
    assert order[:2] == ["sharp", "late"]
    assert order[-1] == "gone"
    assert driftheat.ever_moved(FRAME) == {"sharp", "late"}


def test_each_cell_of_the_heat_map_has_its_kind_its_symbol_and_its_numbers_in_words() -> None:
    placed = driftheat.cells(FRAME, ["sharp", "late", "small"], list(NAMES))
    assert [(cell.feature, cell.column, cell.row) for cell in placed["far"]] == [("sharp", 2, 0)]
    assert placed["far"][0].hover == (
        "sharp, Wed 11 Nov 00:00 UTC: moved, at least 3 times its threshold, effect 0.40 (0.39 to 0.41), threshold "
        "0.1, n 500"
    )
    assert [len(placed[kind]) for kind in ("moved", "near", "steady", "too_few")] == [2, 1, 2, 3]
    option = driftheat.feature_heat(FRAME, ["sharp", "late", "small"], NAMES)
    option_json(option)
    assert {one["id"]: one["label"]["formatter"] for one in option["series"]}["far"] == "◆"
    assert all(one["label"]["show"] for one in option["series"])


def test_many_columns_keep_symbols_only_where_something_moved() -> None:
    frame = heat(x="s" * 70 + "M")
    names: dict[datetime, str] = {bucket: str(at) for at, bucket in enumerate(frame["bucket"])}
    shown = {one["id"]: one["label"]["show"] for one in driftheat.feature_heat(frame, ["x"], names)["series"]}
    assert shown == {"moved": True, "steady": False}


def test_the_chosen_window_is_framed() -> None:
    chosen = list(NAMES)[1]
    option = driftheat.feature_heat(FRAME, ["sharp"], NAMES, chosen)
    framed = [cell["value"][0] for one in option["series"] for cell in one["data"] if "itemStyle" in cell]
    assert framed == [1]


def test_the_heat_map_in_words_says_what_moved_in_the_newest_window() -> None:
    assert driftheat.in_words(FRAME) == (
        "5 features in 3 windows, 2 of them with something that moved. In the newest one 2 moved: sharp, late."
    )
    assert driftheat.legend(FRAME).startswith("◆ moved, at least 3 times its threshold · ▲ moved · ")


# -- both distributions


def bins(*rows: tuple[Any, ...]) -> pd.DataFrame:
    """Rows of (name, low, high, n before, n now, moved)."""
    totals = [sum(row[at] for row in rows) or 1 for at in (3, 4)]
    return pd.DataFrame(
        [
            {
                "name": name,
                "low": low,
                "high": high,
                "n_reference": before,
                "n_window": now,
                "share_reference": before / totals[0],
                "share_window": now / totals[1],
                "window_low": max(0.0, now / totals[1] - 0.05),
                "window_high": now / totals[1] + 0.05,
                "moved": moved,
            }
            for name, low, high, before, now, moved in rows
        ]
    )


NUMBERS = bins((None, 0.1, 0.2, 0, 30, True), (None, 0.6, 0.8, 50, 40, False), (None, 0.8, 1.0, 50, 30, False))


def test_the_part_that_moved_is_marked_by_a_sign_and_a_band_and_a_gap_is_no_neighbour() -> None:
    option = driftbins.distribution_beside(NUMBERS)
    option_json(option)
    assert list(option["dataset"]["source"]["bin"]) == ["▲ 0.1 to 0.2", "⋯ ", "0.6 to 0.8", "0.8 to 1"]
    assert option["series"][1]["markArea"]["data"] == [[{"xAxis": 0}, {"xAxis": 0}]]
    plain = driftbins.distribution_beside(NUMBERS, marked=False)
    assert plain["dataset"]["source"]["bin"][0] == "0.1 to 0.2"
    assert plain["series"][1]["markArea"]["data"] == []


def test_the_hover_of_a_bin_has_both_shares_with_n_and_the_interval_of_the_window() -> None:
    first = driftbins.distribution_beside(NUMBERS)["dataset"]["source"].iloc[0]
    assert first["reference"] == "0 % (n 0)"
    assert first["window"] == "30 % (25 % to 35 %, n 30)"


def test_both_distributions_in_words() -> None:
    assert driftbins.in_words(NUMBERS) == (
        "It moved to 0.1 to 0.2: 30 % (before 0 %). Together 30 % of the predictions are there now, 0 % before "
        "(n 100 in the window, 100 in the reference)."
    )
    names = bins(("a", np.nan, np.nan, 5, 5, False), ("(missing)", np.nan, np.nan, 0, 0, False))
    assert driftbins.in_words(names).startswith("No part has more predictions than in the reference (n 5")
    assert len(driftbins.shown(names)) == 1, "no bar for missing values where there are none"


# -- where the bins are cut


def sides(before: Any, now: Any) -> tuple[list[Numeric], Region | None]:
    edges = edges_of(np.asarray(before, float))
    known = [profile_numbers(np.asarray(values, float), edges) for values in (before, now)]
    return known, moved_to(known[0], known[1])


def test_values_beyond_the_reference_have_bins_of_their_own() -> None:
    rng = np.random.default_rng(7)
    known, region = sides(rng.choice(rng.uniform(0.8, 1.0, 200), 2000), rng.choice(rng.uniform(0.4, 0.6, 200), 2000))
    cuts, exact = cuts_of(known, 20, region)
    assert not exact
    assert region is not None
    assert region.high in cuts
    assert (np.diff(cuts) > 0).all()
    assert (in_bins(known[1], cuts) > 0).sum() >= 4, "the edges of the reference would put all of it into one"
    for one in known:
        assert in_bins(one, cuts).sum() == one.n


def test_few_different_values_are_a_bin_each() -> None:
    known, region = sides([1, 1, 2, 3] * 50, [1, 2, 2, 5] * 50)
    cuts, exact = cuts_of(known, 20, region)
    assert exact
    assert cuts.tolist() == [1, 2, 3]
    assert in_bins(known[1], cuts).tolist() == [50, 100, 0, 50]


def test_a_heavy_tail_does_not_leave_everything_in_one_bin() -> None:
    rng = np.random.default_rng(7)
    known, region = sides(rng.choice(rng.lognormal(0, 2.5, 300), 2000), rng.choice(rng.lognormal(1, 2.5, 300), 2000))
    cuts, _ = cuts_of(known, 20, region)
    assert len(cuts) <= 20
    assert in_bins(known[0], cuts).max() < 0.3 * known[0].n


@pytest.mark.parametrize("most", [2, 3, 20])
def test_unknown_values_are_cut_at_edges_of_the_profile(most: int) -> None:
    rng = np.random.default_rng(7)
    known, region = sides(rng.normal(0, 1, 5000), rng.normal(0.5, 1, 5000))
    assert known[0].points is None
    cuts, exact = cuts_of(known, most, region)
    assert not exact
    assert 1 <= len(cuts) < max(most, 3)
    assert set(cuts) <= set(known[0].edges)
    assert in_bins(known[0], cuts).sum() == 5000


# -- the part that moved over time


def history() -> pd.DataFrame:
    shares = [0.0, 0.02, 0.4, np.nan, 0.3]
    return pd.DataFrame(
        {
            "bucket": [pd.Timestamp(START + timedelta(days=at)) for at in range(5)],
            "n": [100, 100, 100, 0, 100],
            "share": shares,
            "low": [share - 0.01 for share in shares],
            "high": [share + 0.05 for share in shares],
            "share_reference": [0.01] * 5,
        }
    )


def test_the_part_that_moved_has_its_interval_the_share_of_the_reference_and_the_window() -> None:
    frame = history()
    view = drifthistory.view_of(frame, timedelta(days=1), utc=True)
    ends = (START + timedelta(days=2), START + timedelta(days=3))
    option = drifthistory.moved_share_over_time(frame, view=view, window=ends)
    option_json(option)
    assert option["legend"]["data"] == ["share there", "in the reference", "95 % interval"]
    assert "brush" not in option
    areas = [one["markArea"]["data"] for one in option["series"] if "markArea" in one]
    assert areas == [[[{"xAxis": moment.isoformat()} for moment in ends]]]
    assert option["dataset"]["source"]["share there"][2] == "40 % (39 % to 45 %, n 100)"


def test_the_history_in_words_has_the_newest_and_the_highest_window() -> None:
    assert drifthistory.in_words(history()) == (
        "Newest: 30 % (29 % to 35 %, n 100). Highest on Wed 11 Nov 00:00 UTC: 40 % (39 % to 45 %, n 100)."
    )
    assert drifthistory.in_words(history().assign(share=np.nan)) == "No window has a value."
