"""The Benchmarks page, as Streamlit runs it, against a real api over evaluations written as an import writes them."""

import hashlib
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from monitor.benchmarks.evaluation import Score
from monitor.client.prober import Prober
from monitor.client.reader import Reader
from monitor.ui import access
from monitor.ui.benchmarks import comparing, comparison, evaluations, opened, overview, sentences, uploading
from monitor.ui.benchmarks.place import Place as At
from monitor.ui.pages import BENCHMARKS
from tests.benchmarking import PROTOCOL, SMALL, Place, bare, evaluation, place, results
from tests.conftest import free_port, running_api
from tests.test_pages import See, see, texts, titles  # noqa: F401  `see` is a fixture

N = 80
TAGS = ["hard" if n * 37 % N >= 60 else "easy" for n in range(N)]
CSV = b"benchmark,checkpoint,metric,value,scale\nuploaded,small-100,acc,40,percent\nuploaded,small-200,acc,55,percent\n"


@dataclass(frozen=True)
class Made:
    """A running api, and the evaluations that tests open."""

    url: str
    failed: str
    odd: str


def picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (24, 16), "green").save(out, "PNG")
    return out.getvalue()


IMAGE = hashlib.sha256(picture()).hexdigest()


def passes(able: int) -> list[float]:
    return [float(n * 37 % N < able) for n in range(N)]


