"""What the job of drift asks: which hours are not described yet, their predictions, and which windows to judge.

A cell is an hour of a deployment under a reference. It is due while the store counts other predictions in the hour
than it was made of, or while what features mean has changed since.
"""

from datetime import datetime, timedelta
from typing import Annotated, Literal

import pyarrow as pa
from pydantic import Field

from monitor.errors import NotFound
from monitor.features.table import VERSION
from monitor.queries.registry import Ask, Moment, Rows, Source, query
from monitor.store.archive import fact, raw_relation

Deployment = Annotated[str, Field(min_length=1, max_length=256, description="a deployment")]
Reference = Annotated[str, Field(min_length=1, max_length=128, description="a reference, by its id")]
Version = Annotated[int, Field(ge=0, description="of the features, as the job has them")]
Grain = Literal["hour", "day"]
SECONDS = {"hour": 3600, "day": 86400}
TEXT = 4096
"""Characters of a text that features are computed from; lengths are those of the whole text."""

BACK = timedelta(days=90)
SETTLED = timedelta(minutes=1)
"""An hour is described once it is over for so long: what comes later makes it due again."""

MEANT = """
    select id as reference, source, deployment, version, kind, name, other, automatic,
        coalesce(other, deployment) as of_deployment, starts, ends, days, n_learned, made_at
    from drift_references
    where ended_at is null
"""
"""References in force, with the deployment whose cells they are made of."""

DUE = """
    select m.reference, h.deployment, h.hour, h.n, m.deployment as whose, h.deployment = m.deployment as own,
        h.deployment = m.of_deployment and h.hour >= coalesce(m.starts, $floor)
            and h.hour < coalesce(m.ends, $floor) as of_reference
    from (
        select deployment, bucket as hour, sum(n)::bigint as n
        from counts
        where grain_s = 3600 and source = $source and bucket >= $floor and bucket <= $closed
        group by all
    ) h
    join meant m on m.source = $source and (m.deployment = h.deployment or m.of_deployment = h.deployment)
    left join drift_cells c
        on c.reference = m.reference and c.source = $source and c.deployment = h.deployment and c.hour = h.hour
    where (c.hour is null or c.n <> h.n or c.version <> $version)
        and (m.deployment = h.deployment or m.starts is null or (h.hour >= m.starts and h.hour < m.ends))
"""
"""Cells that are missing, or made of other predictions than there are now."""


@query
def drift_deployments(ask: Ask, *, source: Source = "production", version: Version = VERSION) -> pa.Table:
    """Deployments with predictions: since when, the reference in force, and how many hours are described or due.

    `reference_n` are the predictions in the hours that the reference is made of, `whole_n` those in its merged
    profiles.
    """
    return ask.sql(
        f"""
        with seen as (
            select deployment, date_trunc('hour', min(first_seen)) as first_hour,
                date_trunc('hour', max(last_seen)) as last_hour, sum(n)::bigint as n
            from deployments_seen
            where source = $source
            group by all
        ),
        meant as ({MEANT}),
        due as ({DUE}),
        cells as (
            select reference, deployment, count(*) as cells, sum(n)::bigint as n
            from drift_cells
            group by all
        ),
        within as (
            select reference, sum(c.n)::bigint as n
            from meant m join drift_cells c using (reference)
            where c.deployment = m.of_deployment and c.hour >= m.starts and c.hour < m.ends
            group by all
        ),
        whole as (
            select reference, max(n + missing) as n
            from reference_features
            where n is not null
            group by all
        )
        select s.deployment, first_hour, last_hour, s.n, m.reference, m.version, m.kind, m.name, m.other, m.automatic,
            m.starts, m.ends, m.days, m.made_at, coalesce(c.cells, 0) as described,
            (select count(*) from due d where d.reference = m.reference) as due,
            (select count(*) from due d where d.reference = m.reference and of_reference) as due_of_reference,
            coalesce(w.n, 0) as reference_n, coalesce(whole.n, 0) as whole_n
        from seen s left join meant m on m.source = $source and m.deployment = s.deployment
            left join cells c on c.reference = m.reference and c.deployment = s.deployment
            left join within w on w.reference = m.reference
            left join whole on whole.reference = m.reference
        order by s.deployment
        """,
        source=source,
        **limits(ask),
        version=version,
    )


