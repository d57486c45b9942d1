"""The queries of canaries on replays of two real servers whose right answers are known."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import Response

from monitor.errors import BadInput, NotFound
from monitor.stats.sequences import mean_sequence
from tests.canarying import Place, impatient, place, prompt_of, reply, watched, write_fleet, write_suite
from tests.model_servers import serving

IDS = [f"item-{n:02}" for n in range(40)]
WRONG_A, WRONG_B = IDS[:4], IDS[2:16]
"""What each deployment gets wrong: two of them both, two only a, twelve only b."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Two deployments with three replays each; in the last one `a` gets an item wrong that it had right."""
    folder = tmp_path_factory.mktemp("canaries")
    write_suite(folder, IDS, tags=["first"] * 10)
    last = {"now": False}

    def a(body: dict[str, Any]) -> Response:
        wrong = [*WRONG_A, IDS[30]] if last["now"] else WRONG_A
        return reply("blue" if prompt_of(body) in wrong else "red", math.log(0.9))

    def b(body: dict[str, Any]) -> Response:
        return reply("green" if prompt_of(body) in WRONG_B else "red", math.log(0.7))

    with pytest.MonkeyPatch.context() as patch, serving(a) as one, serving(b) as other:
        impatient(patch)
        write_fleet(folder, {"a": one.url, "b": other.url})
        with place(folder) as opened:
            for n in range(3):
                last["now"] = n == 2
                opened.replay()
            yield opened


def only(rows: list[dict[str, Any]]) -> dict[str, Any]:
    (row,) = rows
    return row


def test_deployments_say_how_their_newest_replay_went(made: Place) -> None:
    rows = {row["deployment"]: row for row in made.door.query("canary_deployments")}
    assert set(rows) == {"a", "b"}
    assert (rows["a"]["passed"], rows["a"]["failed"], rows["a"]["flips_bad"], rows["a"]["flips_good"]) == (35, 5, 1, 0)
    assert (rows["b"]["passed"], rows["b"]["flips_bad"], rows["b"]["checkpoint"]) == (26, 0, "one")
    assert rows["a"]["learned_at"] < rows["a"]["started_at"]


def test_a_canary_that_never_ran_is_listed_as_planned(made: Place, tmp_path: Path) -> None:
    write_suite(tmp_path, ["one"])
    write_fleet(tmp_path, {"watched": "http://127.0.0.1:9"}, more='deployments = ["watched"]')
    with place(tmp_path) as empty:
        row = only(empty.door.query("canary_deployments"))
        assert (row["canary"], row["deployment"], row["state"], row["planned"]) == (
            "colours",
            "watched",
            "no_data",
            True,
        )
        with pytest.raises(NotFound, match="canary 'colours' never ran on 'watched'"):
            empty.door.query("canary_matrix", canary="colours", deployment="watched")


def test_without_deployments_all_that_can_be_called_are_planned_and_what_is_removed_is_no_alarm(tmp_path: Path) -> None:
    write_suite(tmp_path, IDS[:12])
    with serving(lambda _: reply("red")) as server:
        write_fleet(tmp_path, {"one": server.url, "other": server.url})
        with place(tmp_path) as made:
            assert {row["deployment"] for row in made.door.query("canary_deployments")} == {"one", "other"}
            made.replay()
            server.answer = lambda _: reply("blue")
            made.replay()
            made.replay()
            assert {row["state"] for row in made.door.query("canary_deployments")} == {"alert"}
        write_fleet(tmp_path, {"one": server.url})
        with place(tmp_path) as made:
            rows = {row["deployment"]: (row["planned"], row["state"]) for row in made.door.query("canary_deployments")}
            assert rows == {"one": (True, "alert"), "other": (False, "no_data")}
            assert {row["deployment"] for row in made.door.query("canary_signals")} == {"one"}


