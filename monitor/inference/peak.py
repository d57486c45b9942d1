"""How much memory a batch took at its peak: of the process on a CPU, of PyTorch's allocator on a GPU."""

import torch

from monitor.inference.memory import resident_bytes


class Meter:
    """Samples of one device. On a GPU a sample is the peak since the one before, on a CPU what is held right now."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def sample(self) -> int:
        if self._device.type != "cuda":
            return resident_bytes()
        peak = int(torch.cuda.max_memory_allocated(self._device))
        torch.cuda.reset_peak_memory_stats(self._device)
        return peak

    def empty(self) -> None:
        """Give what the allocator keeps in reserve back to the device."""
        if self._device.type == "cuda":
            torch.cuda.empty_cache()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that an allocation failed, on a GPU or on a CPU."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and (
        "can't allocate memory" in text or "not enough memory" in text or "CUDA out of memory" in text
    )
