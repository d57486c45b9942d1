"""How often the statistics of benchmarks are right, beside what evaluation harnesses print, by simulation.

`python -m bench.benchmark_stats` prints the table of docs/statistics.md: coverage of the intervals of scores, false and
missed differences between checkpoints on the same items, what a chance of being best is worth, and the bounds of ranks.
Seeds are fixed; each line has its own. It takes about a minute on one core.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from bench.result import Check, Result
from monitor.benchmarks.comparing import Comparison, compare, corrected
from monitor.benchmarks.ranking import ranking
from monitor.benchmarks.scoring import of_graded
from monitor.stats.best import chance_of_best
from monitor.stats.cluster import clustered_wilson
from monitor.stats.holm import holm
from monitor.stats.intervals import clopper_pearson, wilson_arrays

COLUMNS = ("promised", "found", "the plain way")

PER_GROUP = 5
"""Items that share an image, where some do."""

ALIKE = 0.3
"""Correlation of two items that share an image."""

BENCHMARKS = 6
"""Compared at once."""

Rng = np.random.Generator
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table: what was simulated, what is promised, what came out, and what the plain way gives."""

    what: str
    found: tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Study:
    """One line to come: what it is about, and how it is simulated so many times."""

    what: str
    simulate: Callable[[int], tuple[str, str, str]]
    times: int

    def line(self, quick: bool = False) -> Line:
        return Line(self.what, self.simulate(min(self.times, 5) if quick else self.times))


