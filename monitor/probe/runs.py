"""A run while it is under way, and its row in the store."""

import asyncio
import random
import string
from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec
import structlog

from monitor.probe.tools import Tools
from monitor.store.database import Connection
from monitor.store.probes import Run, add_run, update_run

log = structlog.get_logger(__name__)

END_PAUSES_S = (0, 1, 5, 30, 60)
_letters = random.SystemRandom()


def new_id() -> str:
    """Letters only: digits might be taken for a phone number when the log is redacted."""
    return "".join(_letters.choices(string.ascii_lowercase, k=14))


class Record:
    """Counts, problem and result of one run; written to the store when it begins, now and then, and when it ends."""

    def __init__(self, tools: Tools, run: Run) -> None:
        self._tools = tools
        self._run = run
        self.done = self.failed = 0
        self.total = run.total
        self.problem: str | None = None
        self.result: dict[str, Any] | None = run.result  # replaced, never changed: another thread writes it

    @property
    def id(self) -> str:
        return self._run.run

    @property
    def kind(self) -> str:
        return self._run.kind

    @property
    def visitor(self) -> str:
        return self._run.visitor

    @property
    def started_at(self) -> datetime:
        return self._run.started_at

    async def begin(self) -> None:
        """Write the row. Raises what the store raises."""
        clean = self._tools.owner.redactor.clean_json
        spec = await self._tools.in_thread(lambda: clean(msgspec.to_builtins(self._run.spec)))
        run = replace(self._run, spec=spec)
        await asyncio.wrap_future(self._tools.owner.run(lambda con: add_run(con, run)))

    def count(self, outcome: str) -> None:
        """One more question is settled: `ok`, or the kind of its error."""
        self.done += 1
        self.failed += outcome != "ok"
        self._tools.answers[self.kind, outcome] += 1

    async def save(self) -> None:
        """Write how far it is; what could not be written is written with the next one."""
        await self._written(self._now())

    async def end(self, state: str) -> None:
        """Write how it ended; a store that cannot be written just now is tried again for a while."""
        self._tools.runs[self.kind, state] += 1
        run = replace(self._now(), state=state, ended_at=self._tools.owner.clock())
        log.info("probe ended", run=self.id, kind=self.kind, state=state, done=self.done, failed=self.failed)
        for pause in END_PAUSES_S:
            await asyncio.sleep(pause)
            if await self._written(run):
                break

    async def _written(self, run: Run) -> bool:
        now = self._tools.owner.clock()

        def write(con: Connection) -> None:
            update_run(con, run, now)

        try:
            # shielded: an update that waits for its turn is still wanted when whoever waits for it goes
            await asyncio.shield(asyncio.wrap_future(self._tools.owner.run(write)))
        except Exception as error:  # noqa: BLE001 (whatever the store trips over must not end the run)
            log.warning("a probe run could not be written", run=self.id, state=run.state, error=str(error))
            return False
        return True

    def _now(self) -> Run:
        clean = self._tools.owner.redactor.clean
        problem = clean(self.problem) if self.problem else None
        return replace(
            self._run, done=self.done, failed=self.failed, total=self.total, result=self.result, problem=problem
        )
