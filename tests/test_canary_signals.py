import doctest
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from monitor.canary import fingerprint, loads
from monitor.canary.noise import Replays, noise
from monitor.canary.signals import CHANNELS, MIN_REFERENCE, WINDOW, Signal, decide, signals
from monitor.stats.intervals import clopper_pearson

ITEMS = 60


def steady(rng: np.random.Generator, rows: int, learned: int = 12, items: int = ITEMS, **changed: Any) -> Replays:
    """A slightly noisy deployment: float noise in the log probabilities, one item of ten flaky."""
    shape = (rows, items)
    passed = np.ones(shape, dtype=np.int8)
    passed[:, ::10] = rng.random(passed[:, ::10].shape) < 0.8
    logprob = -np.exp(rng.normal(-3, 1.5, items)) + rng.normal(0, 1e-6, shape)
    load = rng.normal(0, 0.05, (rows, 1)) + rng.normal(0, 0.1, shape)
    made = Replays(
        runs=tuple(f"run-{row}" for row in range(rows)),
        items=tuple(f"item-{item}" for item in range(items)),
        tags=tuple(("even" if item % 2 == 0 else "odd", f"own-{item}") for item in range(items)),
        weights=np.ones(items),
        passed=passed,
        variant=(1 - passed).astype(np.int32),
        logprob=np.minimum(logprob, 0.0),
        latency_ms=300 * np.exp(load),
        learned=learned,
        times=tuple(3600.0 * max(row - learned + 1, 0) for row in range(rows)),
    )
    return replace(made, **changed)


def part(replays: Replays, rows: int) -> Replays:
    return replace(
        replays,
        runs=replays.runs[:rows],
        passed=replays.passed[:rows],
        variant=replays.variant[:rows],
        logprob=replays.logprob[:rows],
        latency_ms=replays.latency_ms[:rows],
        concurrency=replays.concurrency[:rows],
        times=replays.times[:rows],
    )


def fleet(found: list[Signal], others: int = 100) -> list[str]:
    """The states of these signals among those of a fleet on which nothing happens."""
    quiet = replace(found[0], log_e=0.0, log_e_confirmed=0.0, n_recent=1, n_reference=12)
    return decide([*found, *[quiet] * others])[: len(found)]


def state(replays: Replays, channel: str, tag: str = "") -> tuple[str, Signal]:
    found = signals(replays)
    place = next(i for i, signal in enumerate(found) if (signal.channel, signal.tag) == (channel, tag))
    return fleet(found)[place], found[place]


def failing(replays: Replays, at: int, items: int = 6) -> None:
    replays.passed[at:, 1 : 1 + items] = 0


def reworded(replays: Replays, at: int, items: int = 6) -> None:
    replays.variant[at:, 1 : 1 + items] = 9


def requantised(replays: Replays, at: int) -> None:
    replays.logprob[at:] *= np.exp(np.random.default_rng(1).normal(0, 0.02, replays.logprob.shape[1]))


CHANGES: list[tuple[Callable[[Replays, int], None], str]] = [
    (failing, "quality"),
    (reworded, "behaviour"),
    (requantised, "behaviour"),
]


@pytest.mark.parametrize("change, channel", CHANGES)
@pytest.mark.parametrize("before", [0, 1, 12, 30])
def test_a_change_of_a_few_items_or_of_all_a_little_alerts_at_the_second_replay(
    change: Callable[[Replays, int], None], channel: str, before: int
) -> None:
    replays = steady(np.random.default_rng(2), 12 + before + 2)
    change(replays, 12 + before)
    assert state(part(replays, 12 + before + 1), channel)[0] in ("ok", "warn")
    found, signal = state(replays, channel)
    assert found == "alert"
    assert signal.since == f"run-{12 + before}"
    assert signal.e_value > 1e6
    assert set(signal.items) <= {f"item-{item}" for item in range(ITEMS)}


@pytest.mark.parametrize("change, channel", [(failing, "quality"), (reworded, "behaviour")])
def test_a_change_of_an_eighth_of_the_items_warns_at_once(
    change: Callable[[Replays, int, int], None], channel: str
) -> None:
    replays = steady(np.random.default_rng(2), 12 + 6)
    change(replays, 17, 8)
    found, signal = state(replays, channel)
    assert found == "warn"
    assert signal.log_e > 10 > signal.log_e_confirmed


