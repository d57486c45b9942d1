"""The pages in a real browser: what an engineer does at night, from the fleet down to one request."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from tests.conftest import free_port, running_api
from tests.serving import serve_pages

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SETTLED = """() => {
    const app = document.querySelector('[data-testid=stApp]');
    const charts = [...document.querySelectorAll('.stEChartsChart')];
    return app && app.dataset.testScriptState === 'notRunning' && app.dataset.testConnectionState === 'CONNECTED'
        && charts.every(chart => chart.getAttribute('aria-busy') === 'false');
}"""
OVERFLOW = "() => { const m = document.querySelector('[data-testid=stMain]'); return m.scrollWidth - m.clientWidth; }"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no browser: {CHROMIUM} is missing (apt-get install chromium)"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def demo_pages(demo_api_url: str) -> Iterator[str]:
    with serve_pages(demo_api_url) as host:
        yield f"http://{host}"


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens an address in a fresh context, as somebody else would."""
    opened = []

    def visit(url: str, width: int = 1440, scheme: str = "light") -> Page:
        context = browser.new_context(viewport={"width": width, "height": 1000}, color_scheme=scheme)  # type: ignore[arg-type]  # the stubs want literals
        context.set_default_timeout(30_000)
        opened.append(context)
        page = context.new_page()
        page.goto(url)
        page.wait_for_selector("h1")
        settle(page)
        return page

    yield visit
    for context in opened:
        context.close()


def settle(page: Page) -> None:
    """Wait until the script has run and every chart is drawn."""
    page.wait_for_function(SETTLED)
    page.wait_for_timeout(300)
    page.wait_for_function(SETTLED)


def select_range(page: Page, chart: Locator, start: float, end: float) -> None:
    """Press the tool above a chart and drag over a part of its width."""
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box
    page.mouse.click(box["x"] + box["width"] - 26, box["y"] + 21)
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * start, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * (start + end) / 2, middle, steps=5)
    page.mouse.move(box["x"] + box["width"] * end, middle, steps=5)
    page.mouse.up()


def address(page: Page) -> dict[str, str]:
    """What the address of a page asks for."""
    return {name: values[0] for name, values in parse_qs(urlparse(page.url).query).items()}


def open_row(page: Page, row: int) -> None:
    """Mark a row of the table; rows are 35 px high below a header of 35 px."""
    box = page.locator("[data-testid=stDataFrame] canvas").first.bounding_box()
    assert box
    page.mouse.click(box["x"] + 18, box["y"] + 35 * (row + 1) + 17)


def test_from_the_fleet_over_a_chart_down_to_one_request_and_its_link(
    visit: Callable[..., Page], demo_pages: str
) -> None:
    page = visit(demo_pages)
    card = page.locator("[class*=st-key-card-]").first
    expect(card).to_contain_text("demo")
    card.get_by_role("link").click()
    expect(page.get_by_role("heading", name="Health")).to_be_visible()
    settle(page)
    assert "source=demo" in page.url

    page.get_by_text("7 d", exact=True).click()
    page.wait_for_url(re.compile("start=-7d"))
    settle(page)
    select_range(page, page.locator(".stEChartsChart").nth(1), 0.4, 0.7)
    page.wait_for_url(re.compile(r"start=20\d\d-.*end=20\d\d-"))
    settle(page)
    expect(page.get_by_text(re.compile("^Showing 20"))).to_be_visible()

    page.get_by_role("link", name="Requests of this window").click()
    expect(page.get_by_role("heading", name="Requests", exact=True)).to_be_visible()
    page.locator("[data-testid=stDataFrame] canvas").first.wait_for()
    settle(page)
    page.get_by_text("Slowest first").click()
    page.wait_for_url(re.compile("sort=Slowest"))
    settle(page)
    open_row(page, 2)
    page.wait_for_url(re.compile("event="))
    expect(page.get_by_role("heading", name="Where the time went")).to_be_visible()
    settle(page)

    event = page.locator("[data-testid=stMarkdown] code").first.inner_text()
    other = visit(page.url)
    expect(other.get_by_role("heading", name="Where the time went")).to_be_visible()
    assert other.locator("[data-testid=stMarkdown] code").first.inner_text() == event
    assert (
        other.get_by_role("heading", level=2).all_inner_texts()
        == page.get_by_role("heading", level=2).all_inner_texts()
    )
    other.get_by_role("button", name="Close").click()
    expect(other.get_by_role("heading", name="Where the time went")).to_be_hidden()