def passes_in_groups(rng: Rng, n: int, share: float) -> Floats:
    """n passes of which those of a group have a share in common, drawn from a beta distribution."""
    weight = 1 / ALIKE - 1
    shares = rng.beta(share * weight, (1 - share) * weight, n // PER_GROUP)
    return (rng.random(n) < np.repeat(shares, PER_GROUP)).astype(float)


def graded(rng: Rng, n: int, grouped: bool) -> Floats:
    """n scores like a soft accuracy: many 0 and 1, some between; half of the items agree with their image."""
    kinds = rng.choice([0.0, 0.3, 0.6, 0.9, 1.0], n, p=[0.25, 0.05, 0.1, 0.1, 0.5])
    if grouped:
        kinds = np.where(rng.random(n) < math.sqrt(ALIKE), np.repeat(kinds[::PER_GROUP], PER_GROUP), kinds)
    return kinds


GRADED_MEAN = 0.3 * 0.05 + 0.6 * 0.1 + 0.9 * 0.1 + 0.5


def exact_coverage(n: int, share: float, _times: int) -> tuple[str, str, str]:
    """Of passes without groups, summed over all that can happen: nothing is simulated."""
    k = np.arange(n + 1)
    chance = stats.binom.pmf(k, n, share)
    low, high = wilson_arrays(k, np.full(k.size, n))
    half = 1.96 * np.sqrt(k / n * (1 - k / n) / (n - 1))
    wilsons = chance @ ((low <= share) & (share <= high))
    plain = chance @ (np.abs(k / n - share) <= half)
    return ("95 %", f"{100 * wilsons:.1f} %", f"{100 * plain:.1f} %")


def coverage(
    draw: Callable[[Rng, int], Floats], mean: float, n: int, grouped: bool, times: int
) -> tuple[str, str, str]:
    """How often the interval of a score holds the true mean; beside it, 1.96 standard errors that know no groups.

    `monitor.benchmarks.scoring` takes Wilson's for passes and the bootstrap for graded items, as is done here.
    """
    rng, held, plain = np.random.default_rng(141), 0, 0
    places = np.arange(n) // (PER_GROUP if grouped else 1)
    for _ in range(times):
        values = draw(rng, n)
        passes = np.isin(values, (0.0, 1.0)).all()
        low, high = clustered_wilson(values, places) if passes else of_graded(values, places)
        held += low <= mean <= high
        plain += int(abs(values.mean() - mean) <= 1.96 * values.std(ddof=1) / math.sqrt(n))
    return ("95 %", _share(held, times), f"{100 * plain / times:.1f} %")


def pair(rng: Rng, n: int, better: float, grouped: bool) -> tuple[Floats, Floats]:
    """Passes of two checkpoints on the same items: half of what decides is the item, the second is `better`.

    With groups, a third of what is left is what a checkpoint makes of an image.
    """
    item = rng.normal(size=n) * math.sqrt(0.5)
    answers = []
    for shift in (0.0, better):
        own = rng.normal(size=n)
        if grouped:
            image = np.repeat(rng.normal(size=n // PER_GROUP), PER_GROUP)
            own = math.sqrt(1 / 3) * image + math.sqrt(2 / 3) * own
        bar = stats.norm.ppf(0.7 + shift)
        answers.append((item + math.sqrt(0.5) * own < bar).astype(float))
    return answers[0], answers[1]


def z_test(a: Floats, b: Floats) -> float:
    """The p-value for two separate sets of items, from both standard errors, though the items are the same."""
    error = math.sqrt((a.var(ddof=1) + b.var(ddof=1)) / a.size)
    return float(2 * stats.norm.sf(abs(a.mean() - b.mean()) / error)) if error > 0 else 1.0


def family(rng: Rng, n: int, better: float, grouped: bool = False) -> tuple[list[Comparison], Floats]:
    """The comparisons of two checkpoints on several benchmarks, uncorrected, and the p-values of the plain test."""
    groups = [str(i // PER_GROUP) for i in range(n)] if grouped else None
    pairs = [pair(rng, n, better, grouped) for _ in range(BENCHMARKS)]
    return [compare(a, b, groups, 0.02) for a, b in pairs], np.array([z_test(a, b) for a, b in pairs])


def false_differences(n: int, grouped: bool, times: int) -> tuple[str, str, str]:
    """Families of comparisons of equal checkpoints in which any difference is said."""
    rng, wrong, plain = np.random.default_rng(142), 0, 0
    for _ in range(times):
        found, other = family(rng, n, 0.0, grouped)
        wrong += any(each.verdict.startswith("b_") for each in corrected(found))
        plain += bool((other < 0.05).any())
    return ("at most 5 %", _share(wrong, times), f"{100 * plain / times:.1f} %")


def found_differences(n: int, better: float, at_once: bool, times: int) -> tuple[str, str, str]:
    """Share of benchmarks on which the better checkpoint is said to be better; corrected, if read at once."""
    rng, right, plain = np.random.default_rng(143), 0, 0
    for _ in range(times):
        found, other = family(rng, n, better)
        right += sum(each.verdict == "b_higher" for each in (corrected(found) if at_once else found))
        plain += int(((holm(other) if at_once else other) < 0.05).sum())
    return ("more", _share(right, times * BENCHMARKS), f"{100 * plain / times / BENCHMARKS:.1f} %")


def said_and_true(low: float, high: float, times: int) -> tuple[str, str, str]:
    """Of pairs with any true difference within 6 points: where a chance within these limits is said, is it so?"""
    rng, said, right = np.random.default_rng(144), 0, 0
    for _ in range(times):
        better = float(rng.uniform(-0.06, 0.06))
        a, b = pair(rng, 300, better, grouped=False)
        chances = chance_of_best(np.column_stack([a, b]), n=1000)
        likely = int(chances.argmax())
        if low <= chances[likely] < high:
            said += 1
            right += (better > 0) == (likely == 1)
    return (f"{100 * low:g} to {100 * min(high, 1):g} %", _share(right, said), "-")


def sure_of_equals(candidates: int, times: int) -> tuple[str, str, str]:
    """How often one of several equal checkpoints has a chance of 95 % and more; beside it, a verdict from a ranking."""
    rng, sure, shown = np.random.default_rng(145), 0, 0
    for _ in range(times):
        hard = rng.normal(size=(300, 1))
        places = ranking((hard + rng.normal(size=(300, candidates)) < 0.75).astype(float))
        sure += max(place.chance_of_best for place in places) >= 0.95
        shown += sum(place.tied_with_best for place in places) == 1
    return ("10 %" if candidates == 2 else "-", _share(sure, times), f"{100 * shown / times:.1f} % (ranking)")


def true_ranks(times: int) -> tuple[str, str, str]:
    """How often the bounds of all ranks hold at once: three equal checkpoints, one worse by 8 points, one by 30."""
    rng, right, plain = np.random.default_rng(146), 0, 0
    ranks = [(1, 3), (1, 3), (1, 3), (4, 4), (5, 5)]
    bars = stats.norm.ppf([0.7, 0.7, 0.7, 0.62, 0.4])
    for _ in range(times):
        values = math.sqrt(0.5) * (rng.normal(size=(300, 1)) + rng.normal(size=(300, 5))) < bars
        places = {each.candidate: each for each in ranking(values.astype(float))}
        right += all(places[i].rank_low <= low and places[i].rank_high >= high for i, (low, high) in enumerate(ranks))
        tests = [z_test(values[:, i].astype(float), values[:, j].astype(float)) for i, j in ((0, 1), (0, 2), (1, 2))]
        plain += min(tests) >= 0.05
    return ("at least 95 %", _share(right, times), f"{100 * plain / times:.1f} %")


def many_graded(rng: Rng, candidates: int, better: float) -> Floats:
    """Scores of checkpoints that find the same items hard, as `graded`; the first gets all of some that it would miss.

    A quarter of the items scores 0, so that it is better by `better` on average.
    """
    latent = math.sqrt(0.5) * (rng.normal(size=(300, 1)) + rng.normal(size=(300, candidates)))
    levels = np.searchsorted(stats.norm.ppf([0.25, 0.3, 0.4, 0.5]), latent)
    values = np.array([0.0, 0.3, 0.6, 0.9, 1.0])[levels]
    values[:, 0] = np.where((values[:, 0] == 0) & (rng.random(300) < better / 0.25), 1.0, values[:, 0])
    return values


def z_tests(values: Floats) -> Floats:
    """The adjusted p-values (Holm) of `z_test` of all pairs, as a matrix."""
    means, errors = values.mean(axis=0), values.var(axis=0, ddof=1) / len(values)
    z = np.abs(means[:, None] - means) / np.sqrt(errors[:, None] + errors)
    pairs = np.triu_indices(values.shape[1], 1)
    found = np.ones(z.shape)
    found[pairs] = holm(2 * stats.norm.sf(z[pairs]))
    both: Floats = np.minimum(found, found.T)
    return both


def many_equal(candidates: int, times: int) -> tuple[str, str, str]:
    """How often a ranking of equal checkpoints tells any two apart."""
    rng, wrong, plain = np.random.default_rng(148), 0, 0
    for _ in range(times):
        values = many_graded(rng, candidates, 0.0)
        wrong += any(place.rank_low > 1 for place in ranking(values))
        plain += bool((z_tests(values) < 0.05).any())
    return ("at most 5 %", _share(wrong, times), f"{100 * plain / times:.1f} %")


def one_better(candidates: int, better: float, times: int) -> tuple[str, str, str]:
    """Of how many others a ranking shows that the better one is better."""
    rng, right, plain = np.random.default_rng(149), 0, 0
    for _ in range(times):
        values = many_graded(rng, candidates, better)
        right += candidates - next(place.rank_high for place in ranking(values) if place.candidate == 0)
        plain += int((z_tests(values)[0] < 0.05).sum())
    n = times * (candidates - 1)
    return ("more", f"{100 * right / n:.1f} % of {n:,}", f"{100 * plain / n:.1f} %")


def _share(k: int, n: int) -> str:
    """A share with its Clopper-Pearson interval."""
    if not n:
        return "-"
    low, high = clopper_pearson(int(k), n)
    return f"{100 * k / n:.1f} % of {n:,} ({100 * low:.1f} to {100 * high:.1f})"


def studies() -> list[Study]:
    """The lines of the table, in their order."""
    sizes, shares = (50, 200, 1000), (0.5, 0.9, 0.98)
    together = f", {PER_GROUP} to an image"
    found = [
        Study(f"interval of {n} passes, truth {p:g}: holds it", partial(exact_coverage, n, p), 1)
        for n in sizes
        for p in shares
    ]
    for n in sizes:
        for p in shares:
            simulate = partial(coverage, partial(passes_in_groups, share=p), p, n, True)
            found.append(Study(f"interval of {n} passes{together}, truth {p:g}: holds it", simulate, 2000))
    for n in (50, 200):
        for grouped in (False, True):
            simulate = partial(coverage, partial(graded, grouped=grouped), GRADED_MEAN, n, grouped)
            found.append(Study(f"interval of {n} graded items{together * grouped}: holds the truth", simulate, 500))
    for grouped in (False, True):
        what = f"equal checkpoints, {BENCHMARKS} benchmarks of 300 items{together * grouped}: any difference said"
        found.append(Study(what, partial(false_differences, 300, grouped), 300))
    for n, better in ((300, 0.05), (1000, 0.03), (1000, 0.05)):
        for at_once in (False, True):
            how = "six benchmarks at once, Holm in both" if at_once else "one benchmark"
            what = f"better by {100 * better:g} points, {n} items, {how}: said"
            found.append(Study(what, partial(found_differences, n, better, at_once), 300))
    for low, high in ((0.5, 0.8), (0.8, 0.95), (0.95, 1.01)):
        what = f"best of two with a chance of {100 * low:g} to {100 * min(high, 1):g} %: it is"
        found.append(Study(what, partial(said_and_true, low, high), 1000))
    for k in (2, 6):
        what = f"{k} equal checkpoints: one is said to be best with 95 % and more"
        found.append(Study(what, partial(sure_of_equals, k), 300))
    what = "ranks of five checkpoints, three of them equal: all bounds hold"
    found.append(Study(what, true_ranks, 600))
    what = "equal checkpoints, 40 of them, 300 graded items: any two told apart"
    found.append(Study(what, partial(many_equal, 40), 200))
    for k in (10, 40):
        what = f"one of {k} better by 10 points, 300 graded items: shown to be better than another"
        found.append(Study(what, partial(one_better, k, 0.1), 50))
    return found


def lines(quick: bool = False) -> list[Line]:
    """All lines of the table; `quick` simulates too little to be shown."""
    return [study.line(quick) for study in studies()]


def table(found: Sequence[Line]) -> str:
    """The lines as a Markdown table."""
    rows = [f"| {line.what} | {' | '.join(line.found)} |" for line in found]
    return "\n".join([f"| | {' | '.join(COLUMNS)} |", "| --- |" + " --- |" * len(COLUMNS), *rows])


def run(quick: bool, folder: Path) -> Result:
    """The simulation as a benchmark."""
    found = lines(quick)
    rows = [{"what": line.what, **dict(zip(COLUMNS, line.found, strict=True))} for line in found]
    wrong = [line for line in found if line.what.startswith("equal checkpoints")]
    checks = [Check(f"{line.what}: at most 5 %", line.found[1], _at_least(line.found[1]) <= 5) for line in wrong]
    return Result(rows, checks, figures={"lines": [asdict(line) for line in found]})


def _at_least(share: str) -> float:
    """The lower end of a share's interval, as `_share` writes it."""
    return float(share.partition("(")[2].partition(" ")[0])


if __name__ == "__main__":
    print(table(lines()))
