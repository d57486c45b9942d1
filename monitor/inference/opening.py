"""What takes long and needs torch: choosing the device, loading a checkpoint, putting it away.

Every function blocks and is called by the pool, in the one thread that loads. Torch is imported by the first call, so
that a worker without work stays small.
"""

import gc
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from monitor.config import Settings
from monitor.errors import CheckpointError
from monitor.inference import memory
from monitor.inference.folders import weights_files, weights_folder
from monitor.inference.slot import Ready
from monitor.records import Checkpoint

if TYPE_CHECKING:  # torch comes with these
    from monitor.inference.checkpoint import Loaded

log = structlog.get_logger(__name__)

ROWS = {"cpu": 32, "cuda": 64}
"""Most rows in one batch, by device: twice as many add 6 % on a CPU."""


@dataclass(frozen=True, slots=True)
class Device:
    """Where checkpoints run, and the bytes that their weights may take there."""

    kind: str  # cpu or cuda
    budget: int
    threads: int


def find_device(settings: Settings, free: int) -> Device:
    """Import torch, set its threads, choose the device. `free` is the memory of the machine when the worker started."""
    began = time.perf_counter()
    import torch  # noqa: PLC0415 (see above)

    from monitor.inference.checkpoint import choose_device  # noqa: PLC0415

    threads = arithmetic_threads(settings.worker_threads, memory.cores())
    torch.set_num_threads(threads)
    kind = choose_device(settings.worker_device)
    if kind == "cuda":
        free = torch.cuda.mem_get_info()[0]
    budget = memory.budget(settings.worker_memory_bytes, free)
    seconds = round(time.perf_counter() - began, 2)
    log.info("torch is there", device=kind, threads=threads, memory_for_weights=budget, seconds=seconds)
    return Device(kind, budget, threads)


def arithmetic_threads(setting: int, cores: int) -> int:
    """0: one on up to four cores, else a quarter of them. More threads wait for each other more than they help."""
    return setting or max(1, cores // 4)


def measure(checkpoint: Checkpoint, fleet_path: str | None, device: Device) -> tuple[Path, int]:
    """The folder, checked to be whole, and the bytes that it takes in memory. Raises CheckpointError."""
    folder = weights_folder(checkpoint, fleet_path)
    needed = memory.needed_bytes(weights_files(folder), half=device.kind == "cuda")
    if needed > device.budget:
        raise CheckpointError(
            f"{checkpoint.id} needs {mib(needed)} of memory for its weights, and all weights together may take "
            f"{mib(device.budget)} (WATCHPOINT_WORKER_MEMORY_BYTES): it can never fit; allow more, if there is more"
        )
    return folder, needed


def load(checkpoint: Checkpoint, folder: Path, device: Device) -> "Loaded":
    """Load the weights. Raises CheckpointError."""
    from monitor.inference.checkpoint import load_checkpoint  # noqa: PLC0415

    return load_checkpoint(checkpoint, folder, device.kind)


def start(loaded: "Loaded", settings: Settings, device: Device) -> Ready:
    """Start and warm up an engine."""
    from monitor.inference.engine import Engine, EngineOptions  # noqa: PLC0415

    rows = settings.worker_batch or ROWS[device.kind]
    engine = Engine(loaded, EngineOptions(rows, settings.worker_queue, settings.worker_wait_ms))
    engine.start()
    try:
        engine.warm_up()
    except BaseException:
        engine.stop()
        raise
    return Ready(loaded, engine)


def put_away(box: list[Ready], device: Device | None) -> None:
    """Stop the engine in the box and empty the box: with its last reference the memory of the model is given back."""
    box.pop().engine.stop()
    gc.collect()
    if device is not None and device.kind == "cuda":
        import torch  # noqa: PLC0415

        torch.cuda.empty_cache()


def mib(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"
