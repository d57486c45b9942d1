"""What the machine has for checkpoints: memory and cores; what one of them will take, and what this process holds."""

import math
import os
import resource
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

SHARE = 0.6
"""Of what is free at start, for weights; the rest is for caches, images and Python."""

FLOATS = ("F16", "BF16", "F32", "F64")
"""Converted while they are loaded; whatever else there is stays as it is."""


def budget(setting: int, free: int) -> int:
    """Bytes for weights: the setting, or a share of what is free when it is 0."""
    return setting or int(free * SHARE)


def free_bytes() -> int:
    """What this process may still take: of the machine, or of its container where that is less."""
    found = [int(line.split()[1]) * 1024 for line in _lines("/proc/meminfo") if line.startswith("MemAvailable:")]
    limits = [
        int(limit) - int(used)
        for limit, used in (
            (_word("/sys/fs/cgroup/memory.max"), _word("/sys/fs/cgroup/memory.current")),
            (
                _word("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
                _word("/sys/fs/cgroup/memory/memory.usage_in_bytes"),
            ),
        )
        if limit.isdigit() and used.isdigit()
    ]
    return max(0, min([*found, *limits], default=0))


def cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def resident_bytes() -> int:
    """Memory that this process holds now."""
    pages = _word("/proc/self/statm", 1)
    return int(pages) * resource.getpagesize() if pages.isdigit() else 0


def needed_bytes(files: Sequence[Path], half: bool) -> int:
    """Bytes that whole safetensors files take once they are loaded, in 16 bits or in 32, told from their headers."""
    size = dict.fromkeys(FLOATS, 2 if half else 4)
    total = 0
    for tensor in (tensor for file in files for tensor in _tensors(file)):
        first, last = tensor["data_offsets"]
        total += math.prod(tensor["shape"]) * size[tensor["dtype"]] if tensor["dtype"] in size else last - first
    return total


def _tensors(file: Path) -> list[dict[str, Any]]:
    with file.open("rb") as source:
        header = msgspec.json.decode(source.read(int.from_bytes(source.read(8), "little")))
    return [entry for name, entry in header.items() if name != "__metadata__"]


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def _word(path: str, index: int = 0) -> str:
    words = " ".join(_lines(path)).split()
    return words[index] if index < len(words) else ""
