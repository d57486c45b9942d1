"""Whether a drift matters: what is known of the quality of answers where the inputs or outputs moved to.

Called by `jobs/drift.py` with counts from the query `drift_quality`. A measure is a share of bad outcomes: failed
requests, answers that are not what a label says, thumbs down, canary items that fail. Shares are compared by Newcombe's
interval of their difference, at 95 % over all comparisons of a window together (Bonferroni), so that one "worse" among
many measures and features is no accident. That quality has held must be shown twice, for the whole window and where the
feature went that moved most, each at 95 %: who asks for all needs no correction (Berger, 1982, Multiparameter
hypothesis testing and acceptance sampling, Technometrics 24:295).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from monitor.stats.intervals import CONFIDENCE, newcombe_difference

MARGIN = 0.05
"""Quality has held where it is shown to be worse by no more than this share."""

LEAST = 0.01
"""A difference that is smaller is not called worse, however sure it is."""

MEASURES = {
    "errors": "requests that failed",
    "wrong": "answers that differ from their label",
    "disliked": "feedback that is a thumbs down",
    "canary": "canary items that failed",
}
OF_ANSWERS = ("wrong", "disliked")
"""Measures that can show that answers have held. That requests do not fail says nothing about their answers, and
canaries ask the same as ever: what has moved is not among it."""

AGAINST = {
    "same": "the same part of the reference",
    "whole": "the whole reference, which has hardly any there",
    "rest": "the rest of the window, as no rows of the reference are left",
}
"""What bad outcomes are compared with. The rest of a window may always have been easier: it never makes an alarm."""

VERDICTS = {
    "no_data": "nothing to judge",
    "too_few": "too few to tell",
    "steady": "nothing moved",
    "held": "moved, quality held",
    "unknown": "moved, quality not known",
    "worse": "moved and worse",
}
"""What is said of a window; only the last one is an alarm."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Bad outcomes of one measure where a feature moved to in the window, and in what that is compared with."""

    feature: str
    measure: str
    bad: int
    n: int
    bad_before: int
    n_before: int
    against: str  # of AGAINST


@dataclass(frozen=True, slots=True)
class Compared:
    """A measure with the difference of its bad shares (positive: worse) and its interval."""

    feature: str
    measure: str
    share: float
    before: float
    difference: float
    low: float
    high: float
    n: int
    n_before: int
    against: str
    state: str  # "worse", "held" or "unknown"


def compare(counts: Sequence[Counts]) -> list[Compared]:
    """Each measure of each feature with what it says, where both sides have anything.

    >>> [one.state for one in compare([Counts("image_blank", "wrong", 45, 50, 60, 600, "same")])]
    ['worse']
    """
    known = [one for one in counts if one.n and one.n_before]
    confidence = 1 - (1 - CONFIDENCE) / max(1, len(known))
    return [_compared(one, confidence) for one in known]


def _alarming(one: Compared, risen: Collection[str]) -> bool:
    """What has no like in the reference may just be harder: it is worse only if the whole window is no better."""
    if one.state != "worse" or one.against == "rest":
        return False
    return one.against == "same" or one.measure in risen


def _compared(one: Counts, confidence: float) -> Compared:
    low, high = newcombe_difference(one.bad, one.n, one.bad_before, one.n_before, confidence)
    difference = one.bad / one.n - one.bad_before / one.n_before
    alone = newcombe_difference(one.bad, one.n, one.bad_before, one.n_before)
    worse = low > 0 and difference >= LEAST
    state = "worse" if worse else "held" if alone.high <= MARGIN else "unknown"
    shares = (one.bad / one.n, one.bad_before / one.n_before, difference)
    return Compared(one.feature, one.measure, *shares, low, high, one.n, one.n_before, one.against, state)


def verdict(states: list[str], compared: Sequence[Compared], most: str) -> str:
    """One of VERDICTS, from the states of all features of a window and the measures where they moved to.

    `most` is the feature that moved most; the feature '' stands for the whole window.

    >>> verdict(["steady", "moved"], [], "prompt_chars")
    'unknown'
    """
    if "moved" not in states:
        blind = states.count("too_few")
        if blind or "steady" in states:
            return "too_few" if blind > states.count("steady") else "steady"
        return "no_data"
    risen = {one.measure for one in compared if not one.feature and one.difference > 0}
    if any(_alarming(one, risen) for one in compared):
        return "worse"
    held = {(one.measure, one.feature) for one in compared if one.state == "held"}
    return "held" if any({(measure, ""), (measure, most)} <= held for measure in OF_ANSWERS) else "unknown"
