"""What a perfect model would get for a figure that carries no unit, as on model cards; for `hf_cards`.

A share above 1 can only be a percentage. Of one at most 1 nobody can tell: 0.9 is a good share and a poor percentage.
So that stays unknown, and the page shows the figure as it is.
"""

import re

SHARES = frozenset(
    (
        "acc",
        "acc_norm",
        "accuracy",
        "anls",
        "em",
        "exact_match",
        "f1",
        "mc1",
        "mc2",
        "pass@1",
        "precision",
        "recall",
        "relaxed_accuracy",
        "vqa_accuracy",
    )
)
"""Metrics that are shares by their definition."""

LOWER_IS_BETTER = frozenset(
    ("bits_per_byte", "cer", "error_rate", "fid", "loss", "mae", "mse", "perplexity", "ppl", "rmse", "ter", "wer")
)

KNOWN = frozenset(
    (
        "ai2d",
        "cais/hle",
        "chartqa",
        "docvqa",
        "gpqa",
        "gsm8k",
        "hallusionbench",
        "hellaswag",
        "infovqa",
        "mathvista",
        "mathvista_mini",
        "mmbench",
        "mmlu",
        "mmlu-pro",
        "mmmu",
        "mmmu-pro",
        "mmmu_pro",
        "mmstar",
        "mmvet",
        "ocrbench",
        "pope",
        "realworldqa",
        "scienceqa",
        "seedbench",
        "textvqa",
        "vqav2",
    )
)
"""Benchmarks that are shares or points that a perfect model has all of, by the last part of their id or all of it."""

_PERCENT = re.compile(r"\s*([-+]?\d+(?:\.\d*)?)\s*%\s*")
_OCRBENCH_POINTS = 1_000.0


def number_in(value: object) -> tuple[float | None, bool]:
    """The number that a value is, and whether it says that it is a percentage.

    >>> number_in(42), number_in("73.2 %"), number_in("good"), number_in(True)
    ((42.0, False), (73.2, True), (None, False), (None, False))
    """
    if isinstance(value, str) and (found := _PERCENT.fullmatch(value)) and len(value) < 40:
        return float(found[1]), True
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e300:
        return None, False
    return float(value), False


def most_of(benchmark: str, metric: str, value: float) -> float | None:
    """What a perfect model gets; None where nobody can tell.

    >>> most_of("MMMU/MMMU", "accuracy", 42.0), most_of("MMMU/MMMU", "accuracy", 0.42), most_of("x", "bleu", 31.0)
    (100.0, None, None)
    >>> most_of("OCRBench", "", 729), most_of("OCRBench", "", 72.9)
    (1000.0, 100.0)
    """
    names = {benchmark.lower(), benchmark.lower().rsplit("/", 1)[-1]}
    known = bool(names & KNOWN) and (not metric or metric.lower() in SHARES)
    if known and "ocrbench" in names and 100 < value <= _OCRBENCH_POINTS:
        return _OCRBENCH_POINTS
    if (known or metric.lower() in SHARES) and 1 < value <= 100:
        return 100.0
    return None


def higher_is_better(metric: str) -> bool:
    """Whether more of a metric is better, by its name; most are so."""
    return metric.lower() not in LOWER_IS_BETTER
