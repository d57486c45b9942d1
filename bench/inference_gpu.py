"""The part of `bench.inference` for a GPU: a model of SmolVLM-2B's real shape, by images per query and rows per batch.

`measure` runs anywhere with any shape, which is how it is tested; its figures mean something on a GPU only.
"""

import gc
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from PIL import Image as Pictures

from bench.big_model import SMOLVLM_2B, Shape, build_model, build_processor
from bench.inference_engine import in_flight, start_engine
from bench.inference_parts import Part, line
from bench.inference_plain import Plain, padded
from bench.inference_requests import Asked
from bench.inference_runs import Contestant, faster, take_turns
from bench.result import Check
from monitor.chat import Generation, Image, Message
from monitor.inference.checkpoint import Loaded
from monitor.inference.quick import quick_processor

BAR_SECONDS, BAR_GB, BAR_IMAGES = 2.0, 10.0, (4, 8)
PHOTO = (1024, 768)
SKIPPED = "no CUDA device on this machine: SmolVLM-2B's shape was not measured"


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured: tokens of each answer, images per query, rows per batch, rounds."""

    tokens: int
    images: tuple[int, ...]
    rows: tuple[int, ...]
    rounds: int


FULL = Sizes(64, (1, 2, 4, 8), (1, 2, 4, 8, 16, 32), 3)
QUICK = Sizes(16, (1, 4), (1, 8), 1)


def on_a_gpu(*, quick: bool) -> Part:
    """The part where there is a CUDA device; elsewhere one line that says that there is none."""
    if not torch.cuda.is_available():
        return Part([line("GPU", SKIPPED)], figures={"gpu": SKIPPED})
    part = measure(SMOLVLM_2B, QUICK if quick else FULL, "cuda", torch.bfloat16, PHOTO)
    return Part(part.rows, part.checks, part.figures | {"gpu": torch.cuda.get_device_name()})


def measure(shape: Shape, sizes: Sizes, device: str, dtype: torch.dtype, photo: tuple[int, int]) -> Part:
    """With images as one tile, and cut into tiles as the stock processor does."""
    rows, figures = [], dict[str, Any]()
    peaks: dict[tuple[str, int], float | None] = {}
    seconds: dict[str, float] = {}
    model = build_model(shape, build_processor(shape, split=False).tokenizer, device, dtype)
    for split in (False, True):
        name = "cut into tiles" if split else "one tile an image"
        loaded = as_loaded(model, build_processor(shape, split=split), device, dtype, shape)
        engine = start_engine(loaded, max(sizes.rows))
        try:
            for images in sizes.images:
                asked = [_query(i, images, sizes.tokens, photo) for i in range(2)]
                one = in_flight(engine, loaded, 1)
                peaks[name, images] = _with_peak(device, partial(take_turns, [one], asked, sizes.rounds))
                seconds[f"{images} images, {name}"] = one.total_ms() / 1000
                rows.append(_line(f"2B, {name}, {images} a query", one, asked, peaks[name, images]))
            for many in sizes.rows:
                asked = [_query(i, 1, sizes.tokens, photo) for i in range(2 * many)]
                one = in_flight(engine, loaded, many)
                peak = _with_peak(device, partial(take_turns, [one], asked, sizes.rounds))
                rows.append(_line(f"2B, {name}, 1 a query", one, asked, peak))
        finally:
            engine.stop()
        rows_plain, figures[name] = _beside_plain(loaded, sizes, photo, name, device)
        rows += rows_plain
        _collect(device)
    checks = _checks(seconds, peaks, sizes)
    return Part(rows, checks, figures | {"seconds a query": seconds, "parameters": _parameters(model)})


def as_loaded(model: Any, processor: Any, device: str, dtype: torch.dtype, shape: Shape) -> Loaded:
    """What loading a folder gives, without a folder."""
    return Loaded(
        id="bench-2b",
        model=model,
        processor=processor,
        tokenizer=processor.tokenizer,
        device=torch.device(device),
        dtype=dtype,
        takes_images=True,
        context=shape.context,
        bytes=sum(weights.numel() * weights.element_size() for weights in model.parameters()),
        ends=frozenset({processor.tokenizer.eos_token_id}),
        pad=processor.tokenizer.pad_token_id,
        quick=quick_processor(processor),
    )


def _beside_plain(
    loaded: Loaded, sizes: Sizes, photo: tuple[int, int], name: str, device: str
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """The engine at its most, plain generation one at a time and in padded batches, in turns over the same requests."""
    many = max(sizes.rows)
    asked = [_query(i, 1, sizes.tokens, photo) for i in range(2 * many)]
    plain = Plain(loaded.model, loaded.processor, takes_images=True)
    engine = start_engine(loaded, many)
    try:
        contestants = [in_flight(engine, loaded, many), padded(plain, 1), padded(plain, many)]
        peak = _with_peak(device, partial(take_turns, contestants, asked, sizes.rounds))
    finally:
        engine.stop()
    rows = [_line(f"2B, {name}, in turns", one, asked, peak) for one in contestants]
    ratios = {f"engine / {other.name}": str(faster(contestants[0], other)) for other in contestants[1:]}
    return rows, ratios


def _query(seed: int, images: int, tokens: int, photo: tuple[int, int]) -> Asked:
    """A question about so many photograph-like images, answered with `tokens` tokens."""
    parts: list[str | Image] = [Image(_photo(seed * 8 + i, photo), "image/jpeg") for i in range(images)]
    parts.append("What do you see? Describe it.")
    return Asked((Message("user", tuple(parts)),), Generation(max_tokens=tokens))


def _photo(seed: int, size: tuple[int, int]) -> bytes:
    """A JPEG file of coarse noise, scaled up: as large as a photograph's."""
    coarse = np.random.default_rng(seed).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    out = io.BytesIO()
    Pictures.fromarray(coarse).resize(size, Pictures.Resampling.BICUBIC).save(out, "JPEG", quality=90)
    return out.getvalue()


