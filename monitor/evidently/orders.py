"""What a report is made of, and what it says of itself: the words that both sides of the process boundary share."""

from dataclasses import asdict, dataclass, field
from typing import Any

PRESETS = {
    "drift": "which features moved, by the method that Evidently chooses for each",
    "summary": "what each feature looks like on both sides: missing values, ranges, distinct values",
    "text": "length, words, sentences and signs of prompts and answers, and whether their words changed",
    "all": "all of it",
}
STEPS = ("describe", "compare", "render")
"""What the process of Evidently does, in order; its caller does what lies before and behind them."""

READ, KEEP = "read", "keep"
TEXTS = ("input_text", "output_text")
SMALL = 1000
"""A column with at most so many values in the reference is judged by p < 0.05, others by the size of the effect."""

DRIFT_SHARE = 0.5
"""Evidently calls the whole drifted from this share of drifted columns on."""

WINDOW, REFERENCE, ORDER = "window.arrow", "reference.arrow", "order.json"
HTML, JSON = "report.html", "report.json"


@dataclass(frozen=True, slots=True)
class Order:
    """One report. `features`: only these, empty for all; `about` is what it says of itself."""

    preset: str
    features: tuple[str, ...] = ()
    tests: bool = False
    html: bool = True
    drift_share: float = DRIFT_SHARE
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def with_texts(self) -> bool:
        return self.preset in ("text", "all")

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)
