"""The Drift page, the way Streamlit runs it, against a real api over ten days of small traffic that the job judged."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from monitor.client.reader import Reader
from monitor.drift.quality import Compared
from monitor.errors import BadInput
from monitor.ui import access
from monitor.ui.drift import place, reports, sentences, thresholds
from monitor.ui.pages import DRIFT
from tests.conftest import free_port, running_api
from tests.drifting import DAYS, ENGLISH, GERMAN, HOURS, PER_HOUR, asked, day, event, picture
from tests.drifting import place as store
from tests.test_pages import See, see, texts, titles  # noqa: F401  `see` is a fixture

MOVED = 8
"""The first day on which something has moved."""

IMAGES = 12
"""Different ones, of each brightness."""


@dataclass(frozen=True)
class Page:
    """Opens the page over the store."""

    see: See
    url: str

    def __call__(self, deployment: str = "", **query: str) -> AppTest:
        return self.see(DRIFT, self.url, **({"deployment": deployment} if deployment else {}), **query)


def traffic() -> Iterator[dict[str, Any]]:
    """hurt moves and gets worse, held moves and holds, same stays."""
    for name, wrong in (("hurt", 0.6), ("held", 0.0), ("same", 0.0)):
        yield from chain.from_iterable(
            asked(name, number, hour, GERMAN if moved else ENGLISH, wrong if moved else min(wrong, 0.1))
            for number in range(DAYS)
            for hour in HOURS
            for moved in (name != "same" and number >= MOVED,)
        )


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running api: three deployments of texts, one of images that get dark, and one that has just begun."""
    folder = tmp_path_factory.mktemp("drift")
    with store(folder) as here:
        events = list(traffic())
        kept = {(light, index): here.keep(picture(light, index)) for light in (40, 200) for index in range(IMAGES)}
        for number in range(DAYS):
            for index in range(PER_HOUR):
                image = {"sha256": kept[40 if number == DAYS - 1 else 200, index % IMAGES], "width": 64, "height": 48}
                at = day(number) + timedelta(hours=9)
                events.append(event("eye", at, index, "What is this?", "a ring", media=[image]))
        here.send([*events, event("fresh", datetime.now(UTC) - timedelta(minutes=5), 0, "Who are you?", "a test")])
        here.work()
    port = free_port()
    with running_api(folder / "data", port):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def page(see: See, url: str) -> Page:  # noqa: F811
    return Page(see, url)


def alts(app: AppTest) -> list[str]:
    return [str(one.proto.alt) for one in app.get("echarts_chart")]


def only_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "LOCAL", access.Identity("guest", frozenset({"read"})))


def start(number: int) -> str:
    return f"{day(number):%Y-%m-%dT%H:%M:%SZ}"


def called(app: AppTest) -> pd.DataFrame:
    """The table of features."""
    return app.dataframe[0].value.set_index("Open")


# -- the overview


def test_one_sentence_says_what_matters_and_alarms_stand_first(page: Page) -> None:
    app = page()
    assert not app.error
    since = sentences.day_name(day(MOVED))
    assert (
        f"**3 of 4 deployments moved** on the last whole day; **answers got worse** on **hurt** since {since}."
        in texts(app)
    )
    opened = [str(one.key) for one in app.button if str(one.key).startswith("open-")]
    assert opened[0] == "open-hurt"
    assert opened.index("open-held") < opened.index("open-same")


def test_a_line_has_the_verdict_its_evidence_and_what_moved_most(page: Page) -> None:
    shown = texts(page())
    assert "features moved, and answers got worse.** Where `" in shown
    assert "of labelled answers were wrong (n " in shown
    assert "features moved, quality held.**" in shown
    assert "Most: `" in shown
    assert "too few predictions to tell" in shown
    assert "Compared with: first week (" in shown


