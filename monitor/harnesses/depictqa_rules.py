"""What an answer counts in DepictQA's three automatic scores, and its ranges of confidence; for `depictqa`.

People choose the script by hand; here the data set's name and its ground truth tell which one is meant.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from monitor.errors import BadInput

EDGES = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
"""Of the ranges of confidence, as the scripts have them unless told otherwise."""

_LONGEST_LABEL = 60
_SENTENCE_ENDS = (".", "!", "?")


@dataclass(frozen=True, slots=True)
class Rule:
    """A script of the harness and what it gives an answer, 0 to 1, by answer and target."""

    name: str
    counts: Callable[[str, str], float]


def same_text(answer: str, target: str) -> float:
    """Single distortions and ratings: the whole text, but for white space around it, is right or wrong."""
    return float(answer.strip() == target.strip())


def same_parts(answer: str, target: str) -> float:
    """Several distortions joined by "and": 1 for all of them, else a part for each that is right.

    >>> same_parts("blur and noise", "Noise and blur"), same_parts("blur", "noise and blur"), same_parts("rain", "blur")
    (1.0, 0.5, 0.0)
    """
    given = sorted({part.strip().lower() for part in answer.strip().split("and")})
    expected = sorted(part.strip().lower() for part in target.strip().split("and"))
    if given == expected:
        return 1.0
    return sum(part in expected for part in given) / max(len(given), len(expected))


RATING = Rule("cal_acc_rating", same_text)
SINGLE = Rule("cal_acc_single_distortion", same_text)
MULTI = Rule("cal_acc_multi_distortion", same_parts)


def rule_for(dataset: str, targets: Sequence[str]) -> Rule | None:
    """The rule for a data set with such targets; None where they are sentences, which no script can compare.

    >>> rule_for("bapps_AB", ["Image A", "Image B"]).name
    'cal_acc_rating'
    >>> rule_for("kadis_A_md_brief", ["blur", "blur and noise"]).name
    'cal_acc_multi_distortion'
    >>> rule_for("kadis_A_sd_detail", ["The image is blurred, and its edges are soft."]) is None
    True
    """
    texts = {target.strip() for target in targets}
    if not texts or any(len(text) > _LONGEST_LABEL or text.endswith(_SENTENCE_ENDS) for text in texts):
        return None
    if texts <= {"Image A", "Image B"}:
        return RATING
    parts = dataset.split("_")
    if "md" in parts or ("sd" not in parts and any(" and " in text for text in texts)):
        return MULTI
    return SINGLE


def interval_of(confidence: float, where: str) -> str:
    """The range that a confidence falls into, as the scripts print it, its upper end belonging to it.

    >>> interval_of(0.9, ""), interval_of(1.0000001, "")
    ('[0.8,0.9]', '[0.95,1]')
    """
    rounded = round(confidence, 6)
    if not 0 <= rounded <= 1:
        raise BadInput(f"{where}: confidence is {confidence}, allowed is 0 to 1")
    upper = max(1, bisect_left(EDGES, rounded))
    return f"[{EDGES[upper - 1]:g},{EDGES[upper]:g}]"
