"""Watchpoint watches deployed model checkpoints from their logged predictions; see README.md."""

import re
from functools import cache
from pathlib import Path

from monitor.errors import ConfigError


@cache
def version() -> str:
    """The version of this copy: the topmost entry of CHANGELOG.md. Raises ConfigError when there is none."""
    path = Path(__file__).parent.parent / "CHANGELOG.md"
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise ConfigError(
            f"{path}: {error.strerror}; the version is read from it, so keep it beside monitor/"
        ) from None
    entry = re.search(r"^## (\d+\.\d+\.\d+)\b", text, re.MULTILINE)
    if entry is None:
        raise ConfigError(f"{path}: no entry; expected a heading such as '## 0.1.0 - 2026-11-21' at its top")
    return entry[1]
