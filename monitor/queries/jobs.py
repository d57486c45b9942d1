"""Jobs: which there are, when they are due, and how their runs went."""

from datetime import UTC, timedelta

import pyarrow as pa

from monitor.queries.registry import Ask, Rows, query
from monitor.records import Schedule
from monitor.timetable import next_slot, words_of

GONE = timedelta(seconds=90)
"""A scheduler that has not been heard of for so long is gone."""


@query
def jobs(ask: Ask) -> pa.Table:
    """Every job that the scheduler runs: its schedule, its newest run, the next slot, and whether a scheduler is there.

    `next_at` is null where no scheduler has been heard of for 90 seconds.
    """
    table = ask.sql(
        """
        with newest as (
            select *, row_number() over (partition by job order by asked_at desc, run) as age
            from job_runs
            where state <> 'skipped'
        )
        select j.job, j.about, j.cron, j.every_s, j.jitter_s, j.grace_s, j.overlap, j.scheduler, j.seen_at,
            r.run, case when r.state = 'running' and r.beat_at < $lost then 'lost' else r.state end as state, r.trigger,
            r.asked_by, r.started_at, r.ended_at, r.total, r.done, r.failed, r.problem,
            epoch(coalesce(r.ended_at, r.beat_at) - r.started_at) as seconds
        from jobs j left join newest r on r.job = j.job and r.age = 1
        order by j.job
        """,
        lost=ask.now - GONE,
    )
    rows = table.select(["cron", "every_s", "seen_at"]).to_pylist()
    schedules = [Schedule(cron=row["cron"], every_s=row["every_s"]) for row in rows]
    here = [row["seen_at"].replace(tzinfo=UTC) >= ask.now - GONE for row in rows]
    due = [
        next_slot(schedule, ask.now).replace(tzinfo=None) if alive else None
        for schedule, alive in zip(schedules, here, strict=True)
    ]
    return (
        table.append_column("schedule", pa.array([words_of(one) for one in schedules], pa.string()))
        .append_column("next_at", pa.array(due, pa.timestamp("us")))
        .append_column("scheduler_here", pa.array(here, pa.bool_()))
    )


@query
def job_runs(ask: Ask, *, job: str = "", limit: Rows = 100) -> pa.Table:
    """Runs of jobs, newest first: state, counts, seconds, the end of their log, and what was wrong.

    One that is running but was not heard of for 90 seconds is `lost`: its process is gone, and another may take over.
    """
    return ask.sql(
        """
        select run, job, slot, trigger, asked_by, claimed_by, asked_at, started_at, beat_at, ended_at,
            total, done, failed, log, problem, epoch(coalesce(ended_at, beat_at) - started_at) as seconds,
            case when state = 'running' and beat_at < $lost then 'lost' else state end as state
        from job_runs
        where $job = '' or job = $job
        order by asked_at desc, run
        limit $limit
        """,
        job=job,
        limit=limit,
        lost=ask.now - GONE,
    )
