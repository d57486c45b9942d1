"""Numbers as people read them: units, intervals, counts and changes, for tooltips, cards and tables.

None, NaN and NaT mean "not known" and are written as a dash, never as zero.
"""

from datetime import datetime, timedelta
from typing import Any

import pandas as pd

UNKNOWN = "–"

STATE_WORDS = {"ok": "OK", "warn": "Warning", "alert": "Alert", "no_data": "No data"}

CHANGE_WORDS = {
    "in_band": "→ as usual",
    "above": "↑ above the usual range",
    "below": "↓ below the usual range",
    "no_reference": "no earlier data to compare with",
}


SHARE_DIGITS = ((10, 0), (1, 1), (0.1, 2), (0.01, 3))
"""From this many percent on, this many digits behind the point."""


def known(value: Any) -> bool:
    """Whether there is a value at all."""
    if isinstance(value, float):  # by far the most frequent case, in each hover text
        return value == value
    return value is not None and not bool(pd.isna(value))


def count(value: Any) -> str:
    """A number of things: 8,819, and 12.4 M from ten million on."""
    if not known(value):
        return UNKNOWN
    number = float(value)
    return f"{number / 1e6:.1f} M" if abs(number) >= 1e7 else f"{number:,.0f}"


def share(value: Any) -> str:
    """A part of one as a percentage with about two digits: 0.42 %, 99.6 %.

    What is not nothing is never written as 0 %, and what is not all never as 100 %.
    """
    if not known(value):
        return UNKNOWN
    percent = float(value) * 100
    if percent and abs(percent) < 0.0001:
        return "< 0.0001 %"
    if 99 < percent < 100:
        return f"{percent:.{_digits(100 - percent) - 1}f} %" if percent < 99.999 else "> 99.999 %"
    return f"{percent:.{_digits(percent)}f} %" if percent else "0 %"


def _digits(percent: float) -> int:
    return next((digits for least, digits in SHARE_DIGITS if abs(percent) >= least), 4)


def objective(value: float) -> str:
    """A share that somebody set, exactly as it was set: 99.5 %."""
    return f"{value * 100:.10g} %"


def milliseconds(value: Any) -> str:
    """A duration in the unit that keeps it short: 0.8 ms, 812 ms, 1.24 s, 3.5 min."""
    if not known(value):
        return UNKNOWN
    ms = float(value)
    if abs(ms) < 10:
        return f"{ms:.1f} ms"
    if abs(ms) < 1000:
        return f"{ms:.0f} ms"
    return f"{ms / 1000:.2f} s" if abs(ms) < 60_000 else f"{ms / 60_000:.1f} min"


def per_second(value: Any) -> str:
    """A rate: 1.25/s, and below one a minute per hour, because 0.003/s says nothing."""
    if not known(value):
        return UNKNOWN
    rate = float(value)
    if rate == 0:
        return "0/s"
    if rate < 1 / 60:
        return f"{rate * 3600:.1f}/h"
    if rate < 1:
        return f"{rate * 60:.1f}/min"
    return f"{rate:.2f}/s" if rate < 10 else f"{rate:,.0f}/s"


FORMATS = {"ms": milliseconds, "share": share, "per_s": per_second, "count": count}
"""How a unit is written."""


def interval(low: Any, high: Any, unit: str) -> str:
    """A 95 % interval: 790 ms to 840 ms."""
    write = FORMATS[unit]
    return f"{write(low)} to {write(high)}" if known(low) and known(high) else ""


def with_evidence(value: Any, low: Any, high: Any, n: Any, unit: str) -> str:
    """A value, its interval and how many requests stand behind it, or why there is none."""
    if not known(n) or int(n) == 0:
        return f"{UNKNOWN} (n 0)"
    span = interval(low, high, unit)
    return f"{FORMATS[unit](value)} ({span + ', ' if span else ''}n {count(n)})"


def ago(then: Any, now: datetime) -> str:
    """How long ago: 12 s ago, 35 min ago, 3 h ago, 12 d ago."""
    return f"{span(now - then)} ago" if known(then) else "never"


def span(length: timedelta) -> str:
    """A length of time in its largest unit."""
    seconds = max(0, round(length.total_seconds()))
    if seconds and seconds % 3600 == 0 and seconds < 172_800:
        return f"{seconds // 3600} h"
    if seconds < 90:
        return f"{seconds} s"
    if seconds <= 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 172_800 else f"{seconds / 86_400:.0f} d"


def state(name: str) -> str:
    """A state in words; unknown states are shown as they are."""
    return STATE_WORDS.get(name, name)


def change(name: Any) -> str:
    """A comparison with the usual range in words with an arrow."""
    return CHANGE_WORDS.get(str(name), UNKNOWN)
