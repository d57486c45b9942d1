"""Who is looking, and what they may see. `guard(...)` is the first statement of every page, so that no page is reached
around Home.py.

No authentication is configured yet and the server listens on loopback only: whoever sits at this machine may read
everything. Sign-in will answer `_visitor`; the pages stay as they are.
"""

from dataclasses import dataclass

import streamlit as st

PERMISSIONS = ("read", "read_text", "probe", "run_jobs", "import_benchmarks")
"""Numbers and charts; the raw texts of requests, which can hold personal data; asking deployed models; running jobs
now, with what is expected of canaries; and adding results of benchmarks."""


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


def visitor() -> Identity:
    """Who is looking, for what is done in their name; the page has been guarded by then."""
    return _visitor()


def may(permission: str) -> bool:
    """Whether the visitor holds a permission that a part of a page needs."""
    return permission in _visitor().permissions


def _visitor() -> Identity:
    return LOCAL
