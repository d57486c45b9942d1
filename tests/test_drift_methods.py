"""Each method against scipy, on every shape of data that a feature has, and its p-values where nothing has changed."""

import doctest
import importlib
import math
import pkgutil
import subprocess
import sys
from itertools import product

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import jensenshannon

import monitor.drift
from monitor.drift import tails
from monitor.drift.methods.table import METHODS, Found
from monitor.drift.profile import (
    Category,
    Floats,
    Ints,
    Numeric,
    Profile,
    category,
    edges_of,
    profile_names,
    profile_numbers,
)
from monitor.drift.shares import Table, moved_most, table
from monitor.stats.bh import benjamini_hochberg

OURS = ("profile", "shares", "tails", "judging", "slices", "dimensions")
MODULES = [
    module.name
    for module in pkgutil.walk_packages(monitor.drift.__path__, "monitor.drift.")
    if ".methods" in module.name or module.name.rpartition(".")[2] in OURS
]
RNG = np.random.default_rng(7)
N = 200_000
SHAPES: dict[str, tuple[Floats, Floats]] = {
    "normal": (RNG.normal(size=N), RNG.normal(0.2, 1.1, size=N)),
    "normal, equal": (RNG.normal(size=N), RNG.normal(size=N)),
    "heavy tails": (RNG.standard_t(3, size=N), 1.2 * RNG.standard_t(3, size=N)),
    "skewed": (RNG.lognormal(size=N), RNG.lognormal(0.1, 1, size=N)),
    "discrete": (RNG.poisson(3, size=N).astype(float), RNG.poisson(3.3, size=N).astype(float)),
    "many zeros": (RNG.normal(size=N) * (RNG.random(N) < 0.3), RNG.normal(size=N) * (RNG.random(N) < 0.4)),
    "constant": (np.full(N, 4.0), np.full(N, 4.0)),
    "two constants": (np.full(N, 4.0), np.full(N, 5.0)),
    "mostly missing": (
        np.where(RNG.random(N) < 0.8, np.nan, RNG.normal(size=N)),
        np.where(RNG.random(N) < 0.7, np.nan, RNG.normal(0.3, 1, size=N)),
    ),
    "tiny": (RNG.normal(size=12), RNG.normal(0.5, 1, size=7)),
    "apart": (RNG.normal(size=500), RNG.normal(50, 1, size=300)),
}
SHARED = ("tv", "psi", "js", "chi2")


def profiled(name: str) -> tuple[Numeric, Numeric]:
    reference, window = SHAPES[name]
    edges = edges_of(reference)
    return profile_numbers(reference, edges), profile_numbers(window, edges)


def known(values: Floats) -> Floats:
    return values[np.isfinite(values)]


def cells_of(name: str) -> Table:
    found = table(*profiled(name))
    assert found is not None
    return found


@pytest.mark.parametrize("name", MODULES)
def test_every_example_in_a_docstring_is_right(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_every_method_has_an_example_and_is_in_the_table() -> None:
    files = {name.rpartition(".")[2] for name in MODULES if ".methods." in name}
    assert files - {"table", "found", "divergence"} == set(METHODS)
    finder = doctest.DocTestFinder()
    for name in METHODS:
        tests = finder.find(importlib.import_module(f"monitor.drift.methods.{name}"))
        assert any(test.examples for test in tests), name


def test_scipy_stats_is_not_imported() -> None:
    code = "import sys, monitor.drift.judging, monitor.drift.slices; assert 'scipy.stats' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", SHAPES)
def test_kolmogorov_smirnov_agrees_with_scipy(name: str) -> None:
    reference, window = SHAPES[name]
    found = METHODS["ks"].compare(*profiled(name))
    expected = stats.ks_2samp(known(reference), known(window), method="exact" if name == "tiny" else "asymp")
    assert found.effect == pytest.approx(expected.statistic, abs=0.001)
    assert found.effect <= expected.statistic + 1e-9
    assert found.low <= found.effect <= found.high
    if expected.pvalue > 1e-4:
        assert found.p == pytest.approx(expected.pvalue, rel=0.2, abs=0.05)


