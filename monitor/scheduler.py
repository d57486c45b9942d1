"""The `scheduler` process: runs the table of jobs on their schedule. Each also runs by itself, from cron or by hand."""

import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger

from jobs.demo import run_demo
from jobs.retention import run_retention
from monitor.config import Settings
from monitor.errors import WatchpointError

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """A verb and when it runs (cron, UTC)."""

    name: str
    cron: str
    run: Callable[[Settings], None]


JOBS = (
    Job("retention", "17 0 * * *", run_retention),
    Job("demo", "* * * * *", run_demo),
)


def run_scheduler(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT; one failing job never stops the rest."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    scheduler = BackgroundScheduler(timezone="UTC")
    for job in JOBS:
        scheduler.add_job(
            _guarded,
            CronTrigger.from_crontab(job.cron, timezone="UTC"),
            (job, settings),
            id=job.name,
            coalesce=True,
            max_instances=1,
            misfire_grace_time=3600,
        )
    scheduler.start()
    log.info("scheduler is ready", jobs=[job.name for job in JOBS])
    stop.wait()
    scheduler.shutdown(wait=True)


def _guarded(job: Job, settings: Settings) -> None:
    try:
        job.run(settings)
    except WatchpointError as error:
        log.error("job failed", job=job.name, error=str(error))
    except Exception:
        log.exception("job failed", job=job.name)
