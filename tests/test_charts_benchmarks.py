"""Pictures of the Benchmarks page: scores over steps, dates and side by side, and differences that are not shown."""

import doctest
import json
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import pandas as pd
import pytest

from monitor.charts import benchmarkmarks, benchmarktrend, forest, palette
from monitor.charts import benchmarkwords as bw
from monitor.charts.benchmarkmarks import Level
from monitor.charts.marks import Option
from monitor.charts.paired import Effect
from monitor.ui.benchmarks import parts

START = datetime(2026, 11, 1, 12, tzinfo=UTC)
PUBLISHED = [Level("SmolVLM", 42.0, 100.0)]


def score(step: float | None, value: float, **more: Any) -> dict[str, Any]:
    """A row as the query gives it, with the name of its line."""
    row: dict[str, Any] = {
        "line": "small",
        "checkpoint": f"small-{step:g}" if step is not None else "small-x",
        "step": step,
        "at": pd.Timestamp(START + timedelta(hours=step or 0)),
        "value": value,
        "most": 1.0,
        "low": value - 0.1,
        "high": min(1.0, value + 0.05),
        "higher_is_better": True,
        "n": 200,
        "how": "wilson",
        "reason": "",
        "origin": "job",
        "dated": True,
    } | more
    return row | {"share": row["value"] / row["most"] if row["most"] else None}


def frame(*rows: dict[str, Any]) -> pd.DataFrame:
    made = pd.DataFrame(rows)
    return made.assign(most=made["most"].astype(float), step=made["step"].astype(float))


RISING = frame(score(100, 0.4), score(200, 0.9), score(300, 0.7))
TWO = frame(score(100, 0.4), score(300, 0.7), score(100, 0.5, line="small, protocol 2"))


def series(option: Option, name: str, kind: str = "") -> list[Option]:
    found = [one for one in option["series"] if one["name"] == name and kind in ("", one["type"])]
    assert found, [one["name"] for one in option["series"]]
    return found


def points(option: Option, name: str) -> list[Any]:
    return [mark["value"] for mark in series(option, name)[0]["data"]]


def every(*options: Option) -> None:
    """What Streamlit sends is JSON without NaN."""
    for option in options:
        json.dumps(option, allow_nan=False)


# -- over steps


def test_scores_stand_at_their_step_in_percent_with_their_interval() -> None:
    option = benchmarktrend.scores_over_steps(RISING)
    assert points(option, "small") == [[100.0, 40.0], [200.0, 90.0], [300.0, 70.0]]
    whiskers = series(option, "small")[1]["data"]
    assert whiskers[:3] == [[100.0, pytest.approx(30.0)], [100.0, pytest.approx(45.0)], [100.0, None]]
    assert option["yAxis"]["axisLabel"]["formatter"] == "{value} %"
    assert (option["yAxis"]["min"], option["yAxis"]["max"]) == (20.0, 100.0)
    every(option)


def test_two_protocols_are_two_lines_that_differ_by_dash_and_symbol_and_are_never_joined() -> None:
    option = benchmarktrend.scores_over_steps(TWO)
    assert option["legend"]["data"] == ["small", "small, protocol 2"]
    first, second = (series(option, name)[0] for name in option["legend"]["data"])
    assert [len(one["data"]) for one in (first, second)] == [2, 1]
    assert first["lineStyle"]["type"] != second["lineStyle"]["type"]
    assert first["data"][0]["symbol"] != second["data"][0]["symbol"]
    here, there = first["data"][0]["value"][0], second["data"][0]["value"][0]
    assert here < 100 < there, "intervals at the same step do not hide each other"
    assert "small-100" in second["data"][0]["name"]


def test_a_line_and_its_intervals_share_a_name_and_so_a_colour() -> None:
    option = benchmarktrend.scores_over_steps(TWO)
    names = [one["name"] for one in option["series"]]
    assert names == ["small", "small", "small, protocol 2", "small, protocol 2", "published"]


def test_a_running_mean_is_a_line_of_its_own_with_its_name_and_only_when_asked_for() -> None:
    plain = benchmarktrend.scores_over_steps(RISING)
    assert not [one for one in plain["series"] if "smoothed" in one["name"]]
    option = benchmarktrend.scores_over_steps(RISING, smooth=True)
    [line] = series(option, "small, smoothed (3)")
    assert line["data"] == [[200.0, pytest.approx(200 / 3)]]
    assert points(option, "small") == points(plain, "small")
    assert option["legend"]["data"] == ["small", "small, smoothed (3)"]


