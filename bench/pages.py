"""Time to interactive of the pages in headless Chromium, with 10 million predictions behind them.

Interactive: the heading stands, what the page is about is drawn, and Streamlit's script has ended. The clock starts
with the navigation. A first visit has an empty browser cache, a later one a filled one; a switch follows a link.
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from bench.bigstore import stored
from bench.result import Check, Result
from bench.server import ROOT, answers, environment, free_port, running_api
from monitor.ui.pages import FLEET, HEALTH, REQUESTS, PageRecord

ROWS, QUICK_ROWS = 10_000_000, 100_000
VISITS = 5
BAR_S = 1.0
CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]

_INTERACTIVE = """([title, data]) => {
    const app = document.querySelector('[data-testid=stApp]'), heading = document.querySelector('h1');
    const charts = [...document.querySelectorAll('.stEChartsChart')];
    return app && app.dataset.testScriptState === 'notRunning' && app.dataset.testConnectionState === 'CONNECTED'
        && heading && heading.innerText.trim() === title && document.querySelectorAll(data).length > 0
        && charts.every(chart => chart.getAttribute('aria-busy') === 'false') && performance.now();
}"""


@dataclass(frozen=True, slots=True)
class Visit:
    """A page, what must be drawn on it (CSS selector), and the query string it is opened with."""

    page: PageRecord
    data: str
    query: str = ""

    @property
    def path(self) -> str:
        return f"/{self.page.url_path}{self.query}"


VISITED = (
    Visit(FLEET, "[class*=st-key-card-]"),
    Visit(HEALTH, ".stEChartsChart", "?start=-24h&deployments=chat-eu-1"),
    Visit(REQUESTS, "[data-testid=stDataFrame] canvas", "?start=-24h"),
)


def run(quick: bool, folder: Path) -> Result:
    """All pages against a store that ends now."""
    visits = 2 if quick else VISITS
    store = stored(folder, QUICK_ROWS if quick else ROWS, no_older_than=timedelta(minutes=45))
    with running_api(store.data) as api, _app(api.data, api.port) as url, _chromium() as browser:
        for visit in VISITED:
            _first(browser, url, visit)
        rows = [_row(browser, url, visit, visits) for visit in VISITED]
    slow = [f"{row['page']} {row['later visit s']:.2f} s" for row in rows if row["later visit s"] >= BAR_S]
    slowest = max(rows, key=lambda row: float(row["later visit s"]))
    check = Check(
        f"each page interactive in under {BAR_S:g} s, cache warm",
        "; ".join(slow) or f"slowest: {slowest['page']} {slowest['later visit s']:.2f} s",
        not slow,
    )
    return Result(rows, [check], {"rows": store.rows, "visits": visits})


def _row(browser: Browser, url: str, visit: Visit, visits: int) -> dict[str, Any]:
    first = [_first(browser, url, visit) for _ in range(visits)]
    later, switches = _later(browser, url, visit, visits)
    return {
        "page": visit.page.title,
        "first visit s": median(first),
        "later visit s": median(later),
        "slowest": max(later),
        "switch s": median(switches),
    }


def _first(browser: Browser, url: str, visit: Visit) -> float:
    context = browser.new_context()
    try:
        page = context.new_page()
        page.goto(url + visit.path)
        return _interactive(page, visit)
    finally:
        context.close()


def _later(browser: Browser, url: str, visit: Visit, visits: int) -> tuple[list[float], list[float]]:
    """Loads with a filled cache; and clicks on the page's entry of the menu, from another page."""
    context = browser.new_context()
    try:
        page = context.new_page()
        page.goto(url + visit.path)
        _interactive(page, visit)
        loads, switches = [], []
        for _ in range(visits):
            page.goto("about:blank")
            page.goto(url + visit.path)
            loads.append(_interactive(page, visit))
        other = next(one for one in VISITED if one is not visit)
        for _ in range(visits):
            page.get_by_test_id("stSidebarNav").get_by_role("link", name=other.page.title, exact=True).click()
            _interactive(page, other)
            began = page.evaluate("performance.now()")
            page.get_by_test_id("stSidebarNav").get_by_role("link", name=visit.page.title, exact=True).click()
            switches.append(_interactive(page, visit) - began / 1000)
        return loads, switches
    finally:
        context.close()


def _interactive(page: Page, visit: Visit) -> float:
    """Seconds from the start of the navigation until the page can be used."""
    found = page.wait_for_function(_INTERACTIVE, arg=[visit.page.title, visit.data], timeout=60_000)
    return float(found.json_value()) / 1000


@contextmanager
def _app(data: Path, api_port: int) -> Iterator[str]:
    port = free_port()
    variables = environment(data, api_port, WATCHPOINT_APP_PORT=str(port))
    with (data.parent / "app.log").open("ab") as log:
        app = subprocess.Popen(
            [sys.executable, "-m", "monitor", "app"], cwd=ROOT, env=variables, stdout=log, stderr=log
        )
    try:
        deadline = time.monotonic() + 60
        while not answers(f"http://127.0.0.1:{port}/healthz"):
            if time.monotonic() > deadline or app.poll() is not None:
                raise RuntimeError(f"the pages did not start: {data.parent / 'app.log'} says why")
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        app.terminate()
        app.wait(30)


@contextmanager
def _chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()
