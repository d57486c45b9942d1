"""Who is looking, and what they may see. `guard(...)` is the first statement of every page, so that no page is reached
around Home.py.

No authentication is configured yet and the server listens on loopback only: whoever sits at this machine may read
everything. Sign-in will answer `_visitor`; the pages stay as they are.
"""

from dataclasses import dataclass

import streamlit as st

PERMISSIONS = ("read", "read_text")
"""Numbers and charts; and the raw texts of requests, which can hold personal data."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The visitor of this run."""

    name: str
    permissions: frozenset[str]


LOCAL = Identity("local", frozenset(PERMISSIONS))


def guard(permission: str) -> Identity:
    """The visitor, if they hold the permission; otherwise the page ends here."""
    who = _visitor()
    if permission not in who.permissions:
        st.error(f"{who.name} does not have the permission `{permission}` that this page needs.", title="Not allowed")
        st.stop()
    return who


def _visitor() -> Identity:
    return LOCAL
