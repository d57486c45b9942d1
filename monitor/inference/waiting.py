"""The requests that wait for a place in the batch. All its methods are called with the engine's lock held."""

import time
from collections import deque
from collections.abc import Iterable

from monitor.inference.rows import Row

BURST_S = 0.05


class Waiting:
    """A queue in the order of arrival."""

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

    def pick(self, places: int, idle: bool) -> list[Row]:
        """The rows that join next: as many as there are places, oldest first.

        A row that must be alone is picked once it is the oldest and the batch is idle, and stays alone.
        """
        if places < 1 or not self.rows:
            return []
        if self.rows[0].alone:
            return self._remove([self.rows[0]]) if idle else []
        return self._remove([row for row in self.rows if not row.alone][:places])

    def _remove(self, group: list[Row]) -> list[Row]:
        if not group:
            return group
        taken = {id(row) for row in group}
        self.rows = deque(row for row in self.rows if id(row) not in taken)
        self.bytes -= sum(row.bytes for row in group)
        return group
