"""What came of one question to one target."""

from dataclasses import dataclass
from datetime import datetime

from monitor.chat import Generation, Reply
from monitor.errors import WatchpointError
from monitor.probe.questions import Question
from monitor.runtimes import Target


@dataclass(frozen=True, slots=True)
class Outcome:
    """Either a reply or an error. `ms` is the time from asking to either of them."""

    target: Target
    question: Question
    generation: Generation
    began: datetime
    ms: float
    reply: Reply | None = None
    error: WatchpointError | None = None

    @property
    def kind(self) -> str:
        """`ok`, or the class of the error."""
        return "ok" if self.error is None else type(self.error).__name__
