"""What a contestant in a process of its own has spent: seconds, processor time of all threads, and peak of memory."""

import resource
import time


class Spent:
    """Begins when it is made."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def upto_now(self) -> dict[str, float]:
        """Seconds on the clock and of the processor."""
        return {"seconds": time.perf_counter() - self._wall, "cpu_s": time.process_time() - self._cpu}


def peak_mib() -> float:
    """The largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
