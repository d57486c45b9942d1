"""The table of jobs: those of Watchpoint itself, and one for each canary and each benchmark of the fleet file."""

from dataclasses import replace

from jobs.benchmark import benchmark_job, evaluated
from jobs.canary import canary_job
from jobs.demo import demo_job
from jobs.drift import drift_job
from jobs.evidently import evidently_job
from jobs.retention import RETENTION
from jobs.running import Job
from monitor.config import Settings
from monitor.errors import ConfigError
from monitor.records import Fleet, Schedule


def jobs_of(settings: Settings, fleet: Fleet) -> dict[str, Job]:
    """Every job that is switched on, by its name. Raises ConfigError for a [jobs.NAME] that is none."""
    known = {
        job.name: job
        for job in (
            RETENTION,
            demo_job(settings),
            drift_job(fleet),
            evidently_job(settings),
            *(canary_job(settings, fleet, canary) for canary in fleet.canaries.values()),
            *(benchmark_job(settings, fleet, one) for one in evaluated(fleet).values()),
        )
    }
    if wrong := [name for name in fleet.jobs if name not in known]:
        raise ConfigError(f"{fleet.path}: there is no job {wrong[0]!r}; jobs are {', '.join(known)}")
    changed = {name: _planned(job, fleet) for name, job in known.items()}
    return {name: job for name, job in changed.items() if job is not None}


def _planned(job: Job, fleet: Fleet) -> Job | None:
    """The job with the schedule of the fleet file; None where that switches it off."""
    schedule: Schedule | None = fleet.jobs.get(job.name, job.schedule)
    if schedule is None:
        return None
    if not (schedule.cron or schedule.every_s):
        schedule = replace(schedule, cron=job.schedule.cron, every_s=job.schedule.every_s)
    return replace(job, schedule=schedule)
