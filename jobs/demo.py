"""Keeps a loaded demo going: the same story, minute by minute up to now; does nothing where no demo was loaded."""

from datetime import UTC, datetime, timedelta

import orjson
import structlog

from monitor.config import Settings
from monitor.demo.generator import stretch
from monitor.demo.incidents import read_truth
from monitor.demo.load import TRUTH
from monitor.doors import open_door

log = structlog.get_logger(__name__)

MOST = timedelta(hours=6)
"""A longer pause stays a gap: nobody was there to see the demo either."""

OVERLAP = timedelta(minutes=2)


def run_demo(settings: Settings) -> None:
    """Send what the demo's story holds since the run before; sending it again adds nothing."""
    path = settings.data / TRUTH
    if not path.exists():
        return
    truth, now = read_truth(path), datetime.now(UTC)
    mark = path.with_name("demo-told-until")
    until = datetime.fromisoformat(mark.read_text()) if mark.exists() else truth.now
    start = max(until - OVERLAP, truth.now, now - MOST)
    sent = 0
    with open_door(settings) as door:
        for batch in stretch(truth.now, start, now, seed=truth.seed):
            sent += door.send([orjson.dumps(event) for event in batch], dedupe=True)["accepted"]
    mark.write_text(now.isoformat())
    log.debug("demo went on", sent=sent, since=start.isoformat())
