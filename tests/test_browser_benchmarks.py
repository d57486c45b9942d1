"""The Benchmarks page in a real browser: from the best checkpoint over two of them to one item, and back."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.serving import serve_pages
from tests.test_browser import (  # noqa: F401  fixtures
    CHROMIUM,
    OVERFLOW,
    address,
    browser,
    open_row,
    settle,
    visit,
)
from tests.test_page_benchmarks import Made, made  # noqa: F401  a fixture

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no browser: {CHROMIUM} is missing (apt-get install chromium)"),
]
PARTS = (
    "",
    "?benchmark=maths&smooth=1",
    "?benchmark=MMMU_DEV_VAL&over=beside",
    "?a=small-200&b=small-300&benchmark=maths&item=item-0",
    "?part=evaluations",
)


@pytest.fixture(scope="module")
def pages(made: Made) -> Iterator[str]:  # noqa: F811
    with serve_pages(made.url) as host:
        yield f"http://{host}"


def test_from_the_best_checkpoint_to_an_item_that_flipped_and_back(
    visit: Callable[..., Page],  # noqa: F811
    pages: str,
) -> None:
    page = visit(f"{pages}/benchmarks")
    expect(page.get_by_text("The best is not the last.")).to_be_visible()
    page.get_by_role("button", name="Compare best and last").click()
    expect(page.get_by_role("heading", name="Items that flipped")).to_be_visible()
    settle(page)
    assert address(page) == {"part": "compare", "a": "small-200", "b": "small-300"}
    page.locator("[data-testid=stDataFrame]").first.scroll_into_view_if_needed()
    open_row(page, 0)
    expect(page.get_by_role("img", name="Image 1")).to_be_visible()
    settle(page)
    opened = address(page)
    assert (opened["benchmark"], opened["item"][:5]) == ("maths", "item-")
    page.reload()
    settle(page)
    expect(page.get_by_role("img", name="Image 1")).to_be_visible()
    page.get_by_text("Best checkpoints", exact=True).click()
    expect(page.get_by_role("button", name="All benchmarks")).to_be_visible()
    settle(page)
    assert address(page) == {"benchmark": "maths"}
    page.get_by_role("button", name="All benchmarks").click()
    expect(page.get_by_role("button", name="Compare best and last")).to_be_visible()
    assert address(page) == {}


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_every_part_fits_and_names_its_charts(
    visit: Callable[..., Page],  # noqa: F811
    pages: str,
    width: int,
    scheme: str,
) -> None:
    page = visit(f"{pages}/benchmarks", width=width, scheme=scheme)
    for part in PARTS:
        page.goto(f"{pages}/benchmarks{part}")
        page.wait_for_selector("h1")
        settle(page)
        assert page.evaluate(OVERFLOW) <= 1, part
        for chart in page.locator(".stEChartsChart").all():
            expect(chart).to_have_attribute("aria-label", re.compile("."))
