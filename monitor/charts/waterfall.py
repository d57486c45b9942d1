"""Where the time of one request went: waiting, reading the prompt, writing the answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from monitor.charts import words
from monitor.charts.marks import Option


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