def _line(part: str, one: Contestant, asked: Sequence[Asked], peak: float | None) -> dict[str, Any]:
    tokens = sum(request.settings.max_tokens for request in asked)  # random weights all but never end an answer
    return line(
        part,
        one.name,
        **{
            "requests/s": len(asked) / one.seconds,
            "images/s": sum(request.images for request in asked) / one.seconds,
            "tokens/s": tokens / one.seconds,
            "first token ms": one.first_ms(),
            "p50 ms": one.total_ms(0.5),
            "p95 ms": one.total_ms(0.95),
            "peak MiB": peak or one.peak_mib(),
        },
    )


def _with_peak(device: str, work: Callable[[], None]) -> float | None:
    """MiB of the device that were in use at most while it worked, weights included; None on a CPU."""
    if device != "cuda":
        work()
        return None
    torch.cuda.reset_peak_memory_stats()
    work()
    return float(torch.cuda.max_memory_allocated()) / 2**20


def _checks(seconds: dict[str, float], peaks: dict[tuple[str, int], float | None], sizes: Sizes) -> list[Check]:
    one = max(value for name, value in seconds.items() if name.startswith("1 images"))
    checks = [Check(f"one image, {sizes.tokens} tokens: under {BAR_SECONDS:g} s", f"{one:.2f} s", one < BAR_SECONDS)]
    known = {key: mib * 2**20 / 1e9 for key, mib in peaks.items() if mib is not None}
    for images in sorted({images for _, images in known if images == 1 or images in BAR_IMAGES}):
        most = max(gb for (_, n), gb in known.items() if n == images)
        checks.append(Check(f"{images} images a query: under {BAR_GB:g} GB", f"{most:.2f} GB", most < BAR_GB))
    return checks


def _parameters(model: Any) -> int:
    return sum(weights.numel() for weights in model.parameters())


def _collect(device: str) -> None:
    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()
