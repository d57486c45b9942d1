"""Drift as the page reads it: each deployment's state, features by time, their ranking, changes and references.

All of it is what the job of drift has written; nothing is judged here.
"""

from datetime import timedelta
from typing import Annotated

import pyarrow as pa
from pydantic import Field

from monitor.features.table import VERSION
from monitor.queries.drift_cells import DUE, MEANT, SECONDS, Deployment, Grain, limits
from monitor.queries.drift_reading import DeploymentOrAll
from monitor.queries.registry import Ask, Moment, Rows, Source, query

Days = Annotated[int, Field(ge=1, le=366, description="days back from now")]
Feature = Annotated[str, Field(max_length=300, description="a feature, such as prompt_chars; empty: all")]

NEWEST = """
    select r.*
    from drift_results r join drift_references f on f.id = r.reference
    where r.source = $source and r.deployment = $deployment and r.grain_s = $grain
        and r.bucket >= $start and r.bucket < $end
    qualify f.version = max(f.version) over (partition by r.bucket)
"""
"""Results of windows; of several references that judged one, the newest."""


@query
def drift(ask: Ask, *, source: Source = "production") -> pa.Table:
    """Each deployment: what it is compared with, what was found about its last day and hour, and since when.

    `day` and `hour` are the last windows that were judged, with their verdicts (steady, held, unknown, worse, too_few,
    no_data), `moved` the features that moved on that day, most first, `since` when the first of those began to.
    `due` are hours that are not described yet.
    """
    return ask.sql(
        f"""
        with meant as ({MEANT} and source = $source),
        due as ({DUE}),
        waiting as (select reference, count(*) as due from due group by all),
        described as (
            select reference, deployment, count(*) as described
            from drift_cells
            where source = $source
            group by all
        ),
        seen as (
            select deployment, date_trunc('hour', min(first_seen)) as first_hour,
                date_trunc('hour', max(last_seen)) as last_hour, sum(n)::bigint as n
            from deployments_seen
            where source = $source
            group by all
        ),
        last as (
            select deployment, grain_s, arg_max({{'reference': reference, 'bucket': bucket, 'verdict': verdict,
                'n': n, 'n_moved': n_moved, 'n_features': n_features}}, bucket) as w
            from drift_windows
            where source = $source and reference in (select reference from meant)
            group by all
        ),
        moving as (
            select r.deployment, list(r.feature order by strength desc) as moved,
                min((
                    select max(c.bucket)
                    from drift_changes c
                    where c.source = $source and c.deployment = r.deployment and c.grain_s = 86400
                        and c.feature = r.feature and c.state = 'moved' and c.bucket <= r.bucket
                )) as since
            from last l join drift_results r
                on r.reference = l.w.reference and r.source = $source and r.deployment = l.deployment
                    and r.grain_s = l.grain_s and r.bucket = l.w.bucket
            where l.grain_s = 86400 and r.state = 'moved'
            group by all
        )
        select s.deployment, first_hour, last_hour, s.n, m.reference, m.version, m.kind, m.name, m.other, m.automatic,
            m.starts, m.ends, m.days, coalesce(described, 0) as described, coalesce(w.due, 0) as due,
            d.w.bucket as day, d.w.verdict as day_verdict, d.w.n as day_n, d.w.n_moved as day_moved,
            d.w.n_features as day_features, h.w.bucket as hour, h.w.verdict as hour_verdict, h.w.n as hour_n,
            h.w.n_moved as hour_moved, coalesce(moved, []) as moved, since
        from seen s left join meant m using (deployment)
            left join waiting w on w.reference = m.reference
            left join described c on c.reference = m.reference and c.deployment = s.deployment
            left join last d on d.deployment = s.deployment and d.grain_s = 86400
            left join last h on h.deployment = s.deployment and h.grain_s = 3600
            left join moving v on v.deployment = s.deployment
        order by s.deployment
        """,
        source=source,
        version=VERSION,
        **limits(ask),
    )


@query
def drift_windows(
    ask: Ask,
    *,
    deployment: Deployment,
    source: Source = "production",
    grain: Grain = "day",
    start: Moment,
    end: Moment,
) -> pa.Table:
    """Hours or days of a deployment with their verdict, how many features moved, and what quality is known there.

    `quality` is a list of measures: share and share before, their difference with its interval, and what that says.
    """
    return ask.sql(
        """
        select w.bucket, w.n, w.n_reference, w.verdict, w.n_moved, w.n_features, w.quality, w.judged_at, w.reference,
            f.name as reference_name, f.version
        from drift_windows w join drift_references f on f.id = w.reference
        where w.source = $source and w.deployment = $deployment and w.grain_s = $grain
            and w.bucket >= $start and w.bucket < $end
        qualify f.version = max(f.version) over (partition by w.bucket)
        order by w.bucket
        """,
        source=source,
        deployment=deployment,
        grain=SECONDS[grain],
        start=start,
        end=end,
    )


@query
def drift_verdicts(
    ask: Ask,
    *,
    deployment: DeploymentOrAll = "",
    source: Source = "production",
    grain: Grain = "day",
    start: Moment,
    end: Moment,
) -> pa.Table:
    """The verdict of each hour or day of every deployment, and how many features moved in it."""
    return ask.sql(
        """
        select w.deployment, w.bucket, w.verdict, w.n, w.n_moved, w.n_features
        from drift_windows w join drift_references f on f.id = w.reference
        where w.source = $source and w.grain_s = $grain and w.bucket >= $start and w.bucket < $end
            and ($deployment = '' or w.deployment = $deployment)
        qualify f.version = max(f.version) over (partition by w.deployment, w.bucket)
        order by w.deployment, w.bucket
        limit 100000
        """,
        deployment=deployment,
        source=source,
        grain=SECONDS[grain],
        start=start,
        end=end,
    )


