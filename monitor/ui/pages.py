"""The table of pages: navigation, links and page tests come from it. One line adds a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from monitor.ui import cards, detail, export, faces, filters, firststart, panels, rejects  # noqa: F401  loaded at start

Query = Mapping[str, str | Sequence[str]]


@dataclass(frozen=True, slots=True)
class PageRecord:
    """One page: its file, its address, and what a link to it says."""

    file: str
    url_path: str
    title: str
    icon: str
    help: str
    section: str = "Operate"


FLEET = PageRecord(
    "pages/ops/fleet.py", "fleet", "Fleet", ":material/dashboard:", "Every deployment, those with problems first."
)
HEALTH = PageRecord(
    "pages/ops/health.py",
    "health",
    "Health",
    ":material/vital_signs:",
    "Latency, errors, traffic and saturation of chosen deployments over time.",
)
REQUESTS = PageRecord(
    "pages/ops/requests.py", "requests", "Requests", ":material/list_alt:", "Single requests: filter, search, open one."
)
REJECTED = PageRecord(
    "pages/ops/rejected.py", "rejected", "Rejected", ":material/block:", "Events that the door refused, and why."
)

PAGES = (FLEET, HEALTH, REQUESTS, REJECTED)


def navigation() -> st.Page:
    """The page that the address asks for; the first of the table without one."""
    sections: dict[str, list[st.Page]] = {}
    for page in PAGES:
        entry = st.Page(
            page.file,
            title=page.title,
            icon=page.icon,
            url_path=page.url_path,
            help=page.help,
            default=page is PAGES[0],
        )
        sections.setdefault(page.section, []).append(entry)
    return st.navigation(sections)
