"""Cells and JSON values of foreign files, as numbers, text and times that can be trusted.

Every importer below `monitor/harnesses` takes its values through these.
"""

import math
import re
from datetime import UTC, datetime
from typing import Any, Self

from monitor.errors import BadInput

BLANKS = frozenset({"", "nan", "NaN", "N/A", "NA", "None", "null", "<NA>"})
ANSWER_CHARS = 20_000
"""More of a question or answer is not kept."""


class Formula(str):
    """A cell that computes its value; nothing here computes it. `cell` is where it stands."""

    __slots__ = ("cell",)
    cell: str

    def __new__(cls, text: str, cell: str) -> Self:
        made = super().__new__(cls, text)
        made.cell = cell
        return made


def number(value: object, where: str) -> float | None:
    """A finite number, None for a blank; BadInput with `where` for a formula, a text, an infinity.

    >>> number("0.25", "column hit, line 3"), number("N/A", "column hit, line 3"), number(True, "")
    (0.25, None, 1.0)
    """
    if isinstance(value, Formula):
        raise BadInput(f"cell {value.cell} holds a formula, not a number; save the values instead of the formulas")
    if value is None or (isinstance(value, str) and value.strip() in BLANKS):
        return None
    if isinstance(value, str) and value.strip() in ("True", "False"):
        return float(value.strip() == "True")
    try:
        found = float(value) if isinstance(value, (int, float, str)) else math.inf
    except (ValueError, OverflowError):
        found = math.inf
    if math.isnan(found):
        return None
    if math.isinf(found) or (isinstance(value, str) and "_" in value):
        raise BadInput(f"{where}: {_shown(value)} is not a finite number")
    return found


def text(value: object) -> str | None:
    """A value as text that can be stored, None for nothing; whole floats lose their `.0`, as spreadsheets show them."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    written = str(value).encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
    return written if len(written) <= ANSWER_CHARS else written[:ANSWER_CHARS] + "…"


def moment(value: object) -> tuple[datetime | None, bool]:
    """A time from ISO text or seconds since 1970, and whether its zone had to be guessed as UTC.

    >>> moment("2026-08-15T10:15:00+02:00")[0].isoformat()
    '2026-08-15T08:15:00+00:00'
    """
    try:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            then = datetime.fromtimestamp(value, UTC)
            return (then if 2000 < then.year < 2200 else None), False
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
        if found is None:
            return None, False
        if found.tzinfo is None:
            return found.replace(tzinfo=UTC), True
        return found.astimezone(UTC), False
    except (ValueError, OverflowError, OSError):
        return None, False


def numbers_in(value: object) -> list[float] | None:
    """A list of numbers that Python has written into a cell, None where it is none. Nothing is evaluated.

    >>> numbers_in("[0.5, 1.0, True, np.float64(0.25)]")
    [0.5, 1.0, 1.0, 0.25]
    """
    if isinstance(value, list):
        parts: list[Any] = value
    else:
        written = str(value).strip()
        if not (written.startswith("[") and written.endswith("]")):
            return None
        parts = [re.sub(r"^np\.\w+\((.*)\)$", r"\1", part.strip()) for part in written[1:-1].split(",") if part.strip()]
    try:
        found = [number(part, "") for part in parts]
    except BadInput:
        return None
    return [one for one in found if one is not None] if found and None not in found else None


def mapping(value: object) -> dict[str, Any]:
    """The value where it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def _shown(value: object) -> str:
    return ascii(str(value)[:60])