@query
def drift_heat(
    ask: Ask,
    *,
    deployment: Deployment,
    source: Source = "production",
    grain: Grain = "day",
    start: Moment,
    end: Moment,
    feature: Feature = "",
) -> pa.Table:
    """The effect of each feature in each window, with its threshold, interval and state.

    States are moved, steady, too_few and no_data. Effects are in the unit of their method: shares of predictions for
    `ks` and `tv`.
    """
    return ask.sql(
        f"""
        select bucket, feature, kind, method, effect, low, high, q, threshold, band, state, n_window, n_reference
        from ({NEWEST})
        where $feature = '' or feature = $feature
        order by feature, bucket
        limit 100000
        """,
        source=source,
        deployment=deployment,
        grain=SECONDS[grain],
        start=start,
        end=end,
        feature=feature,
    )


@query
def drift_ranking(
    ask: Ask,
    *,
    deployment: Deployment,
    source: Source = "production",
    grain: Grain = "day",
    bucket: Moment | None = None,
) -> pa.Table:
    """Every feature of one window, those that moved most first, with effect, interval and since when it has moved.

    `bucket` is the start of the window; without it the last one that was judged. `q` is adjusted for the number of
    features, `expected` the effect that would be found without any drift, `band` the largest one among windows of the
    reference, `smallest` the smallest effect that could have been called with so few predictions.
    """
    return ask.sql(
        f"""
        with windows as (
            select max(bucket) as bucket
            from drift_windows
            where source = $source and deployment = $deployment and grain_s = $grain
                and ($bucket::timestamp is null or bucket = $bucket::timestamp)
        ),
        results as ({NEWEST.replace("r.bucket >= $start and r.bucket < $end", "r.bucket in (from windows)")})
        select r.* exclude (source, deployment, grain_s), c.bucket as since
        from results r left join (
            select feature, max(bucket) as bucket
            from drift_changes
            where source = $source and deployment = $deployment and grain_s = $grain and state = 'moved'
                and bucket <= (select bucket from windows)
            group by all
        ) c on c.feature = r.feature and r.state = 'moved'
        order by r.state = 'moved' desc, strength desc, r.feature
        """,
        source=source,
        deployment=deployment,
        grain=SECONDS[grain],
        bucket=bucket,
    )


@query
def drift_changes(
    ask: Ask,
    *,
    deployment: DeploymentOrAll = "",
    source: Source = "production",
    grain: Grain = "day",
    start: Moment,
    end: Moment,
    limit: Rows = 1000,
) -> pa.Table:
    """When features began and ceased to be moved, newest first, each with its evidence."""
    return ask.sql(
        """
        select deployment, bucket, feature, state, before, effect, low, high, q, n_window, reference
        from drift_changes
        where source = $source and grain_s = $grain and bucket >= $start and bucket < $end
            and ($deployment = '' or deployment = $deployment)
        order by bucket desc, deployment, feature
        limit $limit
        """,
        source=source,
        deployment=deployment,
        grain=SECONDS[grain],
        start=start,
        end=end,
        limit=limit,
    )


@query
def drift_references(ask: Ask, *, deployment: DeploymentOrAll = "", source: Source = "production") -> pa.Table:
    """Every reference that a deployment was compared with, newest first; the one in force has no `ended_at`."""
    return ask.sql(
        """
        select deployment, version, id, kind, name, other, starts, ends, days, automatic, by_whom, reason, n_learned,
            len(vocabulary) as n_words, made_at, ended_at
        from drift_references
        where source = $source and ($deployment = '' or deployment = $deployment)
        order by deployment, version desc
        """,
        source=source,
        deployment=deployment,
    )


@query
def drift_trial(
    ask: Ask,
    *,
    deployment: Deployment,
    source: Source = "production",
    grain: Grain = "day",
    feature: Feature = "",
    threshold: Annotated[float, Field(gt=0, le=10, description="from which effect on a feature counts as moved")],
    fdr: Annotated[float, Field(gt=0, le=0.5, description="expected share of false calls")] = 0.01,
    days: Days = 90,
) -> pa.Table:
    """What another threshold would have called in the past, by feature, beside what was called.

    `windows` are hours or days that could be judged, `fired` those that would have been called by the effect,
    `episodes` how often that would have begun, `called` and `called_episodes` the same as it was; a change of missing
    values or unseen names calls as before.
    """
    return ask.sql(
        f"""
        with told as (
            select feature, bucket, state = 'moved' as called,
                (effect >= $threshold and q <= $fdr and effect > coalesce(band, 0))
                    or list_has_any(called_by, ['missing', 'unseen']) as fired
            from ({NEWEST})
            where ($feature = '' or feature = $feature) and effect is not null and state <> 'no_data'
        ),
        steps as (
            select *, coalesce(lag(fired) over w, false) as fired_before,
                coalesce(lag(called) over w, false) as called_before
            from told
            window w as (partition by feature order by bucket)
        )
        select feature, count(*) as windows, count(*) filter (fired) as fired,
            count(*) filter (fired and not fired_before) as episodes, count(*) filter (called) as called,
            count(*) filter (called and not called_before) as called_episodes,
            max(bucket) filter (fired) as last_fired
        from steps
        group by all
        order by fired desc, feature
        """,
        source=source,
        deployment=deployment,
        grain=SECONDS[grain],
        feature=feature,
        threshold=threshold,
        fdr=fdr,
        start=ask.now - timedelta(days=days),
        end=ask.now,
    )
