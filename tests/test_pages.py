import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest
import streamlit as st
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.testing.v1 import AppTest
from websockets.sync.client import connect

from monitor.client.reader import Reader
from monitor.errors import BadInput
from monitor.ui import cards, comparison, detail, rejects, text, window
from monitor.ui.data import FRESH_S, ask
from monitor.ui.pages import BENCHMARKS, CANARIES, DRIFT, FLEET, HEALTH, JOBS, PAGES, REJECTED, REQUESTS, PageRecord
from tests.conftest import ROOT, free_port, running_api, wait_until
from tests.serving import STREAMLIT, UVICORN, serve_pages

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def see(monkeypatch: pytest.MonkeyPatch) -> Iterator["See"]:
    yield See(monkeypatch)
    st.cache_resource.clear()  # closes the connections to apis that end with their tests


@dataclass
class See:
    """Opens a page in process, the way Streamlit runs it, against a given api."""

    monkeypatch: pytest.MonkeyPatch

    def __call__(self, page: PageRecord, api_url: str, **query: str | list[str]) -> AppTest:
        self.monkeypatch.setenv("WATCHPOINT_API_URL", api_url)
        app = AppTest.from_file(str(ROOT / "Home.py"), default_timeout=60)
        if page is not PAGES[0]:
            app = app.run().switch_page(page.file)
        for name, value in query.items():
            app.query_params[name] = value
        app = app.run()
        assert not app.exception, app.exception
        return app


def texts(app: AppTest) -> str:
    """All words of a page."""
    kinds = (app.markdown, app.caption, app.error, app.warning, app.info, app.code, app.header)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def titles(app: AppTest) -> list[str]:
    """The headlines of the alerts of a page."""
    alerts = [*app.error, *app.warning, *app.info]
    return [str(alert.proto.title) for alert in alerts]


# -- every page, with the demo and with nothing


@dataclass(frozen=True)
class Expected:
    """The least that a page must show with the demo."""

    page: PageRecord
    query: dict[str, str] = field(default_factory=dict)
    echarts_chart: int = 0
    dataframe: int = 0
    table: int = 0
    widgets: int = 0


WITH_THE_DEMO = (
    Expected(FLEET, echarts_chart=3, table=3, widgets=3),
    Expected(FLEET, {"view": "Table"}, dataframe=1, widgets=3),
    Expected(HEALTH, {"start": "-24h"}, echarts_chart=6, widgets=8),
    Expected(HEALTH, {"start": "-14d", "by": "Checkpoint"}, echarts_chart=6, widgets=8),
    Expected(HEALTH, {"start": "-14d", "tab": "Compare two"}, table=1, widgets=10),
    Expected(HEALTH, {"start": "-14d", "tab": "States"}, echarts_chart=1, dataframe=1, widgets=8),
    Expected(REQUESTS, {"start": "-14d"}, dataframe=1, widgets=10),
    Expected(CANARIES, table=3, widgets=4),
    Expected(DRIFT, echarts_chart=3, widgets=3),
    Expected(BENCHMARKS, widgets=2),
    Expected(JOBS, widgets=2),
    Expected(REJECTED, {"start": "-14d"}, widgets=4),
)


@pytest.mark.parametrize("expected", WITH_THE_DEMO, ids=lambda e: f"{e.page.title} {e.query.get('tab', '')}".strip())
def test_every_page_shows_the_demo(see: See, demo_api_url: str, expected: Expected) -> None:
    app = see(expected.page, demo_api_url, **expected.query)
    assert app.title[0].value == expected.page.title
    assert not app.error
    for kind in ("echarts_chart", "dataframe", "table"):
        assert len(app.get(kind)) >= getattr(expected, kind), kind
    widgets = (app.segmented_control, app.text_input, app.selectbox, app.multiselect, app.number_input, app.button)
    assert sum(len(kind) for kind in widgets) >= expected.widgets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.title)
def test_every_page_says_so_when_there_is_nothing_yet(see: See, api_url: str, page: PageRecord) -> None:
    app = see(page, api_url)
    assert app.title[0].value == page.title
    assert not app.error
    shown = texts(app)
    assert "Nothing to show" in shown or "Waiting for the first prediction" in titles(app)
    assert not app.get("echarts_chart")


