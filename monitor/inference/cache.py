"""Keys and values of all rows of a batch, in tensors that are allocated once and grow when they must.

Row i of the batch lies in slot i. Its prompt stands there as the prefill computed it, left padding included, and each
step writes one column behind it: nothing is shifted or copied while rows come and go at different lengths. When a row
leaves, the last one moves into its slot. What was never written is zero, since attention multiplies even what it masks.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from transformers.cache_utils import Cache, CacheLayerMixin

SLOTS = 4
GRAIN = 64
"""Slots and columns of the first allocation; columns grow in this step."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a layer keeps for a token."""

    layers: int
    heads: int
    key_size: int
    value_size: int


class SlotCache(Cache):  # type: ignore[misc]  # transformers is not typed for the checker
    """The cache that the model sees. Before each forward pass, `open_prefill` or `open_step` says where it writes."""

    def __init__(self, shape: Shape, device: torch.device, dtype: torch.dtype) -> None:
        self.shape, self._device, self._dtype = shape, device, dtype
        self.keys = self.values = torch.empty(0)
        self.slots = self.columns = 0
        self._layers = [SlotLayer(self, index) for index in range(shape.layers)]
        self.first = self.rows = self.width = 0
        self.index: torch.Tensor | None = None  # slots of a step; None in a prefill
        self.places: torch.Tensor | None = None  # columns that a step writes
        super().__init__(layers=self._layers)

    @property
    def bytes(self) -> int:
        return int(self.keys.nbytes + self.values.nbytes)

    def open_prefill(self, first: int, rows: int, width: int, columns: int) -> None:
        """Let the next pass write `width` columns of the slots from `first` on; `columns` will be needed in the end."""
        self._reserve(first + rows, columns, first)
        self.first, self.rows, self.width = first, rows, width
        self.index = self.places = None

    def open_step(self, places: torch.Tensor, width: int) -> None:
        """Let the next pass write one column of each slot, and see the first `width` columns."""
        self.first, self.rows, self.width = 0, len(places), width
        self.index = torch.arange(self.rows, device=self._device)
        self.places = places

    def move(self, sources: list[int], targets: list[int], width: int) -> None:
        """Copy the first columns of slots into others."""
        for store in (self.keys, self.values):
            store[:, targets, :, :width] = store[:, sources, :, :width]

    def wipe(self, slots: Sequence[int]) -> None:
        """Forget slots that may hold values that are not numbers."""
        self.keys[:, slots] = 0
        self.values[:, slots] = 0

    def release(self) -> None:
        """Give all memory back; only between batches."""
        self.keys = self.values = torch.empty(0)
        self.slots = self.columns = 0

    def _reserve(self, slots: int, columns: int, used: int) -> None:
        """Make room, keeping the first `used` slots. Where there is no memory, everything stays as it was."""
        if slots <= self.slots and columns <= self.columns:
            return
        wide = self.columns if columns <= self.columns else -(-max(columns, self.columns * 5 // 4) // GRAIN) * GRAIN
        many = self.slots if slots <= self.slots else max(SLOTS, slots, self.slots * 2)
        grown = []
        for store, size in ((self.keys, self.shape.key_size), (self.values, self.shape.value_size)):
            new = torch.zeros(
                (self.shape.layers, many, self.shape.heads, wide, size), device=self._device, dtype=self._dtype
            )
            if used:
                new[:, :used, :, : self.columns] = store[:, :used]
            grown.append(new)
        self.keys, self.values = grown
        self.slots, self.columns = many, wide


class SlotLayer(CacheLayerMixin):  # type: ignore[misc]  # as above
    """One layer of it, as transformers asks for it."""

    is_sliding = False

    def __init__(self, cache: SlotCache, index: int) -> None:
        super().__init__()
        self._cache, self._index = cache, index
        self.is_initialized = True

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """There is nothing to do: the cache allocates for all layers at once."""

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_args: object, **_kwargs: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write the new columns; returns what the queries attend to."""
        cache = self._cache
        keys, values = cache.keys[self._index], cache.values[self._index]
        if cache.places is None:
            rows = slice(cache.first, cache.first + cache.rows)
            keys[rows, :, : cache.width] = key_states
            values[rows, :, : cache.width] = value_states
            return key_states, value_states
        keys[cache.index, :, cache.places] = key_states[:, :, 0]
        values[cache.index, :, cache.places] = value_states[:, :, 0]
        return keys[: cache.rows, :, : cache.width], values[: cache.rows, :, : cache.width]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return (query_length if self._cache.places is None else self._cache.width), 0

    def get_seq_length(self) -> int:
        return 0 if self._cache.places is None else self._cache.width - 1

    def get_max_length(self) -> int:
        return -1