def test_two_weeks_of_each_deployment_stand_in_words_beside_the_picture(page: Page) -> None:
    strips = {alt.split(" of ")[1].split(".")[0]: alt for alt in alts(page())}
    assert strips.keys() == {"eye", "fresh", "held", "hurt", "same"}
    assert strips["hurt"].count("moved and worse") == 2
    assert strips["same"].endswith("0 of 14 days on which nothing moved.")


def test_one_that_has_just_begun_says_when_it_will_be_compared(page: Page) -> None:
    shown = texts(page())
    assert "Not judged yet" in shown
    assert "its first day becomes the reference once it is over" in shown


def test_a_line_opens_its_deployment_and_back(page: Page) -> None:
    app = page()
    app.button(key="open-hurt").click()
    app = app.run()
    assert app.query_params["deployment"] == "hurt"
    assert app.tabs[0].label == "What moved"
    app.button(key="overview").click()
    assert "deployments moved" in texts(app.run())


# -- one deployment


def test_features_by_days_stand_with_those_that_moved_first(page: Page) -> None:
    app = page("hurt")
    heat = alts(app)[0]
    assert heat.startswith("Features by days, those that moved first.")
    assert "2 windows, 2 of them with something that moved" in heat
    assert "◆ moved, at least 3 times its threshold" in texts(app)


def test_the_table_of_a_window_gives_effect_interval_threshold_n_and_since_when(page: Page) -> None:
    row = called(page("hurt")).loc["prompt_language"]
    assert row["State"].startswith("Moved")
    assert " % (" in row["Effect"]
    assert row["Threshold"] == "10 %"
    assert row["q"] == "< 0.001"
    assert (row["n"], row["n reference"]) == (len(HOURS) * PER_HOUR, 7 * len(HOURS) * PER_HOUR)
    assert row["Since"] == sentences.day_name(day(MOVED))
    assert "german" in row["Moved to"] or "english" in row["Moved to"]
    assert row["What it is"] == "language of the prompt by its letters and frequent words"


def test_what_too_few_predictions_cannot_show_is_said(page: Page) -> None:
    shown = texts(page("same"))
    assert "features have too few predictions to tell: with n = 100 only a shift above" in shown
    assert called(page("same"))["State"].str.startswith("Too few, sees ").any()


def test_another_day_and_hours_are_chosen_in_the_address(page: Page) -> None:
    app = page("hurt", window=start(MOVED))
    assert f"Features on {sentences.day_name(day(MOVED))}" in [one.value for one in app.header]
    hours = page("hurt", grain="hour", span="168")
    assert alts(hours)[0].startswith("Features by hours")
    assert len(hours.selectbox(key="drift-window").options) >= 2 * len(HOURS)
    app.segmented_control(key="drift-grain").set_value("hour")
    app = app.run()
    assert app.query_params["grain"] == "hour"
    assert "window" not in app.query_params


def test_a_window_is_chosen_from_the_list(page: Page) -> None:
    app = page("hurt")
    options = app.selectbox(key="drift-window")
    options.set_value(options.options[1] if isinstance(options.options[1], str) else options.options[0])
    picked = str(day(MOVED).replace(tzinfo=UTC))
    app.selectbox(key="drift-window").set_value(picked)
    app = app.run()
    assert app.query_params["window"] == start(MOVED)


def test_changes_say_when_a_feature_began_to_be_moved(page: Page) -> None:
    frame = page("hurt", tab="Changes").dataframe[0].value
    row = frame[frame["Feature"] == "prompt_language"].iloc[0]
    assert row["What"] == "▲ began to be moved"
    assert row["When"] == sentences.day_name(day(MOVED))
    assert "No feature began to move" in texts(page("same", tab="Changes"))


def test_unknown_names_and_times_in_the_address_are_told(page: Page) -> None:
    assert titles(page("nobody")) == ["This deployment is not known"]
    assert "window='yesterday' in the address is not a time" in page("hurt", window="yesterday").error[0].value
    assert "was not judged" in texts(page("hurt", window="2020-01-01T00:00:00Z"))
    assert "was not judged in this window" in texts(page("hurt", feature="event.nothing"))


