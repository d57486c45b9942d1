"""Our own Prometheus metrics: outcomes at the door, depth of the spool, lag of the loader, time of queries."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from monitor.probe.service import Probes
from monitor.store.owner import StoreOwner

DOOR_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
QUERY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """The registry of one `api` process."""

    def __init__(self, owner: StoreOwner, probes: Probes) -> None:
        self.registry = CollectorRegistry()
        self.predictions = Counter(
            "watchpoint_predictions", "Predictions at the door by outcome", ["outcome"], registry=self.registry
        )
        self.requests = Counter(
            "watchpoint_ingest_requests", "Bodies at the door by HTTP status", ["status"], registry=self.registry
        )
        self.door_seconds = Histogram(
            "watchpoint_ingest_seconds",
            "Time from the body to its answer",
            buckets=DOOR_BUCKETS,
            registry=self.registry,
        )
        self.query_seconds = Histogram(
            "watchpoint_query_seconds", "Time of a query", ["query"], buckets=QUERY_BUCKETS, registry=self.registry
        )
        self.registry.register(_OwnerFigures(owner))
        self.registry.register(_ProbeFigures(probes))

    def text(self) -> bytes:
        return generate_latest(self.registry)


class _OwnerFigures(Collector):
    """Figures read from the owner at the moment of the scrape."""

    def __init__(self, owner: StoreOwner) -> None:
        self._owner = owner

    def collect(self) -> Iterator[Metric]:
        for name, value in self._owner.figures().items():
            yield GaugeMetricFamily(f"watchpoint_{name}", _HELP.get(name, name), value=value)

    def describe(self) -> Iterator[Metric]:
        return iter(())


class _ProbeFigures(Collector):
    """Runs and answers of probes, read at the moment of the scrape."""

    def __init__(self, probes: Probes) -> None:
        self._probes = probes

    def collect(self) -> Iterator[Metric]:
        running = GaugeMetricFamily("watchpoint_probes_running", "Probe runs that are under way", labels=["kind"])
        for kind, n in self._probes.running.items():
            running.add_metric([kind], n)
        ended = CounterMetricFamily("watchpoint_probe_runs", "Probe runs that ended", labels=["kind", "state"])
        for labels, n in self._probes.tools.runs.items():
            ended.add_metric(labels, n)
        answers = CounterMetricFamily(
            "watchpoint_probe_answers", "Questions of probes by outcome: ok, or the error", labels=["kind", "outcome"]
        )
        for labels, n in self._probes.tools.answers.items():
            answers.add_metric(labels, n)
        yield from (running, ended, answers)

    def describe(self) -> Iterator[Metric]:
        return iter(())


_HELP = {
    "spool_bytes": "Bytes acknowledged and not yet loaded",
    "spool_segments": "Sealed segments that wait for the loader",
    "pending_bytes": "Bytes that wait for the disk",
    "loader_lag_seconds": "Age of the oldest segment that is not loaded",
    "loaded_rows": "Predictions loaded since the start of the process",
    "store_bytes": "Size of the DuckDB file and its write-ahead log",
    "disk_free_bytes": "Free bytes on the disk of the data folder",
    "loader_failing": "1 while the store cannot be written",
}
