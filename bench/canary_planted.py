"""Planted changes: how soon the canaries of a real deployment say that it changed, and that they are silent else.

A worker serves a small checkpoint behind an address, as any model server does. The shipped suite learns it; then it is
replayed unchanged at several levels of concurrency; then what lies behind the address is changed, each change by itself
and after learning anew: another chat template, weights rounded to int8 or to float16, another checkpoint.
"""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from bench.inference_servers import running_worker
from bench.result import Check, Result
from bench.server import ROOT, free_port, running_api
from jobs.canary import canary_job
from jobs.replaying import Asked, Tally
from jobs.running import run_slot
from monitor.config import load_settings
from monitor.doors import OpenDoor, open_door
from monitor.fleet import load_fleet

CHECKPOINTS = ROOT / "monitor" / "demo" / "checkpoints"
SERVED = CHECKPOINTS / "shapes-vlm-step-00600"
SWAPPED = CHECKPOINTS / "shapes-vlm-step-00450"
CONCURRENCY = (1, 8, 32)
MOST = 4
"""Replays after which a change that was not found counts as missed."""

FLEET = """\
[models.shapes]

[checkpoints.served]
model = "shapes"

[deployments.watched]
checkpoint = "served"
url = "http://127.0.0.1:{port}/v1"
served_model = "bench-vlm"
"""
CANARY = """
[canaries.{name}]
suite = "shapes"
deployments = ["watched"]
every = "1h"
"""


def other_template(folder: Path) -> None:
    """The line break behind the role of a message is lost, as happens when a template is copied by hand."""
    path = folder / "chat_template.jinja"
    changed = path.read_text().replace("message['role'] + '\\n'", "message['role'] + ' '")
    if changed == path.read_text():
        raise RuntimeError(f"{path} has no line break behind the role")
    path.write_text(changed)


def int8_weights(folder: Path) -> None:
    """Matrices rounded to 256 levels for each row, as quantisation of weights alone does."""

    def rounded(weight: Any) -> Any:
        if weight.ndim < 2:
            return weight
        scale = weight.abs().amax(dim=-1, keepdim=True).clamp(min=1e-12) / 127
        return (weight / scale).round().clamp(-127, 127) * scale

    _rewrite(folder, rounded)


def float16_weights(folder: Path) -> None:
    """All weights rounded to float16."""
    _rewrite(folder, lambda weight: weight.to(torch.float16).to(torch.float32))


def other_checkpoint(folder: Path) -> None:
    """The weights of an earlier step under the same name."""
    shutil.copyfile(SWAPPED / "model.safetensors", folder / "model.safetensors")


def _rewrite(folder: Path, change: Callable[[Any], Any]) -> None:
    path = folder / "model.safetensors"
    save_file({name: change(weight).contiguous() for name, weight in load_file(path).items()}, path, {"format": "pt"})


CHANGES: dict[str, tuple[str, Callable[[Path], None]]] = {
    "template": ("another chat template", other_template),
    "int8": ("weights rounded to int8", int8_weights),
    "float16": ("weights rounded to float16", float16_weights),
    "swapped": ("another checkpoint behind the same address", other_checkpoint),
}

BARRED = ("template", "int8", "swapped")
"""Changes that must be found. Rounding to float16 moves log probabilities by little more than a batch does: whether it
is found is told, and no bar."""


@dataclass(slots=True)
class Place:
    """A running api with one deployment, and the folder that its server loads."""

    door: OpenDoor
    folder: Path
    port: int
    fleet: Path
    data: Path

    @contextmanager
    def served(self, change: Callable[[Path], None] | None = None) -> Iterator[None]:
        """A server over the checkpoint, changed or not."""
        served = self.folder / "served"
        shutil.rmtree(served, ignore_errors=True)
        shutil.copytree(SERVED, served)
        if change is not None:
            change(served)
        place = self.folder / "server"
        place.mkdir(exist_ok=True)
        with running_worker(served, place, None, self.port):
            yield

    def replay(self, canary: str, in_flight: int) -> list[dict[str, Any]]:
        """One replay; returns the signals after it."""
        settings = load_settings({}, data_dir=str(self.data), fleet_file=str(self.fleet))
        fleet, tallies = load_fleet(self.fleet), list[Tally]()
        job = canary_job(settings, fleet, fleet.canaries[canary], Asked(in_flight=in_flight), tallies)
        state = run_slot(self.door, job, datetime.now(UTC), trigger="command", asked_by="bench")
        if state != "done":
            raise RuntimeError(f"the replay of {canary} ended as {state}: {[tally.words for tally in tallies]}")
        return self.door.query("canary_signals", canary=canary)