@pytest.mark.parametrize("name", SHAPES)
def test_wasserstein_agrees_with_scipy(name: str) -> None:
    reference, window = (known(side) for side in SHAPES[name])
    expected = stats.wasserstein_distance(reference, window)
    unit = reference.std() or math.sqrt(window.var() / 2 + (reference.mean() - window.mean()) ** 2 / 4) or 1.0
    found = METHODS["wasserstein"].compare(*profiled(name))
    assert found.effect == pytest.approx(expected / unit, rel=0.01, abs=0.001)
    assert METHODS["wasserstein"].effect(*profiled(name)) == pytest.approx(found.effect)


@pytest.mark.parametrize("name", SHAPES)
def test_divergences_agree_with_scipy_on_the_same_bins(name: str) -> None:
    cells = cells_of(name)
    p, q = cells.reference / cells.reference.sum(), cells.window / cells.window.sum()
    both = profiled(name)
    assert METHODS["js"].compare(*both).effect == pytest.approx(jensenshannon(p, q, 2), rel=1e-6, abs=1e-9)
    assert METHODS["tv"].compare(*both).effect == pytest.approx(np.abs(p - q).sum() / 2)
    if (cells.reference > 300).all() and (cells.window > 300).all():
        index = stats.entropy(p, q) + stats.entropy(q, p)
        assert METHODS["psi"].compare(*both).effect == pytest.approx(index, rel=0.01, abs=1e-4)
    if p.size > 1:
        weighed = np.rint(np.array([p, q])[:, (p + q) > 0] * 1e9).astype(int)
        expected = stats.contingency.association(weighed) if weighed.shape[1] > 1 else 0.0
        assert METHODS["chi2"].compare(*both).effect == pytest.approx(expected, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    "name", [name for name in SHAPES if name not in ("tiny", "apart", "two constants", "constant")]
)
def test_the_test_of_shares_is_that_of_scipy(name: str) -> None:
    cells = cells_of(name)
    filled = np.array([cells.reference, cells.window])[:, cells.reference + cells.window > 0]
    expected = stats.chi2_contingency(filled, correction=False).pvalue
    for method in SHARED:
        assert METHODS[method].compare(*profiled(name)).p == pytest.approx(expected, rel=1e-6)


def test_an_index_of_a_hundred_rows_without_a_drift_is_small() -> None:
    rng = np.random.default_rng(3)
    found = []
    for _ in range(50):
        reference = rng.normal(size=100)
        edges = edges_of(reference)
        sides = profile_numbers(reference, edges), profile_numbers(rng.normal(size=100), edges)
        found.append(METHODS["psi"].compare(*sides))
    assert max(one.effect for one in found) < 1
    assert np.mean([one.effect for one in found]) == pytest.approx(found[0].expected, rel=0.25)


@pytest.mark.parametrize("n, m, distance", [(8, 10, 0.45), (30, 30, 0.4), (7, 7, 3 / 7), (5, 400, 0.55), (1, 1, 1.0)])
def test_the_chance_of_few_values_is_exact(n: int, m: int, distance: float) -> None:
    ours = np.arange(float(n))
    expected = next(
        found.pvalue
        for shift in np.linspace(-n, n, 801)
        if (found := stats.ks_2samp(ours, np.linspace(0, n - 1, m) + shift + 1e-4, method="exact")).statistic
        == pytest.approx(distance, abs=1e-12)
    )
    assert tails.kolmogorov(distance, n, m) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("n, m", [(51, 51), (100, 100), (60, 90), (30, 1000), (10, 3000), (1000, 1000)])
def test_the_chance_of_more_values_is_nearly_that_of_scipy(n: int, m: int) -> None:
    for level in (0.1, 0.01, 1e-3):
        smallest = tails.kolmogorov_smallest(level, n, m)
        step = math.ceil(smallest * math.lcm(n, m)) / math.lcm(n, m)
        below = math.ceil(step * n)
        later = (np.arange(below, n) + 0.5) * m / n
        exact = stats.ks_2samp(np.concatenate([np.full(below, -1.0), later]), np.arange(float(m)), method="exact")
        assert exact.pvalue > level / 10
        assert 0.85 < tails.kolmogorov(exact.statistic, n, m) / exact.pvalue < 1.35


@pytest.mark.parametrize("k, n, j, m", [(1, 10, 6, 10), (0, 1000, 3, 30), (40, 100_000, 30, 20_000), (5, 5, 0, 9)])
def test_fisher_agrees_with_scipy(k: int, n: int, j: int, m: int) -> None:
    sides = [[j, m - j], [k, n - k]]
    greater = stats.fisher_exact(np.array(sides), "greater").pvalue
    less = stats.fisher_exact(np.array(sides), "less").pvalue
    assert tails.fisher(k, n, j, m) == pytest.approx(min(1.0, 2 * min(greater, less)), rel=1e-6)


