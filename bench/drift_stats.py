"""What drift says where nothing or something has changed, beside the plain ways, and that its figures are scipy's.

`python -m bench.drift_stats` prints the table of docs/statistics.md. Seeds are fixed; it takes some minutes.
The plain way is what a data frame and a test per column give: Kolmogorov's test below 5 % for each feature.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from scipy import stats
from scipy.spatial.distance import jensenshannon

from bench.drift_worlds import SHAPES, Rng, digits, rhythm, side, true_effects
from bench.result import Check, Result
from monitor.drift.judging import Pair, Rule, judge, null_band
from monitor.drift.methods.table import METHODS
from monitor.drift.profile import Floats, Numeric, edges_of, merge, profile_numbers
from monitor.drift.shares import table as cells_of
from monitor.drift.slices import slices
from monitor.stats.intervals import clopper_pearson

COLUMNS = ("promised", "found", "the plain way")
PLAIN = 0.05
FEATURES = 20
RULE = Rule()
ANY = Rule(threshold=0.0, thresholds={"missing": 0.0})
"""Significance alone, without asking whether an effect matters."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table: what was simulated, and what came out for each of COLUMNS; `-` where it does not apply."""

    what: str
    found: tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Study:
    """A line before it is simulated: `run(times)`."""

    what: str
    run: Callable[[int], tuple[str, str, str]]
    times: int

    def line(self, quick: bool = False) -> Line:
        return Line(self.what, self.run(max(1, self.times // 10) if quick else self.times))


def agreement(shape: str, rows: int, times: int) -> tuple[str, str, str]:
    """How far effects from profiles are from those of scipy on the same values, or on the same bins."""
    rng = np.random.default_rng(201)
    off: dict[str, float] = dict.fromkeys(("KS", "Wasserstein", "PSI", "JS"), 0.0)
    for _ in range(times):
        for name, value in _off(*(np.asarray(each) for each in SHAPES[shape](rng, rows))).items():
            off[name] = max(off[name], value)
    found = (
        f"KS {off['KS']:.4f}; {', '.join(f'{name} {100 * off[name]:.2f} %' for name in ('Wasserstein', 'PSI', 'JS'))}"
    )
    return ("KS 0.001, others 1 %", found, "-")


def _off(reference: Floats, window: Floats) -> dict[str, float]:
    edges = edges_of(reference)
    both = profile_numbers(reference, edges), profile_numbers(window, edges)
    effects = {name: METHODS[name].effect(*both) for name in ("ks", "wasserstein", "psi", "js")}
    ours, theirs = (np.sort(each[np.isfinite(each)]) for each in (reference, window))
    cells = cells_of(*both)
    assert cells is not None
    p, q = ((counts + 0.5) / (float(counts.sum()) + 0.5 * counts.size) for counts in (cells.reference, cells.window))
    unit = (
        float(ours.std())
        or math.sqrt(float(theirs.var()) / 2 + (float(ours.mean()) - float(theirs.mean())) ** 2 / 4)
        or 1.0
    )
    distance = float(stats.wasserstein_distance(ours, theirs)) / unit
    shannon = float(jensenshannon(cells.reference / both[0].n, cells.window / both[1].n, 2))
    return {
        "KS": abs(effects["ks"] - stats.ks_2samp(ours, theirs, method="asymp").statistic),
        "Wasserstein": abs(effects["wasserstein"] - distance) / (distance or 1),
        "PSI": abs(effects["psi"] - float(((p - q) * np.log(p / q)).sum())) / (effects["psi"] or 1),
        "JS": abs(effects["js"] - shannon) / (shannon or 1),
    }


def false_calls(n: int, rule: Rule, times: int) -> tuple[str, str, str]:
    """In how many windows of the same data anything is called, of FEATURES features."""
    rng, called, plain = np.random.default_rng(203), 0, 0
    pool = [side(rng, 2 * max(n, 20_000), at) for at in range(FEATURES)]
    for _ in range(times):
        pairs = [_split(rng, values, n) for values in pool]
        called += any(found.state == "moved" for found in judge(pairs, rule))
        plain += any(METHODS["ks"].compare(pair.reference, pair.window).p < PLAIN for pair in pairs)
    promised = "at most 1 %"
    return (promised, _share(called, times), _share(plain, times))


def _split(rng: Rng, values: Floats, n: int) -> Pair:
    """Half of the values as reference, and n of the other half."""
    shuffled = rng.permutation(values)
    return _pair(shuffled[: values.size // 2], shuffled[values.size // 2 :][:n])


def _pair(reference: Floats, window: Floats, name: str = "feature") -> Pair:
    edges = edges_of(reference)
    return Pair(name, profile_numbers(reference, edges), profile_numbers(window, edges), math.nan)


def daily(peak: float, times: int) -> tuple[str, str, str]:
    """Hours of traffic with a daily rhythm, against a week of the same: with the band, and without."""
    rng, called, plain, hours = np.random.default_rng(205), 0, 0, 0
    for _ in range(times):
        week = [rhythm(rng, hour, peak) for hour in range(7 * 24)]
        edges = edges_of(np.concatenate(week))
        parts = [profile_numbers(hour, edges) for hour in week]
        band, whole = null_band(parts, RULE), merge(parts)
        assert isinstance(whole, Numeric)
        for hour in range(24):
            window = profile_numbers(rhythm(rng, hour, peak), edges)
            called += judge([Pair("length", whole, window, band)], RULE)[0].state == "moved"
            plain += METHODS["ks"].compare(whole, window).p < PLAIN
            hours += 1
    return ("-", _share(called, hours), _share(plain, hours))


def power(n: int, shift: float, times: int) -> tuple[str, str, str]:
    """How often a shift of one of FEATURES features by so many standard deviations is called."""
    rng, called, plain = np.random.default_rng(207), 0, 0
    reference = rng.normal(size=50_000)
    edges = edges_of(reference)
    whole = profile_numbers(reference, edges)
    for _ in range(times):
        windows = [profile_numbers(rng.normal(shift * (at == 0), 1, size=n), edges) for at in range(FEATURES)]
        found = judge([Pair(f"f{at}", whole, window, math.nan) for at, window in enumerate(windows)], RULE)
        called += found[0].state == "moved"
        plain += METHODS["ks"].compare(whole, windows[0]).p < PLAIN
    return ("more", _share(called, times), _share(plain, times))


def coverage(method: str, shift: float, n: int, times: int) -> tuple[str, str, str]:
    """How often the interval of an effect holds the true one."""
    rng, held = np.random.default_rng(209), 0
    truth = true_effects(shift)[method]
    for _ in range(times):
        pair = _pair(rng.normal(size=10 * n), rng.normal(shift, 1, size=n))
        found = METHODS[method].compare(pair.reference, pair.window)
        held += found.low <= truth <= found.high
    return ("95 %", _share(held, times), "-")


def named_slices(shift: float, inside: float, times: int) -> tuple[str, str, str]:
    """How often any slice, or the right one, is named; the plain way is the smallest p of a test inside each slice."""
    rng, named, plain, n = np.random.default_rng(211), 0, 0, 2000
    for _ in range(times):
        sides = [{f"d{at}": rng.integers(0, 5, n).astype(str).tolist() for at in range(8)} for _ in range(2)]
        there = np.array(sides[1]["d3"]) == "2"
        reference, window = rng.normal(size=n), rng.normal(shift, 1, size=n) + inside * there
        found = {(one.dimension, one.value) for one in slices(reference, window, *sides)}
        named += ("d3", "2") in found if inside else bool(found)
        masks = [[np.array(each[f"d{at}"]) == str(value) for each in sides] for at in range(8) for value in range(5)]
        tests = [stats.ks_2samp(reference[ours], window[theirs], method="asymp").pvalue for ours, theirs in masks]
        plain += int(np.argmin(tests)) == 17 if inside else min(tests) < PLAIN
    return ("more" if inside else "at most 1 %", _share(named, times), _share(plain, times))


def real(change: str, times: int) -> tuple[str, str, str]:
    """Scans of digits: how many of 64 pixels are called, and in how many splits the vectors as a whole."""
    rng, pixels, vectors, plain = np.random.default_rng(213), 0, 0, 0
    for _ in range(times):
        reference, window = digits(rng, change)
        pairs = [_pair(reference[:, at], window[:, at], f"pixel {at}") for at in range(64)]
        pixels += sum(found.state == "moved" for found in judge(pairs, RULE))
        vectors += _told(reference, window)
        plain += sum(METHODS["ks"].compare(pair.reference, pair.window).p < PLAIN for pair in pairs)
    promised = "none" if change == "a random split" else "some"
    return (
        promised,
        f"{pixels / times:.1f} of 64 pixels; vectors in {vectors} of {times}",
        f"{plain / times:.1f} of 64 pixels",
    )


def _told(reference: Floats, window: Floats) -> bool:
    """Whether kernel or classifier call the vectors as a whole."""
    found = {name: METHODS[name].compare(reference, window) for name in ("mmd", "classifier")}
    return any(each.p <= RULE.fdr / 2 and each.effect >= METHODS[name].threshold for name, each in found.items())


def _share(k: int, n: int) -> str:
    low, high = clopper_pearson(int(k), n)
    return f"{100 * k / n:.1f} % of {n:,} ({100 * low:.1f} to {100 * high:.1f})"


def studies() -> list[Study]:
    """The lines of the table, in their order."""
    found = [
        Study(f"distance from scipy, {shape}", partial(agreement, shape, 12 if shape == "tiny" else 1_000_000), 3)
        for shape in SHAPES
    ]
    for n in (30, 1000, 100_000):
        found.append(
            Study(f"same data, {n:,} rows: any of {FEATURES} features called", partial(false_calls, n, RULE), 200)
        )
        what = f"same data, {n:,} rows: any significant after correction"
        found.append(Study(what, partial(false_calls, n, ANY), 200))
    found += [
        Study(f"hours with a daily rhythm of {peak:g} sd: called", partial(daily, peak), 40) for peak in (0.3, 1.0)
    ]
    for n in (30, 300, 3000):
        for shift in (0.1, 0.3, 0.5, 1.0):
            found.append(Study(f"shift of {shift:g} sd, {n:,} rows: called", partial(power, n, shift), 200))
    for method in ("ks", "tv", "psi", "js", "wasserstein", "chi2"):
        for shift in (0.0, 0.3):
            what = f"interval of {method}, shift of {shift:g} sd, 500 rows: holds it"
            found.append(Study(what, partial(coverage, method, shift, 500), 500))
    found += [
        Study(f"40 slices, {what}: any named", partial(named_slices, shift, 0.0), 200)
        for what, shift in (("nothing changes", 0.0), ("all shift by 0.3 sd", 0.3))
    ]
    found.append(Study("40 slices, one shifts by 1 sd: named", partial(named_slices, 0.0, 1.0), 100))
    changes = ("a random split", "half of the classes removed", "noise added")
    return found + [Study(f"digits, {change}: called", partial(real, change), 10) for change in changes]


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
    wrong = [line for line in found if line.found[0] == "at most 1 %"]
    checks = [Check(f"{line.what}: at most 1 %", line.found[1], _at_least(line.found[1]) <= 1) for line in wrong]
    return Result(rows, checks, figures={"lines": [asdict(line) for line in found]})


def _at_least(share: str) -> float:
    """The lower end of a share's interval, as `_share` writes it."""
    return float(share.partition("(")[2].partition(" ")[0])


if __name__ == "__main__":
    print(table(lines()))