# -- one feature


@pytest.fixture
def language(page: Page) -> AppTest:
    return page("hurt", feature="prompt_language")


def test_both_distributions_and_the_part_that_moved_over_time(language: AppTest) -> None:
    spread, history = alts(language)
    assert "It moved to german: " in spread
    assert "(before 0 %)" in spread
    assert "n 100 in the window, 700 in the reference" in spread
    assert history.startswith("Newest: ")
    assert "**Moved since " in texts(language)


def test_quality_where_it_moved_is_compared_with_its_interval(language: AppTest) -> None:
    tables = {table.proto.alt: table.value for table in language.table}
    quality = tables["Quality where the feature moved to, and before"]
    row = quality[quality["Where"] == "where it moved to"].loc["labelled answers were wrong"]
    assert row["Says"] == "▼ worse"
    assert "points more (95 % interval +" in row["Difference"]


def test_other_methods_stand_beside_the_one_that_judged(language: AppTest) -> None:
    methods = next(table.value for table in language.table if table.proto.alt == "The effect by every method")
    assert {"Total variation", "Population stability index", "Jensen-Shannon distance"} <= set(methods.index)
    assert methods.loc["Total variation", "Above it"] == "▲ yes"


def test_texts_of_both_sides_lead_to_their_requests(language: AppTest) -> None:
    shown = texts(language)
    assert any(f"{word} " in shown for word in ("Welche", "Wie viele"))
    assert any(f"{word} " in shown for word in ("What is the colour", "How many of the", "Which of the"))
    links = [link.proto for link in language.get("page_link")]
    assert sum(link.label == "Open" for link in links) >= 4
    assert any("event=hurt-" in link.query_string for link in links)
    assert not language.get("image")


def test_the_darkest_images_stand_beside_those_of_the_reference(page: Page) -> None:
    app = page("eye", feature="image_brightness")
    names = [one.alt for image in app.get("image") for one in image.proto.imgs]
    assert sum(name.startswith("Example 1, image_brightness 0.1") for name in names) == 1
    assert len(names) > 8


def test_a_feature_is_chosen_from_the_list_and_closed(page: Page) -> None:
    app = page("hurt")
    app.selectbox(key="open-feature").set_value("prompt_chars")
    app = app.run()
    assert app.query_params["feature"] == "prompt_chars"
    app.button(key="close-feature").click()
    assert "feature" not in app.run().query_params


