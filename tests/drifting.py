"""What the tests of drift share: a store of their own with ten days of small traffic, in which something moves."""

import hashlib
import io
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
from PIL import Image, ImageDraw

from jobs.drift import Range, Tally, drift_job
from jobs.running import run_slot
from monitor.config import load_settings
from monitor.doors import OpenDoor, open_door
from monitor.fleet import load_fleet

DAYS = 10
HOURS = (9, 10)
PER_HOUR = 50
ENGLISH = ("What is the colour of the {}?", "How many of the {} are there?", "Which of the {} is the largest one?")
GERMAN = ("Welche Farbe hat das {} auf dem Bild?", "Wie viele von den {} sind das?", "Was ist das für ein {}?")
THINGS = ("circle", "square", "triangle", "star", "line", "arrow", "ring", "cross")


def midnight() -> datetime:
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def day(number: int) -> datetime:
    """The start of a day of the traffic: 0 is the first of ten, the last one is yesterday."""
    return midnight() - timedelta(days=DAYS - number)


def event(name: str, at: datetime, index: int, prompt: str, answer: str, **more: Any) -> dict[str, Any]:
    return {
        "event_id": f"{name}-{at:%d%H}-{index}",
        "ts": (at + timedelta(seconds=60 * index)).isoformat(),
        "deployment": name,
        "model": "small",
        "checkpoint": "small-100",
        "status": "ok",
        "latency_ms": 50,
        "input_text": prompt,
        "output_text": answer,
    } | more


def asked(name: str, number: int, hour: int, templates: tuple[str, ...], wrong: float) -> Iterator[dict[str, Any]]:
    """An hour of questions in one language; `wrong` is the share of answers that differ from their label."""
    rng = random.Random(f"{name}-{number}-{hour}")
    at = day(number) + timedelta(hours=hour)
    for index in range(PER_HOUR):
        prompt = rng.choice(templates).format(rng.choice(THINGS))
        answer = rng.choice(("red", "blue", "green"))
        label = "black" if rng.random() < wrong else answer
        client = rng.choice(("web", "mobile"))
        yield event(name, at, index, prompt, answer, label=label, features={"client": client})


def picture(brightness: int, index: int) -> bytes:
    """A small image whose content is its own."""
    image = Image.new("RGB", (64, 48), (brightness, brightness, brightness))
    ImageDraw.Draw(image).ellipse((5, 5, 20 + index % 20, 30), fill=(brightness // 2, 30, index % 200))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


@dataclass
class Place:
    """A folder with a store, and a door to it."""

    folder: Path
    door: OpenDoor
    first: Tally = field(default_factory=Tally)
    """What the first run of the job did."""

    def send(self, events: list[dict[str, Any]]) -> None:
        for first in range(0, len(events), 1000):
            answer = self.door.send([orjson.dumps(one) for one in events[first : first + 1000]])
            assert answer["rejected"] == 0, answer
        self.door.maintain("retention", {})  # loads and rolls up everything

    def keep(self, image: bytes) -> str:
        """Keep an image; returns the SHA-256 that events name it by."""
        self.door.keep(image)
        return hashlib.sha256(image).hexdigest()

    def query(self, name: str, **params: Any) -> list[dict[str, Any]]:
        return self.door.query(name, **params)

    def work(self, asked: Range | None = None) -> Tally:
        """Run the job once."""
        tally = Tally()
        settings = settings_of(self.folder)
        job = drift_job(load_fleet(settings.fleet_file), asked, tally)
        assert run_slot(self.door, job, datetime.now(UTC), trigger="command") == "done"
        return tally


def settings_of(folder: Path) -> Any:
    return load_settings({}, data_dir=str(folder / "data"), fleet_file=str(folder / "watchpoint.toml"))


@contextmanager
def place(folder: Path, fleet: str = "") -> Iterator[Place]:
    """The store of a folder, owned by the test."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "watchpoint.toml").write_text(fleet)
    with open_door(settings_of(folder)) as door:
        yield Place(folder, door)
