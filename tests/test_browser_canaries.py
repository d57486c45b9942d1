"""The Canaries page in a real browser: from the overview to one cell of the matrix, and back."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.serving import serve_pages
from tests.test_browser import CHROMIUM, OVERFLOW, address, browser, settle, visit  # noqa: F401  fixtures
from tests.test_page_canaries import Made, made  # noqa: F401  a fixture

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no browser: {CHROMIUM} is missing (apt-get install chromium)"),
]
IN_FIRST_ROW = 52
"""Pixels below the top of the matrix: under two lines that name its runs."""


@pytest.fixture(scope="module")
def pages(made: Made) -> Iterator[str]:  # noqa: F811
    with serve_pages(made.url) as host:
        yield f"http://{host}"


def test_an_alarm_leads_from_the_overview_to_the_answer_in_one_cell(
    visit: Callable[..., Page],  # noqa: F811
    pages: str,
    made: Made,  # noqa: F811
) -> None:
    page = visit(f"{pages}/canaries")
    page.get_by_role("button", name="shapes on edge").click()
    page.get_by_role("tab", name="Items").click()
    settle(page)
    matrix = page.locator(".stEChartsChart").first
    matrix.scroll_into_view_if_needed()
    box = matrix.bounding_box()
    assert box is not None
    newest, first = box["x"] + box["width"] - 40, box["y"] + IN_FIRST_ROW
    page.mouse.click(newest, first)
    expect(page.get_by_role("heading", name="Item item-0")).to_be_visible()
    settle(page)
    assert address(page) == {"canary": "shapes", "deployment": "edge", "item": "item-0", "answer": made.newest}
    expect(page.get_by_text("quite another answer item-0").first).to_be_visible()
    page.reload()
    settle(page)
    expect(page.get_by_role("heading", name="Item item-0")).to_be_visible()
    page.get_by_role("button", name="All canaries").click()
    expect(page.get_by_role("button", name="shapes on prod")).to_be_visible()
    assert address(page) == {}


@pytest.mark.parametrize("tab", ["What changed", "Items", "Trend", "Compare two"])
def test_every_part_fits_a_phone(visit: Callable[..., Page], pages: str, tab: str) -> None:  # noqa: F811
    page = visit(f"{pages}/canaries?canary=shapes&deployment=edge&tab={tab}", width=390, scheme="dark")
    assert page.evaluate(OVERFLOW) <= 0
    expect(page.get_by_role("tab", name=tab)).to_have_attribute("aria-selected", "true")
