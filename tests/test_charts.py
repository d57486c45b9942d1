import itertools
import json
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from monitor.charts import palette, words
from monitor.charts.distribution import latency_distribution
from monitor.charts.errors import OTHER, SHOWN, error_classes_over_time
from monitor.charts.marks import Marker, Option, Threshold
from monitor.charts.signals import SIGNALS, SIGNALS_BY_ID, Signal, by_key, has_values, signal_over_time
from monitor.charts.sparkline import requests_sparkline
from monitor.charts.states import state_timeline
from monitor.charts.timeseries import TIME, View
from monitor.charts.waterfall import phases, request_waterfall

START = datetime(2026, 11, 20, tzinfo=UTC)
VIEW = View(START, START + timedelta(hours=4))


def golden_signals(key: str = "chat", n: int = 300, n_latency: int | None = None, buckets: int = 48) -> pd.DataFrame:
    """Rows as the query answers them."""
    times = pd.date_range(START, periods=buckets, freq="5min", tz="UTC")
    frame = pd.DataFrame({"bucket": times, "key": key, "n": n, "errors": 3, "error_rate": 0.01, "rate_per_s": n / 300})
    frame["error_rate_low"], frame["error_rate_high"] = 0.004, 0.02
    frame["n_latency"] = n if n_latency is None else n_latency
    for name, value in (("p50_ms", 400.0), ("p95_ms", 800.0), ("p99_ms", 1200.0), ("ttft_p50_ms", 90.0)):
        frame[name] = value if (n_latency or n) else np.nan
    frame["ttft_p95_ms"], frame["queue_p95_ms"], frame["tokens_out_per_s"] = 150.0, 20.0, 30.0
    frame["n_ttft"] = frame["n_queue"] = frame["n_tokens"] = frame["n_latency"]
    return frame


def source(option: Option) -> pd.DataFrame:
    frame = option["dataset"]["source"]
    assert isinstance(frame, pd.DataFrame)
    return frame


def series(option: Option, name: str) -> Option:
    return next(one for one in option["series"] if one.get("name") == name)


def option_json(option: Option) -> str:
    """What Streamlit sends: everything but the data as JSON."""
    return json.dumps({key: value for key, value in option.items() if key != "dataset"})


# -- what a chart draws, and what it refuses to draw


@pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.id)
def test_every_signal_draws_its_curves_and_can_be_sent_to_the_browser(signal: Signal) -> None:
    option = signal_over_time(signal, by_key(golden_signals()), view=VIEW)
    assert option["legend"]["data"] == [curve.name for curve in signal.curves]
    assert len(source(option)) == 48
    option_json(option)


def test_a_percentile_is_drawn_only_where_enough_requests_stand_behind_it() -> None:
    frame = golden_signals()
    frame.loc[0:9, "n_latency"] = 19
    frame.loc[10:19, "n_latency"] = 99
    drawn = source(signal_over_time(SIGNALS_BY_ID["latency"], by_key(frame), view=VIEW))
    assert drawn["p50 drawn"].notna().all()
    assert drawn["p95 drawn"].isna().tolist() == [True] * 10 + [False] * 38
    assert drawn["p99 drawn"].isna().tolist() == [True] * 20 + [False] * 28
    assert drawn["p95"][0] == "n 19: too few for p95"


def test_a_log_without_latency_has_no_latency_to_draw() -> None:
    frame = golden_signals(n_latency=0)
    assert not has_values(SIGNALS_BY_ID["latency"], by_key(frame))
    assert has_values(SIGNALS_BY_ID["traffic"], by_key(frame))


def test_a_quiet_bucket_has_no_error_rate_but_a_rate_of_zero() -> None:
    frame = golden_signals()
    frame.loc[5, ["n", "rate_per_s"]] = 0
    frame.loc[5, ["error_rate", "error_rate_low", "error_rate_high"]] = np.nan
    errors = source(signal_over_time(SIGNALS_BY_ID["errors"], by_key(frame), view=VIEW))
    assert pd.isna(errors["error rate drawn"][5])
    assert errors["error rate"][5] == "no value (n 0)"
    assert source(signal_over_time(SIGNALS_BY_ID["traffic"], by_key(frame), view=VIEW))["requests drawn"][5] == 0


def test_hover_shows_value_interval_and_n() -> None:
    drawn = source(signal_over_time(SIGNALS_BY_ID["errors"], by_key(golden_signals()), view=VIEW))
    assert drawn["error rate"][0] == "1.0 % (0.40 % to 2.0 %, n 300)"


