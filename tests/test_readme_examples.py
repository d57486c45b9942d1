"""The README's examples, run as printed against a fresh api."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.conftest import ROOT, wait_until

README = (ROOT / "README.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def predictions(url: str) -> int:
    rows = httpx.get(f"{url}/api/v1/queries/ingest_status").json()["rows"]
    return int(rows[0]["predictions"])


def here(text: str, url: str) -> str:
    """The example with this test's api and this interpreter in place of the defaults."""
    return text.replace("http://127.0.0.1:8600", url).replace(".venv/bin/python", sys.executable)


@pytest.fixture
def environment(api_url: str) -> dict[str, str]:
    return os.environ | {"WATCHPOINT_API_URL": api_url, "PYTHONPATH": str(ROOT)}


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed here")
def test_the_curl_example_works_as_printed(api_url: str, environment: dict[str, str]) -> None:
    (curl,) = [block for block in blocks("bash") if "curl" in block]
    done = subprocess.run(
        ["bash", "-ec", here(curl, api_url)], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert '"accepted":1' in done.stdout
    wait_until(lambda: predictions(api_url) == 1)


def test_the_python_example_works_as_printed(api_url: str, environment: dict[str, str], tmp_path: Path) -> None:
    (code,) = [block for block in blocks("python") if "monitor.client" in block]
    subprocess.run(
        [sys.executable, "-c", here(code, api_url) + "\nanswer('?')\n"],
        env=environment,
        cwd=tmp_path,
        timeout=60,
        check=True,
    )
    wait_until(lambda: predictions(api_url) == 3)


def test_the_import_example_works_as_printed(api_url: str, environment: dict[str, str], tmp_path: Path) -> None:
    (script,) = [block for block in blocks("bash") if "monitor import" in block]
    for _ in range(2):
        subprocess.run(
            ["bash", "-ec", here(script, api_url)],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            timeout=120,
            check=True,
        )
    wait_until(lambda: predictions(api_url) == 1)