@query
def drift_backlog(
    ask: Ask,
    *,
    source: Source = "production",
    version: Version = VERSION,
    deployment: Annotated[str, Field(max_length=256, description="only of this one; empty: all")] = "",
    start: Moment | None = None,
    end: Moment | None = None,
    limit: Rows = 500,
) -> pa.Table:
    """Hours that are to be described, those of references first, then the newest ones.

    What a reference is made of belongs to every range. `own`: described for the deployment itself, not only because
    another one is compared with it.
    """
    return ask.sql(
        f"""
        with meant as ({MEANT}),
        due as ({DUE})
        select reference, deployment, hour, n, of_reference, own, count(*) over () as all_due
        from due
        where ($deployment = '' or whose = $deployment)
            and (of_reference or (($start::timestamp is null or hour >= $start::timestamp)
                and ($end::timestamp is null or hour < $end::timestamp)))
        order by of_reference desc, hour desc, deployment, reference
        limit $limit
        """,
        source=source,
        version=version,
        deployment=deployment,
        start=start,
        end=end,
        limit=limit,
        **limits(ask),
    )


def limits(ask: Ask) -> dict[str, datetime]:
    """Hours can be described from where raw predictions are kept, up to the last one that is over."""
    now = ask.now.replace(tzinfo=None)
    return {"floor": max(fact(ask.con, "deleted_before"), now - BACK), "closed": now - timedelta(hours=1) - SETTLED}


@query
def drift_rows(
    ask: Ask,
    *,
    source: Source = "production",
    deployment: Deployment,
    start: Moment,
    end: Moment,
    after: Moment | None = None,
    after_id: str = "",
    sample: Annotated[int, Field(ge=0, le=50_000, description="so many of them, chosen by their ids; 0: all")] = 0,
    limit: Rows = 5_000,
) -> pa.Table:
    """Predictions as the features are computed from them, in order of time; `after`: those behind the last page.

    Texts are cut at 4,096 characters, `input_chars` and `output_chars` are the lengths of what is kept.
    """
    raw = raw_relation(ask.con, start.replace(tzinfo=None), end.replace(tzinfo=None))
    order = "hash(event_id), ts, event_id" if sample else "ts, event_id"
    behind = "and (ts, event_id) > ($after::timestamp, $after_id)" if after else ""
    return ask.sql(
        f"""
        select ts, event_id, status, error_type, finish_reason, confidence, tokens_in, tokens_out,
            left(input_text, {TEXT}) as input_text, left(output_text, {TEXT}) as output_text,
            length(input_text) as input_chars, length(output_text) as output_chars, media,
            features_num, features_str, label, feedback
        from {raw}
        where ts >= $start and ts < $end and deployment = $deployment and source = $source {behind}
        order by {order}
        limit $limit
        """,
        start=start,
        end=end,
        deployment=deployment,
        source=source,
        limit=sample or limit,
        **({"after": after, "after_id": after_id} if after else {}),
    )


@query
def drift_images(
    ask: Ask,
    *,
    source: Source = "production",
    deployment: Deployment,
    start: Moment,
    end: Moment,
    after: Annotated[str, Field(max_length=64, description="the last SHA-256 of the page before")] = "",
    limit: Rows = 10_000,
) -> pa.Table:
    """Images of predictions by their SHA-256, with what is known of them; `known` is false where nothing is yet."""
    raw = raw_relation(ask.con, start.replace(tzinfo=None), end.replace(tzinfo=None))
    return ask.sql(
        f"""
        with used as (
            select distinct unnest(media).sha256 as sha256
            from {raw}
            where ts >= $start and ts < $end and deployment = $deployment and source = $source and len(media) > 0
        )
        select u.sha256, i.sha256 is not null as known, i.* exclude (sha256, described_at)
        from used u left join image_features i using (sha256)
        where u.sha256 > $after
        order by u.sha256
        limit $limit
        """,
        after=after,
        limit=limit,
        start=start,
        end=end,
        deployment=deployment,
        source=source,
    )


@query
def drift_profiles(
    ask: Ask,
    *,
    reference: Reference,
    source: Source = "production",
    deployment: Deployment,
    start: Moment,
    end: Moment,
) -> pa.Table:
    """The profile of each feature and hour of a deployment, in the bins of a reference.

    `counts` and `sums` are of the bins, `points` the distinct values where they are few; `names` those of a category.
    """
    return ask.sql(
        """
        select hour, feature, n, missing, low, high, spread, counts, sums, points, point_counts, names, other
        from feature_profiles
        where reference = $reference and source = $source and deployment = $deployment
            and hour >= $start and hour < $end
        order by hour, feature
        limit 100000
        """,
        reference=reference,
        source=source,
        deployment=deployment,
        start=start,
        end=end,
    )


