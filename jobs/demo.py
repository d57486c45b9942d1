"""Keeps a loaded demo going: the same story, minute by minute up to now; does nothing where no demo was loaded."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson

from jobs.running import Job, Run
from monitor.config import Settings
from monitor.demo.generator import stretch
from monitor.demo.incidents import read_truth
from monitor.demo.load import TRUTH
from monitor.records import Schedule

MOST = timedelta(hours=6)
"""A longer pause stays a gap: nobody was there to see the demo either."""

OVERLAP = timedelta(minutes=2)


def demo_job(settings: Settings) -> Job:
    """The job of the demo that lies in the data folder."""
    path = settings.data / TRUTH
    return Job(
        "demo",
        "keep a loaded demo going",
        Schedule(every_s=60, grace_s=60),
        lambda run: _tell(run, path),
        idle=lambda: not path.exists(),
    )


def _tell(run: Run, path: Path) -> None:
    """Send what the demo's story holds since the run before; sending it again adds nothing."""
    truth, now = read_truth(path), datetime.now(UTC)
    mark = path.with_name("demo-told-until")
    until = datetime.fromisoformat(mark.read_text()) if mark.exists() else truth.now
    start = max(until - OVERLAP, truth.now, now - MOST)
    sent = 0
    for batch in stretch(truth.now, start, now, seed=truth.seed):
        sent += run.door.send([orjson.dumps(event) for event in batch], dedupe=True)["accepted"]
    mark.write_text(now.isoformat())
    run.say("demo went on", sent=sent, since=start.isoformat())