def test_a_signal_names_the_items_and_the_size_of_the_change() -> None:
    replays = steady(np.random.default_rng(3), 16)
    failing(replays, 14)
    signal = state(replays, "quality")[1]
    assert set(signal.items[:6]) == {f"item-{item}" for item in range(1, 7)}
    assert signal.effect == pytest.approx(-6 / 60, abs=0.06)
    reworded(replays, 14)
    signal = state(replays, "behaviour")[1]
    assert set(signal.items[:6]) == {f"item-{item}" for item in range(1, 7)}
    assert signal.effect == pytest.approx(6 / 60, abs=0.02)


def test_weights_count_in_the_effect() -> None:
    replays = steady(np.random.default_rng(3), 15, weights=np.where(np.arange(ITEMS) == 1, 59.0, 1.0))
    replays.passed[:, ::10] = 1
    replays.passed[14, 1] = 0
    assert state(replays, "quality")[1].effect == pytest.approx(-0.5)


def test_a_tag_has_its_own_signal_and_one_of_too_few_items_has_none() -> None:
    replays = steady(np.random.default_rng(4), 15)
    reworded(replays, 12)
    found = signals(replays)
    assert [(signal.channel, signal.tag) for signal in found] == [
        (channel, tag) for channel in CHANNELS for tag in ("", "even", "odd")
    ]
    by_tag = {signal.tag: signal for signal in found if signal.channel == "behaviour"}
    assert by_tag["odd"].items == ("item-1", "item-3", "item-5")
    assert {by_tag["even"].n_items, by_tag["odd"].n_items} == {30}


def slowed(replays: Replays, row: int, times: float) -> Replays:
    """From that row on everything takes so many times as long."""
    after = np.arange(len(replays.runs)) >= row
    return replace(replays, latency_ms=replays.latency_ms * np.where(after, times, 1.0)[:, None])


def by_day(replays: Replays, peak: float) -> Replays:
    """A load that follows the day: learned at its quietest hour, so many times as slow 12 hours later."""
    day = (1 - np.cos(2 * np.pi * np.array(replays.times) / 86_400)) / 2
    return replace(replays, latency_ms=replays.latency_ms * (peak**day)[:, None])


def looked(replays: Replays, upto: int) -> tuple[str, Signal]:
    """The state of latency after so many replays, in a fleet of nothing else, and without more than is kept."""
    rows = np.r_[: replays.learned, max(replays.learned, replays.learned + upto - 120) : replays.learned + upto]
    seen = replace(
        replays,
        runs=tuple(replays.runs[row] for row in rows),
        passed=replays.passed[rows],
        variant=replays.variant[rows],
        logprob=replays.logprob[rows],
        latency_ms=replays.latency_ms[rows],
        times=tuple(replays.times[row] for row in rows),
        tags=((),) * len(replays.items),
    )
    signal = signals(seen)[2]
    return decide([signal])[0], signal


def test_twice_the_latency_is_found_and_half_of_it_is_not_a_fault() -> None:
    replays = steady(np.random.default_rng(5), 12 + 120)
    found, signal = state(slowed(replays, 120, 2), "latency")
    assert found == "alert"
    assert signal.since == "run-120"
    assert signal.effect == pytest.approx(2, rel=0.1)
    assert len(signal.items) == 10
    assert state(slowed(replays, 120, 0.5), "latency")[0] == "ok"


@pytest.mark.parametrize("peak", [1.5, 2.0, 3.0])
def test_a_load_that_follows_the_day_alerts_on_no_look_of_14_days(peak: float) -> None:
    replays = by_day(steady(np.random.default_rng(30), 12 + 14 * 24, items=6), peak)
    states = [looked(replays, upto)[0] for upto in range(1, 14 * 24 + 1)]
    assert "alert" not in states
    assert "warn" not in states[60:], "from the third day on it knows the day"


@pytest.mark.parametrize("peak", [1.0, 2.0, 3.0])
def test_twice_the_latency_after_a_week_is_found_in_half_a_day_whatever_the_day_looks_like(peak: float) -> None:
    replays = slowed(by_day(steady(np.random.default_rng(31), 12 + 7 * 24 + 12), peak), 12 + 7 * 24, 2)
    assert looked(replays, 7 * 24)[0] == "ok"
    found, signal = looked(replays, 7 * 24 + 12)
    assert found == "alert"
    assert signal.effect == pytest.approx(2, rel=0.15)


