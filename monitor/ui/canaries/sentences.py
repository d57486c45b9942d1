"""What canaries say, in sentences that an engineer understands at night; no Streamlit here but for safe texts."""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from monitor.charts import words
from monitor.ui import text

Row = Mapping[str, Any]

CHANNELS = {"quality": "Quality", "behaviour": "Behaviour", "latency": "Speed"}
HELD = {"quality": "quality held", "behaviour": "the answers are as before", "latency": "it is as fast as before"}
SAME = {"quality": "passes as often as before", "behaviour": "answers as before", "latency": "is as fast as before"}
ALARMS = ("alert", "warn")
LEAST_REFERENCE = 6
MOST_TAGS = 3
NUMBERS = ((1e12, "trillion"), (1e9, "billion"), (1e6, "million"))
MOST_CHANCE = 1e15


def state_of(row: Row) -> str:
    """The state of a canary on a deployment, a run that was not finished among them: then nobody knows."""
    return "warn" if row["state"] == "ok" and row["run_state"] in ("failed", "interrupted") else str(row["state"])


def in_words(row: Row, signals: Sequence[Row], now: datetime, utc: bool) -> str:
    """What is up with a canary on a deployment, as Markdown: what changed since when, or that nothing did."""
    if not words.known(row["run"]):
        where = "The scheduler runs it at its next slot." if row["planned"] else "It is not in the fleet file any more."
        return f"It never ran here. {where}"
    parts = []
    if row["run_state"] == "running":
        done = sum(int(row[name]) for name in ("passed", "failed", "errors"))
        parts.append(f"Running now: {words.count(done)} of {words.count(row['total'])} items answered.")
    elif row["run_state"] != "done":
        problem = text.plain(row["problem"]) if words.known(row["problem"]) else "its process ended"
        parts.append(f"**The newest run was not finished**: {problem.rstrip('.')}.")
    if waits(row):
        parts.append("Its new baseline is learned by the next run.")
    parts.append(changed(signals, now, utc))
    return " ".join(parts)


def waits(row: Row) -> bool:
    """Whether a baseline was accepted that no run has learned yet."""
    accepted, learned = row["accepted_at"], row["learned_at"]
    return words.known(accepted) and not (words.known(learned) and learned >= accepted)


def changed(signals: Sequence[Row], now: datetime, utc: bool) -> str:
    """The signals of one deployment as a sentence: those of the whole suite, or of tags where only these changed."""
    by_channel = {str(one["channel"]): one for one in signals if not one["tag"]}
    whole = {name: by_channel[name] for name in CHANNELS if name in by_channel}
    alarms = [one for one in whole.values() if one["state"] in ALARMS]
    if alarms:
        held = [HELD[name] for name, one in whole.items() if one["state"] == "ok"]
        return _sentence(alarms, f"; {_listed(held)}" if held else "", now, utc)
    tags = [one for one in signals if one["tag"] and one["state"] in ALARMS]
    if tags:
        more = len(tags) - MOST_TAGS
        return _sentence(tags[:MOST_TAGS], f"; and {more} more tags" if more > 0 else "", now, utc)
    known = [one for one in whole.values() if one["state"] == "ok"]
    if not known:
        return _not_judged(list(whole.values()))
    n = max(int(one["n_recent"]) for one in known)
    said = _listed([SAME[str(one["channel"])] for one in known])
    open_ = [CHANNELS[name].lower() for name, one in whole.items() if one["state"] == "no_data"]
    rest = f" Not judged yet, for too few replays: {_listed(open_)}." if open_ else ""
    return f"{said[:1].upper()}{said[1:]}: nothing beyond its learned noise in {_replays(n)}.{rest}"


def _not_judged(whole: Sequence[Row]) -> str:
    if not whole:
        return "No run of it has been judged yet."
    n = max(int(one["n_reference"]) for one in whole)
    if n < LEAST_REFERENCE:
        return f"Too little was learned to tell a change from noise: {n} of at least {LEAST_REFERENCE} replays."
    return "No replay since it was learned, so there is nothing to compare yet."