NUMBERS: tuple[list[float], ...] = (
    [],
    [1.0],
    [math.nan] * 4,
    [3.0] * 5,
    [1e300, -1e300, 0.0],
    [*map(float, range(200))],
    [500.0] * 9,
)
NAMES: tuple[list[str | None], ...] = (
    [],
    ["a"],
    [None] * 4,
    ["b"] * 9,
    ["a", "b", "c"],
    [f"n{i}" for i in range(1200)],
    ["", "\x00", "ß"],
)


def _sides(kind: str) -> list[Profile]:
    edges = edges_of(np.arange(200.0))
    if kind == "number":
        return [profile_numbers(np.array(values, dtype=float), edges) for values in NUMBERS]
    return [profile_names(values) for values in NAMES]


@pytest.mark.parametrize("name, kind", [(name, kind) for name in METHODS for kind in sorted(METHODS[name].kinds)])
def test_every_method_copes_with_every_pair(name: str, kind: str) -> None:
    method = METHODS[name]
    sides = _vectors(name) if kind == "vector" else list(_sides(kind))
    for reference, window in product(sides, sides):
        found = method.compare(reference, window)
        assert found.effect == pytest.approx(method.effect(reference, window), nan_ok=True)
        if math.isnan(found.effect):
            assert math.isnan(found.p)
            continue
        assert found.effect >= 0
        assert math.isnan(found.p) or 0 <= found.p <= 1
        assert not found.low > found.effect + 1e-12
        assert not found.high < found.effect - 1e-12
        if reference is window and name not in ("classifier", "mmd"):
            assert found.effect == pytest.approx(0, abs=1e-12)
            assert math.isnan(found.p) or found.p > 0.5


def _vectors(name: str) -> list[object]:
    rng = np.random.default_rng(9)
    arrays = [np.zeros((0, 4)), np.ones((1, 4)), np.ones((30, 4)), rng.normal(size=(40, 4)), np.full((9, 4), np.nan)]
    if name != "projections":
        return [*arrays]
    edges = edges_of(rng.normal(size=500))
    return [[profile_numbers(column, edges) for column in array.T] for array in arrays]


@pytest.mark.parametrize("n, m", [(30, 30), (2000, 300), (100, 2000)])
def test_significance_is_rare_where_nothing_has_changed(n: int, m: int) -> None:
    rng = np.random.default_rng(11)
    found: dict[str, list[Found]] = {name: [] for name in ("ks", "tv", "psi", "js", "wasserstein", "chi2")}
    for _ in range(200):
        reference = rng.normal(size=n)
        edges = edges_of(reference)
        sides = profile_numbers(reference, edges), profile_numbers(rng.normal(size=m), edges)
        for name, each in found.items():
            each.append(METHODS[name].compare(*sides))
    for name, each in found.items():
        significant = int(sum(one.p <= 0.05 for one in each))
        assert stats.binomtest(significant, len(each), 0.05, "greater").pvalue > 1e-3, name
        expected = np.mean([one.expected for one in each])
        assert np.mean([one.effect for one in each]) == pytest.approx(expected, rel=0.25), name


@pytest.mark.parametrize("n, m", [(30, 30), (1000, 300), (10_000, 50)])
def test_names_with_a_long_tail_are_rarely_significant_where_nothing_has_changed(n: int, m: int) -> None:
    rng = np.random.default_rng(13)
    significant = dict.fromkeys(("tv", "psi", "unseen"), 0)
    for _ in range(150):
        reference, window = (_counted(rng.zipf(1.5, size=size)) for size in (n, m))
        for name in significant:
            significant[name] += METHODS[name].compare(reference, window).p <= 0.05
    for name, count in significant.items():
        assert stats.binomtest(count, 150, 0.05, "greater").pvalue > 1e-3, name


def _counted(values: Ints) -> Category:
    names, counts = np.unique(values, return_counts=True)
    return category([str(name) for name in names], counts.tolist(), 0)


