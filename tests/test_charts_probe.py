"""Pictures of the probe page, all but the image overlay."""

import json
import math
from typing import Any

import pytest

from monitor.charts import choicebars, confidence, loadcurve, paired, waterfall
from monitor.charts.marks import Option
from monitor.charts.waterfall import Phase, replies_waterfall, reply_phases
from monitor.chat import Token
from monitor.stats.choices import ChoiceShares


def option_json(option: Option) -> str:
    """What Streamlit sends: everything but the data as JSON."""
    return json.dumps({key: value for key, value in option.items() if key != "dataset"})


def token(text: str, probability: float | None, **top: float) -> Token:
    logprob = None if probability is None else math.log(probability)
    return Token(text, logprob, tuple((name, math.log(p)) for name, p in top.items()))


# -- confidence of tokens


@pytest.mark.parametrize(
    "probability, level",
    [
        (1.0, "sure"),
        (0.9, "sure"),
        (0.899, "fairly sure"),
        (0.6, "fairly sure"),
        (0.3, "unsure"),
        (0.29, "guessing"),
        (0.0, "guessing"),
        (None, "not known"),
        (math.nan, "not known"),
    ],
)
def test_a_probability_has_a_level(probability: float | None, level: str) -> None:
    assert confidence.level_of(probability).name == level


def test_levels_differ_by_their_line_as_well_as_by_colour() -> None:
    for field in ("name", "colour", "line", "rgb"):
        assert len({getattr(level, field) for level in confidence.LEVELS}) == len(confidence.LEVELS), field


def test_each_token_is_a_segment_and_says_what_might_have_stood_there() -> None:
    tokens = [token("(0.", 1.0), token("35", 0.5, **{"35": 0.5, "36": 0.4, "40": 0.1}), token(")", None)]
    found = confidence.segments(tokens)
    assert "".join(segment.text for segment in found) == "(0.35)"
    assert [segment.level.name for segment in found] == ["sure", "unsure", "not known"]
    assert found[1].hover == "50 %, unsure; instead: '36' 40 %, '40' 10 %"
    assert found[2].hover == "probability not known"


def test_the_shading_has_a_text_alternative() -> None:
    tokens = [token("a", 0.95), token(" red", 0.2), token(" cat", 0.92), token(".", None)]
    assert confidence.in_words(confidence.segments(tokens)) == (
        "4 tokens: 2 sure, 1 guessing, 1 not known; least sure of ' red' (20 %)."
    )
    assert confidence.in_words([]) == "No tokens with probabilities."
    assert confidence.in_words(confidence.segments([Token("a")])) == "1 tokens: 1 not known."


# -- choices

SHARES = {
    "chat-prod": ChoiceShares({"yes": 0.7, "no": 0.2}, 0.1),
    "chat-next": ChoiceShares({"yes": 0.1, "no": 0.9}, 0.0),
}


def test_choice_bars_show_each_choice_and_what_none_accounts_for() -> None:
    option = choicebars.choice_bars(SHARES)
    assert option["yAxis"]["data"] == ["yes", "no", choicebars.REST]
    first = option["series"][0]
    assert [bar["value"] for bar in first["data"]] == [70, 20, 10]
    assert [bar["label"]["formatter"] for bar in first["data"]] == ["70 %", "20 %", "10 %"]
    assert "decal" in first["data"][-1]["itemStyle"]
    assert option["legend"]["show"]
    assert not choicebars.choice_bars({"chat-prod": SHARES["chat-prod"]})["legend"]["show"]
    option_json(option)


def test_choice_bars_have_a_text_alternative() -> None:
    assert choicebars.in_words(SHARES) == (
        "chat-prod: yes 70 %, no 20 %, anything else 10 %. chat-next: yes 10 %, no 90 %, anything else 0 %"
    )


# -- waterfall


def told(parts: list[Phase]) -> list[str]:
    return [f"{part.name} {part.start_ms:g}-{part.end_ms:g}" for part in parts]


@pytest.mark.parametrize(
    "timings, expected",
    [
        (
            {"queue_ms": 5, "preprocess_ms": 10, "prefill_ms": 40, "decode_ms": 100, "total_ms": 160, "ttft_ms": 57},
            ["queue 0-5", "preprocess 5-15", "prefill 15-55", "decode 55-155", "the rest 155-160"],
        ),
        (
            {"prefill_ms": 40, "decode_ms": 100, "total_ms": 139.99},
            ["prefill 0-40", "decode 40-140"],
        ),
        ({"decode_ms": 100, "total_ms": 160}, ["decode 0-100", "the rest 100-160"]),
        ({"total_ms": 160, "ttft_ms": 60, "queue_ms": None}, ["prefill 0-60", "decode 60-160"]),
        ({"total_ms": 160, "queue_ms": 5}, ["queue 0-5", "prefill and decode 5-160"]),
        ({"total_ms": 160}, ["prefill and decode 0-160"]),
        ({"prefill_ms": 40}, ["prefill 0-40"]),
        ({}, []),
    ],
)
def test_a_reply_is_cut_into_what_its_timings_tell(timings: dict[str, Any], expected: list[str]) -> None:
    assert told(reply_phases(timings)) == expected


def test_replies_stand_on_one_axis_of_time() -> None:
    replies = {
        "chat-prod": reply_phases({"queue_ms": 5, "prefill_ms": 40, "decode_ms": 100, "total_ms": 160}),
        "chat-next": reply_phases({"total_ms": 90}),
    }
    option = replies_waterfall(replies)
    assert option["yAxis"]["data"] == ["chat-prod", "chat-next"]
    drawn = {series["name"]: series["data"] for series in option["series"]}
    assert drawn == {
        "queue": [5, None],
        "prefill": [40, None],
        "decode": [100, None],
        "the rest": [15, None],
        "prefill and decode": [None, 90],
    }
    assert option["aria"]["decal"]["show"]
    option_json(option)


