"""Loads the demo: `python -m monitor demo` sends the generated traffic through the same door as everybody else's."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import orjson

from monitor.config import Settings
from monitor.demo.asked import all_scenes
from monitor.demo.generator import generate
from monitor.demo.incidents import Incident, read_truth, write_truth
from monitor.demo.render import png
from monitor.demo.shifted import all_files
from monitor.demo.shifts import Shift
from monitor.demo.suites import write_benchmarks
from monitor.doors import open_door

FLEET = Path(__file__).with_name("fleet.toml")
TRUTH = "demo-truth.json"
SUITES = "demo-suites"
PLACE = "data/demo-suites"
"""Where the fleet file of the demo has its benchmarks; another data folder is written into it."""


def load_demo(settings: Settings, now: datetime, days: int, seed: int, on_progress: Callable[[float], None]) -> str:
    """Send `days` of traffic up to `now`, write the planted truth beside the store, and say what was done.

    Where a demo was loaded or begun before, that one is completed: doing it twice adds nothing.
    """
    settings.data.mkdir(parents=True, exist_ok=True)
    write_benchmarks(settings.data / SUITES)
    made = _place_fleet(Path(settings.fleet_file), settings.data / SUITES)
    path = settings.data / TRUTH
    again = path.exists()
    truth = read_truth(path) if again else write_truth(path, now, days, seed)
    sent = 0
    with open_door(settings) as door:
        for image in {*map(png, all_scenes()), *all_files()}:
            door.keep(image)
        for batch in generate(truth.now, days=truth.days, seed=truth.seed):
            sent += door.send([orjson.dumps(event) for event in batch], dedupe=again)["accepted"]
            left = truth.now - datetime.fromisoformat(batch[-1]["ts"]).astimezone(UTC)
            on_progress(truth.days * 86400 - left.total_seconds())
    planted: list[Incident | Shift] = [*truth.incidents, *truth.shifts]
    planted.sort(key=lambda one: one.start)
    return "\n".join(
        [
            f"loaded {sent:,} demo predictions: {truth.days} days up to {truth.now:%Y-%m-%d %H:%M} UTC",
            *([f"this demo was loaded before and is complete; for a new one move {path.parent} away"] * again),
            f"wrote {settings.fleet_file} for it" if made else f"kept your {settings.fleet_file}",
            "planted, to be found again:",
            *(
                f"  {one.start:%a %d %b %H:%M} to {one.end:%a %d %b %H:%M} UTC  {one.deployment}: {one.sees}"
                for one in planted
            ),
            "see it with: make run",
        ]
    )


def _place_fleet(path: Path, suites: Path) -> bool:
    """Register the demo's deployments where there is no fleet file yet."""
    if path.exists():
        return False
    place = Path(os.path.relpath(suites.resolve(), path.resolve().parent)).as_posix()
    path.write_text(FLEET.read_text("utf-8").replace(PLACE, place), "utf-8")
    return True
