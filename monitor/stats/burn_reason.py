"""The sentence that says why a deployment is in its state.

`burn` calls it; pages, alerts and reports show it as it is.
"""

import math

from monitor.records import Slo
from monitor.stats.burn_rules import DAY, HOUR, MINUTE, BurnRule, burn_rate

WINDOWS_S = (HOUR, 6 * HOUR, 3 * DAY)
"""An ok state is told from the first of these with a request in it."""

Window = tuple[int, int, int]  # seconds, bad, n


def target_of(objective: str, slo: Slo) -> float:
    """Share of requests that the SLO promises to be good."""
    return slo.latency_target if objective == "latency" else slo.availability


def fired(rule: BurnRule, objective: str, bad: int, n: int, slo: Slo) -> str:
    """Why a rule holds, from the counts of its long window."""
    target = target_of(objective, slo)
    amount = "all" if bad == n else f"{bad:,} of"
    what = f"{amount} {_of(n, objective, slo)} in {_last(rule.long_s)}"
    if target >= 1:
        return f"{what}: the {_percent(target)} {objective} objective leaves no budget"
    return (
        f"{what}: burning the {_percent(target)} {objective} budget {_times(burn_rate(bad, n, target))} times too fast"
    )


def no_data(silence_s: int, limit_s: float, minutes_seen: int) -> str:
    """Why nothing can be said, from the silence (-1: no request in any of the minutes seen)."""
    if silence_s < 0:
        return f"no request in the {duration(minutes_seen * MINUTE)} that were looked at"
    return f"no request for {duration(silence_s)}; one was expected within {duration(limit_s)}"


def ok(windows: dict[str, list[Window]], slo: Slo) -> str:
    """Why nothing is raised, one part for each objective."""
    return "; ".join(_ok_part(objective, seen, slo) for objective, seen in windows.items())


def ok_run(seen: dict[str, Window], slo: Slo) -> str:
    """What was counted during a whole run of ok, one part for each objective."""
    return "; ".join(
        f"{_count(bad)} of {_of(n, objective, slo)} in {duration(seconds)}"
        for objective, (seconds, bad, n) in seen.items()
        if n
    )


def _ok_part(objective: str, windows: list[Window], slo: Slo) -> str:
    seconds, bad, n = next((window for window in windows if window[2]), windows[-1])
    if not n:
        missing = "requests" if objective == "availability" else "known latencies"
        return f"no {missing} in {_last(seconds)}, so the {objective} objective is not evaluated"
    target = target_of(objective, slo)
    burn = burn_rate(bad, n, target)
    what = f"{_count(bad)} of {_of(n, objective, slo)} in {_last(seconds)}"
    budget = f"the {_percent(target)} {objective} budget"
    if burn <= 1:
        return f"{what}, within {budget}"
    if bad < slo.min_bad_events:
        return f"{what}, fewer than the {slo.min_bad_events} that it takes to raise a state"
    if math.isinf(burn):
        return f"{what}, where {budget} allows none, but too brief or already over"
    return f"{what}, {_times(burn)} times what {budget} allows, but too little, too brief or already over"


def _count(bad: int) -> str:
    return f"{bad:,}" if bad else "none"


def _of(n: int, objective: str, slo: Slo) -> str:
    requests = f"{n:,} request" if n == 1 else f"{n:,} requests"
    return f"{requests} took longer than {slo.latency_ms:g} ms" if objective == "latency" else f"{requests} failed"


def duration(seconds: float) -> str:
    """A length of time in its largest fitting unit.

    >>> duration(300), duration(3600), duration(5400), duration(345600)
    ('5 minutes', '1 hour', '1.5 hours', '4 days')
    """
    units = ((DAY, "day"), (HOUR, "hour"), (MINUTE, "minute"), (1, "second"))
    unit, name = next((pair for pair in units if seconds >= pair[0]), units[-1])
    number = f"{round(seconds / unit, 1):g}"
    return f"{number} {name}" if number == "1" else f"{number} {name}s"


def _last(seconds: int) -> str:
    return f"the last {duration(seconds).removeprefix('1 ')}"


def _times(burn: float) -> str:
    return f"{burn:.2f}" if burn < 2 else f"{burn:.1f}" if burn < 99.95 else f"{burn:,.0f}"


def _percent(share: float) -> str:
    return f"{100 * share:g} %"