def test_the_waterfall_has_a_text_alternative() -> None:
    parts = reply_phases({"prefill_ms": 40, "decode_ms": 1500, "total_ms": 1600})
    assert waterfall.in_words(parts) == "prefill 40 ms, decode 1.50 s, the rest 60 ms"


# -- load


def step(concurrency: int, per_s: float | None, p95: float | None, failed: int = 0) -> dict[str, Any]:
    low, high = (None, None) if p95 is None else (p95 * 0.9, p95 * 1.2)
    return {
        "concurrency": concurrency,
        "n": 40,
        "failed": failed,
        "per_s": per_s,
        "p50_ms": None if p95 is None else p95 / 2,
        "p95_ms": p95,
        "p95_low": low,
        "p95_high": high,
    }


STEPS = [step(1, 10, 100), step(2, 19, 110), step(4, 36, 130, failed=2), step(8, 37, 260)]


def test_the_load_curve_shows_throughput_and_marks_the_knee() -> None:
    option = loadcurve.throughput_by_concurrency(STEPS, 4)
    source = option["dataset"]["source"]
    assert source[loadcurve.AT].tolist() == ["1", "2", "4", "8"]
    assert source["answers drawn"].tolist() == [10, 19, 36, 37]
    assert source["answers"][2] == "36/s (n 40, 2 failed)"
    (mark,) = option["series"][-1]["markLine"]["data"]
    assert (mark["name"], mark["xAxis"]) == ("knee: 4", "4")
    option_json(option)


def test_the_load_curve_shows_latency_with_its_interval() -> None:
    option = loadcurve.latency_by_concurrency(STEPS, None)
    source = option["dataset"]["source"]
    assert source["p95 drawn"].tolist() == [100, 110, 130, 260]
    assert source[loadcurve.LOW].tolist() == pytest.approx([90, 99, 117, 234])
    assert (source[loadcurve.LOW] + source[loadcurve.SPREAD]).tolist() == pytest.approx([120, 132, 156, 312])
    assert source["p95"][0] == "100 ms (90 ms to 120 ms) (n 40)"
    assert option["series"][-1]["markLine"]["data"] == []
    option_json(option)


def test_slow_steps_are_drawn_in_seconds_and_silent_ones_as_a_gap() -> None:
    steps = [step(1, 1, 4000), step(2, None, None), {**step(4, 2, 9000), "p95_high": None}]
    source = loadcurve.latency_by_concurrency(steps)["dataset"]["source"]
    assert source["p95 drawn"].tolist()[0::2] == pytest.approx([4.0, 9.0])
    assert source.loc[1, ["p50 drawn", "p95 drawn", loadcurve.LOW]].isna().all()
    assert source["p95"].tolist()[1] == "– (n 40)"
    assert math.isnan(source[loadcurve.SPREAD][2])
    assert loadcurve.throughput_by_concurrency(steps)["dataset"]["source"]["answers"][1] == "– (n 40)"


def test_the_load_curve_has_a_text_alternative() -> None:
    assert loadcurve.in_words(STEPS[:2], 2) == (
        "1 at once: 10/s, p95 100 ms (90 ms to 120 ms); 2 at once: 19/s, p95 110 ms (99 ms to 132 ms). "
        "The knee is at 2."
    )
    assert loadcurve.in_words(STEPS[:1], None).endswith("No knee within these steps.")


# -- two targets on the same items

COMPARED = {
    "difference": 0.025,
    "difference_low": 0.004,
    "difference_high": 0.046,
    "latency_ratio": 1.2,
    "latency_ratio_low": 1.1,
    "latency_ratio_high": None,
    "both_right": 180,
    "only_a": 3,
    "only_b": 8,
    "both_wrong": 9,
}


def test_a_difference_is_a_dot_with_an_interval_and_a_line_of_no_difference() -> None:
    share, ratio = paired.effects(COMPARED)
    option = paired.difference_interval(share)
    interval, dot = option["series"]
    assert [end["value"][0] for end in interval["data"]] == pytest.approx([0.4, 4.6])
    assert dot["data"] == [[2.5, 0]]
    assert interval["markLine"]["data"][0]["xAxis"] == 0
    assert option["xAxis"]["min"] < 0 < 4.6 < option["xAxis"]["max"]
    option_json(option)
    assert paired.in_words(share) == "right answers, B minus A: +2.5 points (+0.4 to +4.6 points)"
    assert paired.in_words(ratio) == "latency, B over A: 1.20× (1.10× to –)"


def test_an_open_end_runs_to_the_edge_without_a_bar() -> None:
    ratio = paired.effects(COMPARED)[1]
    option = paired.difference_interval(ratio)
    first, last = option["series"][0]["data"]
    assert (first["symbol"], last["symbol"]) == ("rect", "none")
    assert last["value"][0] == pytest.approx(option["xAxis"]["max"], rel=0.01)
    assert option["xAxis"]["min"] < 1.0 < option["xAxis"]["max"]


def test_what_is_not_known_is_not_drawn() -> None:
    assert paired.effects({"difference": None, "latency_ratio": math.nan}) == []
    (only,) = paired.effects({"latency_ratio": 1.0, "latency_ratio_low": None, "latency_ratio_high": None})
    option_json(paired.difference_interval(only))


def test_the_table_of_right_and_wrong_adds_up() -> None:
    table = paired.right_wrong_table(COMPARED)
    assert table.index.tolist() == ["A right", "A wrong", "all"]
    assert table.to_numpy().tolist() == [[180, 3, 183], [8, 9, 17], [188, 12, 200]]