def test_texts_need_their_permission_and_decisions_theirs(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    only_reads(monkeypatch)
    shown = texts(page("hurt", feature="prompt_language"))
    assert "needs the permission `read_text`" in shown
    assert "Welche" not in shown
    for tab, key in (("Thresholds", "save-threshold"), ("References", "want"), ("Full report", "report-ask")):
        assert key not in [one.key for one in page("hurt", tab=tab).button]


# -- what is decided


def test_a_threshold_is_tried_before_it_is_saved_with_a_reason(page: Page, url: str) -> None:
    app = page("hurt", tab="Thresholds")
    app.selectbox(key="trial-feature").set_value("prompt_language")
    app = app.run()
    assert "`prompt_language` **would have been called on 2 days**" in texts(app)
    app.number_input(key="trial-threshold-prompt_language").set_value(99.9)
    app = app.run()
    assert "**would have been called on 0 days**" in texts(app) or "in 1 episode" in texts(app)
    assert app.button(key="save-threshold").disabled
    app.text_input(key="threshold-reason").set_value("every campaign is in German")
    app = app.run()
    app.button(key="save-threshold").click()
    app = app.run()
    assert not app.exception
    with Reader(url) as reader:
        saved = reader.query("drift_thresholds", deployment="hurt").iloc[0]
    assert (saved["feature"], saved["threshold"]) == ("prompt_language", pytest.approx(0.999))
    assert (saved["by_whom"], saved["reason"]) == ("local", "every campaign is in German")
    assert "every campaign is in German" in app.dataframe[-1].value["Reason"].tolist()


def test_another_reference_is_asked_for_and_waits(page: Page, url: str) -> None:
    app = page("held", tab="References")
    assert app.dataframe[0].value["Compared with"].iloc[0].startswith("first week")
    app.segmented_control(key="want-kind").set_value("rolling")
    app = app.run()
    assert app.button(key="want").disabled
    app.text_input(key="want-name").set_value("a rolling week")
    app.text_input(key="want-reason").set_value("the season changes")
    app = app.run()
    app.button(key="want").click()
    app = app.run()
    assert not app.exception
    assert "a rolling week was asked for by local" in texts(app)
    with Reader(url) as reader:
        wish = reader.query("drift_wishes", source="production").iloc[0]
        assert (wish["deployment"], wish["kind"], wish["days"]) == ("held", "rolling", 7)


def test_a_full_report_is_asked_for_and_waits_for_its_job(page: Page) -> None:
    app = page("held", tab="Full report")
    app.button(key="report-ask").click()
    app = app.run()
    assert not app.exception
    assert ":material/hourglass_top: waiting · **Drift of every column**" in texts(app)


def test_a_report_is_shown_in_a_frame_that_reaches_nothing() -> None:
    shown = reports.confined('<html><head></head><script>alert("x")</script></html>')
    assert 'sandbox="allow-scripts allow-downloads"' in shown
    assert "<script>" not in shown
    assert "default-src &#x27;none&#x27;" in shown


def test_every_part_can_be_taken_along(page: Page) -> None:
    for query, expected in (
        ({}, ["Deployments", "Verdicts of days", "Verdicts of hours", "Changes"]),
        ({"deployment": "hurt"}, ["Windows", "Features by time", "Ranking", "Changes"]),
    ):
        app = page(**query)
        app.session_state["export"] = True
        assert app.run().selectbox(key="export-what").options[:4] == expected


# -- words


def line(name: str, verdict: str | None) -> dict[str, Any]:
    return {"deployment": name, "day_verdict": verdict}


def test_the_first_sentence_for_every_kind_of_morning() -> None:
    since = {"a": datetime(2026, 11, 17, tzinfo=UTC)}
    assert sentences.summary([line("a", None)], {}).startswith("**No day has been judged yet.**")
    assert sentences.summary([line("a", "steady")], {}) == "**Nothing moved** on the last whole day of 1 deployment."
    assert sentences.summary([line("a", "steady"), line("b", "too_few")], {}) == (
        "**Nothing moved** on the last whole day of 2 deployments. 1 had too few predictions to tell."
    )
    assert sentences.summary([line("a", "held"), line("b", "steady")], {}) == (
        "**1 of 2 deployments moved** on the last whole day, and the quality of answers held."
    )
    assert "for 1 of them quality is not known" in sentences.summary([line("a", "held"), line("b", "unknown")], {})
    assert sentences.summary([line("a", "worse"), line("b", "worse"), line("c", "held")], since) == (
        "**3 of 3 deployments moved** on the last whole day; **answers got worse** on **a** since Tue 17 Nov and **b**."
    )


def test_since_when_it_is_worse_counts_days_in_a_row_and_skips_those_that_tell_nothing() -> None:
    days = ["worse", "steady", "worse", "too_few", "worse"]
    rows = [{"verdict": one, "bucket": datetime(2026, 11, 1 + at, tzinfo=UTC)} for at, one in enumerate(days)]
    assert sentences.worse_since(rows) == datetime(2026, 11, 3, tzinfo=UTC)
    assert sentences.worse_since(rows[:2]) is None


def test_a_short_fault_within_a_day_that_is_steady_as_a_whole_is_told() -> None:
    day_ = datetime(2026, 11, 20, tzinfo=UTC)
    said = ["steady"] * 21 + ["worse"] * 3 + ["unknown"]
    hours = [{"bucket": day_ + timedelta(hours=at), "verdict": one} for at, one in enumerate(said)]
    row = {"day": day_, "day_verdict": "steady"}
    assert sentences.within_day(row, hours) == "Within Fri 20 Nov, 3 of 24 hours moved and were worse."
    assert sentences.since_then(row, hours) == "The 1 hour since: moved, quality not known in 1."
    assert sentences.within_day(row, hours[:22]) == "", "a single one may be chance"
    assert sentences.within_day(row | {"day_verdict": "worse"}, hours) == ""


def measure(feature: str, name: str, share: float, low: float, state: str) -> Compared:
    return Compared(feature, name, share, 0.1, share - 0.1, low, share, 50, 400, "same", state)


def test_the_evidence_is_about_answers_before_it_is_about_opinions() -> None:
    found = sentences.evidence(
        [
            measure("x", "disliked", 0.9, 0.7, "worse"),
            measure("x", "wrong", 0.5, 0.3, "worse"),
            measure("", "wrong", 0.2, 0.05, "worse"),
            measure("x", "errors", 0.1, -0.01, "held"),
        ],
        "worse",
    )
    assert found == (
        "Where `x` moved to, 50 % of labelled answers were wrong (n 50) against 10 % in the same part of the reference "
        "(n 400): 40 points more (95 % interval +30.0 to +50.0). Over all of it, 20 % of labelled answers were wrong "
        "(n 50) against 10 % before (n 400): 10 points more (95 % interval +5.0 to +20.0)."
    )


def test_what_has_no_like_in_the_reference_is_evidence_only_where_the_whole_is_worse_too() -> None:
    harder = Compared("x", "wrong", 0.5, 0.1, 0.4, 0.3, 0.5, 50, 400, "whole", "worse")
    like = measure("y", "wrong", 0.3, 0.1, "worse")
    better, worse = (measure("", "wrong", share, -0.1, "unknown") for share in (0.05, 0.15))
    assert sentences.evidence([harder, like, better], "worse").startswith("Where `y` moved to, 30 %")
    told = sentences.evidence([harder, like, worse], "worse")
    assert told.startswith("Where `x` moved to, 50 % of labelled answers were wrong (n 50) against 10 % in the whole")


def test_quality_has_held_by_a_measure_that_held_for_the_whole_window() -> None:
    found = [measure("x", "wrong", 0.1, -0.02, "held"), measure("", "wrong", 0.2, -0.02, "unknown")]
    assert sentences.evidence(found, "held") == ""
    liked = [measure(feature, "disliked", 0.1, -0.02, "held") for feature in ("x", "")]
    assert sentences.evidence([*found, *liked], "held").count("feedback was a thumbs down") == 2


def test_a_trial_is_told_for_one_feature_and_for_all() -> None:
    row = {"feature": "x", "windows": 30, "fired": 3, "episodes": 2, "called": 5, "called_episodes": 1}
    row |= {"last_fired": datetime(2026, 11, 20, tzinfo=UTC)}
    assert thresholds.in_words([row], "day", "x", "20 %") == (
        "From **20 %** on, `x` **would have been called on 3 days** of 30 in 2 episodes, last on Fri 20 Nov. "
        "As it is: on 5 days in 1 episode."
    )
    other = row | {"feature": "y", "fired": 0, "episodes": 0}
    assert thresholds.in_words([row, other], "day", "", "20 %").startswith(
        "From **20 %** on, **1 of 2 features would have been called** at least once in 30 days, in 2 episodes together."
    )


def test_a_place_shows_the_time_around_a_window_that_lies_back() -> None:
    now = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)
    newest = place.Place("production", "a").shown(now)
    assert newest == {"start": "2026-11-07T00:00:00Z", "end": "2026-11-21T13:00:00Z"}
    back = place.Place("production", "a", window="2026-09-01T00:00:00Z").shown(now)
    assert back == {"start": "2026-08-25T00:00:00Z", "end": "2026-09-08T00:00:00Z"}
    with pytest.raises(BadInput, match="window='nonsense' in the address is not a time"):
        place.Place("production", "a", window="nonsense").shown(now)