def test_several_deployments_share_a_panel_by_their_leading_curve_in_different_dashes() -> None:
    frame = pd.concat([golden_signals(key) for key in ("a", "b", "c")])
    option = signal_over_time(SIGNALS_BY_ID["latency"], by_key(frame), view=VIEW)
    assert option["legend"]["data"] == ["a", "b", "c"]
    assert [series(option, key)["lineStyle"]["type"] for key in "abc"] == ["solid", "dashed", "dotted"]


def test_a_value_between_two_gaps_is_drawn_as_a_point() -> None:
    frame = golden_signals(buckets=200)
    frame["n_latency"] = 0
    frame.loc[100, "n_latency"] = 300
    option = signal_over_time(SIGNALS_BY_ID["latency"], by_key(frame), view=VIEW)
    assert source(option)["p50 alone"].notna().sum() == 1
    assert any(one["type"] == "scatter" and one["name"] == "p50" for one in option["series"])


def test_the_usual_range_is_drawn_between_its_edges_for_a_single_line() -> None:
    band = pd.DataFrame({"bucket": golden_signals()["bucket"], "key": "chat", "p95_low": 700.0, "p95_high": 900.0})
    option = signal_over_time(SIGNALS_BY_ID["latency"], by_key(golden_signals()), view=VIEW, band=band)
    drawn = source(option)
    assert (drawn["band low"] == 700).all()
    assert (drawn["band spread"] == 200).all()
    assert drawn["usual range of p95"][0] == "700 ms to 900 ms"
    two = pd.concat([golden_signals("a"), golden_signals("b")])
    assert "band low" not in source(signal_over_time(SIGNALS_BY_ID["latency"], by_key(two), view=VIEW, band=band))


def test_thresholds_and_deploys_are_marked_with_their_names() -> None:
    marks = signal_over_time(
        SIGNALS_BY_ID["latency"],
        by_key(golden_signals()),
        view=VIEW,
        thresholds=[Threshold(2000, "SLO 2 s")],
        markers=[Marker(pd.Timestamp(START), "step-900")],
    )["series"][-1]["markLine"]["data"]
    assert [(mark["name"], mark.get("yAxis"), mark.get("xAxis")) for mark in marks] == [
        ("SLO 2 s", 2000, None),
        ("step-900", None, "2026-11-20T00:00:00+00:00"),
    ]


def test_long_latencies_are_drawn_in_seconds_together_with_their_threshold() -> None:
    frame = golden_signals()
    frame["p99_ms"] = 12_000.0
    option = signal_over_time(SIGNALS_BY_ID["latency"], by_key(frame), view=VIEW, thresholds=[Threshold(2000, "SLO")])
    assert source(option)["p99 drawn"][0] == 12
    assert option["yAxis"]["axisLabel"]["formatter"] == "{value} s"
    assert option["series"][-1]["markLine"]["data"][0]["yAxis"] == 2


def test_a_limit_above_the_data_is_in_the_picture_unless_it_would_flatten_the_data() -> None:
    rows = by_key(golden_signals())
    near = signal_over_time(SIGNALS_BY_ID["latency"], rows, view=VIEW, thresholds=[Threshold(2000, "SLO 2 s")])
    assert near["yAxis"]["max"] == pytest.approx(2200)
    assert near["graphic"] == []
    far = signal_over_time(SIGNALS_BY_ID["latency"], rows, view=VIEW, thresholds=[Threshold(20_000, "SLO 20 s")])
    assert "max" not in far["yAxis"]
    assert far["series"][-1]["markLine"]["data"] == []
    assert far["graphic"][0]["style"]["text"] == "SLO 20 s: far above"


def test_all_charts_of_a_page_share_the_axis_and_the_zone_of_the_window() -> None:
    for utc in (True, False):
        option = signal_over_time(
            SIGNALS_BY_ID["traffic"], by_key(golden_signals()), view=View(VIEW.start, VIEW.end, utc)
        )
        assert option["useUTC"] is utc
        assert (option["xAxis"]["min"], option["xAxis"]["max"]) == (VIEW.start.isoformat(), VIEW.end.isoformat())