def write(here: Place) -> None:
    """Maths, where the best is not the last; reading, where nobody can tell; and everything that is odd."""
    for step, able, read in ((100, 20, 38), (200, 76, 40), (300, 50, 39)):
        maths = evaluation(f"small-{step}", passes(able), tags=TAGS, day=step // 100)
        here.keep(replace(maths, items=tuple(replace(item, media=(IMAGE,)) for item in maths.items)))
        here.keep(evaluation(f"small-{step}", passes(read), benchmark="reading", day=step // 100))
        perplexity = Score("ppl", 12.0 - step / 100, most=None, higher_is_better=False, headline=True)
        here.keep(bare(f"small-{step}", "perplexity", scores=(perplexity,), at=None))
    other = replace(PROTOCOL, version="1.1")
    here.keep(evaluation("newcomer", passes(60), protocol=other, day=5))
    figure = Score("Overall", 44.0, most=100.0, stderr=1.5, n=900, headline=True)
    here.keep(bare("small-200", "MMMU_DEV_VAL", scores=(figure,)))
    here.keep(bare("a*b", "MMMU_DEV_VAL", scores=(replace(figure, value=99.0),), claimed=True, at=None))
    here.keep(bare("small-300", "video", state="failed", problem="CUDA out of memory: 2 GiB"))
    here.keep(bare("small-300", "server-only", state="skipped", problem="external_submission_required"))
    lost = results([0.0] * 2, failed="Failed to obtain answer") + results([1.0, 0.0] * 6)[2:]
    score = Score("acc", 5 / 12, n=12, headline=True)
    note = "2 of 12 answers failed, the harness counts them as wrong"
    here.keep(bare("small-200", "lossy", scores=(score,), items=lost, notes=(note,)))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    folder = tmp_path_factory.mktemp("benchmarks")
    with place(folder, SMALL) as here:
        write(here)
    port = free_port()
    with running_api(folder / "data", port):
        url = f"http://127.0.0.1:{port}"
        with Prober(url) as prober:
            assert prober.upload(picture())["sha256"] == IMAGE
        with Reader(url) as reader:
            runs = reader.query("benchmark_runs").set_index("benchmark")["run"]
        yield Made(url, str(runs["video"]), str(runs["lossy"]))


@pytest.fixture
def page(see: See, made: Made) -> "Page":  # noqa: F811
    return Page(see, made)


@dataclass
class Page:
    """Opens the page over the evaluations."""

    see: See
    made: Made

    def __call__(self, **query: str | list[str]) -> AppTest:
        app = self.see(BENCHMARKS, self.made.url, **query)
        assert not app.error, app.error
        return app

    def compare(self, **query: str | list[str]) -> AppTest:
        return self(**({"a": "small-200", "b": "small-300"} | query))


def alts(app: AppTest) -> list[str]:
    return [str(one.proto.alt) for one in app.get("echarts_chart")]


def option(app: AppTest, at: int = 0) -> dict[str, Any]:
    return dict(json.loads(app.get("echarts_chart")[at].proto.spec))


def frame(app: AppTest, alt: str) -> pd.DataFrame:
    found = [one.value for one in app.dataframe if str(one.proto.alt).startswith(alt)]
    assert found, [str(one.proto.alt) for one in app.dataframe]
    return found[0]


def lines(app: AppTest, alt: str, by: str) -> dict[str, dict[str, Any]]:
    """The rows of a table by one of its columns."""
    return {str(row[by]): {str(k): v for k, v in row.items()} for row in frame(app, alt).to_dict("records")}


def badges(app: AppTest) -> str:
    return " ".join(str(one.value) for one in app.markdown if "-badge[" in str(one.value))


def held(app: AppTest, name: str) -> str:
    """What the address holds."""
    value = app.query_params[name]
    return value if isinstance(value, str) else value[0]


def only_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "LOCAL", access.Identity("guest", frozenset({"read"})))


# -- the overview


def test_the_best_checkpoint_and_that_it_is_not_the_last_are_said_with_a_probability(page: Page) -> None:
    app = page()
    shown = texts(app)
    assert "**small\\-200 is the best**, with a probability of" in shown
    assert "against 2 other checkpoints" in shown
    assert "items of maths (weight 3) and reading (weight 1)" in shown
    assert "**The best is not the last.** small\\-300, the last one, scores" in shown
    assert "(95 % interval of the difference -" in shown
    assert "best is not the last" in badges(app)


def test_each_benchmark_says_whether_the_last_is_shown_to_be_worse(page: Page) -> None:
    [told] = alts(page())
    assert told.startswith("small: last minus best of each benchmark. maths (n 80): -32.5 points (")
    assert "), shown. reading (n 80): -1.2 points (" in told
    assert told.endswith("), not shown")


def test_what_does_not_count_overall_is_named_with_its_reason(page: Page) -> None:
    shown = texts(page())
    assert "Left out: MMMU\\_DEV\\_VAL, lossy and perplexity (fewer than two checkpoints have items in common)" in shown


def test_the_table_shows_best_ties_protocols_and_failures_as_such(page: Page) -> None:
    table = lines(page(), "Every benchmark", "Open")
    assert (table["maths"]["Best"], table["maths"]["Ties with it"]) == ("small-200", "")
    assert re.fullmatch(r"-32\.5 points \(-\d\d\.\d to -\d\d\.\d\), shown", str(table["maths"]["Last one"]))
    assert table["maths"]["Protocols"] == "2, not comparable"
    assert table["reading"]["Ties with it"] == "small-300, small-100"
    assert re.fullmatch(r".+ points \(-.+ to \+.+\), not shown", str(table["reading"]["Last one"]))
    assert (table["video"]["Best"], list(table["video"]["Evaluations"])) == ("no figures", ["1 failed"])
    assert list(table["server-only"]["Evaluations"]) == ["1 skipped"]
    assert table["lossy"]["Best"] == "only one checkpoint"
    assert list(table)[:2] == ["maths", "reading"], "those with a best checkpoint stand first"


def test_failures_and_skips_lead_to_these_evaluations(page: Page) -> None:
    app = page()
    assert app.button(key="show-skipped").label == "1 evaluation was skipped"
    app.button(key="show-failed").click().run()
    assert held(app, "state") == "failed"
    assert list(frame(app, "Evaluations")["Benchmark"]) == ["video"]


def test_a_card_leads_to_the_comparison_of_best_and_last(page: Page) -> None:
    app = page()
    app.button(key="compare-small").click().run()
    assert (held(app, "a"), held(app, "b")) == ("small-200", "small-300")
    assert "**A** is small\\-200, **B** is small\\-300." in texts(app)


# -- one benchmark


def test_protocols_are_drawn_apart_and_what_keeps_them_apart_is_named(page: Page) -> None:
    app = page(benchmark="maths")
    shown = texts(app)
    assert "Under protocol 1: **small\\-200 is the best**" in shown
    assert "**The best is not the last**: small\\-300 scores 62.5 %" in shown
    assert "**2 protocols that cannot be compared.**" in shown
    assert "version of the harness\\: 1\\.1 or 1\\.0" in shown
    assert "Not drawn is newcomer: it has no training step." in shown
    beside = page(benchmark="maths", over="beside")
    assert option(beside)["legend"]["data"] == ["small, protocol 1", "newcomer, protocol 2"]


def test_treating_protocols_as_the_same_joins_them_and_warns(page: Page) -> None:
    app = page(benchmark="maths", ignore=["version"])
    assert titles(app) == ["Unlike protocols are treated as the same"]
    assert "differ in version of the harness are joined" in app.warning[0].value
    assert len(frame(app, "Checkpoints of this benchmark")) == 4
    assert "cannot be compared" not in texts(app)
    app.pills(key="ignore-parts").set_value([]).run()
    assert not app.warning
    assert "ignore" not in app.query_params


def test_the_leaderboard_shows_ties_as_ties(page: Page) -> None:
    table = frame(page(benchmark="reading"), "Checkpoints of this benchmark")
    assert list(table["Rank"]) == ["1–3"] * 3
    row = lines(page(benchmark="reading"), "Checkpoints of this benchmark", "Checkpoint")["small-200"]
    assert (row["Score"], row["n"], row["Interval from"]) == ("0.500 of 1", 80, "items (Wilson)")
    assert "to" in row["95 % interval"]
    assert row["Chance of best"].endswith("%")
    shown = texts(page(benchmark="reading"))
    assert "**Which one is best is open.** small\\-200 stands first with 50.0 %" in shown
    assert "Not shown to be worse: small\\-300 and small\\-100." in shown
    assert "all pairs tested together" in shown


def test_a_category_narrows_the_chart_and_the_ranking(page: Page) -> None:
    app = page(benchmark="maths")
    app.selectbox(key="benchmark-category").set_value("tag=hard").run()
    assert held(app, "category") == "tag=hard"
    assert list(frame(app, "Checkpoints of this benchmark")["n"]) == [20] * 3


def test_smoothing_is_off_until_somebody_turns_it_on_and_then_labelled(page: Page) -> None:
    app = page(benchmark="maths")
    assert "smoothed" not in json.dumps(option(app))
    app.toggle(key="trend-smooth").set_value(True).run()
    assert held(app, "smooth") == "1"
    assert option(app)["legend"]["data"] == ["small, protocol 1", "small, protocol 1, smoothed (3)"]
    assert "smoothed: the mean of each 3 neighbouring checkpoints" in texts(app)


def test_a_scale_that_is_not_known_shows_numbers_and_no_interval(page: Page) -> None:
    app = page(benchmark="perplexity")
    shown = texts(app)
    assert "ppl · scale not known · lower is better" in shown
    assert "**small\\-300 has the best score**, 9, but without items or standard errors nothing is shown." in shown
    assert "No interval can be given for 3 scores: the file has neither items nor a standard error" in shown
    table = frame(app, "Checkpoints of this benchmark")
    assert table["Score"].tolist() == ["9 (scale not known)", "10 (scale not known)", "11 (scale not known)"]
    assert table["Interval from"].str.startswith("no interval can be given: ").all()
    assert set(table["Rank"]) == {"1–3"}
    assert "%" not in json.dumps(option(app)["yAxis"])


def test_a_date_that_no_file_tells_is_said(page: Page) -> None:
    app = page(benchmark="perplexity", over="date")
    assert not app.get("echarts_chart")
    assert "None of these evaluations has a date. *Side by side* shows them all." in texts(app)
    assert frame(app, "Checkpoints of this benchmark")["Evaluated"].isna().all()


def test_published_and_claimed_figures_stand_beside_ours_and_are_never_ranked(page: Page) -> None:
    app = page(benchmark="MMMU_DEV_VAL", over="beside")
    shown = texts(app)
    assert "Dashed lines: SmolVLM2\\-2\\.2B 42.0 of 100" in shown
    assert "](https://huggingface.co/HuggingFaceTB/SmolVLM2-2.2B-Instruct)" in shown
    assert "Claimed by others and not ranked" in shown
    assert "a\\*b 99.0 of 100" in shown
    assert list(frame(app, "Checkpoints of this benchmark")["Checkpoint"]) == ["small-200"]
    assert "is the only checkpoint here: 44.0 %" in shown
    assert "claimed: a*b" in option(app)["yAxis"]["data"]


def test_a_benchmark_without_figures_says_where_to_look(page: Page) -> None:
    assert "No evaluation of this benchmark gave a figure" in texts(page(benchmark="video"))


@pytest.mark.parametrize(
    ("query", "title"),
    [
        ({"benchmark": "gone"}, "This benchmark is not known"),
        ({"run": "gone"}, "This evaluation is not known"),
        ({"a": "small-100", "b": "gone"}, "This checkpoint is not known"),
    ],
)
def test_a_link_to_what_is_gone_says_so(page: Page, query: dict[str, str], title: str) -> None:
    assert titles(page(**query)) == [title]


# -- two checkpoints


def test_two_checkpoints_are_compared_in_sentences_with_their_evidence(page: Page) -> None:
    app = page.compare()
    shown = texts(app)
    assert "**A is better on 1** of 3 benchmarks that may be compared; no difference is shown on 1; 1 with too" in shown
    assert "**maths: A is better, by 32.5 points** (95 % interval of B minus A -" in shown
    assert "p < 0.001, adjusted for 2; McNemar's exact test). B loses more than the margin of 5 points." in shown
    assert "**reading: no difference shown** (B minus A -1.2 points, 95 % interval -" in shown
    assert "more items would show a difference as large as this one" in shown
    told = next(alt for alt in alts(app) if alt.startswith("B minus A by benchmark"))
    assert "maths (n 80): -32.5 points" in told
    assert "no difference shown" in told


def test_what_may_not_be_compared_stands_there_as_such(page: Page) -> None:
    app = page.compare(b="newcomer")
    assert "**maths: not comparable.** What differs: version of the harness\\: 1\\.0 or 1\\.1." in texts(app)
    assert not app.get("echarts_chart")
    joined = page.compare(b="newcomer", ignore=["version"])
    assert "**maths: A is better" in texts(joined)
    assert titles(joined) == ["Unlike protocols are treated as the same"]


def test_all_numbers_of_a_comparison_are_one_click_away(page: Page) -> None:
    app = page.compare()
    app.session_state["numbers"] = True
    row = lines(app.run(), "The comparison on each benchmark", "Benchmark")["maths"]
    assert (row["Verdict"], row["A"], row["B"], row["n"]) == ("A is better", "95.0 %", "62.5 %", 80)
    assert (row["Only A"], row["Only B"], row["Not worse"]) == (26, 0, "not shown (5 points)")


def test_without_a_choice_the_best_and_the_last_are_compared(page: Page) -> None:
    app = page(part="compare")
    assert (app.selectbox(key="compare-a").value, app.selectbox(key="compare-b").value) == ("small-200", "small-300")
    app.button(key="swap").click().run()
    assert (held(app, "a"), held(app, "b")) == ("small-300", "small-200")
    assert "**maths: B is better" in texts(app)
    app.selectbox(key="compare-b").set_value("small-300").run()
    assert "Choose two different checkpoints." in texts(app)


def test_the_worst_and_best_category_are_named(page: Page) -> None:
    app = page.compare(benchmark="maths")
    shown = texts(app)
    assert "Worst for B: **tag=hard**, -80.0 points (" in shown
    assert "Best for B: **tag=easy**, -16.7 points (" in shown
    assert "after the adjustment for 2 categories (Holm)" in shown
    assert any(alt.startswith("B minus A by category") for alt in alts(app))


def test_items_that_flipped_open_with_image_question_target_and_both_answers(page: Page) -> None:
    app = page.compare(benchmark="maths")
    table = frame(app, "Items that the two do not get the same of")
    assert len(table) == 26
    assert set(table["Better"]) == {"A"}
    item = str(table["Item"].iloc[0])
    app = page.compare(benchmark="maths", item=item)
    number = item.removeprefix("item-")
    codes = [str(code.value) for code in app.code]
    assert codes == [
        f"question {number}",
        f"target {number}",
        f"answer {number} worth 1",
        f"answer {number} worth 0",
    ]
    assert [one.alt for image in app.get("image") for one in image.proto.imgs] == [f"Image 1 ({IMAGE[:8]})"]
    assert "**Bold**: only B (1 word)" in texts(app)


def test_items_can_be_narrowed_to_a_category(page: Page) -> None:
    app = page.compare(benchmark="maths")
    app.selectbox(key="flip-category").set_value("tag=hard").run()
    assert held(app, "category") == "tag=hard"
    table = frame(app, "Items that the two do not get the same of")
    assert len(table) == 16


def test_texts_are_for_those_who_may_read_them(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    only_reads(monkeypatch)
    app = page.compare(benchmark="maths", item="item-1")
    opened = page(run=page.made.odd)
    for one in (app, opened):
        held = " ".join(table.value.to_csv() for table in one.dataframe) + texts(one)
        assert "question 1" not in held
        assert "worth" not in held
        assert "read_text" in held
    assert not app.get("image")


# -- evaluations


def test_evaluations_show_failures_skips_and_oddities(page: Page) -> None:
    table = lines(page(part="evaluations"), "Evaluations", "Benchmark")
    assert list(table["video"]["State"]) == ["Failed"]
    assert table["video"]["What was wrong, or odd"] == "CUDA out of memory: 2 GiB"
    assert table["server-only"]["What was wrong, or odd"] == "external_submission_required"
    assert (table["lossy"]["No answer"], table["lossy"]["Items"]) == (2, "12")
    assert pd.isna(table["perplexity"]["Evaluated"])


def test_the_filters_of_evaluations_are_in_the_address(page: Page) -> None:
    app = page(part="evaluations")
    app.selectbox(key="runs-benchmark").set_value("maths").run()
    assert held(app, "benchmark") == "maths"
    assert set(frame(app, "Evaluations")["Benchmark"]) == {"maths"}


def test_a_failed_evaluation_says_what_was_wrong_and_how_it_was_run(page: Page) -> None:
    app = page.see(BENCHMARKS, page.made.url, run=page.made.failed)
    assert [str(one.proto.title) for one in app.error] == ["Failed: what was wrong"]
    tables = {str(table.proto.alt): table.value.iloc[:, 0].to_dict() for table in app.table}
    assert tables["The protocol of this evaluation"]["Harness"] == "some\\-harness"
    assert tables["The protocol of this evaluation"]["Not told"].endswith("and judge")
    assert tables["What came of this evaluation"]["Source"] == "video/small\\-300\\.json"
    assert "Nothing is known of its items." in texts(app)


def test_the_items_without_an_answer_can_be_seen_alone(page: Page) -> None:
    app = page(run=page.made.odd)
    assert "2 of 12 answers failed, the harness counts them as wrong" in texts(app)
    assert len(frame(app, "Items of this evaluation")) == 12
    app.toggle(key="only-failed").set_value(True).run()
    table = frame(app, "Items of this evaluation")
    assert list(table["Answer, or why there is none"]) == ["Failed to obtain answer"] * 2


def test_the_tables_behind_the_page_can_be_taken_along(page: Page) -> None:
    pair = At(a="small-200", b="small-300", benchmark="maths")
    asked = overview.asks(()) | opened.asks(pair) | comparing.asks(pair) | evaluations.asks(At(run=page.made.odd))
    with Reader(page.made.url) as reader:
        for name, one in asked.items():
            rows = reader.query(one.name, **dict(one.params))
            assert len(rows) or name == "Published figures", name
    app = page.compare(benchmark="maths")
    app.session_state["export"] = True
    assert app.run().selectbox(key="export-what").options == ["Comparison", "By category", "Items that flipped"]
    assert "benchmark_comparison?a=small-200&b=small-300" in texts(app)


# -- what somebody adds


def test_an_upload_is_imported_and_each_line_of_it_told(see: See, tmp_path: Path) -> None:  # noqa: F811
    port = free_port()
    with running_api(tmp_path / "data", port):
        app = see(BENCHMARKS, f"http://127.0.0.1:{port}")
        assert "No benchmark has been evaluated or imported yet." in texts(app)
        assert app.button(key="import").disabled
        app.file_uploader[0].set_value([("house.csv", CSV, "text/csv")])
        app.run().button(key="import").click().run()
        app = app.run()
        app.query_params["part"] = "evaluations"
        app.session_state["import-menu"] = True
        shown = texts(app.run())
        assert "**house\\.csv**: 2 kept" in shown
        assert "**uploaded** of small\\-100 (plain): acc 40 of 100, no items" in shown
        app.file_uploader[0].set_value([("house.csv", CSV, "text/csv")])
        app.run().button(key="import").click().run()
        assert "**house\\.csv**: 2 known already" in texts(app)
        app.file_uploader[0].set_value([("notes.csv", b"a,b\n1,2\n", "text/csv")])
        app.run().button(key="import").click().run()
        assert "Nothing of notes.csv was imported" in titles(app)


def test_importing_is_for_those_who_may(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    only_reads(monkeypatch)
    app = page(part="evaluations")
    assert not app.file_uploader
    assert "Import results" not in [expander.label for expander in app.expander]


def test_a_refused_file_is_told_by_its_name_with_the_reason() -> None:
    line = {"outcome": "refused", "source": "run/broken.xlsx", "problem": "the file is damaged"}
    assert uploading.in_words(line).endswith(":red-badge[refused] run/broken\\.xlsx: the file is damaged")
    assert uploading.summary([line, {"outcome": "kept"}, {"outcome": "kept"}]) == "2 kept and 1 refused"


# -- sentences


def behind(**more: Any) -> dict[str, Any]:
    row: dict[str, Any] = {"last_is_best": False, "last": "small-300", "last_step": 300, "last_mean": 0.6}
    row |= {"n_items": 200, "tied": [], "weights": [], "in_shares": True, "best_low": 0.68, "best_high": 0.81}
    known = {"last_difference": -0.1, "last_low": -0.2, "last_high": -0.02, "last_shown": True}
    return row | known | more


def test_a_last_one_that_is_not_shown_to_be_worse_is_not_called_worse() -> None:
    told = sentences.last(behind(last_shown=False, last_high=0.05))
    assert told.startswith("**That the last one is worse is not shown.** small\\-300, the last one, scores 10.0 points")
    assert "By itself" not in told
    assert sentences.last(behind(last_shown=False)).endswith("tested it may be chance.")
    assert "scores as much as the best one" in sentences.last(behind(last_difference=0.0, last_shown=False))
    assert sentences.last(behind(last_is_best=True)) == "It is also the last one."
    assert "none has a training step" in sentences.last(behind(last=None, last_is_best=None))


def test_each_score_has_its_interval_and_none_without_a_scale_is_a_percentage() -> None:
    best = {"best": "small-200", "best_step": 200, "best_mean": 0.75, "chance_of_best": 0.99, "n_checkpoints": 2}
    assert "It scores 75.0 % (95 % interval 68.0 to 81.0 %) on 200 items." in sentences.best(behind(**best))
    loss = {
        "best_mean": 2.25,
        "best_low": 2.1,
        "best_high": 2.4,
        "last_difference": 0.5,
        "last_low": 0.3,
        "last_high": 0.7,
    }
    told = behind(**(best | loss), in_shares=False)
    assert "It scores 2.25 (95 % interval 2.1 to 2.4) on 200 items." in sentences.best(told)
    assert "scores 0.5 more than the best one (95 % interval of the difference +0.3 to +0.7, n 200)" in sentences.last(
        told
    )
    assert "It scores 75.0 % on 200 items." in sentences.best(behind(**best, best_low=None, best_high=None))


def test_what_is_left_out_is_told_by_reason() -> None:
    overall = {"benchmark": "", "left_out": ["a: not in maths", "b: not in maths", "ppl: its weight is 0"]}
    single = {"benchmark": "maths", "left_out": ["a: version: 1.0 or 1.1"]}
    assert sentences.left_out(overall, [single]) == [
        "Left out: a and b (not in maths); ppl (its weight is 0).",
        "Not ranked on maths: a (version of the harness\\: 1\\.0 or 1\\.1).",
    ]


def test_figures_of_too_few_items_say_so_instead_of_a_probability() -> None:
    row = behind(best="small-200", best_step=200, best_mean=0.75, chance_of_best=None, n_checkpoints=2)
    assert sentences.best(row).endswith(
        "It scores 75.0 % (95 % interval 68.0 to 81.0 %) on 200 items. That is too little to say how sure it is."
    )
    likely = row | {"chance_of_best": 0.97}
    assert sentences.best(likely).startswith("**small\\-200 is the best**, with a probability of 97 %")
    assert sentences.best(likely | {"tied": ["small-100"]}).startswith("**Which one is best is open.**")
    assert "could not be ranked with the others" in sentences.last(behind(last_is_best=None, last_mean=None))


def compared(**more: Any) -> dict[str, Any]:
    row = {"benchmark": "ppl", "category": "", "verdict": "b_lower", "better": "b", "difference": -0.7, "most": None}
    ends = {"low": -1.0, "high": -0.4, "n": 0, "n_a": 50, "n_b": 60, "n_groups": None, "p_adjusted": None}
    rest = {
        "method": "unpaired",
        "higher_is_better": False,
        "non_inferior": True,
        "margin": 0.02,
        "items_needed": None,
        "why": [],
    }
    return row | ends | rest | more


def test_a_difference_without_a_scale_is_no_percentage_and_lower_can_be_better() -> None:
    told = comparison.sentence(compared(), "a", 1)
    assert "**ppl: B is better, by 0.7** (95 % interval of B minus A -1 to -0.4, n 50 and 60; " in told
    assert "lower is better" in told
    assert "points" not in told


def test_losing_more_than_the_margin_is_told_from_not_knowing() -> None:
    scaled = compared(most=1.0, higher_is_better=True, non_inferior=False)
    assert comparison.inferior(scaled | {"low": -0.2, "high": -0.05}) == "B loses more than the margin of 2 points."
    assert comparison.inferior(scaled | {"low": -0.2, "high": 0.01}).endswith("is open.")
    lower = scaled | {"higher_is_better": False, "low": 0.05, "high": 0.2}
    assert comparison.inferior(lower) == "B loses more than the margin of 2 points."


def test_a_difference_that_only_the_adjustment_hides_is_told_so() -> None:
    row = compared(better=None, verdict="no_difference_shown", items_needed=0, most=1.0)
    assert "By itself it would be shown" in comparison.sentence(row, "a", 3)
