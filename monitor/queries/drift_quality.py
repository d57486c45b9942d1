"""What is known of the quality of answers where features moved to: does the drift matter?"""

from typing import Any

import pyarrow as pa

from monitor.drift.profile import Numeric
from monitor.drift.quality import MEASURES
from monitor.drift.region import Region, moved_to
from monitor.drift.windows import side_by_side
from monitor.queries.drift_cells import Deployment
from monitor.queries.drift_reading import ReferenceId, cells, column, meant, merged, whole
from monitor.queries.registry import ALL, Ask, Moment, Names, Source, query

SCHEMA = pa.schema(
    [
        ("feature", pa.string()),
        ("measure", pa.string()),
        ("bad", pa.int64()),
        ("n", pa.int64()),
        ("bad_before", pa.int64()),
        ("n_before", pa.int64()),
        ("against", pa.string()),
    ]
)
Counted = dict[str, tuple[int, int]]
BAD = {"errors": "outcome <> 'ok'", "wrong": "wrong", "disliked": "disliked"}
assert BAD.keys() | {"canary"} == MEASURES.keys()
LEAST_ROWS = 30
"""Where the reference has fewer described predictions in a part, or at all, something else is compared with."""


@query
def drift_quality(
    ask: Ask,
    *,
    deployment: Deployment,
    source: Source = "production",
    reference: ReferenceId = "",
    start: Moment,
    end: Moment,
    features: Names = ALL,
) -> pa.Table:
    """Bad outcomes of predictions in the part of a feature's values that a window moved to, and of the reference.

    Measures: `errors` (requests), `wrong` (answers that differ from their label), `disliked` (feedback). The feature ''
    stands for the whole window, with `canary` (items of canaries that failed in it) besides. They are compared with
    the same part of the reference (`against` is `same`), with the whole of it where it has hardly any there (`whole`),
    or with the rest of the window (`rest`) where no described predictions of the reference are left.
    """
    from_, to = start.replace(tzinfo=None), end.replace(tzinfo=None)
    one = meant(ask, source, deployment, reference)
    sides = side_by_side(whole(ask, one, from_), merged(cells(ask, one, deployment, from_, to)))
    window = one.window(from_)
    old = _counted(ask, source, one.source_of, window, "true") if window else {}
    kept = bool(old) and old["errors"][1] >= LEAST_ROWS
    rows: list[dict[str, Any]] = []
    if old:
        rows += _rows("", _counted(ask, source, deployment, (from_, to), "true"), old, "same")
    for feature in [name for name in features or sides if name in sides]:
        before, now = sides[feature]
        region = moved_to(before, now)
        if region is None:
            continue
        inside = condition(feature, region, number=isinstance(now, Numeric))
        new = _counted(ask, source, deployment, (from_, to), inside)
        if not kept or window is None:
            rest = _counted(ask, source, deployment, (from_, to), f"not ({inside})")
            rows += _rows(feature, new, rest, "rest")
            continue
        same = _counted(ask, source, one.source_of, window, inside)
        like = same["errors"][1] >= LEAST_ROWS
        rows += _rows(feature, new, same if like else old, "same" if like else "whole")
    if window:
        rows += _canaries(ask, deployment, window, (from_, to))
    return pa.Table.from_pylist(rows, SCHEMA)


def _rows(feature: str, new: Counted, old: Counted, against: str) -> list[dict[str, Any]]:
    names = ("bad", "n", "bad_before", "n_before")
    return [
        {"feature": feature, "measure": measure, "against": against}
        | dict(zip(names, (*new[measure], *old[measure]), strict=True))
        for measure in BAD
    ]


def condition(feature: str, region: Region, *, number: bool) -> str:
    """SQL that is true for described predictions in a region, and never null."""
    if region.missing:
        return f"{column(feature, number=number)} is null"
    if region.names:
        names = ", ".join("'" + name.replace("'", "''") + "'" for name in region.names)
        return f"coalesce({column(feature, number=False)} in ({names}), false)"
    value = column(feature, number=number)
    if region.low is None and region.high is None:
        return f"{value} is not null"
    bounds = [f"{value} > {region.low!r}"] if region.low is not None else []
    bounds += [f"{value} <= {region.high!r}"] if region.high is not None else []
    return f"coalesce({' and '.join(bounds)}, false)"


def _counted(ask: Ask, source: str, deployment: str, window: tuple[Any, Any], inside: str) -> Counted:
    """Bad ones and all for each measure."""
    parts = ", ".join(f"count(*) filter ({bad}), count({bad})" for bad in BAD.values())
    found = ask.con.execute(
        f"""
        select {parts}
        from features
        where source = $source and deployment = $deployment and ts >= $start and ts < $end and {inside}
        """,
        {"source": source, "deployment": deployment, "start": window[0], "end": window[1]},
    ).fetchall()[0]
    return {measure: (found[2 * at], found[2 * at + 1]) for at, measure in enumerate(BAD)}


def _canaries(ask: Ask, deployment: str, before: tuple[Any, Any], now: tuple[Any, Any]) -> list[dict[str, Any]]:
    counts = []
    for window in (now, before):
        counts += ask.con.execute(
            """
            with last as (
                select r.canary, item, arg_max(outcome, s.ts) as outcome
                from canary_results s join canary_runs r using (run)
                where r.deployment = $deployment and r.kind = 'replay' and outcome in ('pass', 'fail')
                    and s.ts >= $start and s.ts < $end
                group by all
            )
            select count(*) filter (outcome = 'fail'), count(*)
            from last
            """,  # each item once: its replays are not independent
            {"deployment": deployment, "start": window[0], "end": window[1]},
        ).fetchall()
    if not (counts[0][1] and counts[1][1]):
        return []
    values = dict(zip(("bad", "n", "bad_before", "n_before"), (*counts[0], *counts[1]), strict=True))
    return [{"feature": "", "measure": "canary", "against": "same"} | values]