def test_an_empty_store_shows_three_ways_to_send_the_first_prediction(see: See, api_url: str) -> None:
    codes = [code.value for code in see(FLEET, api_url).code if "curl -s -H 'Accept" not in code.value]
    assert len(codes) == 3
    assert f"curl -s {api_url}/api/v1/predictions" in codes[0]
    assert "from monitor.client import track" in codes[1]
    assert "python -m monitor import" in codes[2]


def test_the_fleet_page_turns_into_the_fleet_once_a_prediction_arrives(see: See, api_url: str) -> None:
    app = see(FLEET, api_url)
    assert "Waiting for the first prediction" in titles(app)
    httpx.post(f"{api_url}/api/v1/predictions", json={"deployment": "a*b", "latency_ms": 12}).raise_for_status()
    with Reader(api_url) as reader:
        wait_until(lambda: len(reader.query("fleet")) == 1)
    app.session_state["later"] = True

    def shown() -> bool:
        return "Waiting for the first prediction" not in titles(app.run())

    wait_until(shown, FRESH_S + 10)
    assert [link.proto.label for link in app.get("page_link")] == ["**a\\*b**"]


# -- the api is away


def test_a_dead_api_is_named_on_every_page_with_its_address(see: See) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    for page in PAGES:
        app = see(page, address)
        assert titles(app) == ["Cannot reach the api"], page.title
        assert f"No answer from {address} since 20" in app.error[0].value


