"""Jobs: verbs that run by schedule in the `scheduler` process, from cron, or by hand as `python -m jobs.NAME`."""