def run(quick: bool, folder: Path) -> Result:
    """Rows: replays of the unchanged deployment, then each change with the replay that found it."""
    repeats = 3 if quick else 20
    rows: list[dict[str, Any]] = []
    with TemporaryDirectory() as made, planted_place(Path(made)) as place:
        with place.served():
            rows += [_unchanged(place, in_flight, repeats) for in_flight in CONCURRENCY]
            for name in CHANGES:
                place.replay(name, 4)  # learns, and shows that nothing changed
        for name, (what, change) in CHANGES.items():
            with place.served(change):
                rows.append(_found(place, name, what))
    silent = [row for row in rows if row["change"] == "none"]
    found = [row for row in rows if row["change"] != "none"]
    alarms = sum(row["alarms"] for row in silent)
    barred = [row for row in found if row["change"] in {CHANGES[name][0] for name in BARRED}]
    late = [row["change"] for row in barred if row["found at replay"] is None or row["found at replay"] > 2]
    checks = [
        Check(f"no alarm in {repeats} replays each at 1, 8 and 32 in flight", f"{alarms} alarms", alarms == 0),
        Check(f"{', '.join(BARRED)} found within 2 replays", f"late: {', '.join(late) or 'none'}", not late),
    ]
    return Result(rows, checks)


@contextmanager
def planted_place(folder: Path) -> Iterator[Place]:
    port, fleet = free_port(), folder / "watchpoint.toml"
    canaries = "".join(CANARY.format(name=name) for name in ("unchanged", *CHANGES))
    fleet.write_text(FLEET.format(port=port) + canaries)
    with running_api(folder / "data") as api:
        settings = load_settings({}, data_dir=str(folder / "data"), fleet_file=str(fleet), api_port=api.port)
        with open_door(settings, may_own=False) as door:
            yield Place(door, folder, port, fleet, folder / "data")


def _unchanged(place: Place, in_flight: int, repeats: int) -> dict[str, Any]:
    began, alarms, warnings, strongest = time.monotonic(), 0, 0, 0.0
    for _ in range(repeats):
        told = place.replay("unchanged", in_flight)
        alarms += any(row["state"] == "alert" for row in told)
        warnings += any(row["state"] == "warn" for row in told)
        strongest = max(strongest, *(row["log_e"] for row in told))
    return _row("none", in_flight, repeats, alarms, warnings, None, strongest, None, "", time.monotonic() - began)


def _found(place: Place, name: str, what: str) -> dict[str, Any]:
    began = time.monotonic()
    at, told = None, list[dict[str, Any]]()
    for n in range(1, MOST + 1):
        told = place.replay(name, 4)
        if any(row["state"] == "alert" for row in told):
            at = n
            break
    whole = {row["channel"]: row for row in told if row["tag"] == ""}
    alarms = sum(row["state"] == "alert" for row in told)
    alarmed = ", ".join(sorted({row["channel"] for row in told if row["state"] == "alert"}))
    strongest = max(row["log_e"] for row in told)
    moved = whole["behaviour"]["effect"]
    return _row(what, 4, at or MOST, alarms, 0, at, strongest, moved, alarmed, time.monotonic() - began)


def _row(
    change: str,
    in_flight: int,
    replays: int,
    alarms: int,
    warnings: int,
    at: int | None,
    log_e: float,
    moved: float | None,
    channels: str,
    seconds: float,
) -> dict[str, Any]:
    return {
        "change": change,
        "in flight": in_flight,
        "replays": replays,
        "alarms": alarms,
        "warnings": warnings,
        "found at replay": at,
        "channels": channels,
        "items that answer otherwise": moved,
        "largest log e": log_e,
        "seconds": seconds,
    }
