"""Scales and directions of metrics by name, where no file tells them; for lm-eval, lmms-eval and lighteval."""

import re
from dataclasses import replace

from monitor.benchmarks.evaluation import ItemResult, Score
from monitor.harnesses.strict import ROUNDING

SHARES = re.compile(
    r"(acc|accuracy|em|exact_match|f1|pass(@|_at_)\d+|maj(@|_at_)\d+|anls|mc[12]|"
    r"relaxed_\w+|mmmu_acc|mmmu_pro_acc|extractive_match|quasi_exact_match|prefix_exact_match|perfect_exact_match|"
    r"\w*_acc|\w*_accuracy|acc_\w+|exact_\w+|flexible_extract|strict_match|contains|bertscore\w*)(@[\w=:.&-]+)?"
)
PERCENTAGES = re.compile(r"(bleu|bleu_max|bleu_[1-4]|sacrebleu|chrf|chrf\+\+)")
POINTS = {"mme_perception_score": 2000.0, "mme_cognition_score": 800.0}
LOWER = re.compile(r"(?i)(\w*perplexity|ppl\w*|\w*_ppl|bits_per_byte|loss|\w*_loss|nll|[wct]er|brier_score|\w*_error)")


def scale_of(metric: str, value: float) -> float | None:
    """What is the best of a metric: 1 for shares, 100 for BLEU; None where nothing bounds it or the name says nothing.

    A value beyond the scale of its name says that the name is used for something else.

    >>> scale_of("acc_norm", 0.5), scale_of("bleu", 31.2), scale_of("word_perplexity", 9.1), scale_of("acc", 54.3)
    (1.0, 100.0, None, None)
    """
    most = POINTS.get(metric)
    if most is None and not LOWER.fullmatch(metric):
        most = 1.0 if SHARES.fullmatch(metric) else 100.0 if PERCENTAGES.fullmatch(metric) else None
    return most if most is not None and 0 <= value <= most else None


def is_better_higher(metric: str, told: object = None) -> bool:
    """The direction that the file says, else the one that the name does."""
    return told if isinstance(told, bool) else not LOWER.fullmatch(metric)


def told_by_items(score: Score, items: tuple[ItemResult, ...]) -> Score:
    """The number of items where the file does not say it, and the scale where only the items tell it."""
    values = [item.scores[score.metric] for item in items if score.metric in item.scores]
    counted = score if score.n is not None or not values else replace(score, n=len(values))
    if score.most is not None or not score.higher_is_better or not any(values):
        return counted
    if not all(0 <= value <= 1 for value in values):
        return counted
    mean = sum(values) / len(values)
    most = next((most for most in (1.0, 100.0) if abs(mean * most - score.value) <= ROUNDING * most), None)
    return replace(counted, most=most)
