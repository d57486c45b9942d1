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
    Migration(
        3,
        "jobs and canaries",
        """
        create table job_runs (
            run varchar primary key, job varchar not null, slot timestamp not null, trigger varchar not null,
            asked_by varchar not null, state varchar not null, claimed_by varchar, asked_at timestamp not null,
            started_at timestamp, beat_at timestamp not null, ended_at timestamp,
            total integer not null, done integer not null, failed integer not null, log varchar not null,
            problem varchar
        );
        create table jobs (
            job varchar primary key, about varchar not null, cron varchar, every_s integer, jitter_s integer not null,
            grace_s integer not null, overlap varchar not null, scheduler varchar not null, seen_at timestamp not null
        );
        create table canary_items (
            suite varchar not null, item varchar not null, item_hash varchar not null, definition json not null,
            first_seen timestamp not null, primary key (suite, item, item_hash)
        );
        create table canary_suites (
            suite varchar not null, version varchar not null, about varchar not null, items json not null,
            first_seen timestamp not null, primary key (suite, version)
        );
        create table canary_runs (
            run varchar primary key, canary varchar not null, suite varchar not null, version varchar not null,
            deployment varchar not null, checkpoint varchar not null, slot timestamp not null, kind varchar not null,
            trigger varchar not null, job_run varchar, state varchar not null, claimed_by varchar not null,
            started_at timestamp not null, beat_at timestamp not null, ended_at timestamp, in_flight integer not null,
            total integer not null, done integer not null, passed integer not null, failed integer not null,
            errors integer not null, tokens bigint not null, usd double not null, problem varchar
        );
        create table canary_results (
            run varchar not null, item varchar not null, item_hash varchar not null, in_flight integer not null,
            repeat integer not null, ts timestamp not null, event_id varchar, outcome varchar not null,
            checks json not null, answer varchar, cut boolean not null, variant varchar, logprob double,
            tokens_in bigint, tokens_out bigint, latency_ms double, ttft_ms double, finish_reason varchar,
            served_as varchar, error_type varchar, error_message varchar
        );
        create table canary_baselines (
            canary varchar not null, deployment varchar not null, since timestamp not null, by_whom varchar not null,
            reason varchar not null
        );
        create table canary_signals (
            run varchar not null, canary varchar not null, deployment varchar not null, judged_at timestamp not null,
            channel varchar not null, tag varchar not null, state varchar not null, log_e double not null,
            log_e_confirmed double not null, n_reference integer not null, n_recent integer not null,
            n_items integer not null, since varchar,
            effect double, items varchar[] not null
        );
        """,
    ),
    Migration(
        4,
        "benchmarks",
        """
        create table benchmark_runs (
            run varchar primary key, benchmark varchar not null, checkpoint varchar not null, named varchar not null,
            model varchar, step bigint, revision varchar, protocol json not null, origin varchar not null,
            state varchar not null, problem varchar, notes varchar[] not null, evaluated_at timestamp,
            source varchar not null, source_sha256 varchar not null, claimed_by varchar not null, job_run varchar,
            started_at timestamp not null, beat_at timestamp not null, ended_at timestamp, total integer not null,
            done integer not null, failed integer not null
        );
        create table benchmark_scores (
            run varchar not null, metric varchar not null, category varchar not null, value double not null,
            most double, higher_is_better boolean not null, headline boolean not null, n integer, n_groups integer,
            stderr double, low double, high double, how varchar not null, reason varchar not null,
            by_items boolean not null
        );
        create table benchmark_items (
            benchmark varchar not null, item varchar not null, item_hash varchar not null, question varchar,
            target varchar, media varchar[] not null, primary key (benchmark, item, item_hash)
        );
        create table benchmark_results (
            run varchar not null, item varchar not null, item_hash varchar not null,
            scores map(varchar, double) not null, categories varchar[] not null, grouped varchar, answer varchar,
            cut boolean not null, failed varchar, latency_ms double
        );
        """,
    ),
    Migration(
        5,
        "drift",
        """
        create table features (
            source varchar not null, deployment varchar not null, ts timestamp not null, event_id varchar not null,
            prompt_chars double, prompt_words double, prompt_letters_share double, prompt_upper_share double,
            prompt_digit_share double, prompt_punctuation_share double, prompt_nonascii_share double,
            prompt_repetition double, prompt_oov_share double, prompt_script varchar, prompt_language varchar,
            prompt_type varchar, answer_chars double, answer_words double, answer_digit_share double,
            answer_nonascii_share double, answer_repetition double, answer_points double, answer_boxes double,
            confidence double, tokens_in double, tokens_out double, answer_script varchar, answer_language varchar,
            answer_format varchar, answer_choice varchar, answer_refusal varchar, finish_reason varchar,
            outcome varchar, images double, image_width double, image_height double, image_aspect double,
            image_brightness double, image_contrast double, image_sharpness double, image_colourfulness double,
            image_saturation double, image_blank varchar, prompt_vector float[], image_vector float[],
            agreement double, carried_num map(varchar, double), carried_str map(varchar, varchar), image varchar,
            wrong boolean, disliked boolean
        );
        create table image_features (
            sha256 varchar primary key, problem varchar, width double, height double, aspect double,
            brightness double, contrast double, sharpness double, colourfulness double, saturation double,
            blank boolean, hash varchar, described_at timestamp not null
        );
        create table drift_references (
            id varchar primary key, source varchar not null, deployment varchar not null, version integer not null,
            kind varchar not null, name varchar not null, other varchar, starts timestamp, ends timestamp,
            days integer, automatic boolean not null, by_whom varchar not null, reason varchar not null,
            n_learned bigint not null, vocabulary varchar[] not null, made_at timestamp not null, ended_at timestamp
        );
        create table reference_features (
            reference varchar not null, feature varchar not null, edges double[], n bigint, missing bigint,
            low double, high double, spread double, counts bigint[], sums double[], points double[],
            point_counts bigint[], names varchar[], other bigint, primary key (reference, feature)
        );
        create table drift_cells (
            reference varchar not null, source varchar not null, deployment varchar not null, hour timestamp not null,
            n bigint not null, version integer not null, built_at timestamp not null
        );
        create table feature_profiles (
            reference varchar not null, source varchar not null, deployment varchar not null, hour timestamp not null,
            feature varchar not null, n bigint not null, missing bigint not null, low double, high double,
            spread double, counts bigint[], sums double[], points double[], point_counts bigint[], names varchar[],
            other bigint
        );
        create table drift_windows (
            reference varchar not null, source varchar not null, deployment varchar not null, grain_s integer not null,
            bucket timestamp not null, n bigint not null, n_reference bigint not null, verdict varchar not null,
            n_moved integer not null, n_features integer not null, quality json not null, judged_at timestamp not null
        );
        create table drift_results (
            reference varchar not null, source varchar not null, deployment varchar not null, grain_s integer not null,
            bucket timestamp not null, feature varchar not null, kind varchar not null, method varchar not null,
            effect double, low double, high double, p double, q double, expected double, band double,
            threshold double not null, n_reference bigint not null, n_window bigint not null,
            missing_reference double, missing_window double, unseen double, state varchar not null,
            called_by varchar[] not null, smallest double, strength double, moved_at varchar, moved_reference double,
            moved_window double, effects map(varchar, double) not null
        );
        create table drift_changes (
            source varchar not null, deployment varchar not null, grain_s integer not null, feature varchar not null,
            bucket timestamp not null, state varchar not null, before varchar, reference varchar not null,
            effect double, low double, high double, q double, n_window bigint not null
        );
        create table drift_wishes (
            id varchar primary key, source varchar not null, deployment varchar not null, kind varchar not null,
            name varchar not null, other varchar, starts timestamp, ends timestamp, days integer,
            by_whom varchar not null, reason varchar not null, asked_at timestamp not null, done_at timestamp,
            problem varchar
        );
        create table drift_rules (
            deployment varchar not null, feature varchar not null, threshold double, since timestamp not null,
            by_whom varchar not null, reason varchar not null
        );
        """,
    ),
    Migration(
        6,
        "reports of drift",
        """
        create table drift_reports (
            id varchar primary key, source varchar not null, deployment varchar not null, preset varchar not null,
            features varchar[] not null, starts timestamp not null, ends timestamp not null, reference varchar,
            reference_name varchar not null, reference_deployment varchar not null,
            reference_starts timestamp not null, reference_ends timestamp not null, sample integer not null,
            seed bigint not null, asked_by varchar not null, state varchar not null, step varchar,
            steps_done integer not null, steps integer not null, n_window bigint, n_reference bigint,
            of_window bigint, of_reference bigint, problem varchar, asked_at timestamp not null, started_at timestamp,
            ended_at timestamp, attempts integer not null, run varchar, claimed_by varchar, html_bytes bigint,
            json_bytes bigint, summary json
        );
        """,
    ),
)
"""`error_type` in counts is '' for a success, and the id and message of the last request are kept for errors; unknown
models, checkpoints and environments are ''.

A run of a probe has the kind single, batch or load and the state running, done, cancelled, failed or interrupted; its
answers are predictions of source `probe` whose session_id is the run. `done` counts those that failed, too.

A run of a job has the state waiting, running, done, failed, skipped or interrupted; one that is running but whose
`beat_at` is long ago belongs to a process that is gone, and may be taken over. `canary_runs` are the replays of a suite
on one deployment: of kind learn or replay, in the states of jobs; `outcome` of a result is pass, fail, unknown (a
check could not be evaluated) or error. Results outlive the raw predictions that `event_id` points to.

`benchmark_runs` are evaluations of a checkpoint on a benchmark: running, done, failed, skipped (by their harness) or
interrupted; only those that are done have figures. `most` is what a perfect checkpoint gets, null where that is not
known; `low` and `high` have the unit of `value`; `by_items`: the items of the evaluation have this score as their mean.
`scores` of a result maps metrics to what the item counts towards value / most.

`features` has one row per described prediction; `wrong` and `disliked` are what people said of its answer, null where
nobody did. A cell is an hour of a deployment that was described and profiled under a reference; `counts` and `sums` of
a profile have one value for each bin between the `edges` of the reference, `points` are its distinct values where
they are few. `drift_windows` are hours and days that were judged; changes are derived from results, and replaced with
them. A threshold that is null in `drift_rules` is the default again.

A report has the state waiting, running, done or failed; the files of one that is done lie in data/reports. One that is
running and whose run of the job does not beat is taken up again."""