def test_known_values_stay_with_a_warning_while_the_api_is_away(
    see: See, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.ui.data.FRESH_S", 0)
    port = free_port()
    with running_api(tmp_path / "data", port):
        app = see(FLEET, f"http://127.0.0.1:{port}")
        assert "Waiting for the first prediction" in titles(app)
    app.run()
    assert titles(app) == ["These values are old", "Waiting for the first prediction"]
    with running_api(tmp_path / "data", port):
        assert titles(app.run()) == ["Waiting for the first prediction"]


def test_a_bad_parameter_in_the_address_is_explained_instead_of_a_stack_trace(see: See, api_url: str) -> None:
    app = see(HEALTH, api_url, start="yesterday")
    assert titles(app) == ["This view cannot be shown"]
    assert "'yesterday' is not a time: write now, a length back such as -6h" in app.error[0].value
    assert "not before end" in see(HEALTH, api_url, start="-1h", end="-2h").error[0].value


def test_a_request_that_is_gone_is_explained(see: See, api_url: str) -> None:
    app = see(REQUESTS, api_url, event="nope")
    assert "there is no request 'nope'" in app.error[0].value


# -- the address is the view


def test_filters_come_from_the_address(see: See, demo_api_url: str) -> None:
    app = see(REQUESTS, demo_api_url, start="-7d", source="demo", status="Failed", sort="Slowest first")
    rows = app.dataframe[0].value
    assert set(rows["status"]) == {"Failed"}
    assert rows["latency_ms"].dropna().is_monotonic_decreasing
    assert app.text_input(key="start").value == "-7d"


def test_a_link_opens_one_request_with_everything_that_was_logged(see: See, demo_api_url: str) -> None:
    with Reader(demo_api_url) as reader:
        row = reader.query("requests", start="-7d", end="now", source="demo", limit=1).iloc[0]
    app = see(REQUESTS, demo_api_url, start="-7d", source="demo", event=row["event_id"])
    assert row["event_id"] in texts(app)
    assert "Where the time went" in [heading.value for heading in app.header]
    assert any(code.value.startswith(row["input_preview"][:20]) for code in app.code)


def test_pages_of_requests_follow_each_other_without_gap(see: See, demo_api_url: str) -> None:
    app = see(REQUESTS, demo_api_url, start="2020-01-01T00:00:00Z", end="-1h", source="demo")
    first = app.dataframe[0].value
    button = {one.label: one for one in app.button}
    assert button["Previous"].disabled
    button["Next"].click()
    second = app.run().dataframe[0].value
    assert second["ts"].max() <= first["ts"].min()
    assert not set(first["event_id"]) & set(second["event_id"])
    next(one for one in app.button if one.label == "Previous").click()
    assert app.run().dataframe[0].value["event_id"].tolist() == first["event_id"].tolist()


def test_the_demo_is_labelled_on_every_card(see: See, demo_api_url: str) -> None:
    badges = [mark.value for mark in see(FLEET, demo_api_url).markdown if "science" in mark.value]
    assert len(badges) == 3
    assert all("demo" in badge for badge in badges)


def test_a_log_without_latency_says_so_instead_of_drawing_zeros(see: See, api_url: str) -> None:
    httpx.post(f"{api_url}/api/v1/predictions", json=[{"deployment": "azure", "tokens_out": 5}] * 3).raise_for_status()
    with Reader(api_url) as reader:
        wait_until(lambda: bool((reader.query("fleet")["n"] == 3).any()))
        wait_until(lambda: reader.query("golden_signals", start="-1h", end="now")["n"].sum() == 3)
    app = see(HEALTH, api_url, start="-1h")
    assert "These requests carry no latency" in texts(app)
    assert "carries a latency" in texts(app)
    assert len(app.get("echarts_chart")) == 3  # requests, error rate, tokens


def test_an_old_log_is_found_from_where_nothing_is(see: See, api_url: str) -> None:
    event = {"deployment": "azure", "ts": "2023-11-16T19:14:19Z", "tokens_out": 5}
    httpx.post(f"{api_url}/api/v1/predictions", json=[event] * 3).raise_for_status()
    with Reader(api_url) as reader:
        wait_until(lambda: len(reader.query("deployments")) == 1)
    last_day = "start=2023-11-15T19%3A14%3A19Z&end=2023-11-16T19%3A14%3A20Z"
    assert last_day in see(FLEET, api_url).get("page_link")[0].proto.query_string
    for page in (HEALTH, REQUESTS):
        app = see(page, api_url)
        assert "the newest of these deployments is from 2023-11-16 19:14:19 UTC" in texts(app)
        assert any(last_day in link.proto.query_string for link in app.get("page_link"))
    day = {"start": "2023-11-15T19:14:19Z", "end": "2023-11-16T19:14:20Z"}
    with Reader(api_url) as reader:
        wait_until(lambda: reader.query("golden_signals", **day)["n"].sum() == 3)  # charts read rollups
    assert len(see(HEALTH, api_url, **day).get("echarts_chart")) == 3


# -- nobody gets around Home.py


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.title)
def test_the_first_statement_of_a_page_is_the_guard(page: PageRecord) -> None:
    body = [
        one
        for one in ast.parse((ROOT / page.file).read_text()).body
        if not isinstance(one, ast.ImportFrom | ast.Import)
    ]
    assert ast.unparse(body[1]).startswith("guard("), "after the docstring"


def test_every_page_file_is_short_and_in_the_table() -> None:
    files = {str(path.relative_to(ROOT)) for path in (ROOT / "pages").rglob("*.py")}
    assert files == {page.file for page in PAGES}
    assert not list((ROOT / "pages").glob("*.py")), "flat pages would be served without Home.py"
    assert max(len((ROOT / file).read_text().splitlines()) for file in files) <= 80


