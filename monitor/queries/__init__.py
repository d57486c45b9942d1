"""Every question that Watchpoint answers; importing this package registers them all."""

from monitor.queries import (
    benchmark_best,
    benchmark_comparison,
    benchmark_ranking,
    benchmarks,
    canaries,
    canary_comparison,
    canary_signals,
    fleet,
    health,
    jobs,
    latency,
    operations,
    probe_comparison,
    probes,
    requests,
)
from monitor.queries.registry import QUERIES, Ask, Query, ask, find

__all__ = [
    "QUERIES",
    "Ask",
    "Query",
    "ask",
    "benchmark_best",
    "benchmark_comparison",
    "benchmark_ranking",
    "benchmarks",
    "canaries",
    "canary_comparison",
    "canary_signals",
    "find",
    "fleet",
    "health",
    "jobs",
    "latency",
    "operations",
    "probe_comparison",
    "probes",
    "requests",
]
