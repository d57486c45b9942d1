"""The part of `bench.inference` over HTTP: our worker beside a real `transformers serve`, asked by the same client."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from bench.inference_load import Load, bodies, closed_loop
from bench.inference_parts import Part, line
from bench.inference_requests import Asked, mixed
from bench.inference_runs import Ratio
from bench.inference_servers import Server, first_answer, running_serve, running_worker
from bench.result import Check

BAR, BAR_CLIENTS = 3.0, 16
CLIENTS = (1, 4, BAR_CLIENTS)


def over_http(folder: Path, requests: int, rounds: int) -> Part:
    """Both servers run all the while, on the same core; the client has the other one. They are asked in turn."""
    asked = mixed(requests, seed=11)
    core = min(os.sched_getaffinity(0)) if len(os.sched_getaffinity(0)) > 1 else None
    with tempfile.TemporaryDirectory(prefix="watchpoint-bench-") as made:
        places = [Path(made) / "ours", Path(made) / "theirs"]
        for place in places:
            place.mkdir()
        with running_worker(folder, places[0], core) as ours, running_serve(folder, places[1], core) as theirs:
            loads = _turns([ours, theirs], asked, rounds)
            peaks = {server.name: server.peak_mib() for server in (ours, theirs)}
    rows = [
        _line(name, clients, found, asked, peaks[name]) for clients in CLIENTS for name, found in loads[clients].items()
    ]
    ratios = {clients: _ratio(*loads[clients].values()) for clients in CLIENTS}
    failures = [
        failure for cell in loads.values() for found in cell.values() for load in found for failure in load.failures
    ]
    checks = [
        Check(
            f"worker against transformers serve, {BAR_CLIENTS} clients: at least {BAR:g} times the requests/s",
            str(ratios[BAR_CLIENTS]),
            ratios[BAR_CLIENTS].median >= BAR,
        ),
        Check("no request fails over HTTP", "; ".join(failures[:3]) or "none", not failures),
    ]
    figures: dict[str, Any] = {
        "worker / transformers serve, by clients": {clients: str(ratio) for clients, ratio in ratios.items()},
        "answers equal over HTTP": _equal(loads[BAR_CLIENTS]),
        "servers share one core": core is not None,
    }
    return Part(rows, checks, figures)


Cells = dict[int, dict[str, list[Load]]]


def _turns(servers: Sequence[Server], asked: Sequence[Asked], rounds: int) -> Cells:
    """The loads of each server by number of clients; who begins alternates."""
    requests = {server.name: bodies(asked, server.model) for server in servers}
    cells: Cells = {clients: {server.name: [] for server in servers} for clients in CLIENTS}
    for server in servers:
        first_answer(server, requests[server.name][0])
        closed_loop(server, requests[server.name][:48], BAR_CLIENTS)  # warm up
    for number in range(rounds):
        for clients in CLIENTS:
            for server in servers if number % 2 == 0 else servers[::-1]:
                cells[clients][server.name].append(closed_loop(server, requests[server.name], clients))
    return cells


def _ratio(ours: Sequence[Load], theirs: Sequence[Load]) -> Ratio:
    found = [a.per_s / b.per_s for a, b in zip(ours, theirs, strict=True)]
    return Ratio(median(found), min(found), max(found))


def _line(name: str, clients: int, loads: Sequence[Load], asked: Sequence[Asked], peak: float) -> dict[str, Any]:
    per_s = median(load.per_s for load in loads)
    figures = {
        "requests/s": per_s,
        "images/s": per_s * sum(one.images for one in asked) / len(asked),
        "p50 ms": median(load.ms(0.5) for load in loads),
        "p95 ms": median(load.ms(0.95) for load in loads),
        "peak MiB": peak,
    }
    return line(f"HTTP, {clients} client{'s' * (clients > 1)}", name, **figures)


def _equal(found: dict[str, list[Load]]) -> str:
    ours, theirs = (loads[-1].texts for loads in found.values())
    both = ours.keys() & theirs.keys()
    return f"{sum(ours[i].strip() == theirs[i].strip() for i in both)} of {len(both)}"