def test_rare_error_classes_are_drawn_as_one() -> None:
    rows = [(START, f"error {i}", 100 - i) for i in range(SHOWN + 3)]
    option = error_classes_over_time(pd.DataFrame(rows, columns=["bucket", "error_type", "n"]), view=VIEW)
    assert option["legend"]["data"] == [*(f"error {i}" for i in range(SHOWN)), OTHER]
    assert source(option)[OTHER].tolist() == [95 + 94 + 93]
    assert option["series"][0]["stack"] == option["series"][1]["stack"]


def test_the_spread_of_latencies_keeps_every_request_when_buckets_are_merged() -> None:
    edges = 100 * 2 ** (np.arange(200) / 64)
    frame = pd.DataFrame({"key": "chat", "low_ms": edges[:-1], "high_ms": edges[1:], "n": 5, "total": 5 * 199})
    option = latency_distribution(frame)
    assert source(option)["chat drawn"].sum() == pytest.approx(100)
    assert option["series"][0]["type"] == "bar"
    both = latency_distribution(pd.concat([frame, frame.assign(key="b")]))
    assert [one["type"] for one in both["series"][:2]] == ["line", "line"]


def test_each_state_is_told_by_word_width_and_colour() -> None:
    spans = [("ok", 0, 1), ("alert", 1, 2), ("no_data", 2, 3)]
    rows = [("chat", s, START + timedelta(hours=a), START + timedelta(hours=b), "why") for s, a, b in spans]
    frame = pd.DataFrame(rows, columns=["deployment", "state", "from_ts", "to_ts", "reason"])
    option = state_timeline(frame, view=VIEW)
    assert option["legend"]["data"] == ["OK", "Alert", "No data"]
    assert series(option, "Alert")["lineStyle"]["width"] > series(option, "OK")["lineStyle"]["width"]
    drawn = source(option)
    assert drawn["alert"].fillna("").tolist() == ["", "", "", "chat", "chat", "", "", "", ""]
    assert drawn[TIME].is_monotonic_increasing


def test_a_sparkline_says_how_many_requests_came_when() -> None:
    drawn = source(requests_sparkline([1, 0, 12]))
    assert drawn["when"].tolist() == ["1.5 h ago", "1 h ago", "0.5 h ago"]
    assert drawn["requests"].tolist() == ["1 in 30 min", "0 in 30 min", "12 in 30 min"]


@pytest.mark.parametrize(
    "request_, expected",
    [
        ({"latency_ms": 400, "ttft_ms": 100, "queue_ms": 20}, ["queue 0-20", "prefill 20-100", "decode 100-400"]),
        ({"latency_ms": 400, "ttft_ms": 100}, ["prefill 0-100", "decode 100-400"]),
        ({"latency_ms": 400, "queue_ms": 20}, ["queue 0-20", "prefill and decode 20-400"]),
        ({"latency_ms": 400}, ["prefill and decode 0-400"]),
        ({"latency_ms": 400, "ttft_ms": float("nan")}, ["prefill and decode 0-400"]),
        ({"latency_ms": 50, "ttft_ms": 100}, ["prefill 0-100"]),
        ({"latency_ms": None}, []),
    ],
)
def test_a_waterfall_shows_only_what_was_logged(request_: dict[str, Any], expected: list[str]) -> None:
    parts = phases(request_)
    assert [f"{part.name} {part.start_ms:g}-{part.end_ms:g}" for part in parts] == expected
    option_json(request_waterfall(parts))


def test_charts_leave_their_data_alone() -> None:
    frame = golden_signals()
    before = frame.copy()
    signal_over_time(SIGNALS_BY_ID["latency"], by_key(frame), view=VIEW)
    latency_distribution(pd.DataFrame({"key": ["a"], "low_ms": [1.0], "high_ms": [2.0], "n": [1], "total": [1]}))
    pd.testing.assert_frame_equal(frame, before)


# -- words


