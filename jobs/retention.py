"""Retention: raw predictions leave the store by age, fine rollups go. `python -m jobs.retention` runs it once."""

import sys

from jobs.running import Job, Run, run_now
from monitor.config import load_settings
from monitor.records import Schedule


def _work(run: Run) -> None:
    """Running it again at once moves nothing."""
    done = run.door.maintain("retention", {})
    run.say("retention done", left_the_store=done["left_the_store"])


RETENTION = Job(
    "retention", "raw predictions leave the store by age, fine rollups go", Schedule(cron="17 0 * * *"), _work
)

if __name__ == "__main__":
    sys.exit(run_now(load_settings(), RETENTION))
