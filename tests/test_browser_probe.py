"""The Live-probe page in a real browser, with the real worker and small real checkpoints behind it."""

import base64
import io
import math
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.conftest import ROOT, answers, free_port, wait_until
from tests.model_servers import chunk, serving, sse
from tests.probing import Bench, bench, fleet_of, picture, user
from tests.serving import serve_pages
from tests.test_browser import OVERFLOW, browser, pytestmark, settle, visit  # noqa: F401  fixtures, marks

FLEET = """
[models.shapes-vlm]
[checkpoints.before]
model = "shapes-vlm"
step = 1
weights = "{before}"
[checkpoints.after]
model = "shapes-vlm"
step = 2
parent = "before"
weights = "{after}"
[deployments.vision]
checkpoint = "after"
runtime = "local"
environment = "staging"
"""
CHECKPOINTS = ROOT / "monitor/demo/checkpoints"
COLD_MS = 120_000
"""The worker imports torch and transformers, and reads the weights, when it is asked for the first time."""


@dataclass(frozen=True)
class Place:
    """A running installation: pages, api, worker."""

    pages: str
    made: Bench


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder, port = tmp_path_factory.mktemp("worker"), free_port()
    fleet = FLEET.format(before=CHECKPOINTS / "shapes-vlm-step-00600", after=CHECKPOINTS / "shapes-vlm-step-00900")
    with (
        bench(folder, fleet, WATCHPOINT_WORKER_PORT=str(port)) as made,
        worker(folder, port),
        serve_pages(made.url) as host,
    ):
        yield Place(f"http://{host}", made)


@contextmanager
def worker(folder: Path, port: int) -> Iterator[None]:
    """A real `python -m monitor worker` over the fleet file of a folder."""
    environment = os.environ | {
        "WATCHPOINT_FLEET_FILE": str(folder / "watchpoint.toml"),
        "WATCHPOINT_WORKER_PORT": str(port),
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "monitor", "worker"]
    with (folder / "worker.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/v1/models"), 60)
        yield
    finally:
        process.terminate()
        process.wait(20)


def run(page: Page) -> None:
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0, timeout=COLD_MS)  # a rerun swallows the press
    page.locator(".st-key-ask button").first.click()


def test_a_logged_request_is_opened_asked_again_and_linked(visit: Callable[..., Page], place: Place) -> None:  # noqa: F811
    sha256 = place.made.prober.upload(picture("red", (64, 64)))["sha256"]
    event = {"event_id": "bad", "deployment": "vision", "checkpoint": "after", "latency_ms": 5}
    event |= {
        "input_text": "What colour is the circle?",
        "output_text": "no such answer",
        "media": [{"sha256": sha256}],
    }
    event |= {"attrs": {"messages": user("What colour is the circle?", sha256), "settings": {"max_tokens": 8}}}
    httpx.post(f"{place.made.url}/api/v1/predictions", json=event, trust_env=False).raise_for_status()
    wait_until(lambda: len(place.made.reader.query("requests", start="-1h", end="now")) == 1)

    page = visit(f"{place.pages}/requests?event=bad&start=-1h")
    expect(page.get_by_alt_text(re.compile("Image 1 of the request"))).to_be_visible()
    page.get_by_role("link", name="Open in probe").click()
    expect(page.get_by_label("Question")).to_have_value("What colour is the circle?")
    expect(page.get_by_alt_text(re.compile("Image 1 of 1"))).to_be_visible()
    expect(page.get_by_text("does not have its temperature, top p")).to_be_visible()
    run(page)
    expect(page.get_by_role("button", name="Stop")).to_be_visible(timeout=COLD_MS)
    expect(page.get_by_text("A answers differently from what was logged.")).to_be_visible(timeout=COLD_MS)
    expect(page.get_by_role("heading", name="A: vision")).to_be_visible()
    expect(page.get_by_role("heading", name="B: worker/before")).to_be_visible()
    settle(page)
    expect(page.get_by_text(re.compile("preprocess .*prefill .*decode")).first).to_be_visible()
    expect(page.get_by_text(re.compile(r"first token after .* tokens/s .* confidence")).first).to_be_visible()

    place.made.logged(re.search(r"run=(\w+)", page.url)[1], 2)  # type: ignore[index]  # the address has a run by now
    other = visit(page.url)
    expect(other.get_by_role("heading", name="B: worker/before")).to_be_visible()
    expect(other.get_by_label("Question")).to_have_value("What colour is the circle?")
    expect(other.get_by_text("A answers differently from what was logged.")).to_be_visible()