def visit(host: str, page: str) -> list[ForwardMsg]:
    """What the server sends to a browser that opens a page, up to the end of the first run."""
    message = BackMsg()
    message.rerun_script.page_name = page
    messages: list[ForwardMsg] = []
    with connect(f"ws://{host}/_stcore/stream", subprotocols=["streamlit"], max_size=None) as socket:  # type: ignore[list-item]  # any text is allowed
        socket.send(message.SerializeToString())
        while not messages or messages[-1].WhichOneof("type") != "script_finished":
            received = ForwardMsg()
            received.ParseFromString(socket.recv(timeout=30, decode=False))
            messages.append(received)
    return messages


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.title)
@pytest.mark.parametrize("command", [UVICORN, STREAMLIT], ids=["uvicorn", "streamlit run"])
def test_the_first_request_to_a_fresh_process_passes_home(
    api_url: str, command: tuple[str, ...], page: PageRecord
) -> None:
    with serve_pages(api_url, command) as host:
        messages = visit(host, page.url_path)
    offered = [
        [entry.page_name for entry in message.navigation.app_pages]
        for message in messages
        if message.WhichOneof("type") == "navigation"
    ]
    headings = [m.delta.new_element.heading.body for m in messages if m.delta.new_element.HasField("heading")]
    assert offered[-1] == [one.title for one in PAGES], "Home.py ran"
    assert headings[0] == page.title
    order = [m.WhichOneof("type") if not m.delta.new_element.HasField("heading") else "heading" for m in messages]
    assert len(order) - order[::-1].index("navigation") <= order.index("heading"), "and it ran before the page"


def test_the_pages_process_tells_that_it_is_alive(api_url: str) -> None:
    with serve_pages(api_url) as host:
        assert httpx.get(f"http://{host}/healthz", trust_env=False).json() == {"status": "ok"}
        foreign = httpx.get(f"http://{host}/_stcore/host-config", headers={"Host": "evil.example"}, trust_env=False)
        assert foreign.status_code in (200, 400, 403, 421)


# -- the window


@pytest.mark.parametrize(
    "value, expected",
    [
        ("now", NOW),
        ("-90m", NOW - timedelta(minutes=90)),
        ("-7d", NOW - timedelta(days=7)),
        ("-2w", NOW - timedelta(days=14)),
        ("2026-11-20T14:00:00Z", datetime(2026, 11, 20, 14, tzinfo=UTC)),
        ("2026-11-20T14:00:00+02:00", datetime(2026, 11, 20, 12, tzinfo=UTC)),
        ("2026-11-20 14:00", datetime(2026, 11, 20, 14, tzinfo=UTC)),
    ],
)
def test_a_window_is_relative_or_absolute(value: str, expected: datetime) -> None:
    assert window.resolve(value, NOW) == expected


@pytest.mark.parametrize("value", ["", "6h", "-6", "-6y", "tomorrow", "-99999999999d"])
def test_a_window_that_cannot_be_read_says_what_is_allowed(value: str) -> None:
    with pytest.raises(BadInput, match="write now, a length back such as -6h or -7d"):
        window.resolve(value, NOW)


def test_a_window_is_written_in_utc_and_said_in_words() -> None:
    assert window.absolute(datetime.fromisoformat("2026-11-20T14:00:30+02:00")) == "2026-11-20T12:00:30Z"
    assert window.Window("-24h", "now", True).words(NOW) == "the last 24 h"
    fixed = window.Window("2026-11-20T14:00:00Z", "2026-11-20T15:30:00Z", True)
    assert fixed.words(NOW) == "2026-11-20 14:00:00 UTC to 2026-11-20 15:30:00 UTC (90 min)"
    assert not fixed.moves


# -- words on cards, in comparisons and in details


def fleet_row(**changes: Any) -> dict[str, Any]:
    row = {
        "deployment": "chat",
        "source": "production",
        "state": "ok",
        "checkpoint": "step-900",
        "last_seen": NOW - timedelta(seconds=12),
        "n": 300,
        "rate_per_s": 1.25,
        "rate_change": "in_band",
        "n_latency": 300,
        "p50_ms": 402.0,
        "p95_ms": 812.0,
        "p95_low_ms": 790.0,
        "p95_high_ms": 840.0,
        "p95_change": "above",
        "error_rate": 0.01,
        "error_rate_low": 0.004,
        "error_rate_high": 0.02,
        "error_rate_change": "no_reference",
        "tokens_out_per_s": 35.0,
        "budget_left": 0.82,
    }
    return row | changes