def test_the_matrix_has_a_cell_for_each_item_and_run_and_marks_flips(made: Place) -> None:
    rows = made.door.query("canary_matrix", canary="colours", deployment="a")
    assert len(rows) == len(IDS) * 4, "three replays and what was learned"
    assert [row["item"] for row in rows[::4]] == IDS
    flipped = [(row["item"], row["cell"]) for row in rows if row["flip"]]
    assert flipped == [(IDS[30], "fail")]
    assert {row["cell"] for row in rows if row["item"] in WRONG_A} == {"fail"}
    assert len(made.door.query("canary_matrix", canary="colours", deployment="a", tag="first", runs=2)) == 20


def test_the_trend_has_intervals_and_a_sequence_that_holds_at_all_times(made: Place) -> None:
    rows = made.door.query("canary_trend", canary="colours", deployment="a")
    replays = [row for row in rows if row["kind"] == "replay"]
    assert [(row["n"], row["passes"]) for row in replays] == [(40, 36), (40, 36), (40, 35)]
    for row in replays:
        assert row["low"] < row["pass_rate"] < row["high"]
        assert row["mean_low"] <= row["pass_rate"] <= row["mean_high"]
    learned = next(row for row in rows if row["kind"] == "learn")
    assert (learned["n"], learned["passes"]) == (40 * 9, 36 * 9)
    assert {learned[name] for name in ("low", "high", "mean_low", "mean_high")} == {None}
    tagged = made.door.query("canary_trend", canary="colours", deployment="a", tag="first")
    assert [row["n"] for row in tagged if row["kind"] == "replay"] == [10, 10, 10]


def test_the_sequence_of_the_trend_is_of_all_replays_since_the_baseline_whatever_is_shown(tmp_path: Path) -> None:
    ends = ("mean_low", "mean_high")
    with watched(tmp_path, IDS[:6]) as (one, _):
        for _ in range(4):
            one.replay()
        asked = {"canary": "colours", "deployment": "watched"}
        whole = one.door.query("canary_trend", **asked)
        newest = only(one.door.query("canary_trend", **asked, runs=1))
        assert newest == whole[-1]
        low, high = mean_sequence([1.0] * 4)
        assert [tuple(row[end] for end in ends) for row in whole[1:]] == list(zip(low, high, strict=True))
        by_tag = one.door.query("canary_trend", **asked, tag="all")
        assert [row["mean_low"] for row in by_tag] == [row["mean_low"] for row in whole]
        body = {"canary": "colours", "deployment": "watched", "by": "me", "reason": "a new prompt"}
        one.door.write("canary-accept", body)
        one.replay()
        after = one.door.query("canary_trend", **asked)
        assert [row["mean_low"] for row in after[:-1]] == [None] * 6
        assert tuple(after[-1][end] for end in ends) == (low[0], high[0])


def test_one_item_shows_its_answers_its_checks_and_the_last_good_one(made: Place) -> None:
    rows = made.door.query("canary_item", canary="colours", deployment="a", item=IDS[30])
    newest = rows[0]
    assert (newest["outcome"], newest["answer"]) == ("fail", "blue")
    assert '"passed":false' in newest["checks"]
    assert '"kind":"exact"' in newest["definition"]
    good = only([row for row in rows if row["last_good"]])
    assert (good["outcome"], good["answer"], good["kind"]) == ("pass", "red", "replay")
    with pytest.raises(NotFound, match="suite 'colours' has no item 'nothing'"):
        made.door.query("canary_item", canary="colours", deployment="a", item="nothing")