@query
def drift_reference(ask: Ask, *, reference: Reference) -> pa.Table:
    """The features of a reference: the edges of their bins, and their profiles where it stands still."""
    found = ask.sql("select * exclude (reference) from reference_features where reference = $id", id=reference)
    if (
        not found.num_rows
        and not ask.con.execute("select 1 from drift_references where id = $1", [reference]).fetchall()
    ):
        raise NotFound(f"there is no reference {reference!r}; the query drift_references lists them")
    return found


@query
def drift_wishes(ask: Ask, *, source: Source = "production", waiting: bool = False) -> pa.Table:
    """References that somebody asked for, newest first, with what kept one from being made; `waiting`: not done yet."""
    return ask.sql(
        """
        select id, source, deployment, kind, name, other, starts, ends, days, by_whom, reason, asked_at, done_at,
            problem
        from drift_wishes
        where source = $source and (not $waiting or done_at is null)
        order by asked_at desc
        limit 1000
        """,
        source=source,
        waiting=waiting,
    )


@query
def drift_words(ask: Ask, *, reference: Reference) -> pa.Table:
    """The words of the prompts of a reference, which the share of words outside its vocabulary is told by."""
    return ask.sql("select unnest(vocabulary) as word from drift_references where id = $id", id=reference)


@query
def drift_thresholds(ask: Ask, *, deployment: Annotated[str, Field(max_length=256)] = "") -> pa.Table:
    """Thresholds that were saved, the newest of each deployment and feature; the feature '' stands for all."""
    return ask.sql(
        """
        select deployment, feature, threshold, since, by_whom, reason
        from drift_rules
        where $deployment = '' or deployment = $deployment
        qualify row_number() over (partition by deployment, feature order by since desc) = 1 and threshold is not null
        order by deployment, feature
        """,
        deployment=deployment,
    )


@query
def drift_due(
    ask: Ask, *, source: Source = "production", deployment: Deployment, grain: Grain, limit: Rows = 1000
) -> pa.Table:
    """Hours or days that are over, described as a whole, and not judged against the reference as it is now.

    What a pinned reference is made of is not judged against itself. Newest first.
    """
    return ask.sql(
        f"""
        with meant as ({MEANT} and source = $source and deployment = $deployment),
        hours as (
            select bucket as hour, sum(n)::bigint as n
            from counts
            where grain_s = 3600 and source = $source and deployment = $deployment and bucket >= $floor
            group by all
        ),
        cells as (
            select c.hour, c.n
            from meant m join drift_cells c
                on c.reference = m.reference and c.source = $source and c.deployment = m.deployment
        ),
        windows as (
            select time_bucket(to_seconds($grain), coalesce(c.hour, h.hour)) as bucket, sum(c.n)::bigint as n,
                bool_and(c.n is not null and (h.n is null or c.n = h.n)) as whole
            from cells c full join hours h using (hour)
            group by all
        ),
        against as (
            select w.bucket, w.n, m.reference, m.kind, m.of_deployment, m.n_learned,
                coalesce(m.starts, date_trunc('day', w.bucket) - to_days(m.days)) as reference_from,
                coalesce(m.ends, date_trunc('day', w.bucket)) as reference_to
            from windows w cross join meant m
            where whole and w.bucket + to_seconds($grain) <= $now
                and (m.kind <> 'pinned' or w.bucket >= m.ends or w.bucket + to_seconds($grain) <= m.starts)
        ),
        counted as (
            select a.bucket, any_value(a.n) as n, any_value(a.reference) as reference, any_value(kind) as kind,
                any_value(a.of_deployment) as of_deployment, any_value(reference_from) as reference_from,
                any_value(reference_to) as reference_to,
                case any_value(kind) when 'dataset' then any_value(n_learned)
                    else coalesce(sum(c.n), 0) end::bigint as n_reference
            from against a left join drift_cells c
                on c.reference = a.reference and c.source = $source and c.deployment = a.of_deployment
                    and c.hour >= reference_from and c.hour < reference_to
            group by a.bucket
        )
        select c.reference, c.kind, c.of_deployment, c.bucket, c.n, c.n_reference, c.reference_from, c.reference_to,
            count(*) over () as all_due
        from counted c left join drift_windows w
            on w.reference = c.reference and w.source = $source and w.deployment = $deployment
                and w.grain_s = $grain and w.bucket = c.bucket
        where c.n_reference > 0 and (w.bucket is null or w.n <> c.n or w.n_reference <> c.n_reference)
        order by c.bucket desc
        limit $limit
        """,
        source=source,
        deployment=deployment,
        grain=SECONDS[grain],
        limit=limit,
        now=ask.now,
        floor=limits(ask)["floor"],
    )
