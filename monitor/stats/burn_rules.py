"""How fast an error budget is spent, and the table of rules that turn that into a state; `burn` applies them.

Source: The Site Reliability Workbook (2018), chapter 5, "Alerting on SLOs", table 5-8: multiwindow, multi-burn-rate.
The rules are plain thresholds, evaluated every minute, and no statistical test: docs/statistics.md has their simulated
false alarms and delays.
"""

import math
from dataclasses import dataclass

MINUTE, HOUR, DAY = 60, 3600, 86400

OBJECTIVES = ("availability", "latency")


@dataclass(frozen=True, slots=True)
class BurnRule:
    """The state `severity` holds while the budget burns more than `factor` times too fast over both windows."""

    severity: str
    long_s: int
    short_s: int
    factor: float
    objectives: tuple[str, ...] = OBJECTIVES


BURN_RULES = (
    # Not in the workbook: nothing at all succeeds. At 99 % it speaks after 5 minutes, where the next line takes 9.
    BurnRule("alert", 5 * MINUTE, 5 * MINUTE, math.inf, ("availability",)),
    BurnRule("alert", HOUR, 5 * MINUTE, 14.4),  # 2 % of the budget of 30 days in one hour
    BurnRule("alert", 6 * HOUR, 30 * MINUTE, 6.0),  # 5 % in six hours
    BurnRule("warn", 3 * DAY, 6 * HOUR, 1.0),  # 10 % in three days
)
"""Worst first: the first rule that holds gives the state and its reason."""


def bad_share_limit(rule: BurnRule, target: float) -> float:
    """Share of bad requests above which the rule holds: factor * (1 - target), at most 1.

    At 1 the rule holds when every request is bad, so that a complete outage raises even the rules of a lax target,
    whose burn rate can never reach the factor.

    >>> round(bad_share_limit(BURN_RULES[1], 0.99), 3), bad_share_limit(BURN_RULES[1], 0.90)
    (0.144, 1.0)
    """
    budget = budget_share(target)
    return 1.0 if math.isinf(rule.factor) else min(rule.factor * budget, 1.0)


def budget_share(target: float) -> float:
    """Share of requests that may be bad."""
    if not 0 <= target <= 1:
        raise ValueError(f"target is {target}: a share between 0 and 1, such as 0.99")
    return 1.0 - target


def burn_rate(bad: float, n: float, target: float) -> float:
    """How many times too fast the budget is spent: (bad / n) / (1 - target).

    NaN without requests; infinite where the target leaves no budget.

    >>> round(burn_rate(12, 340, 0.99), 1)
    3.5
    """
    budget = budget_share(target)
    if n == 0:
        return math.nan
    if budget == 0:
        return math.inf if bad else 0.0
    return bad / n / budget


def budget_left(bad_30d: float, n_30d: float, target: float) -> float:
    """Share of the budget of 30 days that is left; negative when overspent, NaN without requests.

    >>> round(budget_left(25, 10_000, 0.99), 2), round(budget_left(150, 10_000, 0.99), 2)
    (0.75, -0.5)
    """
    return 1.0 - burn_rate(bad_30d, n_30d, target)