def test_two_deployments_are_compared_on_the_same_items(made: Place) -> None:
    row = only(made.door.query("canary_comparison", canary="colours", a="a", b="b"))
    counts = (row["both_pass"], row["only_a"], row["only_b"], row["both_fail"])
    assert counts == (40 - 5 - 14 + 2, 12, 3, 2)
    assert row["difference"] == pytest.approx(-9 / 40)
    assert row["p_value"] == pytest.approx(0.03516, abs=1e-5)  # scipy.stats.binomtest(3, 15).pvalue
    assert row["difference_low"] < row["difference"] < row["difference_high"] < 0
    assert row["boot_low"] < row["boot"] < row["boot_high"]
    assert row["verdict"] == "b_lower"
    assert row["n_latency"] == 40
    again = only(made.door.query("canary_comparison", canary="colours", a="b", b="a"))
    assert (again["difference"], again["verdict"]) == (-row["difference"], "b_higher")
    few = only(made.door.query("canary_comparison", canary="colours", a="a", b="b", tag="first", runs=3))
    assert few["n_pairs"] == 10
    with pytest.raises(BadInput, match="a and b are both 'a'"):
        made.door.query("canary_comparison", canary="colours", a="a", b="a")


def test_items_of_one_group_show_no_difference_by_their_number(tmp_path: Path) -> None:
    """Seven items about the same picture part, of forty: one picture, not seven."""
    write_suite(tmp_path, IDS)
    suite = tmp_path / "suite.yaml"
    for item in IDS[:7]:
        suite.write_text(suite.read_text().replace(f"id: {item}\n", f"id: {item}\n    group: picture\n"))

    def a(body: dict[str, Any]) -> Response:
        return reply("blue" if prompt_of(body) in IDS[:7] else "red")

    with serving(a) as one, serving(lambda body: reply("red")) as other:
        write_fleet(tmp_path, {"a": one.url, "b": other.url})
        with place(tmp_path) as opened:
            opened.replay()
            row = only(opened.door.query("canary_comparison", canary="colours", a="a", b="b"))
            assert (row["only_a"], row["only_b"], row["n_pairs"], row["n_groups"]) == (0, 7, 40, 34)
            assert row["p_value"] == pytest.approx(2 / 2**7)
            assert row["difference_low"] > 0 >= row["boot_low"]
            assert row["verdict"] == "no_difference_shown"


def test_the_items_that_part_two_deployments_are_named_with_both_answers(made: Place) -> None:
    rows = made.door.query("canary_parted", canary="colours", a="a", b="b")
    better = [(row["item"], row["better"]) for row in rows if row["better"]]
    assert sorted(item for item, name in better if name == "b") == sorted([*IDS[:2], IDS[30]])
    assert sorted(item for item, name in better if name == "a") == IDS[4:16]
    differently = [row for row in rows if row["better"] is None]
    assert [(row["item"], row["answer_a"], row["answer_b"]) for row in differently] == [
        (item, "blue", "green") for item in IDS[2:4]
    ]


def test_the_noise_of_each_item_was_learned_at_both_levels(made: Place) -> None:
    rows = {row["item"]: row for row in made.door.query("canary_noise", canary="colours", deployment="b")}
    assert (rows[IDS[0]]["n"], rows[IDS[0]]["passes"], rows[IDS[0]]["variants"]) == (9, 9, 1)
    assert rows[IDS[5]]["passes"] == 0
    assert rows[IDS[0]]["pass_low"] == pytest.approx(0.6637, abs=1e-4)  # Clopper-Pearson, 9 of 9
    assert rows[IDS[0]]["logprob_median"] == pytest.approx(math.log(0.7))
    assert rows[IDS[0]]["latency_low"] <= rows[IDS[0]]["latency_median"] <= rows[IDS[0]]["latency_high"]


def test_answers_are_of_source_canary_and_count_in_no_health(made: Place) -> None:
    made.door._owner.wait_loaded(rolled=True)  # type: ignore[attr-defined]  # the local door
    assert made.door.query("requests", start="-1h", end="now") == []
    assert made.door.query("requests", start="-1h", end="now", source="canary", limit=3) != []


def test_runs_are_listed_newest_first_with_their_pass_rate(made: Place) -> None:
    runs = made.door.query("canary_runs", canary="colours", deployment="b")
    assert [(row["kind"], row["pass_rate"]) for row in runs] == [("replay", 26 / 40)] * 3 + [("learn", 26 / 40)]