def _sentence(alarms: Sequence[Row], rest: str, now: datetime, utc: bool) -> str:
    said = "; ".join(effect(one, now, utc) for one in alarms)
    if all(one["state"] == "warn" for one in alarms):
        return f"May have changed, the next run shows whether it did: **{said}**{rest}."
    return f"**{said[:1].upper()}{said[1:]}**{rest}."


def effect(one: Row, now: datetime, utc: bool) -> str:
    """One signal: what changed, by how much, since when, over how many items."""
    where = f" in tag {text.plain(one['tag'])}" if one["tag"] else ""
    since = f" since {clock(one['since_at'], now, utc)}" if words.known(one["since_at"]) else ""
    return f"{_what(one)}{where}{since}{_how_much(one)}"


def _what(one: Row) -> str:
    return {
        "quality": "passes fewer items",
        "behaviour": "answers otherwise than before",
        "latency": "is slower than before",
    }[str(one["channel"])]


def _how_much(one: Row) -> str:
    value, n = one["effect"], int(one["n_items"])
    if not words.known(value):
        return ""
    if one["channel"] == "behaviour":
        return f" ({_items(float(value), n)})"
    if one["channel"] == "quality":
        return f" ({amount(one)}, n {n})"
    return f" ({amount(one)})"


def _items(share: float, n: int) -> str:
    """How many items: 12 of 60; as a share where not all of them were answered, for that is what it is a share of."""
    whole = round(share * n)
    return f"{whole} of {n} items" if abs(share * n - whole) < 0.01 else f"{words.share(share)} of the items answered"


def amount(one: Row) -> str:
    """The size of a change: -12 points, 20 % of the items, 1.4 times as long."""
    if not words.known(one["effect"]):
        return words.UNKNOWN
    value = float(one["effect"])
    if one["channel"] == "quality":
        return f"{value * 100:+.1f} points"
    return f"{words.share(value)} of the items" if one["channel"] == "behaviour" else f"{value:.2f} times as long"


def chance(log_e: Any) -> str:
    """An e-value as the chance that evidence this strong comes from nothing: 1 in 10 million looks.

    Under "nothing has changed" an e-value of c or more comes in at most one of c looks, so c is rounded down.
    """
    if not words.known(log_e) or float(log_e) < math.log(2):
        return "none"
    if float(log_e) > math.log(MOST_CHANCE):
        return "less than 1 in 1,000 trillion"
    value = math.exp(float(log_e)) * (1 + 1e-12)
    lead = 10 ** math.floor(math.log10(value))
    rounded = value // lead * lead
    for least, name in NUMBERS:
        if rounded >= least:
            return f"1 in {rounded / least:,.0f} {name}"
    return f"1 in {rounded:,.0f}"


def evidence_of(one: Row) -> float:
    """The e-value, as a logarithm, that the state of a signal rests on."""
    return float(one["log_e_confirmed"] if one["state"] == "alert" else one["log_e"])


def proof(one: Row) -> str:
    """The evidence behind a signal in a sentence."""
    found = chance(evidence_of(one))
    behind = f"{_replays(int(one['n_recent']))} against {words.count(one['n_reference'])} learned ones"
    if found == "none":
        return f"No evidence, from {behind}."
    most = "" if found.startswith("less") else "at most "
    return f"If nothing had changed, chance alone would get this far in {most}{found} looks; from {behind}."


def clock(moment: datetime, now: datetime, utc: bool) -> str:
    """A time as short as it can be: 14:20, and with its day where that is not today."""
    zone = text.zone(utc)
    there, today = moment.astimezone(zone), now.astimezone(zone)
    return f"{there:%H:%M}" if there.date() == today.date() else f"{there:%Y-%m-%d %H:%M}"


def passed(row: Row, low: float, high: float) -> str:
    """The pass rate of the newest run with its interval and n."""
    n = int(row["passed"]) + int(row["failed"]) if words.known(row["passed"]) else 0
    return words.with_evidence(row["passed"] / n if n else None, low, high, n, "share")


def flips(bad: Any, good: Any) -> str:
    """How many items changed between the last two runs."""
    said = [f"{int(bad)} began to fail" if bad else "", f"{int(good)} began to pass" if good else ""]
    return ", ".join(filter(None, said)) or "none"


def _listed(parts: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))


def _replays(n: int) -> str:
    return "the newest replay" if n == 1 else f"the newest {words.count(n)} replays"
