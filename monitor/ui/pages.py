"""The table of pages: navigation, links and page tests come from it. One line adds a page."""

from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from monitor.ui import cards, comparison, detail, firststart, rejects, requestlist, states  # noqa: F401  loaded at start
from monitor.ui.benchmarks import comparing, evaluations, opened, overview  # noqa: F401  loaded at start
from monitor.ui.canaries import detail as canary  # noqa: F401  loaded at start
from monitor.ui.drift import detail as drift  # noqa: F401  loaded at start
from monitor.ui.jobs import history, table  # noqa: F401  loaded at start
from monitor.ui.probe import ask, batch, load, runs  # noqa: F401  loaded at start

MARK, WORDMARK = (str(Path(__file__).with_name(name)) for name in ("mark.svg", "wordmark.svg"))


@dataclass(frozen=True, slots=True)
class PageRecord:
    """One page: its file, its address (empty for the first one), and what a link to it says."""

    file: str
    url_path: str
    title: str
    icon: str
    help: str


FLEET = PageRecord(
    "pages/ops/fleet.py", "", "Fleet", ":material/dashboard:", "Every deployment, those with problems first."
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
CANARIES = PageRecord(
    "pages/ops/canaries.py",
    "canaries",
    "Canaries",
    ":material/flutter_dash:",
    "Whether deployments still answer known prompts as before, and what changed since when.",
)
DRIFT = PageRecord(
    "pages/ops/drift.py",
    "drift",
    "Drift",
    ":material/moving:",
    "What changed in prompts, images and answers, whether it matters, and which requests show it.",
)
BENCHMARKS = PageRecord(
    "pages/ops/benchmarks.py",
    "benchmarks",
    "Benchmarks",
    ":material/leaderboard:",
    "Which checkpoint is best and how sure that is, and what two of them differ in.",
)
PROBE = PageRecord(
    "pages/ops/probe.py",
    "probe",
    "Live probe",
    ":material/experiment:",
    "Ask deployments and checkpoints: one question, a batch, or under load.",
)
JOBS = PageRecord(
    "pages/ops/jobs.py", "jobs", "Jobs", ":material/schedule:", "What runs on a schedule, and how it went."
)
REJECTED = PageRecord(
    "pages/ops/rejected.py", "rejected", "Rejected", ":material/block:", "Events that the door refused, and why."
)

PAGES = (FLEET, HEALTH, CANARIES, DRIFT, BENCHMARKS, REQUESTS, PROBE, JOBS, REJECTED)


def navigation() -> st.Page:
    """The page that the address asks for; the first of the table without one."""
    return st.navigation(
        [
            st.Page(
                page.file,
                title=page.title,
                icon=page.icon,
                url_path=page.url_path,
                help=page.help,
                default=page is PAGES[0],
            )
            for page in PAGES
        ]
    )