def test_a_name_that_takes_over_is_found_even_if_all_its_cells_are_small() -> None:
    reference, window = profile_names(["a"] * 100_000), profile_names(["b"] * 20)
    for name in ("tv", "js", "chi2", "psi", "unseen"):
        found: Found = METHODS[name].compare(reference, window)
        assert found.p < 1e-6, name
    assert METHODS["tv"].compare(reference, window).effect == 1


def test_names_that_were_not_kept_are_not_taken_for_new_ones() -> None:
    names = [f"n{i}" for i in range(3000)]
    reference = profile_names(names * 3)
    assert reference.other > 0
    window = profile_names(names[::4])
    assert METHODS["unseen"].compare(reference, window).effect < 0.05
    found = METHODS["unseen"].compare(window, reference)
    assert 0.05 < found.effect < 3 / 4  # at least so many of the three quarters are new for sure
    assert METHODS["tv"].effect(reference, reference) == 0


@pytest.mark.parametrize("name", ["mmd", "classifier"])
def test_vectors_that_differ_are_told_apart_and_equal_ones_rarely(name: str) -> None:
    rng = np.random.default_rng(17)
    method = METHODS[name]
    shifted = method.compare(rng.normal(size=(400, 16)), rng.normal(0.3, 1, size=(400, 16)))
    assert shifted.p <= 0.001
    assert shifted.low > 0
    equal = [method.compare(rng.normal(size=(60, 8)), rng.normal(size=(60, 8))).p for _ in range(40)]
    assert stats.binomtest(int(np.sum(np.array(equal) <= 0.05)), 40, 0.05, "greater").pvalue > 1e-3
    assert method.compare(*[np.ones((40, 3))] * 2).effect == 0


def test_a_kernel_sees_a_change_of_shape_that_a_linear_classifier_does_not() -> None:
    rng = np.random.default_rng(19)
    round_ones, wide = rng.normal(size=(500, 4)), rng.normal(size=(500, 4)) * 1.5
    assert METHODS["mmd"].compare(round_ones, wide).p == pytest.approx(0.001)
    assert METHODS["classifier"].compare(round_ones, wide).p > 0.01


def test_projections_take_the_direction_that_moved_and_correct_for_their_number() -> None:
    rng = np.random.default_rng(23)
    reference = rng.normal(size=(2000, 32))
    cuts = [edges_of(column) for column in reference.T]

    def sides(values: Floats) -> list[Numeric]:
        return [profile_numbers(column, edges) for column, edges in zip(values.T, cuts, strict=True)]

    window = rng.normal(size=(1000, 32))
    quiet = METHODS["projections"].compare(sides(reference), sides(window))
    window[:, 5] += 0.5
    found = METHODS["projections"].compare(sides(reference), sides(window))
    assert quiet.p > 0.05
    assert quiet.effect < quiet.expected + 0.03
    assert found.p < 1e-6
    assert found.effect == pytest.approx(stats.ks_2samp(reference[:, 5], window[:, 5]).statistic, abs=0.02)
    with pytest.raises(ValueError, match="same ones"):
        METHODS["projections"].compare(sides(reference), [])


@pytest.mark.parametrize(
    "values, expected",
    [
        ([1.0] * 50 + [2.0] * 150, ("2", 0.5, 0.75)),
        ([0.0] * 100 + [1.0] * 100 + [2.0] * 200, ("up to 1", 0.0, 0.25)),
    ],
)
def test_the_value_that_moved_most_is_named(values: list[float], expected: tuple[str, float, float]) -> None:
    reference = np.array([1.0, 2.0] * 50)
    edges = edges_of(reference)
    assert moved_most(profile_numbers(reference, edges), profile_numbers(np.array(values), edges)) == expected


def test_the_range_that_moved_most_is_named() -> None:
    reference = np.arange(1500.0)
    edges = edges_of(reference)
    at, before, now = moved_most(profile_numbers(reference, edges), profile_numbers(np.full(100, 750.0), edges))
    low, _, high = at.partition(" to ")
    assert float(low) < 750 <= float(high)
    assert before == pytest.approx(1 / 15, abs=0.02)
    assert now == 1


@pytest.mark.parametrize("bad", [[0.5, 1.5], [-0.1]])
def test_adjusted_p_values_refuse_what_is_no_chance(bad: list[float]) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        benjamini_hochberg(bad)


def test_adjusted_p_values_are_those_of_scipy() -> None:
    p = np.random.default_rng(29).random(40) ** 3
    assert benjamini_hochberg(p) == pytest.approx(stats.false_discovery_control(p))
