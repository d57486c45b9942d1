"""Metrics that are read at the moment of the scrape: what the engines count, the checkpoints, memory, GPUs."""

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from monitor.inference.gpu import Gpu, Gpus
from monitor.inference.outcome import Figures
from monitor.inference.pool import Pool
from monitor.inference.slot import STATES, Slot

PREFIX = "watchpoint_worker_"


@dataclass(frozen=True, slots=True)
class Line:
    """A figure of an engine as a metric."""

    name: str
    read: Callable[[Figures], float]
    help: str
    counts: bool = False


LINES = (
    Line("queue_depth", lambda f: f.waiting, "Requests that wait in the engine"),
    Line("queue_bytes", lambda f: f.waiting_bytes, "Bytes of the tensors that wait"),
    Line("active_rows", lambda f: f.active, "Rows in the batch"),
    Line("batch_cap", lambda f: f.cap, "Most rows that a batch may have now; lower after running out of memory"),
    Line("batch_fitted", lambda f: f.fitted_rows, "Largest batch that ran"),
    Line("cache_bytes", lambda f: f.cache_bytes, "Bytes of keys and values of the running rows"),
    Line("padding_waste", lambda f: f.padding_waste, "Share of the tokens of all prefills that were padding, 0 to 1"),
    Line("mean_rows", lambda f: f.mean_rows, "Rows of a decoding step in the mean, since the checkpoint was loaded"),
    Line("generated_tokens", lambda f: f.tokens_out, "Tokens generated, those of cancelled rows included", counts=True),
    Line("prompt_tokens", lambda f: f.prompt_tokens, "Tokens of prompts, without padding", counts=True),
    Line("padded_tokens", lambda f: f.padded_tokens, "Padding in prefills", counts=True),
    Line("images", lambda f: f.images, "Images that were looked at", counts=True),
    Line("prefills", lambda f: f.prefills, "Prefills", counts=True),
    Line("steps", lambda f: f.steps, "Decoding steps", counts=True),
    Line("row_steps", lambda f: f.row_steps, "Rows added up over the decoding steps", counts=True),
    Line("out_of_memory", lambda f: f.out_of_memory, "Times that the memory of the device was not enough", counts=True),
    Line("restarted_rows", lambda f: f.restarted, "Rows computed again after their batch failed", counts=True),
    Line("prefill_seconds", lambda f: f.prefill_s, "Time in prefills", counts=True),
    Line("decode_seconds", lambda f: f.decode_s, "Time in decoding steps", counts=True),
)

GPU_LINES: tuple[tuple[str, Callable[[Gpu], float | None], str], ...] = (
    ("gpu_use", lambda gpu: gpu.use, "Share of the last moments in which the GPU worked, 0 to 1"),
    ("gpu_memory_used_bytes", lambda gpu: gpu.memory_used_bytes, "Memory of the GPU in use, by any process"),
    ("gpu_memory_total_bytes", lambda gpu: gpu.memory_total_bytes, "Memory of the GPU"),
    ("gpu_temperature_celsius", lambda gpu: gpu.temperature_c, "Temperature of the GPU"),
    ("gpu_power_watts", lambda gpu: gpu.power_w, "Power that the GPU draws"),
)

SLOT_LINES: tuple[tuple[str, Callable[[Slot], float], str], ...] = (
    ("checkpoint_bytes", lambda slot: slot.bytes, "Memory of the weights"),
    ("checkpoint_users", lambda slot: slot.users, "Requests that use it or wait for it"),
    ("checkpoint_load_seconds", lambda slot: slot.load_s, "What its last load took, warming up included"),
)


class Engines(Collector):
    """What the engines count. Counters go on where they were when a checkpoint is put away and loaded again."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def collect(self) -> Iterator[Metric]:
        now = self._pool.figures()
        for line in LINES:
            kind = CounterMetricFamily if line.counts else GaugeMetricFamily
            family = kind(PREFIX + line.name, line.help, labels=["checkpoint"])
            for checkpoint, (figures, before) in now.items():
                if figures is not None or line.counts:
                    family.add_metric([checkpoint], _value(line, figures, before))
            yield family

    def describe(self) -> Iterator[Metric]:
        return iter(())


def _value(line: Line, figures: Figures | None, before: Figures) -> float:
    now = line.read(figures) if figures else 0.0
    return now + line.read(before) if line.counts else now


class Checkpoints(Collector):
    """State and memory of each checkpoint."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def collect(self) -> Iterator[Metric]:
        state = GaugeMetricFamily(
            f"{PREFIX}checkpoint_state", "1 for the state that a checkpoint is in", labels=["checkpoint", "state"]
        )
        now = time.perf_counter()
        for id_, slot in self._pool.slots.items():
            for one in STATES:
                state.add_metric([id_, one], float(slot.shown(now) == one))
        yield state
        for name, read, help_ in SLOT_LINES:
            family = GaugeMetricFamily(PREFIX + name, help_, labels=["checkpoint"])
            for id_, slot in self._pool.slots.items():
                family.add_metric([id_], read(slot))
            yield family
        loads = CounterMetricFamily(f"{PREFIX}checkpoint_loads", "Times that it was loaded", labels=["checkpoint"])
        for id_, slot in self._pool.slots.items():
            loads.add_metric([id_], slot.loads)
        yield loads
        if self._pool.device:
            yield GaugeMetricFamily(f"{PREFIX}weights_budget_bytes", "Memory for all weights", self._pool.device.budget)

    def describe(self) -> Iterator[Metric]:
        return iter(())


class Devices(Collector):
    """GPUs, where there are any; no series at all where there are none."""

    def __init__(self, gpus: Gpus) -> None:
        self._gpus = gpus

    def collect(self) -> Iterator[Metric]:
        if (peak := _cuda_peak()) is not None:
            yield GaugeMetricFamily(f"{PREFIX}cuda_peak_bytes", "Most CUDA memory that torch held at once", peak)
        found = self._gpus.read()
        for name, read, help_ in GPU_LINES:
            family = GaugeMetricFamily(PREFIX + name, help_, labels=["gpu", "name"])
            for gpu in found:
                if (value := read(gpu)) is not None:
                    family.add_metric([str(gpu.index), gpu.name], value)
            if family.samples:
                yield family

    def describe(self) -> Iterator[Metric]:
        return iter(())


def _cuda_peak() -> int | None:
    """None while torch is not loaded, and without CUDA."""
    cuda = getattr(sys.modules.get("torch"), "cuda", None)
    return int(cuda.max_memory_allocated()) if cuda is not None and cuda.is_initialized() else None
