"""What the replays of a canary say: signals with their evidence, the noise of each item, and changes of state."""

from typing import Any

import pyarrow as pa

from monitor.canary.noise import noise
from monitor.canary.signals import signals
from monitor.queries.canaries import CanaryId, DeploymentId
from monitor.queries.canary_replays import baseline, planned_pairs, replays
from monitor.queries.figures import finite
from monitor.queries.registry import Ask, Moment, Rows, query


@query
def canary_evidence(ask: Ask, *, canary: CanaryId, deployment: DeploymentId) -> pa.Table:
    """The evidence of change as of the newest run, one row for each channel and tag (empty: the whole suite).

    `log_e` is the natural logarithm of an e-value: under "nothing has changed" its mean is at most 1 at each look, so
    that e >= c happens in at most one of c looks; `log_e_confirmed` is of changes that at least two replays have shown,
    which an alert needs. The state of a signal is decided over the whole fleet together
    (canary_signals), with the false discovery rate controlled.
    """
    newest = baseline(ask, canary, deployment)
    rows = [
        {
            "canary": canary,
            "deployment": deployment,
            "run": newest.run,
            "channel": one.channel,
            "tag": one.tag,
            "log_e": one.log_e,
            "log_e_confirmed": one.log_e_confirmed,
            "n_reference": one.n_reference,
            "n_recent": one.n_recent,
            "n_items": one.n_items,
            "since": one.since,
            "effect": finite(one.effect),
            "items": list(one.items),
        }
        for one in signals(replays(ask, canary, deployment))
    ]
    return pa.Table.from_pylist(rows, schema=_schema(EVIDENCE))


@query
def canary_signals(ask: Ask, *, canary: str = "", deployment: str = "") -> pa.Table:
    """The signals of the newest judged run of each canary on each deployment.

    Alarms come first; among equals those of whole suites (an empty tag), then the strongest. Deployments that a canary
    does not run on any more are left out.
    """
    pairs = planned_pairs(ask)
    return ask.sql(
        """
        with planned as (
            select unnest($canaries::varchar[]) as canary, unnest($deployments::varchar[]) as deployment
        ),
        newest as (
            select canary, deployment, arg_max(run, judged_at) as run
            from canary_signals
            where ($canary = '' or canary = $canary) and ($deployment = '' or deployment = $deployment)
            group by all
        )
        select s.canary, s.deployment, s.run, s.judged_at, s.channel, s.tag, s.state, s.log_e, s.log_e_confirmed,
            s.n_reference, s.n_recent, s.n_items, s.since, r.started_at as since_at, s.effect, s.items, n.checkpoint
        from canary_signals s semi join newest using (run)
            semi join planned on planned.canary = s.canary and planned.deployment = s.deployment
            left join canary_runs r on r.run = s.since
            left join canary_runs n on n.run = s.run
        order by case s.state when 'alert' then 0 when 'warn' then 1 when 'ok' then 2 else 3 end, s.tag <> '',
            s.log_e desc, s.canary, s.deployment, s.channel, s.tag
        """,
        canary=canary,
        deployment=deployment,
        canaries=[name for name, _ in pairs],
        deployments=[name for _, name in pairs],
    )


@query
def canary_changes(
    ask: Ask, *, start: Moment, end: Moment, canary: str = "", deployment: str = "", limit: Rows = 200
) -> pa.Table:
    """Changes of a signal to warn or alert and back, newest first: from what to what, when, and on what evidence.

    What was not judged within the two days before `start` counts as no_data until then.
    """
    return ask.sql(
        """
        with states as (
            select *, lag(state, 1, 'no_data') over (
                partition by canary, deployment, channel, tag order by judged_at, run
            ) as before
            from canary_signals
            where ($canary = '' or canary = $canary) and ($deployment = '' or deployment = $deployment)
                and judged_at >= $start - interval 2 day and judged_at < $end
        )
        select judged_at, canary, deployment, channel, tag, before as from_state, state as to_state, log_e, effect,
            since, run, items
        from states
        where state <> before and judged_at >= $start
            and (before in ('warn', 'alert') or state in ('warn', 'alert'))
        order by judged_at desc, canary, deployment, channel, tag
        limit $limit
        """,
        start=start,
        end=end,
        canary=canary,
        deployment=deployment,
        limit=limit,
    )


@query
def canary_noise(ask: Ask, *, canary: CanaryId, deployment: DeploymentId) -> pa.Table:
    """What each item does when nothing changes, from the reference replays at several levels of concurrency.

    Pass probability with its Clopper-Pearson interval, variants of the answer, whether it is flaky, the band of the
    latency at the concurrency of the newest replay (p5 to p95, milliseconds), and the median of the mean log
    probability with its scale.
    """
    rows = [
        {
            "item": one.item,
            "n": one.n,
            "passes": one.passes,
            "pass_low": finite(one.pass_low),
            "pass_high": finite(one.pass_high),
            "variants": one.variants,
            "flaky": one.flaky,
            "latency_low": finite(one.latency_low),
            "latency_median": finite(one.latency_median),
            "latency_high": finite(one.latency_high),
            "logprob_median": finite(one.logprob_median),
            "logprob_scale": finite(one.logprob_scale),
        }
        for one in noise(replays(ask, canary, deployment))
    ]
    return pa.Table.from_pylist(rows, schema=_schema(NOISE))


_TEXT, _WHOLE, _NUMBER = pa.string(), pa.int64(), pa.float64()
EVIDENCE = {
    **dict.fromkeys(("canary", "deployment", "run", "channel", "tag"), _TEXT),
    **dict.fromkeys(("log_e", "log_e_confirmed"), _NUMBER),
    **dict.fromkeys(("n_reference", "n_recent", "n_items"), _WHOLE),
    "since": _TEXT,
    "effect": _NUMBER,
    "items": pa.list_(_TEXT),
}
NOISE = {
    "item": _TEXT,
    **dict.fromkeys(("n", "passes"), _WHOLE),
    **dict.fromkeys(("pass_low", "pass_high"), _NUMBER),
    "variants": _WHOLE,
    "flaky": pa.bool_(),
    **dict.fromkeys(("latency_low", "latency_median", "latency_high", "logprob_median", "logprob_scale"), _NUMBER),
}


def _schema(columns: dict[str, Any]) -> pa.Schema:
    return pa.schema(list(columns.items()))
