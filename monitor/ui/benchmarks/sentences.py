"""What benchmarks show, in sentences for somebody who decides, each claim with its numbers; no Streamlit here but for
safe texts.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from monitor.charts import benchmarkwords as bw
from monitor.charts import words
from monitor.ui import text
from monitor.ui.benchmarks.parts import difference, family, items_of

Row = Mapping[str, Any]

SURE = 0.95
"""From this probability on a checkpoint is said to be the best."""

MOST_NAMES = 4


def best(row: Row) -> str:
    """Who is best of one row of `benchmark_best`, with its probability and what it rests on."""
    name, chance = text.plain(bw.named(row["best"], row["best_step"])), row["chance_of_best"]
    scores = f"It scores {_figure(row, 'best_mean')}{_interval(row)} {_where(row)}."
    others = row["n_checkpoints"] - 1
    against = f"against {bw.counted(int(others), 'other checkpoint')}"
    if not words.known(chance):
        return f"**{name} scores highest**, {against}. {scores} That is too little to say how sure it is."
    if sure(row):
        return f"**{name} is the best**, with a probability of {bw.chance(chance)} {against}. {scores}"
    return (
        f"**Which one is best is open.** {name} stands first, but that it is the best has a probability of only "
        f"{bw.chance(chance)} {against}. {scores}"
    )


def _figure(row: Row, name: str) -> str:
    """A mean: as a percentage where its scale is known."""
    return bw.percent(row[name]) if row["in_shares"] else bw.number(row[name])


def _interval(row: Row) -> str:
    return bw.within(row["best_low"], row["best_high"], 1.0 if row["in_shares"] else None)


def sure(row: Row) -> bool:
    """Whether the best one may be called that: probable, and where it is tested all others are shown to be worse."""
    chance = row["chance_of_best"]
    return words.known(chance) and float(chance) >= SURE and not items_of(row["tied"])


def _where(row: Row) -> str:
    """Over which items; of several benchmarks with their weights."""
    items = bw.counted(int(row["n_items"]), "item")
    parts = [str(one).rpartition(": ") for one in items_of(row["weights"])]
    names = [(text.plain(name), weight) for name, _, weight in parts]
    if not names:
        return f"on {items}"
    if len(names) == 1:
        return f"on {items} of {names[0][0]}"
    if len({weight for _, weight in names}) == 1:
        return f"on {items} of {bw.listed([name for name, _ in names])}, which count alike"
    return f"on {items} of {bw.listed([f'{name} (weight {weight})' for name, weight in names])}"


def last(row: Row) -> str:
    """Whether the best is the last one, and what is shown about that."""
    if not words.known(row["last"]):
        return "Which checkpoint is the last is not known: none has a training step."
    if words.known(row["last_is_best"]) and row["last_is_best"]:
        return "It is also the last one."
    name = text.plain(bw.named(row["last"], row["last_step"]))
    if not words.known(row["last_mean"]):
        return f"**Whether it is better than the last one is not known.** {name} could not be ranked with the others."
    if not words.known(row["last_difference"]):
        return (
            f"**The best is not the last.** {name} scores {_figure(row, 'last_mean')}. That it is the best has a "
            f"probability of {bw.chance(row['chance_of_last'])}."
        )
    said = f"{name}, the last one, {_less(row)}"
    span = bw.span(row["last_low"], row["last_high"], row["in_shares"])
    evidence = f"(95 % interval of the difference {span}, n {_n(row)})"
    if shown(row):
        return f"**The best is not the last.** {said} {evidence}. That is shown."
    alone = _apart(row)
    also = " By itself it would be; among all pairs of checkpoints that are tested it may be chance." if alone else ""
    return f"**That the last one is worse is not shown.** {said} {evidence}.{also}"


def shown(row: Row) -> bool:
    """Whether the last one is shown to differ from the best; by its interval where that was not tested."""
    if words.known(row["last_shown"]):
        return bool(row["last_shown"])
    return _apart(row)


def _apart(row: Row) -> bool:
    """Whether the interval of the last one does not hold "no difference"."""
    low, high = row["last_low"], row["last_high"]
    return words.known(low) and words.known(high) and not float(low) <= 0 <= float(high)


def _less(row: Row) -> str:
    """Of the last one against the best."""
    difference = float(row["last_difference"])
    word = "less" if difference < 0 else "more"
    if not row["in_shares"]:
        return f"scores {bw.number(abs(difference))} {word} than the best one"
    if abs(difference) < 0.0005:
        return "scores as much as the best one"
    return f"scores {abs(difference) * 100:.1f} points {word} than the best one"


def _n(row: Row) -> str:
    return words.count(row["n_items"])


def left_out(overall: Row, single: Sequence[Row]) -> list[str]:
    """What does not count in the overall figure, and on each benchmark, by reason."""
    told = [f"Left out: {reasons}." if (reasons := _reasons(overall)) else ""]
    told += [f"Not ranked on {text.plain(row['benchmark'])}: {_reasons(row)}." for row in single if _reasons(row)]
    return [one for one in told if one]


def _reasons(row: Row) -> str:
    reasons: dict[str, list[str]] = {}
    for one in items_of(row["left_out"]):
        name, _, reason = str(one).partition(": ")
        reasons.setdefault(difference(reason), []).append(text.plain(name))
    return "; ".join(f"{bw.listed(names, 6)} ({text.plain(reason)})" for reason, names in reasons.items())


def first_of(rows: Sequence[Row]) -> str:
    """The top of a ranking of one benchmark, its ties as ties."""
    top = rows[0]
    name = text.plain(bw.named(top["checkpoint"], top["step"]))
    of = bw.share_or_number(top["value"], top["most"]) + bw.within(top["low"], top["high"], top["most"], top["n"])
    if len(rows) == 1:
        return f"{name} is the only checkpoint here: {of}. There is nothing to rank."
    tied = [text.plain(bw.named(row["checkpoint"], row["step"])) for row in rows[1:] if row["tied_with_best"]]
    if not words.known(top["chance_of_best"]) and top["ranked_by"] == "items":
        items = bw.counted(int(top["n_shared"]), "item")
        return f"**{name} scores highest** with {of}, on {items}: too little to say how sure that is."
    if not words.known(top["chance_of_best"]):
        return f"**{name} has the best score**, {of}, but without items or standard errors nothing is shown."
    settled = float(top["chance_of_best"]) >= SURE and not tied
    head = (
        f"**{name} is the best**, with a probability of {bw.chance(top['chance_of_best'])}. It scores {of}."
        if settled
        else f"**Which one is best is open.** {name} stands first with {of}; that it is the best has a probability of "
        f"{bw.chance(top['chance_of_best'])}."
    )
    ties = f" Not shown to be worse: {bw.listed(tied, MOST_NAMES)}." if tied else ""
    return f"{head}{ties}{_last_of(rows)}"


def _last_of(rows: Sequence[Row]) -> str:
    """Where the last checkpoint of the model of the best one stands."""
    of_it = [row for row in rows if family(row) == family(rows[0]) and words.known(row["step"])]
    one = max(of_it, key=lambda row: row["step"], default=None)
    if one is None or len(of_it) < 2 or one is rows[0] or one["tied_with_best"] or not words.known(one["rank_low"]):
        return ""
    name = text.plain(bw.named(one["checkpoint"], one["step"]))
    place = bw.rank(one["rank_low"], one["rank_high"])
    return (
        f" **The best is not the last**: {name} scores {bw.share_or_number(one['value'], one['most'])}"
        f"{bw.within(one['low'], one['high'], one['most'], one['n'])} and is shown to be worse (place {place} of "
        f"{len(rows)})."
    )


def ranked_by(rows: Sequence[Row]) -> str:
    """What a ranking rests on."""
    by = rows[0]["ranked_by"]
    if by == "items":
        n, groups = int(rows[0]["n_shared"]), int(rows[0]["n_groups"])
        grouped = f", which come from {bw.counted(groups, 'group')} such as items that share an image" * (groups < n)
        some = [row for row in rows if row["ranked_by"] == "value"]
        rest = (
            f" {bw.counted(len(some), 'checkpoint has', 'checkpoints have')} none or too few of these and "
            f"{'is' if len(some) == 1 else 'are'} not ranked."
            if some
            else ""
        )
        return (
            f"Ranked on the {bw.counted(n, 'item')} that all of them have{grouped}: all pairs tested "
            f"together, so that the places hold all at once with 95 %.{rest}"
        )
    if by == "errors":
        return "Ranked by intervals alone, as if the evaluations were independent: places are not tested, so all tie."
    return "Neither items nor intervals: the order is that of the scores, and nothing is shown about it."
