"""Every question that Watchpoint answers; importing this package registers them all."""

from monitor.queries import fleet, health, latency, operations, probe_comparison, probes, requests
from monitor.queries.registry import QUERIES, Ask, Query, ask, find

__all__ = [
    "QUERIES",
    "Ask",
    "Query",
    "ask",
    "find",
    "fleet",
    "health",
    "latency",
    "operations",
    "probe_comparison",
    "probes",
    "requests",
]
