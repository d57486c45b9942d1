"""Pictures of the Canaries page: the matrix of items by runs, the trend, and differences by tag."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from monitor.charts import canaryruns, forest, itemmatrix, palette
from monitor.charts.marks import Option
from monitor.charts.paired import Effect

START = datetime(2026, 11, 21, 12, tzinfo=UTC)
MOMENTS = {"r0": "learned\n12:00", "r1": "13:00", "r2": "14:00", "r3": "15:00"}


def option_json(option: Option) -> str:
    """What Streamlit sends: everything but the data as JSON."""
    return json.dumps({key: value for key, value in option.items() if key != "dataset"}, allow_nan=False)


def matrix(**items: str) -> pd.DataFrame:
    """Items with a letter for each run: p pass, f fail, ~ flaky, ! error, ? unknown, . no data, B and G flips."""
    cells = {"p": "pass", "f": "fail", "~": "flaky", "!": "error", "?": "unknown", ".": "no_data"}
    rows = []
    for place, (item, letters) in enumerate(items.items()):
        for number, letter in enumerate(letters):
            cell = {"B": "fail", "G": "pass"}.get(letter) or cells[letter]
            rows.append(
                {
                    "place": place,
                    "item": item.replace("_", "-"),
                    "run": f"r{number}",
                    "kind": "replay" if number else "learn",
                    "started_at": pd.Timestamp(START + timedelta(hours=number)),
                    "n": 0 if letter == "." else 12 if number == 0 else 1,
                    "passes": 12 if letter == "p" and number == 0 else int(cell == "pass"),
                    "cell": cell,
                    "flip": {"B": "bad", "G": "good"}.get(letter),
                    "error_type": "TargetTimeout" if letter == "!" else None,
                    "latency_ms": 120.0 if letter != "." else np.nan,
                }
            )
    return pd.DataFrame(rows)


FRAME = matrix(a_1="pppp", b_1="pfff", c_1="ppBf", d_1="pppB", e_1="p.!?", f_1="~GG~")


def test_items_that_just_began_to_fail_stand_first_then_the_latest_changes_then_those_that_do_not_pass() -> None:
    frame = matrix(well="pppp", bad="ffff", old="pBff", late="ppGp", now="pppB", good="pppG")
    assert itemmatrix.flips_first(frame) == ["now", "good", "late", "old", "bad", "well"]


def test_each_cell_of_the_matrix_has_a_colour_a_symbol_and_words() -> None:
    items = itemmatrix.flips_first(FRAME)
    option = itemmatrix.item_matrix(FRAME, items, MOMENTS)
    series = {one["id"]: one for one in option["series"]}
    assert set(series) == {"bad", "good", "fail", "flaky", "error", "unknown", "pass", "no_data"}
    assert sum(len(one["data"]) for one in series.values()) == len(FRAME)
    assert option["yAxis"]["data"] == items
    assert option["xAxis"]["data"] == list(MOMENTS.values())
    colours = [piece["color"] for piece in option["visualMap"]["pieces"]]
    codes = {one["data"][0]["value"][2]: one["label"]["formatter"] for one in series.values()}
    assert len(set(colours)) == len(set(codes.values())) == len(itemmatrix.KINDS)
    assert all(colours[code] == itemmatrix.KINDS[code].colour for code in codes)
    option_json(option)


def test_a_cell_says_what_it_is_when_it_is_pointed_at() -> None:
    hovers = {
        (cell.item, cell.run): cell.hover
        for own in itemmatrix.cells(FRAME, ["a-1", "d-1", "e-1"]).values()
        for cell in own
    }
    assert hovers["a-1", "r0"] == "a-1: ✓ passed (12 of 12 times), 120 ms, while it was learned"
    assert hovers["d-1", "r3"] == "d-1: ▼ began to fail, 120 ms"
    assert hovers["e-1", "r2"] == "e-1: ! no answer: TargetTimeout, 120 ms"
    assert hovers["e-1", "r1"] == "e-1: · not asked"


def test_a_selected_cell_is_found_again_by_series_and_place() -> None:
    items = itemmatrix.flips_first(FRAME)
    option, cells = itemmatrix.item_matrix(FRAME, items, MOMENTS), itemmatrix.cells(FRAME, items)
    for series in option["series"]:
        for drawn, cell in zip(series["data"], cells[series["id"]], strict=True):
            assert drawn["value"][:2] == [cell.column, cell.row]
            assert items[cell.row] == cell.item
            assert list(MOMENTS)[cell.column] == cell.run


def test_the_matrix_in_words_and_its_legend_name_only_what_is_there() -> None:
    frame = matrix(a="pp", b="pB")
    assert itemmatrix.in_words(frame) == "2 items in 2 runs. Newest: 1 began to fail, 1 passed."
    assert itemmatrix.legend(frame) == "▼ began to fail · ✓ passed"


def trend(*rates: float, n: int = 60, kinds: str = "", **more: Any) -> pd.DataFrame:
    kinds = kinds or "r" * len(rates)
    passes = [round(rate * n) for rate in rates]
    frame = pd.DataFrame(
        {
            "run": [f"r{k}" for k in range(len(rates))],
            "kind": ["learn" if kind == "l" else "replay" for kind in kinds],
            "started_at": [pd.Timestamp(START + timedelta(hours=k)) for k in range(len(rates))],
            "checkpoint": "v1",
            "n": n,
            "passes": passes,
            "errors": 0,
            "pass_rate": rates,
            "low": [rate - 0.1 for rate in rates],
            "high": [min(1.0, rate + 0.1) for rate in rates],
            "mean_low": [0.0 if k < 2 else 0.5 for k in range(len(rates))],
            "mean_high": [1.0 if k < 2 else 0.99 for k in range(len(rates))],
            "latency_ms": 200.0,
            "latency_p95_ms": 900.0,
            "ttft_ms": np.nan,
        }
    )
    return frame.assign(**more)


def view(frame: pd.DataFrame) -> Any:
    return canaryruns.window(frame["started_at"], START + timedelta(hours=10), True)


def names(option: Option) -> list[str]:
    return list(option["legend"]["data"])


def test_the_pass_rate_has_an_interval_for_each_run_and_one_for_their_mean() -> None:
    frame = trend(0.9, 0.9, 0.8, kinds="lrr", low=[np.nan, 0.8, 0.7], high=[np.nan, 1.0, 0.9])
    option = canaryruns.pass_rate_over_runs(frame, view=view(frame))
    assert names(option) == ["pass rate", "while it was learned", canaryruns.OF_ALL, canaryruns.OF_ONE]
    upright = option["series"][-1]["data"]
    assert [y for _, y in upright] == [80.0, 100.0, None, 70.0, 90.0, None]
    source = option["dataset"]["source"]
    assert source["pass rate"].iloc[2] == "80 % (70 % to 90 %, n 60)"
    assert source[canaryruns.OF_ALL].tolist() == ["–", "–", "50 % to 99 %"]
    assert (option["yAxis"]["min"], option["yAxis"]["max"]) == (60, 100)
    assert "brush" not in option
    option_json(option)


def test_an_interval_of_the_mean_that_excludes_nothing_is_not_drawn() -> None:
    low, high = canaryruns.known_mean(trend(0.9, 0.9, 0.9))
    assert np.isnan(low).tolist() == np.isnan(high).tolist() == [True, True, False]
    assert canaryruns.trend_in_words(trend(0.9)).endswith(
        "Mean of all replays since the baseline: not known yet, it takes more replays."
    )
    learned_last = trend(0.9, 0.8, 0.9, 0.9, kinds="rrrl", mean_low=[0, 0, 0.5, np.nan], mean_high=[1, 1, 0.99, np.nan])
    assert canaryruns.trend_in_words(learned_last).endswith("since the baseline: 50 % to 99 %.")
    assert canaryruns.trend_in_words(trend(0.9, 0.8, 0.9)) == (
        "3 runs; newest: 90 % (80 % to 100 %, n 60). Mean of all replays since the baseline: 50 % to 99 %."
    )


def test_runs_without_a_verdict_leave_a_gap_and_no_number() -> None:
    frame = trend(0.9, 0.9).assign(
        pass_rate=[0.9, np.nan], low=[0.8, np.nan], high=[1.0, np.nan], n=[60, 0], errors=[0, 60]
    )
    option = canaryruns.pass_rate_over_runs(frame, view=view(frame))
    assert option["dataset"]["source"]["pass rate"].iloc[1] == "– (n 0), 60 not judged"
    assert len(option["series"][-1]["data"]) == 3
    option_json(option)
    assert canaryruns.trend_in_words(frame[:0]) == "No run has been judged."


def test_another_checkpoint_is_marked_where_it_began() -> None:
    frame = trend(0.9, 0.9, 0.9, checkpoint=["v1", "v2", "v2"])
    assert [(mark.at, mark.name) for mark in canaryruns.deployed(frame)] == [(frame["started_at"][1], "v2")]
    assert canaryruns.deployed(trend(0.9)) == []


def test_latency_is_drawn_with_what_is_known_of_it() -> None:
    frame = trend(0.9, 0.9)
    option = canaryruns.latency_over_runs(frame, view=view(frame))
    assert names(option) == ["median", "p95"], "no first token is known"
    assert option["dataset"]["source"]["p95"].iloc[0] == "900 ms (n 60)"
    option_json(option)


def test_the_latency_of_an_item_lies_over_its_learned_band() -> None:
    answers = pd.DataFrame(
        {"ts": [pd.Timestamp(START)], "latency_ms": [250.0], "outcome": ["pass"], "kind": ["replay"]}
    )
    window = canaryruns.window(answers["ts"], START + timedelta(hours=1), True)
    option = canaryruns.item_latency(answers, 100.0, 300.0, view=window)
    assert names(option) == ["latency", "learned band"]
    assert option["dataset"]["source"]["learned band"].iloc[0] == "100 ms to 300 ms"
    assert names(canaryruns.item_latency(answers, np.nan, np.nan, view=window)) == ["latency"]


def test_a_single_run_has_an_axis_around_it() -> None:
    frame = trend(0.9)
    shown = canaryruns.window(frame["started_at"], START + timedelta(seconds=5), True)
    assert shown.end - shown.start > timedelta(minutes=9)


def test_differences_stand_below_each_other_with_the_line_of_no_difference() -> None:
    effects = [Effect("all items", 0.1, 0.02, 0.18), Effect("colour", -0.5, None, 0.1)]
    option = forest.differences_by_group(effects)
    assert option["yAxis"]["data"] == ["all items", "colour"]
    assert option["series"][1]["data"] == [[10.0, 0], [-50.0, 1]]
    line = option["series"][0]
    assert [point["value"] for point in line["data"]][:3] == [[2.0, 0], [18.0, 0], [None, None]]
    assert line["data"][3]["symbol"] == "none", "an open end has no bar"
    assert line["data"][3]["value"][0] == option["xAxis"]["min"]
    assert line["markLine"]["data"][0]["xAxis"] == 0
    assert option["xAxis"]["min"] < -50 < 18 < option["xAxis"]["max"]
    option_json(option)


def test_colours_come_from_the_palette() -> None:
    assert itemmatrix.BY_ID["bad"].colour == palette.STATE_COLOURS["alert"]
    assert itemmatrix.BY_ID["good"].colour == palette.STATE_COLOURS["ok"]
