"""The Canaries page, the way Streamlit runs it, against a real api with runs that were written over the results API."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import streamlit as st
from PIL import Image
from streamlit.testing.v1 import AppTest

from monitor.client.prober import Prober
from monitor.client.reader import Reader
from monitor.ui import access
from monitor.ui.canaries import comparing, expectations, sentences
from monitor.ui.pages import CANARIES, PAGES
from tests.canary_runs import Canaries, Given, item, steady
from tests.conftest import free_port, running_api
from tests.test_pages import See, see, texts, titles  # noqa: F401  `see` is a fixture

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)

FLEET = """
[models.shapes]
[checkpoints.v1]
model = "shapes"
[deployments.prod]
checkpoint = "v1"
url = "http://127.0.0.1:9/v1"
[deployments.edge]
checkpoint = "v1"
url = "http://127.0.0.1:9/v1"
[deployments.fresh]
checkpoint = "v1"
url = "http://127.0.0.1:9/v1"
[canaries.shapes]
suite = "shapes"
deployments = ["prod", "edge", "fresh"]
every = "1h"
"""


@dataclass(frozen=True)
class Made:
    """A running api, the image of its first item, and the newest run on edge."""

    url: str
    image: str
    newest: str


def changed(id_: str, number: int) -> Given:
    """Items 0 to 5 answer otherwise, of which 0 to 3 fail; 7 gives no answer."""
    if number < 6:
        return Given("fail" if number < 4 else "pass", f"quite another answer {id_}", 100.0 + number)
    if number == 7:
        return Given("error", None, None, "TargetTimeout", "edge did not answer within 30 s")
    return steady(id_, number)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """A canary on three deployments: prod is as ever, edge changed after two replays, fresh never ran."""
    folder = tmp_path_factory.mktemp("canaries")
    (folder / "watchpoint.toml").write_text(FLEET)
    port = free_port()
    with running_api(folder / "data", port):
        url = f"http://127.0.0.1:{port}"
        with Prober(url) as prober:
            image = str(prober.upload(picture())["sha256"])
        items = [item(f"item-{n}", "colour" if n < 6 else "shape", image=None if n else image) for n in range(12)]
        canaries = Canaries(url, items=items)
        canaries.know()
        for deployment in ("prod", "edge"):
            canaries.judge("shapes", deployment, canaries.learn("shapes", deployment))
            for _ in range(2):
                canaries.judge("shapes", deployment, canaries.run("shapes", deployment))
        for _ in range(3):
            newest = canaries.run("shapes", "edge", changed)
            states = canaries.judge("shapes", "edge", newest)
        assert "alert" in states
        yield Made(url, image, newest)


def picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (24, 16), "green").save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def page(see: See, made: Made) -> "Page":  # noqa: F811
    return Page(see, made)


@dataclass
class Page:
    """Opens the page over the runs."""

    see: See
    made: Made

    def __call__(self, **query: str) -> AppTest:
        return self.see(CANARIES, self.made.url, **query)

    def edge(self, **query: str) -> AppTest:
        return self(canary="shapes", deployment="edge", **query)


def alts(app: AppTest, kind: str = "echarts_chart") -> list[str]:
    return [str(one.proto.alt) for one in app.get(kind)]


def only_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "LOCAL", access.Identity("guest", frozenset({"read"})))


# -- the overview


def test_those_with_alarms_stand_first_and_say_what_changed(page: Page) -> None:
    app = page()
    assert not app.error
    assert [one.label for one in app.button if str(one.key).startswith("open-shapes")] == [
        "**shapes** on **edge**",
        "**shapes** on **fresh**",
        "**shapes** on **prod**",
    ]
    shown = texts(app)
    assert "**1 of 3** need a look" in shown
    assert "answers otherwise than before since" in shown
    assert "(55 % of the items answered)" in shown
    assert "It never ran here. The scheduler runs it at its next slot." in shown
    assert "Passes as often as before, answers as before and is as fast as before: nothing beyond its learned" in shown


def test_a_card_gives_the_pass_rate_with_its_interval(page: Page) -> None:
    tables = {table.proto.alt: table.value.iloc[:, 0].to_dict() for table in page().table}
    edge = tables["Newest run of shapes on edge"]
    assert edge["Passed"] == "64 % (35 % to 85 %, n 11)"
    assert edge["Not judged"] == "1 item without an answer or a verdict"
    assert tables["Newest run of shapes on fresh"] == {"Last run": "never"}


def test_a_card_opens_its_canary_in_the_address(page: Page) -> None:
    app = page()
    app.button(key="open-shapes-prod").click()
    app = app.run()
    assert not app.exception
    assert (app.query_params["canary"], app.query_params["deployment"]) == ("shapes", "prod")
    assert "What changed" in [tab.label for tab in app.tabs]
    app.button(key="overview").click()
    assert "**1 of 3** need a look" in texts(app.run())


# -- signals


def test_an_alarm_gives_effect_evidence_and_the_items_that_tell_most(page: Page) -> None:
    app = page.edge()
    shown = texts(app)
    assert "**Behaviour**: answers otherwise than before since" in shown
    assert "chance alone would get this far in" in shown
    assert "against 12 learned ones" in shown
    app.button(key="alarm-0-item-0").click()
    app = app.run()
    assert app.query_params["item"] == "item-0"
    assert "Item item\\-0" in [one.value for one in app.header]


def test_every_signal_and_every_change_of_state_is_listed(page: Page) -> None:
    app = page.edge()
    signals, changes = (frame.value for frame in app.dataframe)
    assert {"all", "colour", "shape"} == set(signals["Items with tag"])
    assert signals["State"].iloc[0] == ["Alert"]
    assert (changes["To"].iloc[0], changes["From"].iloc[0]) != (["OK"], ["No data"])
    only = page.edge(tag="shape").dataframe[0].value
    assert set(only["Items with tag"]) == {"shape"}


# -- items


def test_the_matrix_stands_with_flips_first_and_in_words(page: Page) -> None:
    app = page.edge(tab="Items")
    assert alts(app) == [
        "Items by runs, those that changed first. 12 items in 6 runs. Newest: 4 failed, 1 no answer, 7 passed."
    ]
    assert "▼ began to fail · ✗ failed · ! no answer · ✓ passed" in texts(app)
    assert app.selectbox(key="open-item").options[:5] == ["item-0", "item-1", "item-2", "item-3", "item-7"]


def test_the_matrix_can_be_narrowed_by_tag_and_by_what_changed(page: Page) -> None:
    assert "6 items in 6 runs" in alts(page.edge(tab="Items", tag="shape"))[0]
    app = page.edge(tab="Items", tag="shape", show="Changed")
    assert "No item changed in these runs" in texts(app)
    assert not app.get("echarts_chart")
    assert "Every item passes" in texts(page(canary="shapes", deployment="prod", tab="Items", show="Not passing"))


def test_an_item_is_opened_from_the_list(page: Page) -> None:
    app = page.edge(tab="Items")
    app.selectbox(key="open-item").set_value("item-2")
    app = app.run()
    assert app.query_params["item"] == "item-2"
    app.button(key="close-item").click()
    assert "item" not in app.run().query_params


# -- one item


def test_an_item_shows_question_expectation_and_both_answers_with_their_difference(page: Page) -> None:
    app = page.edge(item="item-0")
    codes = [code.value for code in app.code]
    assert codes == ["What is item-0?", "quite another answer item-0", "right answer item-0"]
    assert [one.alt.split(" (")[0] for image in app.get("image") for one in image.proto.imgs] == ["Image 1"]
    shown = texts(app)
    assert ":red-background[~~right~~]" in shown
    assert ":material/close: The answer is exactly “right answer item\\-0”: 'quite another answer item\\-0'" in shown
    assert ":material/check: The answer has at most 16 tokens: 3 tokens" in shown
    assert "it passed 100 % (74 % to 100 %, n 12), with always the same answer." in shown
    assert len(app.dataframe[0].value) == 17
    assert alts(app) == ["Latency of each answer to item-0, and the band that was learned"]


def test_an_item_opens_in_the_probe_on_two_deployments(page: Page, made: Made) -> None:
    links = {link.proto.label: link.proto.query_string for link in page.edge(item="item-0").get("page_link")}
    assert f"request={made.newest}-item-0-4-0" in links["Open in probe"]
    assert "targets=edge&targets=prod" in links["Open in probe"]
    assert "source=canary" in links["Logged as a request"]


def test_an_earlier_answer_is_shown_when_the_address_names_it(page: Page, made: Made) -> None:
    with Reader(made.url) as reader:
        rows = reader.query("canary_item", canary="shapes", deployment="edge", item="item-0", limit=10)
    good = rows[rows["last_good"]].iloc[0]
    for answer in (good["event_id"], good["run"]):
        app = page.edge(item="item-0", answer=answer)
        assert "This is the newest answer that passed." in texts(app)


def test_an_item_without_an_answer_shows_the_error_of_its_deployment(page: Page) -> None:
    app = page.edge(item="item-7")
    assert titles(app) == ["TargetTimeout"]
    assert "edge did not answer within 30 s" in app.error[0].value.replace("\\", "")


def test_an_item_that_is_not_in_the_suite_is_told(page: Page) -> None:
    assert "has no item 'nope'" in page.edge(item="nope").error[0].value


def test_without_the_permission_no_text_of_question_or_answer_is_shown(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_reads(monkeypatch)
    for query in ({"item": "item-0"}, {"item": "item-7"}, {"tab": "Items"}, {"tab": "Compare two", "b": "prod"}):
        app = page.edge(**query)
        everything = texts(app) + "".join(frame.value.to_csv() for frame in app.dataframe)
        for secret in ("answer item", "What is item", "did not answer within"):
            assert secret not in everything.replace("\\", ""), query
        assert not app.code
        assert not app.get("image")
        assert "Accept as baseline" not in str(app.main)


# -- trend


def test_the_trend_has_pass_rate_latency_and_tags(page: Page) -> None:
    app = page.edge(tab="Trend")
    assert len(app.get("echarts_chart")) == 2
    assert alts(app)[0].startswith("6 runs; newest: 64 % (35 % to 85 %, n 11), 1 not judged.")
    by_tag = app.table[0].value
    assert by_tag.loc["colour", "Passed"] == "33 % (9.7 % to 70 %, n 6)"
    assert by_tag.loc["shape", "Not judged"] == "1"
    assert alts(page.edge(tab="Trend", tag="shape"))[0].startswith("6 runs; newest: 100 %")


# -- two deployments


def test_a_comparison_says_who_is_better_by_how_much_and_how_sure(page: Page) -> None:
    app = page.edge(tab="Compare two", b="prod")
    shown = texts(app)
    assert "**A** is edge, **B** is prod." in shown
    assert "They part on 4 items: 0 only A passes, 4 only B. 1 more could not be judged on both" in shown
    assert "**No difference shown.**" in shown
    assert "That does not say that they are equal" in shown
    assert "to see one of 3 points," in shown
    assert alts(app)[0].startswith("B minus A by tag. all items (n 11): +36.4 points")
    parted = app.dataframe[0].value
    assert parted["Better"].tolist()[:4] == ["B"] * 4
    assert parted["A answers"].iloc[0] == "quite another answer item-0"


def test_the_other_deployment_is_kept_in_the_address(page: Page) -> None:
    app = page(canary="shapes", deployment="prod", tab="Compare two")
    assert app.selectbox(key="canary-b").options == ["edge"], "one that never ran is not offered"


# -- a new baseline


def test_a_baseline_is_accepted_with_a_reason_and_a_confirmation(made: Made, page: Page) -> None:
    app = page(canary="shapes", deployment="prod")
    app.session_state["accept-menu"] = True
    app = app.run()
    assert "the next run asks every item several times to learn that anew" in texts(app)
    assert app.button(key="accept").disabled
    app.text_area(key="accept-reason").set_value("new *template*")
    assert app.run().button(key="accept").disabled, "not confirmed yet"
    app.checkbox(key="accept-sure").check()
    app.run()
    app.button(key="accept").click()
    app = app.run()
    assert not app.exception
    with Reader(made.url) as reader:
        rows = {row["deployment"]: row for row in reader.query("canary_deployments").to_dict("records")}
    assert (rows["prod"]["accepted_by"], rows["prod"]["accepted_reason"]) == ("local", "new *template*")
    st.cache_resource.clear()  # a session of somebody else, later
    shown = texts(page(canary="shapes", deployment="prod"))
    assert "Its new baseline is learned by the next run" in shown
    assert "by local: new \\*template\\*" in shown


# -- nothing there


def test_a_deployment_without_runs_says_so(page: Page) -> None:
    app = page(canary="shapes", deployment="fresh")
    assert not app.error
    assert "shapes has not been replayed on fresh yet" in texts(app)


def test_a_canary_that_is_not_known_says_so(page: Page) -> None:
    assert titles(page(canary="nope", deployment="prod")) == ["This canary is not known"]


def test_a_fleet_without_canaries_shows_how_to_write_one(see: See, api_url: str) -> None:  # noqa: F811
    app = see(CANARIES, api_url)
    assert "The fleet file names no canary" in texts(app)
    assert "[canaries.general]" in app.code[0].value


def test_an_api_that_is_away_is_named(see: See) -> None:  # noqa: F811
    app = see(CANARIES, f"http://127.0.0.1:{free_port()}", canary="shapes", deployment="edge")
    assert titles(app) == ["Cannot reach the api"]


def test_the_page_stands_in_the_menu() -> None:
    assert CANARIES in PAGES


# -- words


@pytest.mark.parametrize(
    "log_e, said",
    [
        (None, "none"),
        (0.0, "none"),
        (0.5, "none"),
        (3.0, "1 in 20"),
        (9.22, "1 in 10,000"),
        (16.2, "1 in 10 million"),
        (21.0, "1 in 1 billion"),
        (30.0, "1 in 10 trillion"),
        (36.0, "less than 1 in 1,000 trillion"),
        (690.0, "less than 1 in 1,000 trillion"),
    ],
)
def test_an_e_value_is_told_as_a_chance_and_never_as_a_smaller_one(log_e: float | None, said: str) -> None:
    assert sentences.chance(log_e) == said


def signal(channel: str, state: str = "ok", **more: Any) -> dict[str, Any]:
    return {
        "channel": channel,
        "tag": "",
        "state": state,
        "log_e": 0.0,
        "log_e_confirmed": 0.0,
        "n_reference": 12,
        "n_recent": 5,
        "n_items": 60,
        "since_at": NOW - timedelta(minutes=40),
        "effect": 0.2,
        "items": [],
    } | more


def said(*signals: dict[str, Any]) -> str:
    return sentences.changed(signals, NOW, True)


def test_what_changed_is_a_sentence_that_says_what_held() -> None:
    behaviour = signal("behaviour", "alert")
    assert said(behaviour, signal("quality"), signal("latency")) == (
        "**Answers otherwise than before since 11:20 (12 of 60 items)**; quality held and it is as fast as before."
    )
    assert said(signal("quality", "alert", effect=-0.125)) == "**Passes fewer items since 11:20 (-12.5 points, n 60)**."
    assert said(signal("latency", "warn", effect=1.4, since_at=NOW - timedelta(days=2))) == (
        "May have changed, the next run shows whether it did: "
        "**is slower than before since 2026-11-19 12:00 (1.40 times as long)**."
    )


def test_a_change_of_one_tag_names_the_tag() -> None:
    tags = [signal("quality", "alert", tag=f"a*{n}", effect=-0.5, n_items=6) for n in range(5)]
    told = said(signal("quality"), *tags)
    assert told.startswith("**Passes fewer items in tag a\\*0 since 11:20 (-50.0 points, n 6); ")
    assert told.endswith("; and 2 more tags.")


def test_a_deployment_that_held_says_over_how_many_replays() -> None:
    assert said(signal("quality"), signal("behaviour"), signal("latency", "no_data", n_reference=4)) == (
        "Passes as often as before and answers as before: nothing beyond its learned noise in the newest 5 replays. "
        "Not judged yet, for too few replays: speed."
    )
    assert said() == "No run of it has been judged yet."
    few = [signal("quality", "no_data", n_reference=3, n_recent=0)]
    assert said(*few) == "Too little was learned to tell a change from noise: 3 of at least 6 replays."


def test_a_run_that_was_not_finished_is_a_warning_with_its_reason() -> None:
    row = {
        "state": "ok",
        "run": "a",
        "run_state": "failed",
        "problem": "the budget is spent: 100 requests",
        "accepted_at": None,
        "learned_at": NOW,
    }
    assert sentences.state_of(row) == "warn"
    assert sentences.in_words(row, [], NOW, True).startswith(
        "**The newest run was not finished**: the budget is spent\\: 100 requests. "
    )
    assert sentences.state_of(row | {"state": "alert"}) == "alert"


@pytest.mark.parametrize(
    "check, words",
    [
        ({"kind": "exact", "text": "red"}, "is exactly “red”"),
        ({"kind": "exact", "text": ["red", "rot"]}, "is exactly “red” or “rot”"),
        ({"kind": "contains", "all": ["a", "b"], "none": "c"}, "contains “a” and “b” and does not contain “c”"),
        ({"kind": "contains", "any": ["a", "b"], "words": True}, "contains “a” or “b” (words true)"),
        ({"kind": "refusal", "expected": False}, "does not refuse"),
        ({"kind": "refusal", "expected": True}, "refuses"),
        ({"kind": "number", "value": 3, "tolerance": 0.1}, "is the number 3 (tolerance 0\\.1)"),
        ({"kind": "point_in", "box": [0, 0, 1, 1]}, "points into a given area (box \\[0, 0, 1, 1\\])"),
        ({"kind": "choice", "letter": "B"}, "chooses “B”"),
        ({"kind": "judge", "question": "Kind?", "prompt_sha256": "abc"}, "is judged well: “Kind?”"),
        ({"kind": "new_one", "least": 2}, "passes new\\_one (least 2)"),
    ],
)
def test_a_check_is_told_in_words(check: dict[str, Any], words: str) -> None:
    assert expectations.expected(check) == words


def test_checks_without_an_outcome_and_without_permission_are_told_all_the_same() -> None:
    checks = [{"kind": "exact", "text": "red"}]
    assert expectations.verdicts(checks, [], True) == [":material/remove: The answer is exactly “red”"]
    failed = [{"check": "exact", "passed": False, "reason": "'blue' is not 'red'"}]
    assert expectations.verdicts(checks, failed, False) == [":material/close: The answer exact"]
    unknown = [{"check": "exact", "passed": None, "reason": "no judge"}]
    assert expectations.verdicts(checks, unknown, True) == [":material/help: The answer is exactly “red”: no judge"]


def test_noise_is_told_in_words() -> None:
    row = {"n": 12, "passes": 9, "pass_low": 0.43, "pass_high": 0.95, "variants": 3, "flaky": True}
    told = expectations.noise_in_words(row | {"latency_low": 90.0, "latency_high": 2100.0})
    assert told == (
        "While nothing changed it passed 75 % (43 % to 95 %, n 12), with 3 different answers. **It is flaky**: it "
        "passed and failed without any change. It took 90 ms to 2.10 s (5 % to 95 %)."
    )
    assert expectations.noise_in_words(None) == "Nothing was learned about it yet."


def comparison(**changes: Any) -> dict[str, Any]:
    row = {
        "n_items": 60,
        "n_pairs": 60,
        "both_pass": 38,
        "only_a": 1,
        "only_b": 18,
        "both_fail": 3,
        "pass_a": 0.65,
        "pass_a_low": 0.52,
        "pass_a_high": 0.76,
        "pass_b": 0.933,
        "pass_b_low": 0.84,
        "pass_b_high": 0.97,
        "difference": 0.283,
        "difference_low": 0.163,
        "difference_high": 0.413,
        "n_groups": 25,
        "p_value": 7.6e-5,
        "boot": 0.28,
        "boot_low": 0.12,
        "boot_high": 0.5,
        "verdict": "b_higher",
        "smallest_drop": 0.2,
        "items_for_3_points": 2760,
        "n_latency": 60,
        "latency_ratio": 1.3,
        "latency_ratio_low": 1.2,
        "latency_ratio_high": 1.4,
    }
    return row | changes


def test_a_comparison_reads_like_a_report() -> None:
    counted, verdict, power, grouped, latency = comparing.sentences(comparison())
    assert "A passes 65 % (52 % to 76 %, n 60), B 93 % (84 % to 97 %, n 60)" in counted
    assert "**B is better**, by 28.3 points (95 % interval of B minus A: +16.3 to +41.3)" in verdict
    assert "this 0.0076 % of the time (McNemar)" in verdict
    assert (
        "a difference of 20 points or more is seen 4 times out of 5; to see one of 3 points, 2,700 more items" in power
    )
    assert "+28.0 points (+12.0 to +50.0, bootstrap)" in grouped
    assert "**B takes longer**: 1.30 times as long as A on the same item" in latency


def test_a_comparison_never_says_equal_for_want_of_items() -> None:
    none = comparison(verdict="no_difference_shown", smallest_drop=None)
    assert "That does not say that they are equal" in comparing.sentences(none)[1]
    assert "no difference is seen reliably" in comparing.sentences(none)[2]
    assert (
        "Counted one by one they" not in comparing.sentences(comparison(verdict="no_difference_shown", p_value=0.2))[1]
    )
    grouped = comparing.sentences(none)[1]
    assert "**No difference shown.** The 60 items come from 25 groups" in grouped
    assert "too unevenly for chance (0.0076 %, McNemar), but items of a group tend to go wrong together" in grouped
    few = comparing.sentences(comparison(verdict="not_enough_data", n_pairs=4, boot=None, n_latency=0))
    assert few[1].endswith("**Too few items to tell**: 4 that both answered show nothing either way.")
    assert len(few) == 2
    assert comparing.sentences(comparison(n_pairs=0)) == [
        ":material/hourglass_empty: The two have answered no item in common, so nothing can be compared."
    ]
