"""One run of one contestant over all requests, timed from the encoded images to the last text; and rounds of them.

Contestants take turns in the same process on one core, so that what else the machine does meets each of them.
"""

import ctypes
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from bench.inference_requests import Asked


@dataclass(frozen=True, slots=True)
class Answered:
    """What one request got, and when; seconds from the moment at which it was taken up."""

    text: str
    first_s: float
    total_s: float


@dataclass(frozen=True, slots=True)
class Run:
    """All requests once. `cpu_s` counts every thread of this process."""

    seconds: float
    cpu_s: float
    peak_mib: float | None
    answers: list[Answered]


@dataclass(frozen=True, slots=True)
class Contestant:
    """A way to answer requests: `answer` returns one `Answered` for each, in their order."""

    name: str
    answer: Callable[[Sequence[Asked]], list[Answered]]
    runs: list[Run] = field(default_factory=list)

    @property
    def texts(self) -> list[str]:
        """The answers of its last run."""
        return [answer.text for answer in self.runs[-1].answers]

    @property
    def seconds(self) -> float:
        return median(run.seconds for run in self.runs)

    def first_ms(self, q: float = 0.5) -> float:
        """Time to the first token over all runs."""
        return 1000 * quantile([answer.first_s for run in self.runs for answer in run.answers], q)

    def total_ms(self, q: float = 0.5) -> float:
        return 1000 * quantile([answer.total_s for run in self.runs for answer in run.answers], q)

    def peak_mib(self) -> float | None:
        known = [run.peak_mib for run in self.runs if run.peak_mib is not None]
        return max(known) if known else None


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times faster, round by round: median and range."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f} times ({self.low:.2f} to {self.high:.2f} by round)"


def faster(one: Contestant, other: Contestant, *, cpu: bool = False) -> Ratio:
    """How many times `one` is faster than `other`; with `cpu`, how many times less processor time it takes."""
    pairs = zip(one.runs, other.runs, strict=True)
    found = [b.cpu_s / a.cpu_s if cpu else b.seconds / a.seconds for a, b in pairs]
    return Ratio(median(found), min(found), max(found))


def take_turns(contestants: Sequence[Contestant], asked: Sequence[Asked], rounds: int) -> None:
    """Let each answer all requests once per round; who begins moves on with each round. The first round is not kept."""
    for number in range(rounds + 1):
        shift = number % len(contestants)
        for contestant in (*contestants[shift:], *contestants[:shift]):
            run = _measured(contestant, asked)
            if number:
                contestant.runs.append(run)


def _measured(contestant: Contestant, asked: Sequence[Asked]) -> Run:
    forgotten = _forget_peak()
    began, cpu = time.perf_counter(), time.process_time()
    answers = contestant.answer(asked)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    return Run(seconds, cpu, _peak_mib() if forgotten else None, answers)


def _forget_peak() -> bool:
    """Give freed memory back and set the peak of this process to what it holds now; False where that cannot be done."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
    except (AttributeError, OSError):
        return False
    return True


def _peak_mib() -> float | None:
    found = re.search(r"^VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(found[1]) / 1024 if found else None


@contextmanager
def one_core() -> Iterator[None]:
    """This thread, and the threads that it starts, on one core: no contestant gains by a second one."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def quantile(values: Sequence[float], q: float) -> float:
    """The value below which a share `q` lies."""
    ordered = sorted(values)
    return ordered[min(int(q * len(ordered)), len(ordered) - 1)] if ordered else float("nan")
