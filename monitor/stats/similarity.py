"""How alike two texts are, between 0 and 1: chrF by letters, ROUGE-L by words; for the checks of canary suites."""

import re
import unicodedata
from collections import Counter
from collections.abc import Hashable, Sequence

CHRF_ORDER = 6
CHRF_BETA = 2.0

_UNSPACED = "\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff"
_WORD = re.compile(f"[{_UNSPACED}]|[^\\W_{_UNSPACED}]+")


def chrf(answer: str, reference: str) -> float:
    """The F2 score of the runs of one to six letters that two texts share, blanks aside.

    Popović, 2015, "chrF: character n-gram F-score for automatic MT evaluation" (WMT), divided by 100; as sacreBLEU
    computes it for one sentence: precision and recall are averaged over the lengths of which both texts have runs.

    >>> round(chrf("The cat sat on the mat.", "The cat is on the mat."), 4)
    0.6717
    """
    first, second = "".join(answer.split()), "".join(reference.split())
    rates = [_rates(first, second, n) for n in range(1, CHRF_ORDER + 1) if len(first) >= n and len(second) >= n]
    if not rates:
        return 0.0
    precision = sum(rate for rate, _ in rates) / len(rates)
    recall = sum(rate for _, rate in rates) / len(rates)
    weight = CHRF_BETA**2
    return (1 + weight) * precision * recall / (weight * precision + recall) if precision + recall > 0 else 0.0


def _rates(answer: str, reference: str, n: int) -> tuple[float, float]:
    """Precision and recall of runs of n letters, each counted as often as it occurs in both."""
    said = Counter(answer[i : i + n] for i in range(len(answer) - n + 1))
    wanted = Counter(reference[i : i + n] for i in range(len(reference) - n + 1))
    common = (said & wanted).total()
    return common / said.total(), common / wanted.total()


def rouge_l(answer: str, reference: str) -> float:
    """The F1 score of the longest run of words, gaps allowed, that two texts have in common in the same order.

    Lin, 2004, "ROUGE: A Package for Automatic Evaluation of Summaries" (ACL), with his example; words in lower case, of
    letters and digits only. A letter of a script without blanks between words (Han, Kana, Thai) is a word.

    >>> rouge_l("police kill the gunman", "police killed the gunman")
    0.75
    >>> rouge_l("the gunman kill police", "police killed the gunman")
    0.5
    """
    first, second = words(answer), words(reference)
    common = longest_common(first, second)
    return 2 * common / (len(first) + len(second)) if common else 0.0


def words(text: str) -> list[str]:
    """The words of a text in lower case.

    >>> words("It's 2 cats: 猫猫")
    ['it', 's', '2', 'cats', '猫', '猫']
    """
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def longest_common(first: Sequence[Hashable], second: Sequence[Hashable]) -> int:
    """The length of the longest common subsequence; a row of the table is one number, a bit for each place.

    Hyyrö, 2004, "Bit-parallel LCS-length computation revisited" (AWOCA).

    >>> longest_common("AGGTAB", "GXTXAYB")
    4
    """
    places: dict[Hashable, int] = {}
    for place, one in enumerate(first):
        places[one] = places.get(one, 0) | 1 << place
    whole = (1 << len(first)) - 1
    row = whole
    for one in second:
        matched = row & places.get(one, 0)
        row = ((row + matched) | (row - matched)) & whole
    return len(first) - row.bit_count()
