"""Batched inference on the small checkpoints: our engine and worker beside plain transformers, in the same run.

On a machine with a GPU also a model of SmolVLM-2B's real shape; elsewhere a line says that this was not measured.
"""

from collections.abc import Callable
from pathlib import Path

import torch

from bench.inference_gpu import on_a_gpu
from bench.inference_http import over_http
from bench.inference_parts import FULL, QUICK, Part, by_images, mixed_requests, texts_alone
from bench.result import Result
from bench.server import ROOT

CHECKPOINTS = ROOT / "monitor" / "demo" / "checkpoints"
VISION, TEXT = "shapes-vlm-step-00900", "shapes-lm-step-00600"
HTTP_REQUESTS, HTTP_ROUNDS = 192, 3


def run(quick: bool, folder: Path) -> Result:
    """All parts, one after the other, with one thread of arithmetic on the CPU."""
    vision, text = CHECKPOINTS / VISION, CHECKPOINTS / TEXT
    scale = QUICK if quick else FULL
    requests, rounds = (48, 1) if quick else (HTTP_REQUESTS, HTTP_ROUNDS)
    parts: list[Callable[[], Part]] = [
        lambda: mixed_requests(vision, scale),
        lambda: by_images(vision, scale),
        lambda: over_http(vision, requests, rounds),
        lambda: texts_alone(text, scale),
        lambda: on_a_gpu(quick=quick),
    ]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        done = [part() for part in parts]
    finally:
        torch.set_num_threads(threads)
    return Result(
        [row for part in done for row in part.rows],
        [check for part in done for check in part.checks],
        {name: value for part in done for name, value in part.figures.items()} | {"checkpoint": VISION},
    )
