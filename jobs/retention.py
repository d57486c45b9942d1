"""Retention: raw predictions leave the store by age, fine rollups go. `python -m jobs.retention` runs it once."""

import sys
import time

import structlog

from monitor.config import Settings, load_settings
from monitor.doors import open_door
from monitor.errors import WatchpointError
from monitor.logs import set_up_logs

log = structlog.get_logger(__name__)


def run_retention(settings: Settings) -> None:
    """Run retention once; running it again at once moves nothing."""
    began = time.monotonic()
    with open_door(settings) as door:
        done = door.maintain("retention", {})
    log.info("retention done", left_the_store=done["left_the_store"], seconds=round(time.monotonic() - began, 2))


if __name__ == "__main__":
    chosen = load_settings()
    set_up_logs(chosen.log_level, "retention")
    try:
        run_retention(chosen)
    except WatchpointError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
