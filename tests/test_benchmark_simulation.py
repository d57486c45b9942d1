"""The simulation of bench/benchmark_stats.py in small, and that the page shows what it prints."""

from pathlib import Path

import numpy as np
import pytest

from bench import benchmark_stats
from bench.benchmark_stats import (
    found_differences,
    many_equal,
    one_better,
    said_and_true,
    sure_of_equals,
    true_ranks,
)

PAGE = Path(__file__).parent.parent / "docs" / "statistics.md"
STUDIES = {study.what: study for study in benchmark_stats.studies()}


def shown() -> dict[str, str]:
    """The lines of the page by what they are about."""
    text = PAGE.read_text("utf-8").split("<!-- python -m bench.benchmark_stats -->\n")[1].split("\n<!-- end -->")[0]
    return {line.split(" | ")[0].removeprefix("| "): line for line in text.splitlines()[2:]}


def percent(found: str) -> float:
    return float(found.partition(" %")[0])


def test_the_page_shows_a_line_for_everything_that_is_simulated() -> None:
    assert list(shown()) == list(STUDIES)


@pytest.mark.parametrize(
    "name",
    [
        *[name for name, study in STUDIES.items() if study.times == 1],
        "interval of 50 passes, 5 to an image, truth 0.98: holds it",
    ],
)
def test_the_page_shows_what_the_simulation_prints(name: str) -> None:
    expected = benchmark_stats.table([STUDIES[name].line()]).splitlines()[-1]
    assert shown()[name] == expected, "run `python -m bench.benchmark_stats` and paste what it prints"


@pytest.mark.parametrize("grouped", [False, True])
def test_equal_checkpoints_are_rarely_told_apart_where_plain_tests_are_wrong_again_and_again(grouped: bool) -> None:
    _, found, plain = benchmark_stats.false_differences(100, grouped, 60)
    assert percent(found) <= 5
    assert percent(plain) > (15 if grouped else 0)


def test_the_same_items_show_more_than_two_separate_sets_would() -> None:
    for at_once in (False, True):
        _, found, plain = found_differences(300, 0.08, at_once, 30)
        assert percent(found) > percent(plain) + 5


def test_what_is_said_to_be_best_is_so_as_often_as_said() -> None:
    _, found, _ = said_and_true(0.9, 1.01, 150)
    assert 85 < percent(found) <= 100


def test_of_two_equal_ones_the_chance_is_sometimes_high_and_the_ranking_seldom_sure() -> None:
    _, sure, ranked = sure_of_equals(2, 80)
    assert 2 < percent(sure) < 20
    assert percent(ranked) <= 7.5


def test_the_bounds_of_all_ranks_hold_at_once() -> None:
    assert percent(true_ranks(60)[1]) >= 93


def test_a_ranking_of_many_shows_more_than_separate_tests_and_no_more_than_there_is() -> None:
    _, found, plain = one_better(40, 0.1, 4)
    assert percent(found) > percent(plain) + 20
    assert float(many_equal(40, 20)[1].partition("(")[2].partition(" ")[0]) <= 5  # the lower end of its interval


def test_items_of_an_image_are_as_alike_as_the_simulation_says() -> None:
    rng = np.random.default_rng(147)
    passes = benchmark_stats.passes_in_groups(rng, 50_000, 0.7).reshape(-1, benchmark_stats.PER_GROUP)
    assert passes.mean() == pytest.approx(0.7, abs=0.01)
    assert np.corrcoef(passes[:, 0], passes[:, 1])[0, 1] == pytest.approx(benchmark_stats.ALIKE, abs=0.03)
    graded = benchmark_stats.graded(rng, 50_000, grouped=True)
    assert graded.mean() == pytest.approx(benchmark_stats.GRADED_MEAN, abs=0.01)
