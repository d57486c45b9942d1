"""The Drift page in a real browser: from the overview over one cell of the heat map to a request that shows it."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.serving import serve_pages
from tests.test_browser import CHROMIUM, OVERFLOW, address, browser, settle, visit  # noqa: F401  fixtures
from tests.test_page_drift import start, url  # noqa: F401  a fixture

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no browser: {CHROMIUM} is missing (apt-get install chromium)"),
]
IN_FIRST_ROW = 36
"""Pixels below the top of the heat map: under the line that names its days."""


@pytest.fixture(scope="module")
def pages(url: str) -> Iterator[str]:  # noqa: F811
    with serve_pages(url) as host:
        yield f"http://{host}"


def test_an_alarm_leads_over_one_cell_to_a_request_that_shows_it(
    visit: Callable[..., Page],  # noqa: F811
    pages: str,
) -> None:
    page = visit(f"{pages}/drift")
    page.get_by_role("button", name="hurt", exact=True).click()
    settle(page)
    heat = page.locator(".stEChartsChart").first
    heat.scroll_into_view_if_needed()
    box = heat.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] * 0.4, box["y"] + IN_FIRST_ROW)  # the first of two days
    expect(page.get_by_role("heading", name="Does it matter")).to_be_visible()
    settle(page)
    opened = address(page)
    assert (opened["deployment"], opened["window"]) == ("hurt", start(8))
    expect(page.get_by_role("heading", name=opened["feature"])).to_be_visible()
    page.get_by_role("link", name="Open", exact=True).first.click()
    settle(page)
    assert address(page)["event"].startswith("hurt-")
    expect(page.get_by_text("small-100").first).to_be_visible()


@pytest.mark.parametrize("part", ["", "&tab=Changes", "&tab=Thresholds", "&tab=References", "&feature=prompt_language"])
def test_every_part_fits_a_phone(visit: Callable[..., Page], pages: str, part: str) -> None:  # noqa: F811
    page = visit(f"{pages}/drift?deployment=hurt{part}", width=390, scheme="dark")
    assert page.evaluate(OVERFLOW) <= 0
    expect(page.get_by_text("Moved and worse").first).to_be_visible()


def test_the_overview_fits_a_phone(visit: Callable[..., Page], pages: str) -> None:  # noqa: F811
    page = visit(f"{pages}/drift", width=390)
    assert page.evaluate(OVERFLOW) <= 0
