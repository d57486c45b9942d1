"""What is called a drift: by effect and significance and beyond the usual, with few false calls over all features."""

import math
import time

import numpy as np
import pytest

from monitor.drift.judging import Judged, Pair, Rule, judge, null_band
from monitor.drift.methods.table import METHODS
from monitor.drift.profile import Floats, Numeric, edges_of, merge, profile_names, profile_numbers
from monitor.errors import BadInput

RNG = np.random.default_rng(3)
REFERENCE = RNG.normal(size=20_000)
EDGES = edges_of(REFERENCE)
WHOLE = profile_numbers(REFERENCE, EDGES)


def number(window: Floats, band: float = math.nan, feature: str = "length") -> Pair:
    return Pair(feature, WHOLE, profile_numbers(window, EDGES), band)


def one(pair: Pair, rule: Rule | None = None) -> Judged:
    (found,) = judge([pair], rule or Rule())
    return found


def test_a_shift_is_called_with_its_interval_and_where_it_is() -> None:
    found = one(number(RNG.normal(0.5, 1, size=3000)))
    assert (found.state, found.called_by, found.kind, found.method) == ("moved", ("ks",), "number", "ks")
    assert found.low < 0.197 < found.high
    assert found.q <= 1e-9
    assert found.moved_at.startswith("above 1.4")
    assert found.moved_window > found.moved_reference
    assert set(found.effects) == {name for name, method in METHODS.items() if "number" in method.kinds}


def test_with_a_million_rows_a_significant_difference_too_small_to_matter_is_not_called() -> None:
    found = one(number(RNG.normal(0.05, 1, size=1_000_000)))
    assert found.q < 1e-4
    assert found.effect < found.threshold
    assert found.state == "steady"


def test_with_thirty_rows_a_difference_that_could_matter_is_not_called_and_it_says_so() -> None:
    found = one(number(RNG.normal(0.4, 1, size=30)))
    assert found.effect > found.threshold
    assert (found.state, found.called_by) == ("too_few", ())
    assert found.smallest > 0.25


def test_what_the_reference_does_by_itself_is_not_called() -> None:
    window = RNG.normal(0.5, 1, size=3000)
    assert one(number(window, band=0.3)).state == "steady"
    assert one(number(window, band=0.15)).state == "moved"


@pytest.mark.parametrize(
    "rule, state",
    [
        (Rule(threshold=0.3), "steady"),
        (Rule(thresholds={"length": 0.3}), "steady"),
        (Rule(thresholds={"other": 0.3}), "moved"),
        (Rule(threshold=0.3, thresholds={"length": 0.1}), "moved"),
        (Rule(numbers="wasserstein"), "moved"),
        (Rule(numbers="psi", threshold=0.1), "moved"),
        (Rule(numbers="js", fdr=1e-300), "too_few"),
    ],
)
def test_rules_say_which_method_and_from_where_on(rule: Rule, state: str) -> None:
    assert one(number(np.random.default_rng(5).normal(0.5, 1, size=3000)), rule).state == state


@pytest.mark.parametrize("rule", [Rule(numbers="nonsense"), Rule(numbers="mmd"), Rule(numbers="missing")])
def test_a_rule_with_a_method_that_does_not_fit_is_refused(rule: Rule) -> None:
    with pytest.raises(BadInput, match="expected one of ks, tv, psi, js, wasserstein, chi2"):
        judge([number(REFERENCE)], rule)


def test_missing_values_call_by_themselves() -> None:
    window = np.where(RNG.random(2000) < 0.2, np.nan, RNG.normal(size=2000))
    found = one(number(window))
    assert (found.state, found.called_by) == ("moved", ("missing",))
    assert found.missing_window == pytest.approx(0.2, abs=0.03)
    assert one(number(window), Rule(thresholds={"missing": 0.5})).state == "steady"
    assert one(number(np.full(200, np.nan))).called_by == ("missing",)


def test_names_never_seen_call_by_themselves() -> None:
    reference = profile_names(["a"] * 3000 + ["b"] * 3000)
    found = one(Pair("format", reference, profile_names(["a"] * 470 + ["b"] * 460 + ["c"] * 70), math.nan))
    assert (found.state, found.called_by, found.kind) == ("moved", ("unseen",), "category")
    assert (found.moved_at, found.unseen) == ("c", 0.07)


def test_nothing_to_compare_is_no_data() -> None:
    assert one(number(np.zeros(0))).state == "no_data"
    nothing = profile_numbers(np.full(50, np.nan), EDGES)
    found = one(Pair("x", nothing, nothing, math.nan))
    assert (found.state, found.n_window, found.missing_window) == ("no_data", 0, 1.0)
    assert judge([], Rule()) == []


