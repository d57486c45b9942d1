"""The parts of `bench.inference` that run in one process: mixed requests, requests by number of images, texts alone."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.inference_engine import in_flight, load, start_engine
from bench.inference_plain import Plain, Reference, lead_where_they_part, load_plain, padded, reference
from bench.inference_requests import Asked, mixed, texts, with_images
from bench.inference_runs import Contestant, faster, one_core, quantile, take_turns
from bench.inference_texts import continuous
from bench.result import Check

BAR_ALONE, BAR_PADDED = 4.0, 1.2
TIE = 1e-3
"""A lead of the best logit below this is rounding: single precision sums in another order."""

TEXT_TOKENS = 64


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured."""

    requests: int
    rounds: int
    in_flight: tuple[int, ...]
    images: tuple[int, ...]


FULL = Scale(200, 7, (1, 2, 4, 8, 16, 32), (1, 2, 4, 8))
QUICK = Scale(32, 1, (1, 16), (1, 8))


@dataclass(frozen=True, slots=True)
class Part:
    """Lines of the table, bars, and what else is worth keeping."""

    rows: list[dict[str, Any]]
    checks: list[Check] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)


def line(part: str, contestant: str, **figures: float | None) -> dict[str, Any]:
    """A line of the table; what a part does not measure is None."""
    names = ("requests/s", "images/s", "tokens/s", "first token ms", "p50 ms", "p95 ms", "peak MiB")
    return {"part": part, "contestant": contestant, **{name: figures.get(name) for name in names}}


def run_line(part: str, contestant: Contestant, asked: Sequence[Asked], tokens: int) -> dict[str, Any]:
    """The medians of a contestant. `tokens` are those of the right answers, for everyone the same."""
    seconds = contestant.seconds
    figures = {
        "requests/s": len(asked) / seconds,
        "images/s": sum(one.images for one in asked) / seconds,
        "tokens/s": tokens / seconds,
        "first token ms": contestant.first_ms(),
        "p50 ms": contestant.total_ms(0.5),
        "p95 ms": contestant.total_ms(0.95),
        "peak MiB": contestant.peak_mib(),
    }
    return line(part, contestant.name, **figures)


def mixed_requests(folder: Path, scale: Scale, padded_rows: int = 32) -> Part:
    """The engine with so many requests in flight, beside plain generation, over the same mixed requests."""
    asked = mixed(scale.requests, seed=3)
    plain, loaded = load_plain(folder), load(folder)
    with one_core():
        engine = start_engine(loaded)
        try:
            ours = {n: in_flight(engine, loaded, n) for n in scale.in_flight}
            single, batched = padded(plain, 1), padded(plain, padded_rows)
            take_turns([*ours.values(), single, batched], asked, scale.rounds)
        finally:
            engine.stop()
        right = [reference(plain, one) for one in asked]
    tokens = sum(len(one.ids) for one in right)
    rows = [run_line("mixed requests", one, asked, tokens) for one in (*ours.values(), single, batched)]
    alone, many, most = ours[1], ours[16], ours[max(ours)]
    checks = [
        _bar("engine, 16 in flight against one at a time", BAR_ALONE, many, alone),
        _bar(f"engine, {max(ours)} in flight against {batched.name}", BAR_PADDED, most, batched),
        _same(plain, right, many, most),
    ]
    ratios = [(many, alone), (most, alone), (most, batched), (alone, single), (many, single), (most, single)]
    figures = {
        "ratios": {f"{a.name} / {b.name}": _ratios(a, b) for a, b in ratios},
        "answer tokens": _spread([len(one.ids) for one in right]),
        "images": _spread([one.images for one in asked]),
        "padded batches answer as single ones": _identical(right, batched),
    }
    return Part(rows, checks, figures)


def by_images(folder: Path, scale: Scale) -> Part:
    """One and sixteen requests in flight, by images per prompt."""
    plain, loaded = load_plain(folder), load(folder)
    rows, figures = [], {}
    with one_core():
        engine = start_engine(loaded)
        try:
            for images in scale.images:
                asked = with_images(scale.requests // 4, images, seed=5)
                contestants = [in_flight(engine, loaded, 1), in_flight(engine, loaded, 16), padded(plain, 16)]
                take_turns(contestants, asked, max(1, scale.rounds // 2))
                tokens = sum(len(reference(plain, one).ids) for one in asked)
                name = "1 image a prompt" if images == 1 else f"{images} images a prompt"
                rows += [run_line(name, one, asked, tokens) for one in contestants]
                figures[name] = _ratios(contestants[1], contestants[0])
        finally:
            engine.stop()
    return Part(rows, figures={"16 in flight / one at a time, by images": figures})


def texts_alone(folder: Path, scale: Scale, rows: int = 32) -> Part:
    """A model without images: the engine beside transformers' own continuous batching, all requests at once."""
    asked = texts(scale.requests, seed=7, max_tokens=TEXT_TOKENS)
    plain, loaded = load_plain(folder, takes_images=False), load(folder)
    with one_core():
        engine = start_engine(loaded, rows)
        try:
            with continuous(load_plain(folder, takes_images=False), rows, TEXT_TOKENS) as theirs:
                ours, batched = in_flight(engine, loaded, len(asked)), padded(plain, rows)
                take_turns([ours, theirs, batched], asked, max(1, scale.rounds // 2))
        finally:
            engine.stop()
        right = [reference(plain, one) for one in asked]
    tokens = sum(len(one.ids) for one in right)
    figures = {
        "engine / transformers' continuous batching": _ratios(ours, theirs),
        "answers as single ones": {one.name: _identical(right, one) for one in (ours, theirs, batched)},
        "answer tokens of texts": _spread([len(one.ids) for one in right]),
    }
    return Part([run_line("text only", one, asked, tokens) for one in (ours, theirs, batched)], figures=figures)


def _bar(what: str, bar: float, one: Contestant, other: Contestant) -> Check:
    ratio = faster(one, other)
    return Check(f"{what}: at least {bar:g} times the images/s", str(ratio), ratio.median >= bar)


def _same(plain: Plain, right: Sequence[Reference], *contestants: Contestant) -> Check:
    """Greedy answers equal single ones; where one does not, single generation must have been at a tie."""
    leads = [
        lead_where_they_part(plain, single, text)
        for contestant in contestants
        for single, text in zip(right, contestant.texts, strict=True)
        if text != single.text
    ]
    compared = len(right) * len(contestants)
    said = f"{compared - len(leads)} of {compared} identical"
    if leads:
        said += f"; where they part the best logit led by {min(leads):.2g} to {max(leads):.2g}"
    return Check(f"answers equal single ones, or part at a tie (lead under {TIE:g})", said, all(x < TIE for x in leads))


def _identical(right: Sequence[Reference], contestant: Contestant) -> str:
    same = sum(one.text == text for one, text in zip(right, contestant.texts, strict=True))
    return f"{same} of {len(right)}"


def _ratios(one: Contestant, other: Contestant) -> dict[str, str]:
    return {"by the clock": str(faster(one, other)), "by processor time": str(faster(one, other, cpu=True))}


def _spread(values: Sequence[float]) -> dict[str, float]:
    found = {"least": 0.0, "median": 0.5, "p90": 0.9, "most": 1.0}
    return {"mean": sum(values) / len(values)} | {name: quantile(values, q) for name, q in found.items()}