def test_a_filter_changes_the_address_and_the_address_sets_the_filter(
    visit: Callable[..., Page], demo_pages: str
) -> None:
    page = visit(f"{demo_pages}/health?source=demo&start=-24h")
    page.get_by_role("button", name="text-prod").click()
    page.wait_for_url(re.compile("deployments=text-prod"))
    settle(page)
    other = visit(page.url)
    expect(other.get_by_role("button", name="text-prod")).to_have_attribute("aria-pressed", "true")
    expect(other.get_by_role("button", name="vision-prod")).to_have_attribute("aria-pressed", "false")


def test_an_empty_store_turns_into_the_fleet_when_the_first_event_arrives(
    visit: Callable[..., Page], api_url: str
) -> None:
    with serve_pages(api_url) as host:
        page = visit(f"http://{host}")
        expect(page.get_by_text("Waiting for the first prediction")).to_be_visible()
        httpx.post(f"{api_url}/api/v1/predictions", json={"deployment": "first", "latency_ms": 12}).raise_for_status()
        expect(page.get_by_role("link", name="first")).to_be_visible(timeout=20_000)
        expect(page.get_by_text("Waiting for the first prediction")).to_be_hidden()


def test_a_page_says_that_the_api_is_away_and_comes_back_with_it(visit: Callable[..., Page], tmp_path: Path) -> None:
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with serve_pages(address) as host:
        pages = [visit(f"http://{host}/{path}") for path in ("", "health", "requests", "rejected")]
        for page in pages:
            expect(page.get_by_text("Cannot reach the api")).to_be_visible()
            expect(page.get_by_text(f"No answer from {address} since 20")).to_be_visible()
        with running_api(tmp_path / "data", port):
            for page in pages:
                expect(page.get_by_text("Cannot reach the api")).to_be_hidden(timeout=20_000)
            expect(pages[0].get_by_text("Waiting for the first prediction")).to_be_visible()
        expect(pages[0].get_by_text("These values are old")).to_be_visible(timeout=20_000)
        with running_api(tmp_path / "data", port):
            expect(pages[0].get_by_text("These values are old")).to_be_hidden(timeout=20_000)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_every_page_fits_and_names_its_charts(
    visit: Callable[..., Page], demo_pages: str, width: int, scheme: str
) -> None:
    for path in ("", "health?source=demo&start=-14d", "requests?source=demo&start=-14d", "rejected"):
        page = visit(f"{demo_pages}/{path}", width, scheme)
        assert page.evaluate(OVERFLOW) <= 1, path
        assert page.locator("[data-testid=stException]").count() == 0, path
        for chart in page.locator(".stEChartsChart").all():
            expect(chart).to_have_attribute("aria-label", re.compile("."))


def test_names_from_the_log_are_never_markup(visit: Callable[..., Page], api_url: str) -> None:
    name = "<img src=x onerror=\"document.title='owned'\">[link](http://evil.example) **b** :red[r]"
    failed = {"deployment": name, "status": "error", "error_type": name, "error_message": name, "input_text": name}
    httpx.post(
        f"{api_url}/api/v1/predictions", json=[failed | {"latency_ms": 5, "checkpoint": name}] * 30
    ).raise_for_status()
    with serve_pages(api_url) as host:
        page = visit(f"http://{host}/health?start=-1h&point=Minute")
        expect(page.locator(".stEChartsChart").first).to_be_visible()
        for chart in page.locator(".stEChartsChart").all():
            chart.scroll_into_view_if_needed()
            box = chart.bounding_box()
            assert box
            page.mouse.move(box["x"] + box["width"] - 30, box["y"] + box["height"] / 2)
            page.wait_for_timeout(200)
        pages = [
            page,
            *(visit(f"http://{host}/{path}") for path in ("", "?view=Table", "requests?start=-1h", "rejected")),
        ]
        for page in pages:
            assert page.title() != "owned"
            assert page.locator("img[src=x]").count() == 0
            assert page.get_by_role("link", name="link", exact=True).count() == 0


def test_what_is_shown_can_be_taken_along(visit: Callable[..., Page], demo_pages: str) -> None:
    page = visit(f"{demo_pages}/requests?source=demo&start=-7d")
    page.get_by_role("button", name="Export and API").click()
    for kind, first in (("CSV", b'"ts","event_id"'), ("Parquet", b"PAR1")):
        with page.expect_download() as download:
            page.get_by_test_id("stPopoverBody").get_by_role("button", name=kind, exact=True).click()
        assert Path(download.value.path()).read_bytes().startswith(first)
    expect(page.get_by_test_id("stPopoverBody")).to_contain_text("/api/v1/queries/requests?")
