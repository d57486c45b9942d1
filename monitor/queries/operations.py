"""The state of Watchpoint itself: how much is stored, how far the loader is behind, what was refused."""

import pyarrow as pa

from monitor.queries.registry import Ask, query
from monitor.store.database import schema_version


@query
def ingest_status(ask: Ask) -> pa.Table:
    """One row: what the store holds, what waits in the spool, how far behind the loader is, what was refused."""
    table = ask.sql(
        """
        select
            (select coalesce(sum(n), 0)::bigint from deployments_seen) as predictions,
            (select min(first_seen) from deployments_seen) as oldest_ts,
            (select max(last_seen) from deployments_seen) as newest_ts,
            (select count(*) from dirty where bucket + to_seconds(grain_s) <= $now) as dirty_buckets,
            (select count(*) from rejects where received_at >= $now - interval 24 hour) as rejects_24h,
            (select count(*) from segments) as segments_loaded,
            (select max(loaded_at) from segments) as last_load,
            (select coalesce(sum(rows), 0)::bigint from archive_files) as archived,
            $schema_version::integer as schema_version
        """,
        now=ask.now,
        schema_version=schema_version(ask.con),
    )
    for name, value in ask.process().items():
        table = table.append_column(name, pa.array([value]))
    return table