def test_a_card_gives_each_number_with_its_interval_and_n() -> None:
    assert cards.facts(fleet_row(), NOW) == {
        "Requests": "1.25/s, n 300 · → as usual",
        "Latency": "p50 402 ms, p95 812 ms (790 ms to 840 ms, n 300) · ↑ above the usual range",
        "Errors": "1.0 % (0.40 % to 2.0 %, n 300)",
        "Tokens out": "35/s",
        "Checkpoint": "step\\-900",
        "Last seen": "12 s ago",
        "Budget left": "82 % of the errors of 30 days",
    }


def test_a_card_tells_a_log_without_latency_from_silence() -> None:
    assert cards.facts(fleet_row(n_latency=0, p95_ms=None), NOW)["Latency"] == "not logged"
    silent = cards.facts(fleet_row(n=0, n_latency=0, error_rate=None, budget_left=None), NOW)
    assert (silent["Latency"], silent["Errors"]) == ("–", "– (n 0)")
    assert "Budget left" not in silent


def test_problems_stand_first() -> None:
    states = ["ok", "no_data", "alert", "warn"]
    fleet = pd.DataFrame([fleet_row(deployment=name, state=name) for name in states])
    assert cards.urgent_first(fleet)["state"].tolist() == ["alert", "warn", "no_data", "ok"]


def test_the_sparkline_leaves_out_the_half_hour_that_is_not_over() -> None:
    assert cards.whole_half_hours([3.0, None, 1.0]) == [3.0, 0.0]


@pytest.mark.parametrize(
    "row, sentence",
    [
        (("b_higher", "ms", 120, 90, 150, 500, 400), "B is higher by 120 ms (90 ms to 150 ms)."),
        (
            ("b_lower", "share", -0.02, -0.03, -0.01, 500, 400),
            "B is lower by 2.00 points (1.00 points to 3.00 points).",
        ),
        (
            ("no_difference_shown", "ms", 5, -10, 20, 500, 400),
            "No difference shown: B may be 10 ms lower to 20 ms higher.",
        ),
        (("not_enough_data", "ms", None, None, None, 5, 4), "Too few requests to tell."),
        (("not_enough_data", "ms", None, None, None, 0, 4), "A logged nothing to compare."),
    ],
)
def test_a_difference_is_a_sentence(row: tuple[Any, ...], sentence: str) -> None:
    names = ("verdict", "unit", "difference", "difference_low", "difference_high", "n_a", "n_b")
    assert comparison.in_words(dict(zip(names, row, strict=True))) == sentence


def test_text_from_outside_is_never_markup() -> None:
    assert text.plain("a*b_[x](http://y) :red[z] $1$\n# h") == (
        "a\\*b\\_\\[x\\]\\(http\\://y\\) \\:red\\[z\\] \\$1\\$ \\# h"
    )
    assert text.sentence("no request for 2 hours") == "No request for 2 hours."


def test_raw_json_leaves_out_what_is_unknown_and_reads_attributes() -> None:
    request = {
        "ts": pd.Timestamp(NOW),
        "latency_ms": float("nan"),
        "features_num": {"brightness": 0.5},
        "features_str": {},
        "attrs": '{"temperature": 0}',
        "media": None,
        "output_text": None,
    }
    assert detail.as_json(request) == {
        "ts": "2026-11-21T12:00:00Z",
        "features_num": {"brightness": 0.5},
        "attrs": {"temperature": 0},
    }


def test_equal_questions_are_equal_however_they_were_asked() -> None:
    one, other = ask("requests", b=["x"], a=1, text=""), ask("requests", a=1, b=("x",), cursor=None)
    assert one == other
    assert hash(one) == hash(other)


def test_rejected_events_come_in_bounded_pages() -> None:
    assert rejects.PAGE <= 500


def test_a_loader_that_is_behind_is_said() -> None:
    def page() -> None:
        from monitor.ui.faces import behind

        behind({"loader_lag_seconds": 12.0, "dirty_buckets": 9})
        behind({"loader_lag_seconds": 300.0, "dirty_buckets": 4000})

    app = AppTest.from_function(page).run()
    assert len(app.warning) == len(app.info) == 1
    assert "those of the last 5 min are not loaded yet" in app.warning[0].value
    assert "4,000 of their minutes, hours and days are still to be summed" in app.info[0].value
