"""Loads the demo: `python -m monitor demo` sends the generated traffic through the same door as everybody else's."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import orjson

from monitor.config import Settings
from monitor.demo.generator import generate
from monitor.demo.incidents import incidents, write_truth
from monitor.doors import open_door

FLEET = Path(__file__).with_name("fleet.toml")
TRUTH = "demo-truth.json"


def load_demo(settings: Settings, now: datetime, days: int, seed: int, on_progress: Callable[[float], None]) -> str:
    """Send `days` of traffic up to `now`, write the planted truth beside the store, and say what was done.

    Calling it again adds nothing: the events of a seed and a time carry the same ids.
    """
    fleet = Path(settings.fleet_file)
    made = not fleet.exists()
    if made:
        shutil.copyfile(FLEET, fleet)
    settings.data.mkdir(parents=True, exist_ok=True)
    sent = 0
    with open_door(settings) as door:
        for batch in generate(now, days=days, seed=seed):
            lines = [orjson.dumps(event) for event in batch]
            sent += door.send(lines)["accepted"]
            at = datetime.fromisoformat(batch[-1]["ts"]).astimezone(UTC)
            on_progress(days * 86400 - (now - at).total_seconds())
    write_truth(settings.data / TRUTH, now)
    planted = "\n".join(f"  {one}" for one in incidents(now))
    kept = f"wrote {fleet} for it" if made else f"kept your {fleet}: the demo deployments in it are held against its SLOs"
    return f"loaded {sent:,} demo predictions of {days} days; {kept}\nplanted, to be found again:\n{planted}\nsee them with: make run"