def test_features_are_judged_together() -> None:
    borderline = number(RNG.normal(0.33, 1, size=200))
    alone = one(borderline)
    many = judge([borderline] + [number(RNG.normal(size=200)) for _ in range(59)], Rule())[0]
    assert alone.state == "moved"
    assert many.p == alone.p
    assert many.q > alone.q
    assert many.smallest > alone.smallest


def test_the_smallest_effect_is_where_calls_begin() -> None:
    smallest = one(number(RNG.normal(size=500)), Rule(threshold=0.0)).smallest
    for factor, called in ((0.97, False), (1.03, True)):
        share = smallest * factor  # of the values carried from below to above everything
        ordered = np.sort(np.random.default_rng(1).choice(REFERENCE, 500, replace=False))
        quantiles = np.quantile(REFERENCE, (np.arange(500) + 0.5) / 500)
        window = np.where(np.arange(500) < round(share * 500), 99.0, quantiles)
        found = one(number(window), Rule(threshold=0.0))
        assert ordered.size == 500
        assert (found.state == "moved") is called, (found.effect, smallest)


@pytest.mark.parametrize("numbers", ["ks", "wasserstein", "psi"])
def test_hours_of_a_reference_with_a_rhythm_make_a_band_that_covers_them(numbers: str) -> None:
    rng = np.random.default_rng(7)
    rule = Rule(numbers=numbers)
    hours = [rng.normal(math.sin(hour / 24 * 2 * math.pi), 1, size=300) for hour in range(96)]
    edges = edges_of(np.concatenate(hours))
    parts = [profile_numbers(hour, edges) for hour in hours]
    band = null_band(parts, rule)
    method = METHODS[numbers]
    others = merge(parts[1:])
    assert band >= method.effect(others, parts[0]) * 0.99
    slow = max(method.effect(merge(parts[:at] + parts[at + 1 :]), parts[at]) for at in range(len(parts)))
    assert band == pytest.approx(slow, rel=0.01)
    noon = Pair("x", merge(parts), profile_numbers(rng.normal(1, 1, size=300), edges), band)
    assert one(noon, rule).effect > one(noon, rule).threshold
    assert one(noon, rule).state == ("moved" if one(noon, rule).effect > band else "steady")


def test_a_band_needs_four_hours_with_values() -> None:
    empty = profile_numbers(np.zeros(0), EDGES)
    parts = [profile_numbers(RNG.normal(size=50), EDGES) for _ in range(4)]
    assert math.isnan(null_band([*parts[:3], empty, empty], Rule()))
    assert null_band([*parts, empty], Rule()) > 0
    assert math.isnan(null_band([], Rule()))


def test_bands_of_names_and_of_vectors() -> None:
    names = [profile_names(RNG.choice(["a", "b", "c"], 200).tolist()) for _ in range(12)]
    assert 0.02 < null_band(names, Rule()) < 0.2
    vectors = [tuple(profile_numbers(RNG.normal(size=200), EDGES) for _ in range(8)) for _ in range(6)]
    bands = [null_band(direction, Rule()) for direction in zip(*vectors, strict=True)]
    assert null_band(vectors, Rule()) == max(bands)


def test_vectors_are_judged_along_their_directions() -> None:
    def side(shift: float, n: int) -> tuple[Numeric, ...]:
        return tuple(profile_numbers(RNG.normal(shift * (at == 3), 1, size=n), EDGES) for at in range(32))

    found = one(Pair("prompt_vector", side(0, 5000), side(0.6, 800), math.nan))
    assert (found.kind, found.method, found.state, found.called_by) == (
        "vector",
        "projections",
        "moved",
        ("projections",),
    )
    assert set(found.effects) == {"projections", "missing"}
    assert one(Pair("prompt_vector", side(0, 5000), side(0, 800), math.nan)).state == "steady"


def test_many_windows_of_the_same_traffic_are_hardly_ever_called() -> None:
    rng = np.random.default_rng(11)
    calls = 0
    for n in (30, 300, 3000):
        for _ in range(20):
            pairs = [number(rng.choice(REFERENCE, n), feature=f"f{at}") for at in range(20)]
            calls += sum(
                found.state == "moved" for found in judge(pairs, Rule(threshold=0.0, thresholds={"missing": 0.0}))
            )
    assert calls <= 3


def test_sixty_features_of_a_window_take_milliseconds() -> None:
    rng = np.random.default_rng(13)
    names = [f"n{at}" for at in range(30)]
    kinds = profile_names(rng.choice(names, 20_000).tolist())
    pairs = [number(rng.normal(size=2000), feature=f"f{at}") for at in range(45)]
    pairs += [Pair(f"c{at}", kinds, profile_names(rng.choice(names, 2000).tolist()), math.nan) for at in range(15)]
    spent = []
    for _ in range(5):
        began = time.process_time()
        judge(pairs, Rule())
        spent.append(time.process_time() - began)
    assert min(spent) < 0.25, spent  # 0.02 s on an idle machine; the bound is loose for busy ones
