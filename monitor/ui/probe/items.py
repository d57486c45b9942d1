"""Items of a batch probe out of what was chosen: pictures with one prompt, or the rows of a table."""

from collections.abc import Mapping
from typing import Any

from monitor.errors import BadInput
from monitor.ui.probe.draft import Draft, messages_of
from monitor.ui.probe.files import Chosen
from monitor.ui.probe.table import MOST_PROBLEMS, Row


def items_of(chosen: Chosen, prompt: str, system: str, hashes: Mapping[str, str]) -> list[dict[str, Any]]:
    """One item a row, or one a picture; `hashes` says what the media store calls each picture. Raises BadInput."""
    if chosen.rows is None and not prompt.strip():
        raise BadInput("pictures without a table need a prompt: write what to ask about each of them")
    rows = chosen.rows or tuple(Row(name, "", (name,)) for name in chosen.pictures)
    _check_pictures(rows, hashes)
    found = []
    for row in rows:
        draft = Draft(row.prompt or prompt, tuple(hashes[name] for name in row.images), system)
        if draft.empty:
            raise BadInput(f"{row.id} has neither a prompt nor a picture: write a prompt for rows without one")
        found.append({"id": row.id, "messages": messages_of(draft), "label": row.label})
    return found


def _check_pictures(rows: tuple[Row, ...], hashes: Mapping[str, str]) -> None:
    missing = sorted({name for row in rows for name in row.images} - hashes.keys())
    if missing:
        named = ", ".join(missing[:MOST_PROBLEMS])
        rest = f" and {len(missing) - MOST_PROBLEMS} more" if len(missing) > MOST_PROBLEMS else ""
        raise BadInput(
            f"the table names pictures that were not chosen with it: {named}{rest}. Choose the pictures or a zip of "
            "them together with the table; folders do not count, only file names"
        )
