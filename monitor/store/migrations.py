"""The schema as numbered steps. A step and its record share a transaction; a step that has been released never changes.

Times are UTC in TIMESTAMP columns. `predictions` has no key: exactly-once loading rests on the ledger of segments.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema."""

    number: int
    name: str
    sql: str


MIGRATIONS = (
    Migration(
        1,
        "predictions, ledgers, rollups",
        """
        create table predictions (
            ts timestamp not null, received_at timestamp not null, event_id varchar not null,
            deployment varchar not null, model varchar, checkpoint varchar, environment varchar,
            source varchar not null, status varchar not null, error_type varchar, error_message varchar,
            finish_reason varchar, latency_ms double, ttft_ms double, queue_ms double,
            tokens_in bigint, tokens_out bigint, input_text varchar, output_text varchar,
            media struct(sha256 varchar, mime varchar, bytes bigint, width integer, height integer, uri varchar)[],
            confidence double, features_num map(varchar, double), features_str map(varchar, varchar),
            label varchar, feedback tinyint, feedback_text varchar, cost_usd double,
            session_id varchar, trace_id varchar, user_hash varchar, attrs json, cut varchar[]
        );
        create table rejects (
            received_at timestamp not null, reason varchar not null, deployment varchar,
            bytes bigint not null, raw varchar not null
        );
        create table segments (
            name varchar primary key, rows bigint not null, rejects bigint not null, loaded_at timestamp not null
        );
        create table batches (
            key varchar primary key, digest varchar not null, answer varchar not null, loaded_at timestamp not null
        );
        create table dirty (grain_s integer not null, bucket timestamp not null, primary key (grain_s, bucket));
        create table slos (deployment varchar primary key, latency_ms double);
        create table rollups (
            grain_s integer not null, bucket timestamp not null, source varchar not null,
            by_what varchar not null, key varchar not null,
            n bigint not null, errors bigint not null, slow bigint not null,
            n_latency bigint not null, p50_ms double, p95_ms double, p99_ms double,
            n_ttft bigint not null, ttft_p50_ms double, ttft_p95_ms double,
            n_queue bigint not null, queue_p95_ms double,
            n_tokens bigint not null, tokens_in bigint, tokens_out bigint, cost_usd double
        );
        create table counts (
            grain_s integer not null, bucket timestamp not null, source varchar not null,
            deployment varchar not null, model varchar not null,
            checkpoint varchar not null, environment varchar not null,
            error_type varchar not null, n bigint not null,
            first_ts timestamp not null, last_ts timestamp not null, last_id varchar, last_message varchar
        );
        create table histograms (
            grain_s integer not null, bucket timestamp not null, source varchar not null,
            deployment varchar not null, model varchar not null,
            checkpoint varchar not null, environment varchar not null,
            metric varchar not null, idx smallint not null, n bigint not null
        );
        create table deployments_seen (
            deployment varchar not null, source varchar not null, model varchar not null, checkpoint varchar not null,
            environment varchar not null,
            first_seen timestamp not null, last_seen timestamp not null, n bigint not null,
            primary key (deployment, source, model, checkpoint, environment)
        );
        create table archive_files (
            path varchar primary key, month date not null, rows bigint not null,
            first_ts timestamp not null, last_ts timestamp not null, written_at timestamp not null
        );
        create table facts (name varchar primary key, value varchar not null);
        """,
    ),
    Migration(
        2,
        "runs of probes",
        """
        create table probe_runs (
            run varchar primary key, kind varchar not null,
            name varchar not null, visitor varchar not null, state varchar not null,
            started_at timestamp not null, ended_at timestamp, updated_at timestamp not null,
            targets varchar[] not null, total integer not null, done integer not null, failed integer not null,
            from_request varchar, spec json not null, result json, problem varchar
        );
        """,
    ),
)
"""`error_type` in counts is '' for a success, and the id and message of the last request are kept for errors; unknown
models, checkpoints and environments are ''.

A run of a probe has the kind single, batch or load and the state running, done, cancelled, failed or interrupted; its
answers are predictions of source `probe` whose session_id is the run. `done` counts those that failed, too."""