def test_two_scores_have_no_running_mean() -> None:
    option = benchmarktrend.scores_over_steps(TWO, smooth=True)
    assert not [one for one in option["series"] if "smoothed" in one["name"]]


def test_the_hover_of_a_score_tells_checkpoint_scale_interval_and_n() -> None:
    told = benchmarktrend.scores_over_steps(RISING)["series"][0]["data"][1]["name"]
    assert told.splitlines() == [
        "small-200",
        "0.900 of 1 (90.0 %)",
        "95 % interval 0.800 to 0.950, from items (Wilson)",
        "n 200",
        "small",
    ]


def test_a_score_without_an_interval_says_why() -> None:
    bare = frame(score(100, 0.4, low=float("nan"), high=float("nan"), how="none", reason="one item", n=1))
    option = benchmarktrend.scores_over_steps(bare)
    assert "no interval can be given: one item" in option["series"][0]["data"][0]["name"]
    assert option["series"][1]["data"] == []
    every(option)


# -- scales


def test_a_scale_that_is_not_known_is_never_a_percentage() -> None:
    unknown = frame(*(score(step, value, most=None, higher_is_better=False) for step, value in ((1, 12.1), (2, 10.4))))
    option = benchmarktrend.scores_over_steps(unknown)
    assert points(option, "small") == [[1.0, 12.1], [2.0, 10.4]]
    assert "%" not in json.dumps([option["yAxis"], [mark["name"].replace("95 %", "") for mark in _marks(option)]])
    assert option["yAxis"]["name"] == "as the file has it, scale not known, lower is better"
    assert "(scale not known)" in _marks(option)[0]["name"]


def _marks(option: Option) -> list[Option]:
    return list(option["series"][0]["data"])


def test_scales_of_1_and_of_100_meet_on_one_axis() -> None:
    mixed = frame(score(100, 0.4), score(200, 45.0, most=100.0, low=42.0, high=48.0))
    assert points(benchmarktrend.scores_over_steps(mixed), "small") == [[100.0, 40.0], [200.0, 45.0]]


def test_published_figures_are_dashed_lines_on_the_same_scale() -> None:
    option = benchmarktrend.scores_over_steps(RISING, PUBLISHED)
    line = series(option, "published")[0]["markLine"]
    assert line["data"] == [{"name": "SmolVLM", "yAxis": 42.0}]
    assert line["lineStyle"] == {"color": palette.THRESHOLD, "type": "dashed", "width": 1.5}
    unknown = frame(score(1, 12.0, most=None))
    plain = benchmarktrend.scores_over_steps(unknown, PUBLISHED)
    assert series(plain, "published")[0]["markLine"]["data"] == [], "a percentage has no place among plain numbers"


def test_the_axis_grows_to_hold_a_published_figure_and_never_leaves_0_to_100() -> None:
    low = frame(score(100, 0.9, low=0.88, high=0.92), score(200, 0.91, low=0.9, high=0.93))
    option = benchmarktrend.scores_over_steps(low, [Level("far below", 42.0, 100.0)])
    assert option["yAxis"]["min"] <= 42
    assert option["yAxis"]["max"] <= 100
    top = benchmarktrend.scores_over_steps(frame(score(100, 1.0, low=0.97, high=1.0)))
    assert top["yAxis"]["max"] == 100.0


def test_the_axis_ends_at_its_own_round_numbers() -> None:
    axis = benchmarktrend.scores_over_steps(RISING)["yAxis"]
    assert (axis["max"] - axis["min"]) / axis["interval"] == pytest.approx(8, abs=4)
    assert axis["min"] % axis["interval"] == 0 == axis["max"] % axis["interval"]


# -- over dates, side by side


def test_over_dates_only_scores_with_a_date_are_drawn() -> None:
    undated = pd.concat([RISING, frame(score(400, 0.8, dated=False))], ignore_index=True)
    option = benchmarktrend.scores_over_time(undated)
    assert len(points(option, "small")) == 3
    assert points(option, "small")[0][0].startswith("2026-11-05T16:00")
    every(option)


