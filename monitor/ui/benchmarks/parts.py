"""What parts of this page share: protocols in words, models that nobody named, and lists as the queries give them."""

import re
from collections.abc import Mapping
from typing import Any

from monitor.charts import words

STEP = re.compile(r"[-_/=]*(?:step|checkpoint|ckpt|iter)[-_=]?\d+.*$", re.IGNORECASE)
"""What tells checkpoints of one training apart in their names, as in the query `benchmark_best`."""

ABOUT = {
    "harness": "harness",
    "version": "version of the harness",
    "task": "definition of the task",
    "data": "data",
    "split": "split",
    "shots": "examples in the prompt",
    "prompt": "prompt",
    "decoding": "decoding",
    "filter": "how the answer was taken out of the text",
    "judge": "judge",
}
"""The parts of a protocol in words."""


def difference(part: str) -> str:
    """What `apart` says, in words.

    >>> difference("version: 0.4.12 or 0.4.13")
    'version of the harness: 0.4.12 or 0.4.13'
    """
    name, _, values = part.partition(": ")
    return f"{ABOUT[name]}: {values}" if name in ABOUT else part


def family(row: Mapping[Any, Any]) -> str:
    """The model of a checkpoint; without one, its name without the step.

    >>> family({"model": None, "checkpoint": "org/captioner-step-3000"})
    'org/captioner'
    """
    name = str(row["checkpoint"])
    return str(row["model"]) if words.known(row["model"]) else STEP.sub("", name) or name


def items_of(value: Any) -> list[Any]:
    """A column that holds a list, as a list."""
    return list(value) if value is not None and not isinstance(value, float) else []
