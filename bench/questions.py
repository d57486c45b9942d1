"""What the dashboard benchmark asks: typical parameters for every registered query, over the last 24 hours."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from monitor.queries import QUERIES

DAY = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Question:
    """One query with its parameters.

    `window`: give it start and end of the last 24 h. `scans`: it reads raw rows as far as it must, so that the bars of
    the dashboard do not hold for it; it is shown all the same.
    """

    query: str
    case: str = ""
    params: tuple[tuple[str, Any], ...] = ()
    window: bool = True
    scans: bool = False

    @property
    def name(self) -> str:
        return f"{self.query} {self.case}".strip()

    def values(self, end: datetime, sample: dict[str, Any]) -> dict[str, Any]:
        """Its parameters for a store that ends at `end`; `$name` is replaced by that field of a sample request."""
        given = {key: sample[value[1:]] if str(value).startswith("$") else value for key, value in self.params}
        window = {"start": (end - DAY).isoformat(), "end": end.isoformat()} if self.window else {}
        return window | given


QUESTIONS = (
    Question("fleet", window=False),
    Question("deployments", window=False),
    Question("state_timeline"),
    Question("golden_signals", "all together", (("by", "all"),)),
    Question("golden_signals", "one deployment", (("keys", ["chat-eu-1"]),)),
    Question("golden_signals", "36 deployments", (("by", "deployment"),)),
    Question("golden_signals", "per minute, one", (("keys", ["chat-eu-1"]), ("resolution_s", 60))),
    Question("golden_signals", "by checkpoint", (("by", "checkpoint"),)),
    Question("reference_band", "one deployment", (("keys", ["chat-eu-1"]),)),
    Question("reference_band", "36 deployments"),
    Question("errors_over_time"),
    Question("top_errors"),
    Question("deploy_markers"),
    Question("latency_distribution", "one deployment", (("keys", ["chat-eu-1"]),)),
    Question("latency_distribution", "36 deployments"),
    Question("latency_quantiles", "36 deployments"),
    Question("latency_quantiles", "by model", (("by", "model"),)),
    Question("compare", "", (("a", "chat-eu-1"), ("b", "chat-us-1"))),
    Question("requests", "newest"),
    Question("requests", "newest, one deployment", (("deployments", ["chat-eu-1"]),)),
    Question("requests", "newest failed", (("status", "error"),)),
    Question("requests", "slowest", (("sort", "slowest"),)),
    Question("requests", "slower than 3 s", (("min_latency_ms", 3000),)),
    Question("requests", "text, a common word", (("text", "brior"),)),
    Question("requests", "text, not there", (("text", "xyzzy"),), scans=True),
    Question("requests", "by session", (("session_id", "$session_id"),), scans=True),
    Question("request", "with its time", (("event_id", "$event_id"), ("ts", "$ts")), window=False),
    Question("request", "without its time", (("event_id", "$event_id"),), window=False, scans=True),
    Question("rejects"),
    Question("reject_reasons"),
    Question("ingest_status", window=False),
    Question("probe_targets", window=False),
    Question("probe_runs", window=False),
)

OF_ONE_RUN = {"probe_run", "probe_items", "probe_comparison"}
"""These read the minutes of one run of a probe, however large the store is; the stores here hold no runs."""

OF_JOBS = ("canary_", "benchmark", "job")
"""Queries on tables of their own, which do not grow with the log; `bench.canary_queries` and
`bench.benchmark_queries` take them."""


def check_complete() -> None:
    """Every registered query is asked. Raises LookupError with those that are not."""
    asked = {question.query for question in QUESTIONS} | OF_ONE_RUN
    if missing := {name for name in QUERIES.keys() - asked if not name.startswith(OF_JOBS)}:
        raise LookupError(f"bench/questions.py has no parameters for {', '.join(sorted(missing))}: add a line for each")