def test_side_by_side_the_best_of_a_line_is_on_top_and_what_was_claimed_is_last_and_hollow() -> None:
    claimed = score(None, 0.99, line="claimed by others", origin="claim", low=None, high=None, n=None, how="none")
    rows = pd.concat([RISING, frame(claimed)], ignore_index=True)
    option = benchmarktrend.scores_side_by_side(rows, PUBLISHED)
    assert option["yAxis"]["data"] == ["small-200", "small-300", "small-100", "claimed: small-x"]
    assert points(option, "small") == [[90.0, 0], [70.0, 1], [40.0, 2]]
    [mark] = series(option, "claimed by others")[0]["data"]
    assert mark["itemStyle"] == forest.HOLLOW
    assert "claimed by others, not measured here" in mark["name"]
    assert series(option, "published")[0]["markLine"]["data"] == [{"name": "SmolVLM", "xAxis": 42.0}]
    every(option)


def test_where_lower_is_better_the_lowest_is_on_top() -> None:
    rows = frame(*(score(step, value, higher_is_better=False) for step, value in ((1, 0.5), (2, 0.2))))
    assert list(benchmarktrend.best_first(rows)["step"]) == [2, 1]


def test_the_trend_in_words_names_the_first_the_best_and_the_last() -> None:
    told = benchmarktrend.in_words(RISING)
    assert told == (
        "small: 3 scores, from 0.400 of 1 (40.0 %) over 0.900 of 1 (90.0 %) at best to 0.700 of 1 (70.0 %)."
    )
    assert benchmarktrend.in_words(RISING.head(0)) == "No score."


# -- differences


def test_a_difference_that_is_not_shown_has_a_hollow_dot() -> None:
    effects = [Effect("maths", -0.1, -0.2, -0.05), Effect("reading", 0.01, -0.04, 0.06)]
    option = forest.differences_by_group(effects, shown=[True, False], axis="points, last minus best")
    dots = series(option, "difference")[0]["data"]
    assert dots == [[-10.0, 0], {"value": [1.0, 1], "itemStyle": forest.HOLLOW}]
    assert option["xAxis"]["name"] == "points, last minus best"
    plain = forest.differences_by_group(effects)
    assert series(plain, "difference")[0]["data"] == [[-10.0, 0], [1.0, 1]]


# -- numbers


@pytest.mark.parametrize("module", [bw, benchmarktrend, benchmarkmarks, parts])
def test_the_examples_of_the_docstrings_are_right(module: ModuleType) -> None:
    tried = doctest.testmod(module)
    assert tried.attempted
    assert not tried.failed


def test_a_probability_from_resampling_is_never_0_or_100_percent() -> None:
    assert [bw.chance(one) for one in (0.0, 0.004, 0.5, 0.995, 1.0, None)] == [
        "< 0.1 %",
        "0.4 %",
        "50 %",
        "99.5 %",
        "> 99.9 %",
        "–",
    ]


def test_ties_are_ranks_from_to() -> None:
    assert [bw.rank(1, 1), bw.rank(1, 3), bw.rank(None, None)] == ["1", "1–3", "–"]


def test_scores_keep_the_scale_of_their_file() -> None:
    assert bw.score(0.44666, 1.0) == "0.447 of 1"
    assert bw.score(41.666, 100.0) == "41.7 of 100"
    assert bw.score(523, 1000.0) == "523 of 1,000"
    assert bw.score(11.38, None) == "11.38 (scale not known)"
    assert bw.score(None, 1.0) == "–"


def test_differences_have_a_sign_and_are_points_only_on_a_known_scale() -> None:
    assert [bw.points(one) for one in (-0.1467, 0.0002, 0.0, None)] == ["-14.7", "+0.02", "0.0", "–"]
    assert bw.points(-0.7, scaled=False) == "-0.7"


def test_a_step_is_told_where_the_name_does_not_say_it() -> None:
    assert bw.named("small-200", 200) == "small-200"
    assert bw.named("final", 1020) == "final (step 1,020)"
    assert bw.named("final", None) == "final"


def test_lists_end_in_and_or_in_how_many_more() -> None:
    assert bw.listed(["a", "b", "c"]) == "a, b and c"
    assert bw.listed(["a", "b", "c"], 2) == "a, b and 1 more"
    assert bw.listed(["a"]) == "a"
    assert bw.listed([]) == ""