def test_images_are_pasted_and_chosen_and_stand_in_the_address(visit: Callable[..., Page], place: Place) -> None:  # noqa: F811
    page = visit(f"{place.pages}/probe")
    page.get_by_role("button", name="Add images").click()
    with page.expect_response(re.compile("upload_file")):
        page.locator(".st-key-paste textarea").evaluate(
            """(field, data) => {
                const bytes = Uint8Array.from(atob(data), one => one.charCodeAt(0));
                const pasted = new DataTransfer();
                pasted.items.add(new File([bytes], 'pasted.png', {type: 'image/png'}));
                const about = {clipboardData: pasted, bubbles: true, cancelable: true};
                field.dispatchEvent(new ClipboardEvent('paste', about));
            }""",
            base64.b64encode(picture("blue")).decode(),
        )
    expect(page.get_by_text("pasted.png")).to_be_visible()
    page.locator(".st-key-paste").get_by_test_id("stChatInputSubmitButton").click()
    expect(page.get_by_alt_text(re.compile("Image 1 of 1"))).to_be_visible()
    page.wait_for_url(re.compile("images=[0-9a-f]{64}"))
    page.locator("[class*=st-key-upload-] input[type=file]").set_input_files(
        {"name": "chosen.png", "mimeType": "image/png", "buffer": picture("green")}
    )
    expect(page.get_by_alt_text(re.compile("Image 2 of 2"))).to_be_visible()
    expect(visit(page.url).get_by_alt_text(re.compile("Image 2 of 2"))).to_be_visible()


def test_a_batch_shows_its_progress_its_comparison_and_its_files(visit: Callable[..., Page], place: Place) -> None:  # noqa: F811
    page = visit(f"{place.pages}/probe?mode=Batch&targets=vision&targets=worker/before&max_tokens=8")
    page.locator("[class*=st-key-batch-files] input[type=file]").set_input_files(
        {"name": "set.zip", "mimeType": "application/zip", "buffer": zipped(100)}
    )
    expect(page.get_by_text("100 pictures, a table of 100 rows, 100 of them with an expected answer.")).to_be_visible()
    page.locator(".st-key-start-batch button").first.click()
    expect(page.get_by_text(re.compile(r"\d+ of 200 answers")).first).to_be_visible(timeout=COLD_MS)
    page.wait_for_url(re.compile("run="))
    expect(page.get_by_role("heading", name="Compared on the same items")).to_be_visible(timeout=COLD_MS)
    settle(page)
    expect(page.get_by_text("200 of 200 answers")).to_be_visible()
    expect(page.get_by_text("100 of 100 items were answered by both")).to_be_visible()
    page.get_by_text("Gallery", exact=True).click()
    settle(page)
    expect(page.get_by_alt_text(re.compile("Image 1")).first).to_be_visible()
    page.get_by_role("button", name="Export and API").click()
    for kind, first in (("CSV", b'"item"'), ("JSONL", b'{"item": "i0"'), ("Parquet", b"PAR1")):
        with page.expect_download() as download:
            page.get_by_test_id("stPopoverBody").get_by_role("button", name=kind, exact=True).click()
        assert Path(download.value.path()).read_bytes().startswith(first)


def zipped(n: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        rows = ["id,prompt,image,label"]
        for number in range(n):
            archive.writestr(f"{number}.png", picture(f"#{number * 997 % 2**24:06x}", (64, 64)))
            rows.append(f"i{number},How many shapes are there?,{number}.png,{number % 4}")
        archive.writestr("questions.csv", "\n".join(rows))
    return out.getvalue()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_every_mode_fits_and_names_its_charts(
    visit: Callable[..., Page],  # noqa: F811
    place: Place,
    width: int,
    scheme: str,
) -> None:
    runs = place.made.reader.query("probe_runs")
    addresses = ["", "?mode=Batch", "?mode=Load", "?mode=Runs", *(f"?run={one}" for one in runs["run"])]
    for address in addresses:
        page = visit(f"{place.pages}/probe{address}", width, scheme)
        assert page.evaluate(OVERFLOW) <= 1, address
        assert page.locator("[data-testid=stException]").count() == 0, address
        for chart in page.locator(".stEChartsChart").all():
            expect(chart).to_have_attribute("aria-label", re.compile("."))


def test_what_a_model_says_is_never_markup(visit: Callable[..., Page], tmp_path: Path) -> None:  # noqa: F811
    said = ["<img src=x onerror=\"document.title='owned'\">", "[link](http://evil.example)", " **b** :red[r]\n# h"]
    entries = [{"token": one, "logprob": math.log(0.5), "top_logprobs": []} for one in said]
    parts = [chunk(one, logprobs={"content": [entry]}) for one, entry in zip(said, entries, strict=True)]
    with (
        serving(lambda _: sse(*parts, chunk("", "stop"))) as server,
        bench(tmp_path, fleet_of(prod=f"{server.url}/v1", other=f"{server.url}/v1")) as made,
        serve_pages(made.url) as host,
    ):
        page = visit(f"http://{host}/probe?targets=prod&targets=other")
        page.get_by_label("Question").fill(said[0])
        run(page)
        expect(page.get_by_role("heading", name="Difference")).to_be_visible()
        for shaded in (True, False):
            settle(page)
            assert page.title() != "owned"
            assert page.locator("img[src=x]").count() == 0
            assert page.get_by_role("link", name="link", exact=True).count() == 0
            assert page.get_by_role("heading", name="h", exact=True).count() == 0
            if shaded:
                page.get_by_text("Shade tokens by confidence").click()
