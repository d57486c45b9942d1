"""Figures that authors have published of their models; the Benchmarks page draws them as lines to compare with.

They are for drawing only and are never tested against anything: it is not said with which harness, prompt or version
they were made, and there are neither items nor standard errors behind them.
"""

from dataclasses import dataclass

HARNESS_NOTE = "published by its authors; with which harness, version and prompt is not known"


@dataclass(frozen=True, slots=True)
class Published:
    """One figure. `benchmark` is what VLMEvalKit calls the data set that the table means; `most` is its scale."""

    model: str
    benchmark: str
    metric: str
    value: float
    most: float
    source: str
    url: str


_SMOLVLM_SETS = (
    ("MathVista_MINI", "Mathvista"),
    ("MMMU_DEV_VAL", "MMMU"),
    ("OCRBench", "OCRBench"),
    ("MMStar", "MMStar"),
    ("AI2D_TEST", "AI2D"),
    ("ChartQA_TEST", "ChartQA_Test"),
    ("ScienceQA_TEST", "Science_QA"),
    ("TextVQA_VAL", "TextVQA Val"),
    ("DocVQA_VAL", "DocVQA Val"),
)
"""VLMEvalKit's names, and the columns of the table. Where one names no split, we take that which is usually meant."""

_SMOLVLM = {
    "SmolVLM2-2.2B": (51.5, 42.0, 72.9, 46.0, 70.0, 68.84, 90.0, 73.21, 79.98),
    "SmolVLM-2.2B": (43.9, 38.3, 65.5, 41.8, 84.5, 71.6, 84.5, 72.1, 79.7),
}

PUBLISHED = tuple(
    Published(
        model=model,
        benchmark=benchmark,
        metric=column,
        value=value,
        most=100.0,
        source="model card of SmolVLM2-2.2B-Instruct, Vision Evaluation",
        url="https://huggingface.co/HuggingFaceTB/SmolVLM2-2.2B-Instruct",
    )
    for model, values in _SMOLVLM.items()
    for (benchmark, column), value in zip(_SMOLVLM_SETS, values, strict=True)
)
