"""The simulation of bench/drift_stats.py in small, on real digits too, and that the page shows what it prints."""

import re
from pathlib import Path

import pytest

from bench import drift_stats
from bench.drift_stats import ANY, RULE, agreement, daily, false_calls, named_slices, power, real
from bench.drift_worlds import SHAPES

PAGE = Path(__file__).parent.parent / "docs" / "statistics.md"
STUDIES = {study.what: study for study in drift_stats.studies()}


def shown() -> dict[str, str]:
    """The lines of the page by what they are about."""
    text = PAGE.read_text("utf-8").split("<!-- python -m bench.drift_stats -->\n")[1].split("\n<!-- end -->")[0]
    return {line.split(" | ")[0].removeprefix("| "): line for line in text.splitlines()[2:]}


def percent(found: str) -> float:
    return float(found.partition(" %")[0])


def pixels(found: str) -> float:
    return float(found.partition(" ")[0])


def test_the_page_shows_a_line_for_everything_that_is_simulated() -> None:
    assert list(shown()) == list(STUDIES)


@pytest.mark.parametrize(
    "name",
    [
        "distance from scipy, tiny",
        "shift of 0.5 sd, 300 rows: called",
        "interval of psi, shift of 0.3 sd, 500 rows: holds it",
    ],
)
def test_the_page_shows_what_the_simulation_prints(name: str) -> None:
    expected = drift_stats.table([STUDIES[name].line()]).splitlines()[-1]
    assert shown()[name] == expected, "run `python -m bench.drift_stats` and paste what it prints"


@pytest.mark.parametrize("shape", SHAPES)
def test_effects_from_profiles_are_those_of_scipy(shape: str) -> None:
    off = [float(each) for each in re.findall(r"[\d.]+", agreement(shape, 12 if shape == "tiny" else 200_000, 1)[1])]
    assert off[0] <= 0.001 if shape != "mostly missing" else 0.002  # of 20,000 values a bin holds more than that
    assert max(off[1:]) <= 1


@pytest.mark.parametrize("n, rule", [(30, ANY), (1000, ANY), (1000, RULE)])
def test_the_same_data_is_rarely_called_where_plain_tests_often_are(n: int, rule: object) -> None:
    _, found, plain = false_calls(n, rule, 15)  # type: ignore[arg-type]
    assert percent(found) <= 4
    assert percent(plain) > 15


def test_hours_of_a_daily_rhythm_are_rarely_called_where_plain_tests_always_are() -> None:
    _, found, plain = daily(1.0, 2)
    assert percent(found) <= 6
    assert percent(plain) > 90


def test_shifts_that_matter_are_found_and_others_are_not() -> None:
    assert percent(power(3000, 0.5, 10)[1]) == 100
    assert percent(power(3000, 0.1, 10)[1]) == 0
    assert percent(power(3000, 0.1, 10)[2]) > 50
    assert percent(power(30, 0.3, 20)[1]) <= 20


def test_noise_names_no_slice_and_a_planted_one_is_named() -> None:
    assert percent(named_slices(0.3, 0.0, 8)[1]) == 0
    assert percent(named_slices(0.0, 1.5, 8)[1]) >= 75


def test_digits_without_half_of_their_classes_and_with_noise_are_called_and_a_random_split_is_not() -> None:
    quiet, half, noise = (
        real(change, 1)[1] for change in ("a random split", "half of the classes removed", "noise added")
    )
    assert quiet == "0.0 of 64 pixels; vectors in 0 of 1"
    assert pixels(half) > 8
    assert pixels(noise) > 30
    assert half.endswith("vectors in 1 of 1")
    assert noise.endswith("vectors in 1 of 1")