@pytest.mark.parametrize(
    "text, expected",
    [
        (words.milliseconds(0.8), "0.8 ms"),
        (words.milliseconds(812.4), "812 ms"),
        (words.milliseconds(1240), "1.24 s"),
        (words.milliseconds(210_000), "3.5 min"),
        (words.milliseconds(None), "–"),
        (words.share(0.0042), "0.42 %"),
        (words.share(0), "0 %"),
        (words.share(0.0005), "0.050 %"),
        (words.share(0.00001), "0.0010 %"),
        (words.share(1e-8), "< 0.0001 %"),
        (words.share(0.94), "94 %"),
        (words.share(0.995), "99.5 %"),
        (words.share(0.99951), "99.95 %"),
        (words.share(1 - 1e-7), "> 99.999 %"),
        (words.share(1), "100 %"),
        (words.objective(0.9995), "99.95 %"),
        (words.objective(1 - 0.99), "1 %"),
        (words.share(-0.35), "-35 %"),
        (words.per_second(0), "0/s"),
        (words.per_second(0.003), "10.8/h"),
        (words.per_second(0.5), "30.0/min"),
        (words.per_second(1.25), "1.25/s"),
        (words.per_second(1234.5), "1,234/s"),
        (words.count(8819), "8,819"),
        (words.count(12_400_000), "12.4 M"),
        (words.count(float("nan")), "–"),
        (words.with_evidence(812, 790, 840, 318, "ms"), "812 ms (790 ms to 840 ms, n 318)"),
        (words.with_evidence(812, None, None, 318, "ms"), "812 ms (n 318)"),
        (words.with_evidence(None, None, None, 0, "ms"), "– (n 0)"),
        (words.ago(START - timedelta(minutes=35), START), "35 min ago"),
        (words.ago(pd.NaT, START), "never"),
        (words.span(timedelta(days=12)), "12 d"),
        (words.span(timedelta(days=1)), "24 h"),
        (words.span(timedelta(hours=1)), "1 h"),
        (words.span(timedelta(minutes=62)), "62 min"),
        (words.span(timedelta(minutes=5)), "5 min"),
        (words.state("no_data"), "No data"),
        (words.change("above"), "↑ above the usual range"),
    ],
)
def test_numbers_are_written_as_people_read_them(text: str, expected: str) -> None:
    assert text == expected


# -- the palette: contrast after WCAG 2.1, colour blindness after Machado, Oliveira and Fernandes (2009)

SIGHT = {
    "full": np.eye(3),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]]
    ),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]]
    ),
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
WHITE = np.array([0.9505, 1, 1.089])


def linear(colour: str) -> np.ndarray:
    values = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    dark, light = sorted(float(TO_XYZ[1] @ linear(colour)) for colour in (one, other))
    return (light + 0.05) / (dark + 0.05)


def lab(colour: str, sight: np.ndarray) -> np.ndarray:
    seen = TO_XYZ @ np.clip(sight @ linear(colour), 0, 1) / WHITE
    x, y, z = np.where(seen > 0.008856, np.cbrt(seen), 7.787 * seen + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


SCHEMES = {
    "light": (palette.SERIES_LIGHT, palette.LIGHT_BACKGROUND),
    "dark": (palette.SERIES_DARK, palette.DARK_BACKGROUND),
}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_colour_stands_out_on_its_background(scheme: str) -> None:
    series_colours, background = SCHEMES[scheme]
    assert min(contrast(colour, background) for colour in series_colours) >= 3.8
    meanings = [palette.THRESHOLD, palette.DEPLOY, *palette.STATE_COLOURS.values()]
    assert min(contrast(colour, background) for colour in meanings) >= 3


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_series_stay_apart_for_colour_blind_eyes(scheme: str, sight: str) -> None:
    colours = SCHEMES[scheme][0]
    apart = [np.linalg.norm(lab(a, SIGHT[sight]) - lab(b, SIGHT[sight])) for a, b in itertools.combinations(colours, 2)]
    assert min(apart) >= 14


def test_the_theme_draws_with_the_palette() -> None:
    config = tomllib.loads((Path(__file__).parent.parent / ".streamlit" / "config.toml").read_text())
    light, dark = config["theme"]["light"], config["theme"]["dark"]
    assert tuple(light["chartCategoricalColors"]) == palette.SERIES_LIGHT
    assert tuple(dark["chartCategoricalColors"]) == palette.SERIES_DARK
    assert (light["backgroundColor"], dark["backgroundColor"]) == (palette.LIGHT_BACKGROUND, palette.DARK_BACKGROUND)
    for theme in (light, dark):
        assert contrast(theme["textColor"], theme["backgroundColor"]) >= 7
        assert contrast(theme["linkColor"], theme["backgroundColor"]) >= 4.5
        assert contrast(theme["primaryColor"], theme["backgroundColor"]) >= 5  # a selected option, on a tint of itself
        assert (
            contrast(theme["primaryColor"], "#FFFFFF") >= 3.4
        )  # a chosen name in a closed list; both cannot reach 4.5
