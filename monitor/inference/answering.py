"""One request while an engine answers it: what the engine says, judged and counted."""

from monitor.chat import Piece
from monitor.errors import TargetBusy, TargetTimeout, WatchpointError
from monitor.inference.answers import Before, outcome_word
from monitor.inference.events import Events
from monitor.inference.metrics import Metrics
from monitor.inference.outcome import Outcome

STOPPING = "the worker is stopping; ask again once it has been restarted"


class Answering:
    """A request in its engine; counts how it ended, once."""

    def __init__(self, metrics: Metrics, model: str, events: Events) -> None:
        self.events, self.before = events, Before()
        self._metrics, self._model, self._counted = metrics, model, False

    async def next(self) -> Piece | Outcome:
        """The next piece, or the outcome, which is a whole answer. Raises what ended it otherwise."""
        try:
            event = await self.events.next()
            if isinstance(event, Outcome):
                _check_whole(event, self.before)
                self.count(event.finish_reason)
                self._metrics.answered(self._model, event, self.before)
        except WatchpointError as error:
            self.count(outcome_word(error))
            raise
        return event

    async def outcome(self) -> Outcome:
        """The outcome, past all pieces."""
        while isinstance(event := await self.next(), Piece):
            pass
        return event

    def count(self, outcome: str) -> None:
        if not self._counted:
            self._counted = True
            self._metrics.ended(self._model, outcome)


def _check_whole(outcome: Outcome, before: Before) -> None:
    """Raise for an outcome that is no answer."""
    if outcome.finish_reason == "timeout":
        total_s = (outcome.total_ms + before.waiting + before.parsing) / 1000
        waited_s = (outcome.queue_ms + before.waiting) / 1000
        raise TargetTimeout(
            f"no whole answer within the deadline: {outcome.tokens_out} tokens came in {total_s:.2f} s, of which "
            f"{waited_s:.2f} s were waiting; allow more in deadline_s, or ask for less in max_tokens"
        )
    if outcome.finish_reason == "cancelled":
        raise TargetBusy(STOPPING)
