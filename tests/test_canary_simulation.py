"""The simulation of bench/canary_stats.py in small, and that the page shows what it prints."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bench import canary_stats, canary_worlds
from bench.canary_worlds import LEARNED
from monitor.canary.signals import CHANNELS, LOOK_LEVEL
from monitor.stats.intervals import clopper_pearson

PAGE = Path(__file__).parent.parent / "docs" / "statistics.md"
CASES = {case.name: case for case in canary_stats.cases()}


def shown() -> dict[str, str]:
    """The lines of the page by what they are about."""
    text = PAGE.read_text("utf-8").split("<!-- python -m bench.canary_stats -->\n")[1].split("\n<!-- end -->")[0]
    return {line.split(" | ")[0].removeprefix("| "): line for line in text.splitlines()[2:]}


@pytest.fixture(scope="module")
def e_values() -> NDArray[np.float64]:
    """Of 250 unchanged deployments of their own, each looked at once, 1 to 24 replays after learning."""
    rng = np.random.default_rng(51)
    found = []
    for turn in range(250):
        replays = canary_worlds.replays(rng, [(canary_worlds.world(rng), LEARNED + 1 + turn % 24)])
        found.append([signal.e_value for signal in canary_stats.look(replays, 1 + turn % 24)])
    return np.array(found)


@pytest.mark.parametrize("channel", CHANNELS)
def test_the_mean_e_value_of_an_unchanged_deployment_is_at_most_one(
    e_values: NDArray[np.float64], channel: str
) -> None:
    values = e_values[:, CHANNELS.index(channel)]
    assert values.mean() - 2 * values.std() / np.sqrt(values.size) <= 1
    assert clopper_pearson(int((values >= 20).sum()), values.size).low <= 0.05
    assert clopper_pearson(int((values >= 4).sum()), values.size).low <= 0.25


def test_hourly_looks_at_an_unchanged_deployment_raise_no_alarm_where_plain_tests_do() -> None:
    rng = np.random.default_rng(52)
    (replays, looks), *_ = canary_stats.quiet_looks(rng, 1, 240)
    alarms = ["alert" in canary_stats.states(found, CHANNELS) for found in looks]
    assert sum(alarms) == 0
    assert any(flags.any() for flags in canary_stats.plain(replays).values())


@pytest.mark.parametrize(
    "name, most",
    [
        ("quality, 10 points: 6 items break", 2),
        ("quality, 20 points: 12 items break", 2),
        ("quality, 5 points: 3 items break", 4),
        ("behaviour: 6 items in other words", 2),
        ("behaviour: log probabilities move by 10 %", 2),
    ],
)
def test_a_change_is_found_within_so_many_replays(name: str, most: int) -> None:
    assert canary_stats.delay(CASES[name], times=4).found[0].startswith(tuple(f"{n} (" for n in range(1, most + 1)))


def test_e_values_reach_an_alarm_only_where_something_happened() -> None:
    rng = np.random.default_rng(53)
    truth = canary_worlds.world(rng)
    replays = canary_worlds.replays(rng, [(truth, LEARNED + 10), (canary_worlds.broken(8)(truth), 4)])
    sizes = [canary_stats.look(replays, upto)[0].e_value for upto in range(1, 15)]
    assert max(sizes[:10]) < 1 / LOOK_LEVEL < sizes[11]


def test_the_page_shows_a_line_for_everything_that_is_simulated() -> None:
    assert list(shown()) == [line.what for line in canary_stats.lines(quick=True)]


@pytest.mark.parametrize("name", ["quality, 20 points: 12 items break", "behaviour: 6 items in other words"])
def test_the_page_shows_what_the_simulation_prints(name: str) -> None:
    line = canary_stats.delay(CASES[name])
    expected = canary_stats.table([line]).splitlines()[-1]
    assert shown()[line.what] == expected, "run `python -m bench.canary_stats` and paste what it prints"


def test_the_page_shows_false_alarms_at_or_below_what_is_promised() -> None:
    looks, warnings = list(shown().values())[:2]
    assert looks.split(" | ")[1].startswith("0 % of")
    assert float(warnings.split(" | ")[1].split(" %")[0]) <= 1


def test_noise_of_log_probabilities_three_times_that_of_the_reference_raises_nothing() -> None:
    rng = np.random.default_rng(54)
    for _ in range(5):
        truth = canary_worlds.world(rng)
        noisier = replace(truth, noise=3 * truth.noise)
        replays = canary_worlds.replays(rng, [(truth, LEARNED), (noisier, 20)])
        for upto in (1, 2, 3, 5, 10, 20):
            assert set(canary_stats.states(canary_stats.look(replays, upto), CHANNELS)) == {"ok"}
