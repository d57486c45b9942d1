"""How requests of the demo fail: the kinds of error, how often each, and how long it takes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.demo.recorded import refusals

OK = -1
BROKEN_IMAGE, LONG_PROMPT = "broken image", "long prompt"
"""What was sent to each checkpoint to hear how it is refused."""

GOLDEN_RATIO = 0.618034


@dataclass(frozen=True, slots=True)
class Failure:
    """A kind of error. It takes `after_ms`, or where that is 0 a part of what the answer would have taken."""

    name: str
    message: str
    weight: float  # of all errors on a good day
    burst_weight: float  # of the errors of an error burst
    after_ms: float = 0.0
    part: float = 1.0
    refused: str = ""  # what was sent, where name and message are those with which the worker really refused it


FAILURES = (
    Failure("", "", 0.45, 0.0, part=0.05, refused=BROKEN_IMAGE),
    Failure("", "", 0.25, 0.0, part=0.1, refused=LONG_PROMPT),
    Failure("ClientDisconnected", "the client closed the connection before the answer was complete", 0.24, 0.0),
    Failure("UpstreamTimeout", "the model server did not answer within 10000 ms", 0.04, 0.6, after_ms=10_000),
    Failure("CUDAOutOfMemory", "CUDA out of memory: tried to allocate 512.00 MiB on GPU 0", 0.02, 0.4, part=0.7),
)


def told(failure: Failure, checkpoint: str) -> tuple[str, str]:
    """Type and message of the error in the log."""
    if failure.refused:
        said = refusals()[checkpoint, failure.refused]
        return said.error_type, said.message
    return failure.name, failure.message


def failures(
    uniforms: NDArray[np.float64],
    which: NDArray[np.float64],
    rate: NDArray[np.float64],
    burst: NDArray[np.bool_],
    *,
    images: bool,
) -> NDArray[np.int64]:
    """Position in FAILURES for each request, OK for none, from two numbers between 0 and 1 and its risk to fail.

    `images`: whether the requests bring images, which may be broken.
    """
    weights = [failure.weight if images or failure.refused != BROKEN_IMAGE else 0.0 for failure in FAILURES]
    calm = np.cumsum(weights) / sum(weights)
    loud = np.cumsum([failure.burst_weight for failure in FAILURES])
    kinds = np.where(burst, np.searchsorted(loud, which, side="right"), np.searchsorted(calm, which, side="right"))
    # a balancer deals requests in turn: the share that meets a broken server is the same in every stretch of a burst
    risk = np.where(burst, np.arange(uniforms.size) * GOLDEN_RATIO % 1, uniforms)
    return np.where(risk < rate, np.minimum(kinds, len(FAILURES) - 1), OK)


def duration(codes: NDArray[np.int64], latency_ms: NDArray[np.float64]) -> NDArray[np.float64]:
    """Latency of each request: its own, or that of its failure."""
    after = np.array([*(failure.after_ms for failure in FAILURES), 0.0])[codes]  # OK is the last one
    part = np.array([*(failure.part for failure in FAILURES), 1.0])[codes]
    return np.where(after > 0, after + latency_ms / 50, part * latency_ms)
