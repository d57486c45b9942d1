"""Where the time of one request, or of several replies, went: waiting, reading the prompt, writing the answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from monitor.charts import words
from monitor.charts.marks import Option
from monitor.charts.timeseries import legend

SERVER_PARTS = {"queue_ms": "queue", "preprocess_ms": "preprocess", "prefill_ms": "prefill", "decode_ms": "decode"}
"""What a server reports itself, in the order in which it happens."""

REST = "the rest"
"""What the caller waited for and the server does not name: the way there and back, other work of the server."""


@dataclass(frozen=True, slots=True)
class Phase:
    """One part of a request, in milliseconds from its start."""

    name: str
    start_ms: float
    end_ms: float

    @property
    def length_ms(self) -> float:
        return self.end_ms - self.start_ms


def phases(request: Mapping[str, Any]) -> list[Phase]:
    """The parts of a request that its times tell: queue, prefill to the first token, decode to the end.

    What was not logged is not guessed: without a time to first token, prefill and decode are one part.
    """
    latency, ttft, queue = (_number(request.get(name)) for name in ("latency_ms", "ttft_ms", "queue_ms"))
    found: list[Phase] = []
    at = 0.0
    if queue is not None:
        found.append(Phase("queue", at, queue))
        at = queue
    if ttft is not None and ttft >= at:
        found.append(Phase("prefill", at, ttft))
        at = ttft
    if latency is not None and latency >= at:
        found.append(Phase("decode" if ttft is not None else "prefill and decode", at, latency))
    return found


def reply_phases(timings: Mapping[str, Any]) -> list[Phase]:
    """The parts of a reply from its timings (`chat.Timings` as a mapping), up to `total_ms`.

    What the server reports comes first and REST last. A server that reports no more than a queue is told apart by the
    first token, as a logged request is.
    """
    known = {name: _number(timings.get(key)) for key, name in SERVER_PARTS.items()}
    total = _number(timings.get("total_ms"))
    if all(known[name] is None for name in ("preprocess", "prefill", "decode")):
        return phases({"latency_ms": total, "ttft_ms": timings.get("ttft_ms"), "queue_ms": timings.get("queue_ms")})
    found: list[Phase] = []
    at = 0.0
    for name, length in known.items():
        if length is not None:
            found.append(Phase(name, at, at + length))
            at += length
    return [*found, Phase(REST, at, total)] if total is not None and total > at else found


def replies_waterfall(replies: Mapping[str, list[Phase]]) -> Option:
    """One bar per reply on one axis of time, cut into its parts; parts differ by pattern as well as by colour."""
    names = list(dict.fromkeys(part.name for parts in replies.values() for part in parts))
    return {
        "animation": False,
        "aria": {"enabled": True, "label": {"enabled": False}, "decal": {"show": True}},
        "grid": {"left": 8, "right": 24, "top": 34, "bottom": 4, "containLabel": True},
        "legend": legend(names) | {"show": True},
        "xAxis": {"type": "value", "min": 0, "axisLabel": {"formatter": "{value} ms"}},
        "yAxis": {"type": "category", "data": list(replies), "inverse": True, "axisTick": {"show": False}},
        "tooltip": {"trigger": "item", "confine": True, "formatter": "{a}: {c} ms"},
        "series": [
            {
                "type": "bar",
                "name": name,
                "stack": "time",
                "barMaxWidth": 22,
                "data": [_length(parts, name) for parts in replies.values()],
            }
            for name in names
        ],
    }


def in_words(parts: list[Phase]) -> str:
    """The parts as text: queue 2.0 ms, prefill 81 ms."""
    return ", ".join(f"{part.name} {words.milliseconds(part.length_ms)}" for part in parts)


def request_waterfall(parts: list[Phase]) -> Option:
    """Each part as a bar that begins where the one before it ended."""
    bar: Option = {"type": "bar", "stack": "time"}
    names = [f"{part.name}, {words.milliseconds(part.length_ms)}" for part in parts]
    return {
        "animation": False,
        "grid": {"left": 8, "right": 24, "top": 4, "bottom": 4, "containLabel": True},
        "xAxis": {"type": "value", "min": 0, "axisLabel": {"formatter": "{value} ms"}},
        "yAxis": {"type": "category", "data": names, "inverse": True, "axisTick": {"show": False}},
        "tooltip": {"show": False},
        "series": [
            bar | {"silent": True, "itemStyle": {"opacity": 0}, "data": [part.start_ms for part in parts]},
            bar | {"colorBy": "data", "barMaxWidth": 22, "data": [part.length_ms for part in parts]},
        ],
    }


def _number(value: Any) -> float | None:
    return float(value) if words.known(value) else None


def _length(parts: list[Phase], name: str) -> float | None:
    return next((round(part.length_ms, 2) for part in parts if part.name == name), None)
