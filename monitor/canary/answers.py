"""What a check sees and says: the answer of an item, the outcome of a check, and the text that variants differ by."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from monitor.canary.aids import Aids
from monitor.probe.bodies import Turn

LONGEST_SHOWN = 80
"""Characters of an answer in a reason."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer with what was measured about it; None is what the runtime does not tell."""

    text: str
    latency_ms: float
    ttft_ms: float | None = None
    tokens_out: int | None = None
    finish_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one check says. `passed` is None where it could not be evaluated; the reason says why."""

    check: str
    passed: bool | None
    reason: str
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """An answer to be checked, the conversation that it ends, and whom a check may ask for help."""

    turns: Sequence[Turn]
    answer: Answer
    aids: Aids


def shown(text: str) -> str:
    """An answer as a reason quotes it: on one line, short, in quotes.

    >>> shown("red\\ncircle")
    "'red circle'"
    """
    line = re.sub(r"\s+", " ", text).strip()
    return repr(line if len(line) <= LONGEST_SHOWN else f"{line[: LONGEST_SHOWN - 3]}...")