def test_latency_warns_and_never_alerts_before_two_days_have_shown_what_is_usual() -> None:
    replays = slowed(steady(np.random.default_rng(5), 12 + 24), 12 + 12, 4)
    found, signal = looked(replays, 24)
    assert found == "warn"
    assert signal.log_e > 10 > 0 >= signal.log_e_confirmed
    unknown = replace(slowed(steady(np.random.default_rng(5), 12 + 120), 120, 4), times=())
    assert state(unknown, "latency")[0] == "warn"


def test_latency_is_compared_at_the_same_concurrency_only() -> None:
    replays = steady(np.random.default_rng(6), 12 + 30)
    level = (1,) * 4 + (8,) * 4 + (32,) * 4 + (8,) * 30
    waits = replays.latency_ms * np.array(level)[:, None]
    found, signal = state(replace(replays, latency_ms=waits, concurrency=level), "latency")
    assert found == "ok"
    assert signal.n_reference == 4 + 30 - WINDOW
    assert signal.effect == pytest.approx(1, abs=0.1)


def test_the_first_replays_are_the_reference_of_latency_where_learning_was_at_other_concurrencies() -> None:
    replays = steady(np.random.default_rng(6), 12 + 10, concurrency=(1,) * 12 + (8,) * 10)
    signal = state(replays, "latency")[1]
    assert (signal.n_reference, signal.n_recent) == (MIN_REFERENCE, 10 - MIN_REFERENCE)


@pytest.mark.parametrize("concurrency", [1, 8, 32])
@pytest.mark.parametrize("noise_of_it", [1e-6, 3e-6])
def test_twenty_replays_of_an_unchanged_deployment_raise_nothing(concurrency: int, noise_of_it: float) -> None:
    rng = np.random.default_rng(concurrency)
    replays = steady(rng, 12 + 20, concurrency=(1,) * 4 + (8,) * 4 + (32,) * 4 + (concurrency,) * 20)
    replays.logprob[12:] += rng.normal(0, noise_of_it, (20, ITEMS))
    np.minimum(replays.logprob, 0, out=replays.logprob)
    replays.latency_ms[:] *= np.array(replays.concurrency)[:, None]
    for upto in range(1, 21):
        assert set(fleet(signals(part(replays, 12 + upto)))) <= {"ok", "no_data"}


def test_answers_that_depend_on_the_concurrency_are_compared_at_the_same_one() -> None:
    """Half of the items answer otherwise, and each time otherwise, where 32 are computed at once."""
    rng = np.random.default_rng(7)
    replays = steady(rng, 14 + 20, learned=14, concurrency=(1,) * 8 + (32,) * 6 + (32,) * 20)
    replays.variant[8:, 1::2] = rng.integers(10, 1000, replays.variant[8:, 1::2].shape)
    for upto in range(1, 21):
        found = signals(part(replays, 14 + upto))
        assert {state for state, signal in zip(fleet(found), found, strict=True) if signal.channel == "behaviour"} == {
            "ok"
        }
        assert found[3].n_reference == 6


def test_one_replay_that_goes_wrong_warns_and_never_alerts() -> None:
    replays = steady(np.random.default_rng(8), 12 + 12)
    replays.variant[18] = 77
    replays.passed[18] = 0
    states = [fleet(signals(part(replays, 12 + upto)))[:6] for upto in range(1, 13)]
    assert "warn" in states[6]
    assert all("alert" not in each for each in states)


def test_a_change_stays_an_alert_until_it_is_learned() -> None:
    replays = steady(np.random.default_rng(9), 12 + 40)
    reworded(replays, 20)
    assert all(state(part(replays, rows), "behaviour")[0] == "alert" for rows in range(22, 53, 3))
    learned = replace(part(replays, 32), learned=0)
    again = replace(
        learned,
        passed=replays.passed[20:],
        variant=replays.variant[20:],
        logprob=replays.logprob[20:],
        latency_ms=replays.latency_ms[20:],
        times=replays.times[20:],
        learned=12,
    )
    assert state(again, "behaviour")[0] == "ok"


def test_without_reference_or_replays_there_is_no_data() -> None:
    rng = np.random.default_rng(10)
    assert set(decide(signals(steady(rng, 12)))) == {"no_data"}
    assert set(decide(signals(steady(rng, 8, learned=5)))[:6]) == {"no_data"}
    assert signals(steady(rng, 12))[0].effect is None
    assert set(decide(signals(steady(rng, 0, learned=0)))) == {"no_data"}
    assert decide([]) == []


