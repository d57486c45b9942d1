"""What stands before the question: a system prompt and earlier turns, out of the way until somebody needs them."""

from typing import Any

import pandas as pd
import streamlit as st

from monitor.ui.probe import form
from monitor.ui.probe.draft import Turn

ROLES = ["user", "assistant", "system"]


def pick_turns() -> tuple[Turn, ...]:
    """The earlier turns as they were edited; the system prompt stays in its widget."""
    turns = form.earlier()
    system = str(st.session_state.get("system") or "")
    given = [*(["a system prompt"] if system.strip() else []), *([f"{len(turns)} earlier turns"] if turns else [])]
    label = f"Before it: {' and '.join(given)}" if given else "System prompt and earlier turns"
    with st.expander(label, expanded=bool(turns), key="before"):
        st.text_area("System prompt", key="system", height=80, persist_state="page")
        edited = st.data_editor(
            _frame(turns),
            hide_index=True,
            num_rows="dynamic",
            key=f"turns-{form.version()}",
            alt="Earlier turns of the conversation, oldest first",
            column_config={
                "role": st.column_config.SelectboxColumn("Role", options=ROLES, required=True, width="small"),
                "text": st.column_config.TextColumn("Text", width="large"),
                "images": st.column_config.ListColumn("Images, by hash", disabled=True, width="small"),
            },
        )
        return turns_of(edited)


def turns_of(edited: pd.DataFrame) -> tuple[Turn, ...]:
    """The rows of the editor as turns; a row without a role is not finished yet."""
    rows = [row for row in edited.to_dict("records") if row["role"] in ROLES]
    return tuple(Turn(str(row["role"]), _text(row["text"]), _hashes(row["images"])) for row in rows)


def _frame(turns: tuple[Turn, ...]) -> pd.DataFrame:
    columns = {"role": [t.role for t in turns], "text": [t.text for t in turns]}
    return pd.DataFrame(columns | {"images": [list(t.images) for t in turns]}, dtype=object)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _hashes(value: Any) -> tuple[str, ...]:
    return tuple(str(one) for one in value) if value is not None and not isinstance(value, (float, str)) else ()
