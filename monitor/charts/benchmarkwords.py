"""Figures of benchmarks as people read them: scores on their scale, ranks, probabilities, differences in points."""

import math
from typing import Any

from monitor.charts import words

SURE = 0.9995
"""Probabilities come from some thousand resamples: beyond this they are "more than" and "less than"."""

HOW = {
    "wilson": "items (Wilson)",
    "bootstrap": "items (bootstrap)",
    "stderr": "standard error of the file",
}
"""What an interval comes from."""

TESTS = {
    "mcnemar": "McNemar's exact test",
    "sign_flip": "sign flips by group",
    "unpaired": "standard errors, as if the two were independent",
}


def chance(value: Any) -> str:
    """A probability from resampling: never 0 % or 100 %.

    >>> chance(0.4703), chance(1.0), chance(0.0003), chance(0.9962)
    ('47 %', '> 99.9 %', '< 0.1 %', '99.6 %')
    """
    if not words.known(value):
        return words.UNKNOWN
    share = float(value)
    if share >= SURE or share <= 1 - SURE:
        return "> 99.9 %" if share >= SURE else "< 0.1 %"
    return f"{share * 100:.0f} %" if 0.01 <= share <= 0.99 else f"{share * 100:.1f} %"


def percent(share: Any) -> str:
    """A share as a percentage with one digit; what is not all never reads as 100 %, what is not nothing never as 0 %.

    >>> percent(0.98667), percent(1.0), percent(0.99998)
    ('98.7 %', '100 %', '> 99.9 %')
    """
    if not words.known(share):
        return words.UNKNOWN
    one = float(share) * 100
    if one in (0.0, 100.0):
        return f"{one:.0f} %"
    if 99.95 <= one < 100 or 0 < one < 0.05:
        return "> 99.9 %" if one > 50 else "< 0.1 %"
    return f"{one:.1f} %"


def number(value: Any, most: Any = None) -> str:
    """A number as a file has it: to a thousandth of its scale, in four digits where no scale is known.

    >>> number(0.98667, 1.0), number(41.666, 100.0), number(523, 1000.0), number(12345.6), number(0.99998, 1.0)
    ('0.987', '41.7', '523', '12,346', '0.99998')
    """
    if not words.known(value):
        return words.UNKNOWN
    one = float(value)
    if not (words.known(most) and float(most) > 0):
        return f"{one:,.0f}" if abs(one) >= 1000 else f"{one:.4g}"
    places = max(0, 3 - round(math.log10(float(most))))
    if one != float(most) and float(f"{one:.{places}f}") == float(most):
        return f"{one:.6g}"
    return f"{one:,.{places}f}"


def within(low: Any, high: Any, most: Any = 1.0, n: Any = None) -> str:
    """What stands behind a score in a sentence: its interval and n, as far as they are known.

    >>> within(0.874, 0.958, n=300), within(8.1, 9.2, None), within(None, None)
    (' (95 % interval 87.4 to 95.8 %, n 300)', ' (95 % interval 8.1 to 9.2)', '')
    """
    told = []
    if words.known(low) and words.known(high):
        ends = [share_or_number(end, most) for end in (low, high)]
        told.append(f"95 % interval {ends[0].removesuffix(' %')} to {ends[1]}")
    if words.known(n):
        told.append(f"n {words.count(int(n))}")
    return f" ({', '.join(told)})" if told else ""


def share_or_number(value: Any, most: Any) -> str:
    """A score for a sentence: as a percentage where its scale is known."""
    return percent(float(value) / float(most)) if words.known(value) and words.known(most) else number(value)


def score(value: Any, most: Any) -> str:
    """A score on the scale of its file: 0.447 of 1, 523 of 1,000; a scale that is not known is said."""
    if not words.known(value):
        return words.UNKNOWN
    return f"{number(value, most)} of {float(most):,g}" if words.known(most) else f"{number(value)} (scale not known)"


def interval(low: Any, high: Any, most: Any = None) -> str:
    """Both ends of an interval in the unit of the file; empty where there is none."""
    return f"{number(low, most)} to {number(high, most)}" if words.known(low) and words.known(high) else ""


def origin(how: Any, reason: Any) -> str:
    """What an interval comes from, or why there is none."""
    if how in HOW:
        return HOW[str(how)]
    why = str(reason) if words.known(reason) and reason else "nothing to compute it from"
    return f"no interval can be given: {why}"


def rank(low: Any, high: Any) -> str:
    """The places that are left open: 1, or 1–3 for a tie."""
    if not (words.known(low) and words.known(high)):
        return words.UNKNOWN
    return f"{int(low)}" if low == high else f"{int(low)}–{int(high)}"


def points(value: Any, scaled: bool = True) -> str:
    """A difference with its sign, in percentage points; in the unit of the file where no scale is known.

    What is not nothing never reads as 0.0.
    """
    if not words.known(value):
        return words.UNKNOWN
    one = float(value) * 100 if scaled else float(value)
    if not scaled:
        return f"{one:+.4g}"
    return f"{one:+.1f}" if abs(one) >= 0.05 else f"{one:+.1g}" if one else "0.0"


def span(low: Any, high: Any, scaled: bool = True) -> str:
    """The interval of a difference: -20.7 to -10.3."""
    return f"{points(low, scaled)} to {points(high, scaled)}"


def p_value(value: Any) -> str:
    """A p-value: 0.012, and < 0.001."""
    return words.UNKNOWN if not words.known(value) else "< 0.001" if value < 0.001 else f"{float(value):.3f}"


def step(value: Any) -> str:
    """A training step: step 1,020."""
    return f"step {int(value):,}" if words.known(value) else ""


def named(checkpoint: Any, at: Any) -> str:
    """A checkpoint and its step, where its name does not say it already."""
    told = step(at)
    said = told and str(int(at)) in str(checkpoint)
    return str(checkpoint) if not told or said else f"{checkpoint} ({told})"


def counted(n: int, one: str, many: str = "") -> str:
    """A number of things with their word: 1 item, 3 items."""
    return f"{words.count(n)} {one if n == 1 else many or one + 's'}"


def listed(parts: list[str], most: int = 0) -> str:
    """Things in a row: a, b and c; beyond the most, how many more."""
    if most and len(parts) > most:
        return f"{', '.join(parts[:most])} and {words.count(len(parts) - most)} more"
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))