def test_a_deployment_that_is_down_is_no_data_and_its_gaps_are_left_out() -> None:
    replays = steady(np.random.default_rng(11), 12 + 3)
    for values, missing in ((replays.passed, -1), (replays.variant, -1)):
        values[12:] = missing
    replays.logprob[12:] = np.nan
    replays.latency_ms[12:] = np.nan
    assert {signal.n_recent for signal in signals(replays)} == {0}
    longer = steady(np.random.default_rng(11), 12 + 5)
    longer.passed[13], longer.variant[13] = -1, -1
    longer.logprob[13], longer.latency_ms[13] = np.nan, np.nan
    assert {signal.n_recent for signal in signals(longer)} == {4}
    assert set(fleet(signals(longer))) == {"ok"}


def test_a_suite_without_log_probabilities_or_known_answers_still_has_its_other_signals() -> None:
    replays = steady(np.random.default_rng(12), 14)
    reworded(replays, 12)
    replays.logprob[:] = np.nan
    assert state(replays, "behaviour")[0] == "alert"
    replays.passed[:] = -1
    assert state(replays, "quality")[0] == "no_data"
    assert state(replays, "behaviour")[0] == "alert"


def test_a_latency_of_nothing_and_a_token_that_was_ruled_out_are_numbers() -> None:
    replays = steady(np.random.default_rng(12), 20)
    replays.latency_ms[3, 4] = 0
    replays.logprob[5, 5] = -np.inf
    replays.logprob[6:8, 5] = 0
    assert all(np.isfinite(signal.log_e) for signal in signals(replays))


def test_better_answers_are_no_alarm_of_quality() -> None:
    replays = steady(np.random.default_rng(13), 20)
    replays.passed[:12, 1:6] = 0
    assert state(replays, "quality")[0] == "ok"
    assert (state(replays, "quality")[1].effect or 0) > 0.05


def test_evidence_without_end_is_a_number_that_json_knows() -> None:
    replays = steady(np.random.default_rng(14), 36, items=400)
    replays.variant[12:] += 5
    signal = state(replays, "behaviour")[1]
    assert signal.e_value == 1e300
    assert signal.log_e > 1000


def test_arrays_that_do_not_fit_are_named() -> None:
    with pytest.raises(ValueError, match=r"'passed': \(3, 60\)"):
        steady(np.random.default_rng(16), 14, passed=np.ones((3, 60), dtype=np.int8))
    with pytest.raises(ValueError, match="learned is 15"):
        steady(np.random.default_rng(16), 14, learned=15)
    with pytest.raises(ValueError, match="13 times: expected one for each of the 14 rows"):
        steady(np.random.default_rng(16), 14, times=(0.0,) * 13)
    with pytest.raises(ValueError, match="2 weights"):
        steady(np.random.default_rng(16), 14, weights=np.ones(2))


def test_the_noise_of_an_item_is_that_of_its_reference() -> None:
    replays = steady(np.random.default_rng(17), 20)
    replays.passed[:12, 0] = [1, 1, 1, 0] * 3
    replays.variant[:12, 0] = [4, 4, 5, 6] * 3
    replays.latency_ms[:12, 0] = np.arange(100, 112)
    replays.logprob[:12, 0] = [-0.5, -0.4, -0.6] * 4
    replays.passed[12:, 0] = 0
    first, second = noise(replays)[:2]
    assert (first.item, first.n, first.passes, first.variants, first.flaky) == ("item-0", 12, 9, 3, True)
    assert (first.pass_low, first.pass_high) == clopper_pearson(9, 12)
    assert (first.latency_low, first.latency_median, first.latency_high) == (100, 105.5, 111)
    assert (first.logprob_median, first.logprob_scale) == pytest.approx((-0.5, 0.14826))
    assert (second.flaky, second.variants, second.pass_high) == (False, 1, 1.0)


def test_an_item_that_was_never_answered_has_unknown_noise() -> None:
    replays = steady(np.random.default_rng(18), 12)
    replays.passed[:, 3], replays.variant[:, 3] = -1, -1
    replays.logprob[:, 3], replays.latency_ms[:, 3] = np.nan, np.nan
    found = noise(replays)[3]
    assert (found.n, found.passes, found.variants, found.flaky) == (0, 0, 0, False)
    assert np.isnan([found.pass_low, found.latency_high, found.logprob_median, found.logprob_scale]).all()


@pytest.mark.parametrize("module", [fingerprint, loads])
def test_every_example_in_a_docstring_is_right(module: ModuleType) -> None:
    found = doctest.testmod(module)
    assert (found.failed, found.attempted > 0) == (0, True)
