"""The figures of one step of load."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from monitor.probe.outcome import Outcome
from monitor.stats.histogram import order_statistic_ranks


@dataclass(frozen=True, slots=True)
class Shot:
    """One question under load; times in seconds of the event loop."""

    began: float
    ended: float
    outcome: Outcome


def figures(shots: Sequence[Shot], first: float, last: float) -> dict[str, Any]:
    """What was measured between two times (seconds of the event loop); None is what too few answers do not tell.

    `n` and `failed` are of the questions that were asked in between, latencies (milliseconds) of those among them that
    were answered; `per_s` and `tokens_per_s` are of the answers that came in between. Intervals are distribution-free.
    """
    seconds = last - first
    asked = [shot for shot in shots if shot.began >= first]
    came = [shot.outcome.reply for shot in shots if first <= shot.ended <= last and shot.outcome.reply]
    replies = [shot.outcome.reply for shot in asked if shot.outcome.reply]
    latencies = sorted(reply.timings.total_ms for reply in replies)
    ttfts = sorted(reply.timings.ttft_ms for reply in replies if reply.timings.ttft_ms is not None)
    tokens = [reply.tokens_out for reply in came if reply.tokens_out is not None]
    p50_low, p50_high = _interval(latencies, 0.5)
    p95_low, p95_high = _interval(latencies, 0.95)
    return {
        "n": len(asked),
        "failed": len(asked) - len(replies),
        "answers": len(came),
        "seconds": round(seconds, 3),
        "per_s": len(came) / seconds,
        "tokens_per_s": sum(tokens) / seconds if tokens else None,
        "p50_ms": _quantile(latencies, 0.5),
        "p50_low": p50_low,
        "p50_high": p50_high,
        "p95_ms": _quantile(latencies, 0.95),
        "p95_low": p95_low,
        "p95_high": p95_high,
        "ttft_p50_ms": _quantile(ttfts, 0.5),
        "ttft_p95_ms": _quantile(ttfts, 0.95),
    }


def _quantile(values: Sequence[float], q: float) -> float | None:
    return float(np.quantile(values, q)) if values else None


def _interval(values: Sequence[float], q: float) -> tuple[float | None, float | None]:
    """Both ends by order statistics; None where too few values give no bound."""
    if not values:
        return None, None
    low, high = order_statistic_ranks(len(values), q)
    return (None if low is None else values[low - 1]), (None if high is None else values[high - 1])
