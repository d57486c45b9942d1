"""The rows that are being answered: who joins, what a step gives them, who leaves, and what happens when one fails.

What fails, fails alone. A prefill that raises is tried again in halves; the rows of a step that raises, and a row whose
logits are not numbers, are computed again one by one. A batch that does not fit into memory is halved, and computed
again from what its rows had generated, so that nobody is told anything twice.
"""

import gc
import time
from collections import Counter
from collections.abc import Sequence

from monitor.errors import OutOfMemory, TargetError, WatchpointError
from monitor.inference.checkpoint import Loaded
from monitor.inference.grouping import MOST_TOKENS, PassCost, split
from monitor.inference.peak import Meter, is_out_of_memory
from monitor.inference.rows import Row
from monitor.inference.runner import Runner
from monitor.inference.sampling import Choice, choose

CLEAN_STEPS = 50
"""So many steps without trouble after running out of memory, and the batch may be twice as large again."""

COUNTERS = {"stop": "stopped", "length": "length", "cancelled": "cancelled", "timeout": "timeout"}
"""By finish reason, the counter of `Figures`."""


class Batch:
    """Owned by the engine's thread. `join` and `step` return the rows that have to wait again, oldest first."""

    def __init__(self, loaded: Loaded, max_rows: int) -> None:
        self.rows: list[Row] = []  # row i of the runner
        self.cap = self._max_rows = max_rows
        self.fitted = 0  # most rows that ran
        self.counts: Counter[str] = Counter()
        self.prefill_s = self.decode_s = 0.0
        self._cost = PassCost()
        self._clean = 0  # steps since memory ran out
        self._joined = False  # somebody did since the last step
        self._ends, self._name = loaded.ends, loaded.name
        self._runner = Runner(loaded.model, loaded.device, loaded.dtype, loaded.pad)
        self._meter = Meter(loaded.device)

    @property
    def cache_bytes(self) -> int:
        return self._runner.cache.bytes

    @property
    def places(self) -> int:
        """How many rows may join now."""
        return 0 if self.rows and self.rows[0].alone else self.cap - len(self.rows)

    def join(self, rows: Sequence[Row]) -> list[Row]:
        """Compute the prompts of rows in groups of like lengths, and take them in; returns those that have to wait.

        The group of the oldest is always computed; of the others, as many as the rows of the batch can wait for.
        """
        again: list[Row] = []
        tokens = 0
        for shaped in _by_shape(rows):
            for group in split(shaped, lambda row: row.width, self._cost.tokens):
                padded = _padded(group)
                fits = len(self.rows) + len(group) <= self.cap  # memory may have run out just now
                if not fits or (tokens and tokens + padded > MOST_TOKENS):
                    again += group
                    continue
                tokens += padded
                again += self._join(group)
        return sorted(again, key=lambda row: row.submitted)

    def _join(self, group: Sequence[Row]) -> list[Row]:
        """One prefill."""
        began, first = time.perf_counter(), len(self.rows)
        for row in group:
            row.picked = row.picked if row.generated else began  # until here it waited
        entries = [row.entry for row in group]
        try:
            choices = choose(self._runner.prefill(entries), [row.sampler for row in group])
        except Exception as error:  # noqa: BLE001 (whatever a model raises, the engine goes on)
            problem = error.with_traceback(None)  # it would keep the tensors of the pass in memory
        else:
            self._runner.keep(entries)
            self.rows += group
            self._joined = True
            self._ran(group)
            self._count_prefill(group, time.perf_counter() - began)
            return self._take(first, choices)
        return self._join_failed(group, problem)

    def step(self) -> list[Row]:
        """One more token for every row."""
        began = time.perf_counter()
        try:
            logits = self._runner.step([row.generated[-1] for row in self.rows])
            choices = choose(logits, [row.sampler for row in self.rows])
        except Exception as error:  # noqa: BLE001 (whatever a model raises, the engine goes on)
            problem = error.with_traceback(None)
        else:
            self._runner.advance()
            self.counts["steps"] += 1
            self.counts["row_steps"] += len(self.rows)
            if self._joined:
                self._joined = False
                self._ran(self.rows)
            self.decode_s += time.perf_counter() - began
            self._recover()
            return self._take(0, choices)
        return self._step_failed(problem)

    def leave_overdue(self, now: float) -> None:
        """Let the rows go that were cancelled or missed their deadline."""
        self._end({index: reason for index, row in enumerate(self.rows) if (reason := row.overdue(now))})

    def fail_all(self, error: WatchpointError) -> None:
        for row in self._give_up():
            self._fail(row, error)

    def forget_counts(self) -> None:
        self.counts.clear()
        self.prefill_s = self.decode_s = 0.0

    def release(self) -> None:
        """Give the memory of the cache back, while there are no rows."""
        self._runner.clear()
        self._meter.empty()

    def _take(self, first: int, choices: list[Choice]) -> list[Row]:
        """Hand the rows from `first` on their tokens, and let those go that have all of them."""
        ended, broken = {}, []
        for index, choice in enumerate(choices, first):
            if choice.broken:
                broken.append(index)
                continue
            self.counts["tokens_out"] += 1
            reason = self.rows[index].take(choice, self._ends, self._name)
            if reason:
                ended[index] = reason
        return self._end(ended, broken)

    def _end(self, ended: dict[int, str], broken: Sequence[int] = ()) -> list[Row]:
        """Take rows out of the batch, by their numbers; returns those that are to be computed again."""
        if not ended and not broken:
            return []
        leaving = [(self.rows[index], reason) for index, reason in ended.items()]
        spoilt = [self.rows[index] for index in broken]
        for source, target in self._runner.drop([*ended, *broken], broken):
            self.rows[target] = self.rows[source]
        del self.rows[len(self.rows) - len(ended) - len(broken) :]
        for row, reason in leaving:
            self.counts[COUNTERS[reason]] += 1
            row.end(reason)
        return self._second_chance(spoilt)

    def _second_chance(self, spoilt: Sequence[Row]) -> list[Row]:
        """Rows whose logits are not numbers are computed once more, each by itself."""
        for row in spoilt:
            if row.alone:
                self._fail(row, TargetError("the model computed NaN or infinite values on this request, also alone"))
        return self._restart([row for row in spoilt if not row.ended])

    def _fail(self, row: Row, error: WatchpointError) -> None:
        self.counts["failed"] += 1
        row.fail(error)

    def _join_failed(self, group: Sequence[Row], problem: Exception) -> list[Row]:
        if is_out_of_memory(problem):
            return self._ran_out(group, len(self.rows) + len(group))
        if len(group) == 1:
            self._fail(group[0], _model_error(problem))
            return []
        middle = len(group) // 2
        return self._join(group[:middle]) + self._join(group[middle:])

    def _step_failed(self, problem: Exception) -> list[Row]:
        group = self._give_up()
        if is_out_of_memory(problem):
            return self._ran_out(group, len(group))
        if len(group) == 1:
            self._fail(group[0], _model_error(problem))
            return []
        return self._restart(group)

    def _restart(self, group: list[Row]) -> list[Row]:
        """Each of them by itself."""
        self.counts["restarted"] += len(group)
        for row in group:
            row.alone = True
        return group

    def _ran_out(self, group: Sequence[Row], tried: int) -> list[Row]:
        """Halve what may run at once. Only a request that ran by itself, on empty memory, fails."""
        self.counts["out_of_memory"] += 1
        self._clean = 0
        gc.collect()
        if not self.rows:
            self._runner.clear()
        self._meter.empty()
        if tried == 1 and group[0].alone:
            self._fail(group[0], _too_large(group[0], self.fitted))
            return []
        self.cap = max(1, tried // 2)
        self.counts["restarted"] += len(group)
        for row in group:
            row.alone = row.alone or tried == 1
            row.notes.append(f"memory ran out with {tried} in the batch: computed again with at most {self.cap}")
        return [*group]

    def _recover(self) -> None:
        self._clean += 1
        if self.cap < self._max_rows and self._clean >= CLEAN_STEPS:
            self.cap, self._clean = min(self._max_rows, self.cap * 2), 0

    def _give_up(self) -> list[Row]:
        """Take all rows out of the batch, oldest first."""
        rows = sorted(self.rows, key=lambda row: row.submitted)
        self.rows = []
        self._runner.clear()
        return rows

    def _ran(self, rows: Sequence[Row]) -> None:
        """These rows went through the model together."""
        self.fitted = max(self.fitted, len(rows))
        peak = self._meter.sample()
        for row in rows:
            row.batch_rows, row.peak = max(row.batch_rows, len(rows)), max(row.peak, peak)

    def _count_prefill(self, group: Sequence[Row], seconds: float) -> None:
        padded = _padded(group)
        self._cost.learn(padded, seconds)
        own = sum(row.width for row in group)
        self.counts["prefills"] += 1
        self.counts["prefill_rows"] += len(group)
        self.counts["prompt_tokens"] += own
        self.counts["padded_tokens"] += padded - own
        self.counts["images"] += sum(row.prepared.images for row in group)
        self.prefill_s += seconds


def _padded(group: Sequence[Row]) -> int:
    """Tokens of a prefill, padding included."""
    return max(row.width for row in group) * len(group)


def _by_shape(rows: Sequence[Row]) -> list[list[Row]]:
    """Rows whose images have the same size; those without images go with the first of them."""
    shapes: dict[tuple[int, ...], list[Row]] = {row.picture_shape: [] for row in rows if row.picture_shape} or {(): []}
    first = next(iter(shapes))
    for row in rows:
        shapes[row.picture_shape or first].append(row)
    return [*shapes.values()]


def _model_error(problem: Exception) -> TargetError:
    return TargetError(f"the model failed on this request: {type(problem).__name__}: {str(problem)[:300]}")


def _too_large(row: Row, fitted: int) -> OutOfMemory:
    return OutOfMemory(
        f"this request of {row.prepared.tokens_in} tokens and {row.prepared.images} images does not fit into memory, "
        f"even by itself (the largest batch that did: {fitted} rows); send a shorter prompt or fewer images"
    )
