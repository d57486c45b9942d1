"""One evaluation: a checkpoint on a benchmark, with its scores, its items and how it was run.

Importers make them from the files of other harnesses, `jobs/benchmark.py` by asking; both hand them to the store.
"""

from dataclasses import dataclass
from datetime import datetime

from monitor.benchmarks.protocol import Protocol

STATES = ("done", "failed", "skipped")
"""A failed one has no figures or broken ones, a skipped one was left out by its harness; `problem` says why."""


@dataclass(frozen=True, slots=True)
class Score:
    """One figure as its file has it.

    `most` is what a perfect checkpoint gets (1, 100, 1000), None where nothing bounds it or nobody says: then it is
    shown as it is, and never as a percentage. `stderr` has the unit of `value`. `category` is "" for the whole
    benchmark, else such as "category=Science".
    """

    metric: str
    value: float
    most: float | None = 1.0
    higher_is_better: bool = True
    category: str = ""
    n: int | None = None
    stderr: float | None = None
    headline: bool = False


@dataclass(frozen=True, slots=True)
class ItemResult:
    """What came of one item. `item_hash` is over what was asked and what was expected, 16 hex digits.

    `scores` holds by metric what the item counts towards `value / most` of that metric's score (where `most` is None,
    towards `value`): the mean over the items is the score wherever the harness takes a mean. `failed` says why there
    is no answer; harnesses count such an item as wrong, or not at all, and so do its `scores`.
    """

    item: str
    item_hash: str
    scores: dict[str, float]
    categories: tuple[str, ...] = ()  # such as ("split=validation", "category=Science"), as in `Score.category`
    group: str | None = None  # the same for items that share an image
    question: str | None = None
    target: str | None = None
    answer: str | None = None
    failed: str | None = None
    media: tuple[str, ...] = ()  # SHA-256 of images, where they are kept


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A checkpoint on a benchmark. `model` is what the harness calls it, `source` the file below what was imported."""

    benchmark: str
    model: str
    protocol: Protocol
    source: str
    source_sha256: str
    scores: tuple[Score, ...] = ()
    items: tuple[ItemResult, ...] = ()
    state: str = "done"
    problem: str | None = None
    at: datetime | None = None  # when it was evaluated, aware; None: the files do not say
    family: str | None = None  # the model that the checkpoint belongs to, where the file says it
    step: int | None = None  # of the training, where the file says it
    revision: str | None = None  # of the weights, where the harness knows it
    claimed: bool = False  # a figure that somebody published, without a run behind it here
    notes: tuple[str, ...] = ()  # what was found odd, for a person
