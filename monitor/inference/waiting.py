"""The requests that wait for a place in the batch. All its methods are called with the engine's lock held."""

import time
from collections import deque
from collections.abc import Iterable

from monitor.inference.rows import Row

LENGTH_STEP = 32
"""Prompts whose lengths fall into the same step of so many tokens, with as many images, share a bucket."""

PREFILL_TOKENS = 16_384
"""Most tokens of one prefill, padding included, unless a single prompt is longer."""

BURST_S = 0.05


class Waiting:
    """A bounded queue with buckets: the oldest request picks the bucket, so none waits while others overtake it."""

    def __init__(self, wait_s: float) -> None:
        self.rows: deque[Row] = deque()
        self.bytes = 0  # of their tensors
        self._wait_s = wait_s
        self._company = (0.0, 0.0)  # the last two arrivals that found others in the engine

    def __len__(self) -> int:
        return len(self.rows)

    def arrive(self, row: Row, in_company: bool) -> None:
        """A new request; `in_company` when another one waits or is being answered."""
        self.rows.append(row)
        self.bytes += row.bytes
        if in_company:
            self._company = (self._company[1], row.submitted)

    def put_back(self, rows: Iterable[Row]) -> None:
        """Rows whose batch failed come first, in their order."""
        for row in reversed([*rows]):
            self.rows.appendleft(row)
            self.bytes += row.bytes

    def patience(self) -> float:
        """Seconds that an idle engine waits for company: none unless requests lately came in crowds."""
        now = time.perf_counter()
        if now - self._company[0] > BURST_S or not self.rows:
            return 0.0
        return max(0.0, self.rows[0].submitted + self._wait_s - now)

    def take_overdue(self, now: float) -> list[Row]:
        """Remove what was cancelled or missed its deadline."""
        return self._remove([row for row in self.rows if row.overdue(now)])

    def pick(self, places: int, now: float, idle: bool) -> list[Row]:
        """The rows of the next prefill: the oldest, others of its bucket, then whatever has waited long enough.

        A row that must be alone is picked only while the batch is idle, and stays alone.
        """
        if places < 1 or not self.rows or (self.rows[0].alone and not idle):
            return []
        oldest = self.rows[0]
        if oldest.alone:
            return self._remove([oldest])
        bucket = _bucket(oldest)
        ready = [row for row in self.rows if not row.alone]
        alike = [row for row in ready if _bucket(row) == bucket]
        others = [row for row in ready if _bucket(row) != bucket and now - row.submitted >= self._wait_s]
        shape = _pixel_shape(oldest)
        group: list[Row] = []
        width = 0
        for row in alike + others:
            shape = shape or _pixel_shape(row)
            width = max(width, row.prepared.tokens_in + len(row.generated))
            if len(group) == places or (group and width * (len(group) + 1) > PREFILL_TOKENS):
                break
            if _pixel_shape(row) in (None, shape):
                group.append(row)
        return self._remove(group)

    def _remove(self, group: list[Row]) -> list[Row]:
        if not group:
            return group
        taken = {id(row) for row in group}
        self.rows = deque(row for row in self.rows if id(row) not in taken)
        self.bytes -= sum(row.bytes for row in group)
        return group


def _bucket(row: Row) -> tuple[int, int]:
    return row.prepared.images, (row.prepared.tokens_in + len(row.generated)) // LENGTH_STEP


def _pixel_shape(row: Row) -> tuple[int, ...] | None:
    """Height and width of its image tensors: only equal ones can be encoded in one pass. None without images."""
    pixels = row.prepared.pixels.get("pixel_values")
    return None if pixels is None else tuple(pixels.shape[-2:])
