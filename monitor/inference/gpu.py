"""Use and memory of GPUs, asked from the driver through NVML; without a GPU there is nothing to tell, and no error."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU of the machine at one moment; None where its driver does not tell."""

    index: int
    name: str
    memory_used_bytes: int | None
    memory_total_bytes: int | None
    use: float | None  # share of the last moments in which something ran, 0 to 1
    temperature_c: float | None
    power_w: float | None


class Gpus:
    """The library is loaded by the first call, and a machine without a driver is not asked again."""

    def __init__(self) -> None:
        self._nvml: Any = None
        self._absent = False

    def read(self) -> list[Gpu]:
        """All GPUs of the machine, other processes' use included. Blocks for some milliseconds."""
        if self._absent:
            return []
        nvml = self._nvml = self._nvml or importlib.import_module("pynvml")
        try:
            nvml.nvmlInit()  # counts its callers; costs nothing after the first time
            return [_gpu(nvml, index) for index in range(nvml.nvmlDeviceGetCount())]
        except (nvml.NVMLError_LibraryNotFound, nvml.NVMLError_DriverNotLoaded) as error:
            self._absent = True
            log.debug("no GPU driver", error=str(error))
        except nvml.NVMLError as error:
            log.warning("the GPU driver does not answer", error=str(error))
        return []


def _gpu(nvml: Any, index: int) -> Gpu:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)

    def ask(question: Callable[..., Any], *more: object) -> Any:
        try:
            return question(handle, *more)
        except nvml.NVMLError:  # not every card answers every question
            return None

    name = ask(nvml.nvmlDeviceGetName)
    memory = ask(nvml.nvmlDeviceGetMemoryInfo)
    use = ask(nvml.nvmlDeviceGetUtilizationRates)
    power = ask(nvml.nvmlDeviceGetPowerUsage)
    return Gpu(
        index,
        name.decode() if isinstance(name, bytes) else str(name or f"GPU {index}"),
        memory.used if memory else None,
        memory.total if memory else None,
        use.gpu / 100 if use else None,
        ask(nvml.nvmlDeviceGetTemperature, nvml.NVML_TEMPERATURE_GPU),
        power / 1000 if power is not None else None,
    )
