"""Runs the model on the rows of a batch: a prefill for those that join, a step for all. Call it in inference mode.

Prompts are padded on the left. A row sees its own tokens only: the padding before them and the columns behind them are
masked, and positions count from its first token, so its logits are those that it has alone, up to rounding.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers.cache_utils import DynamicCache, DynamicLayer

from monitor.errors import CheckpointError
from monitor.inference.cache import Shape, SlotCache

Pixels = dict[str, torch.Tensor]

STEP_GRAIN = 16
"""Columns that a step sees are rounded up to this: few widths suit the kernels of a GPU better than many."""


def along(dim: int) -> Callable[[Sequence[Pixels]], Pixels]:
    """Join what the processor made of the images of several prompts along a dimension of its tensors."""

    def join(parts: Sequence[Pixels]) -> Pixels:
        return {name: torch.cat([part[name] for part in parts], dim=dim) for name in parts[0]}

    return join


JOINS: dict[str, Callable[[Sequence[Pixels]], Pixels]] = {
    "smolvlm": along(1),  # [1, images, 3, height, width]: one flat line of images, in the order of the rows
    "idefics3": along(1),
    "llava": along(0),  # [images, 3, height, width]
}
"""By model type, how images of several prompts go through the vision encoder in one pass. One line to add a layout."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A row that joins."""

    ids: tuple[int, ...]
    pixels: Pixels
    columns: int  # that it will need in the end


class Runner:
    """A model with the cache of its batch. Rows are numbered from 0; the batch keeps its own list in the same order."""

    def __init__(self, model: Any, device: torch.device, dtype: torch.dtype, pad: int = 0) -> None:
        self._model, self._device, self._dtype, self._pad = model, device, dtype, pad
        self._join = JOINS.get(model.config.model_type)
        self.cache = SlotCache(cache_shape(model, device), device, dtype)
        self._starts: list[int] = []  # padding in front of each row
        self._ends: list[int] = []  # columns that each row fills

    @property
    def rows(self) -> int:
        return len(self._ends)

    def prefill(self, entries: Sequence[Entry]) -> torch.Tensor:
        """Compute the prompts of rows that join behind the others; their logits [rows, vocabulary] in float32.

        They are in the batch only after `keep`: until then nothing has changed, whatever this raises.
        """
        width = max(len(entry.ids) for entry in entries)
        starts = [width - len(entry.ids) for entry in entries]
        ids = torch.tensor([[self._pad] * start + [*entry.ids] for entry, start in zip(entries, starts, strict=True)])
        inputs: dict[str, Any] = {"input_ids": self._moved(ids)}
        if any(starts):
            columns, begin = torch.arange(width), torch.tensor(starts)[:, None]
            inputs["attention_mask"] = self._moved((columns >= begin).long())
            inputs["position_ids"] = self._moved((columns - begin).clamp(min=0))
        pixels = [entry.pixels for entry in entries if entry.pixels]
        if pixels and self._join:
            inputs |= {name: self._cast(tensor) for name, tensor in self._join(pixels).items()}
        last = max(start + entry.columns for start, entry in zip(starts, entries, strict=True))
        self.cache.open_prefill(self.rows, len(entries), width, last)
        logits = self._model(**inputs, past_key_values=self.cache, use_cache=True, logits_to_keep=1).logits
        return torch.Tensor.float(logits[:, -1])

    def keep(self, entries: Sequence[Entry]) -> None:
        """Take the rows of the last prefill into the batch."""
        width = max(len(entry.ids) for entry in entries)
        self._starts += [width - len(entry.ids) for entry in entries]
        self._ends += [width] * len(entries)

    def step(self, tokens: Sequence[int]) -> torch.Tensor:
        """One more token in each row; the logits after it [rows, vocabulary] in float32. Repeatable until `advance`."""
        places = torch.tensor(self._ends)
        starts = torch.tensor(self._starts)
        width = -(-(max(self._ends) + 1) // STEP_GRAIN) * STEP_GRAIN
        width = min(width, self.cache.columns)
        columns = torch.arange(width)
        seen = (columns <= places[:, None]) & (columns >= starts[:, None])
        self.cache.open_step(self._moved(places), width)
        logits = self._model(
            input_ids=self._moved(torch.tensor(tokens)[:, None]),
            attention_mask=self._moved(seen[:, None, None, :]),
            position_ids=self._moved((places - starts)[:, None]),
            past_key_values=self.cache,
            use_cache=True,
        ).logits
        return torch.Tensor.float(logits[:, -1])

    def advance(self) -> None:
        """The columns that the last step wrote belong to the rows."""
        self._ends = [end + 1 for end in self._ends]

    def drop(self, gone: Sequence[int], broken: Sequence[int] = ()) -> list[tuple[int, int]]:
        """Take rows out, all in one copy; returns which of the last rows got which of their numbers (from, to)."""
        left = self.rows - len(gone)
        holes = sorted(row for row in gone if row < left)
        last = sorted({*range(left, self.rows)} - {*gone})
        if broken:
            self.cache.wipe(broken)
        if holes:
            self.cache.move(last, holes, max(self._ends[row] for row in last))
        moves = [*zip(last, holes, strict=True)]
        for source, target in moves:
            self._starts[target], self._ends[target] = self._starts[source], self._ends[source]
        del self._starts[left:], self._ends[left:]
        return moves

    def clear(self) -> None:
        """Take all rows out and give the memory of the cache back."""
        self._starts, self._ends = [], []
        self.cache.release()

    def _moved(self, tensor: torch.Tensor) -> torch.Tensor:
        if self._device.type == "cuda":
            return tensor.pin_memory().to(self._device, non_blocking=True)
        return tensor.to(self._device)

    def _cast(self, tensor: torch.Tensor) -> torch.Tensor:
        """Pixels in the precision of the weights; masks as they are."""
        return self._moved(tensor.to(self._dtype) if tensor.is_floating_point() else tensor)


def cache_shape(model: Any, device: torch.device) -> Shape:
    """What the layers of a model keep for a token, seen in a pass. Raises CheckpointError where they differ."""
    cache = DynamicCache(config=model.config)
    with torch.inference_mode():
        model(input_ids=torch.zeros((1, 2), dtype=torch.long, device=device), past_key_values=cache, use_cache=True)
    layers = [layer for layer in cache.layers if getattr(layer, "keys", None) is not None]
    odd = sorted({type(layer).__name__ for layer in cache.layers if type(layer) is not DynamicLayer})
    shapes = (
        {(layer.keys.shape[1], layer.keys.shape[3], layer.values.shape[3]) for layer in layers} if not odd else set()
    )
    if odd or len(shapes) != 1 or len(layers) != len(cache.layers):
        kinds = ", ".join(odd) or f"layers of {len(shapes)} shapes"
        raise CheckpointError(
            f"the architecture {model.config.model_type} keeps its past in a way that the worker cannot batch exactly "
            f"({kinds}); it needs full attention with one shape in all layers: serve it with another runtime"
        )
    return Shape(len(layers), *shapes.pop())
