"""What the tests of canaries share: suite and fleet files, a model server that says what it is told, and replays."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer
from starlette.responses import Response
from typer.testing import CliRunner, Result

from jobs.canary import canary_job
from jobs.replaying import Asked, Tally
from jobs.running import run_slot
from monitor.canary import replay
from monitor.config import Settings, load_settings
from monitor.doors import OpenDoor, open_door
from monitor.fleet import load_fleet
from tests.model_servers import Server, chunk, serving, sse, usage

SUITE = """\
suite: colours
about: what colour things are
items:
"""
ITEM = """\
  - id: {id}
    tags: [{tag}]
    prompt: "{id}"
    settings: {{max_tokens: 8, deadline_s: 2}}
    checks:
      - exact: red
"""
FLEET = """\
[models.shapes]

[checkpoints.one]
model = "shapes"
"""
DEPLOYMENT = """
[deployments.{name}]
checkpoint = "one"
{how}
"""
CANARY = """
[canaries.colours]
suite = "suite.yaml"
every = "1h"
learn_in_flight = [1, 4]
learn_repeats = 3
in_flight = {in_flight}
retries = {retries}
{more}
"""


def write_suite(folder: Path, ids: Sequence[str], tags: Sequence[str] = ()) -> None:
    tagged = [*tags, *["all"] * (len(ids) - len(tags))]
    items = "".join(ITEM.format(id=id_, tag=tag) for id_, tag in zip(ids, tagged, strict=True))
    (folder / "suite.yaml").write_text(SUITE + items)


def write_fleet(folder: Path, urls: dict[str, str], *, in_flight: int = 4, retries: int = 1, more: str = "") -> None:
    """A deployment for each address; one that is no address stands for its own lines."""
    parts = [FLEET]
    for name, url in urls.items():
        parts.append(DEPLOYMENT.format(name=name, how=f'url = "{url}/v1"' if url.startswith("http") else url))
    (folder / "watchpoint.toml").write_text(
        "".join(parts) + CANARY.format(in_flight=in_flight, retries=retries, more=more)
    )


def prompt_of(body: dict[str, Any]) -> str:
    content = body["messages"][-1]["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def reply(text: str, logprob: float = -0.1) -> Response:
    """A streamed answer of one token."""
    told = {"content": [{"token": text, "logprob": logprob, "top_logprobs": []}]}
    return sse(chunk(text, logprobs=told), chunk(finish_reason="stop"), usage(5, 1))


def red(_: dict[str, Any]) -> Response:
    return reply("red", math.log(0.9))


@dataclass
class Place:
    """A folder with suite and fleet file, and a door to its store."""

    folder: Path
    settings: Settings
    door: OpenDoor

    def replay(self, now: datetime | None = None, **asked: Any) -> list[Tally]:
        """One run of the canary, at a slot of its own unless one is given."""
        fleet, tallies = load_fleet(self.settings.fleet_file), list[Tally]()
        job = canary_job(self.settings, fleet, fleet.canaries["colours"], Asked(**asked), tallies)
        run_slot(self.door, job, now or datetime.now(UTC), trigger="command", asked_by="test")
        return tallies

    def states(self, deployment: str = "watched") -> dict[tuple[str, str], str]:
        rows = self.door.query("canary_signals", canary="colours", deployment=deployment)
        return {(row["channel"], row["tag"]): row["state"] for row in rows}


@contextmanager
def place(folder: Path) -> Iterator[Place]:
    """The store of a folder, owned by the test."""
    settings = load_settings({}, data_dir=str(folder / "data"), fleet_file=str(folder / "watchpoint.toml"), api_port=1)
    with open_door(settings) as door:
        yield Place(folder, settings, door)


@contextmanager
def watched(
    folder: Path, ids: Sequence[str], answer: Callable[[dict[str, Any]], Any] = red, **more: Any
) -> Iterator[tuple[Place, Server]]:
    """One deployment that answers as it is told, and its canary."""
    write_suite(folder, ids)
    with serving(answer) as server:
        write_fleet(folder, {"watched": server.url}, **more)
        with place(folder) as made:
            yield made, server


def impatient(monkeypatch: Any) -> None:
    """Pauses between attempts that no test waits for."""
    monkeypatch.setattr(replay, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(replay, "LONGEST_PAUSE_S", 0.02)


def in_this_process(main: Callable[..., None], folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """A command of a job over the store of a folder; what it raises on purpose is raised here, too."""
    impatient(monkeypatch)
    for name, value in variables(folder).items():
        monkeypatch.setenv(name, value)
    app = typer.Typer()
    app.command()(main)

    def run(*arguments: str) -> Result:
        found = CliRunner().invoke(app, arguments)
        if isinstance(found.exception, Exception):
            raise found.exception
        return found

    return run


def variables(folder: Path) -> dict[str, str]:
    """The environment of a command over the store of a folder, without an api."""
    return {
        "WATCHPOINT_DATA_DIR": str(folder / "data"),
        "WATCHPOINT_FLEET_FILE": str(folder / "watchpoint.toml"),
        "WATCHPOINT_API_PORT": "1",
    }
