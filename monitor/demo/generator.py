"""The demo's traffic as batches of events for the door; `python -m monitor demo` loads them.

The same `now`, `days` and `seed` make the same events. Nothing here reads a clock or writes a file.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from monitor.demo.answers import Answers
from monitor.demo.deployments import PROFILES
from monitor.demo.events import Event, text, to_events
from monitor.demo.incidents import anchor
from monitor.demo.recorded import recorded_answers, recorded_shift
from monitor.demo.traffic import HOUR, Story, dice, requests, tell
from monitor.errors import BadInput

BATCH = 5_000


def generate(now: datetime, *, days: int = 14, seed: int = 7, answers: Answers | None = None) -> Iterator[list[Event]]:
    """The events of the `days` before `now` in order of time, in batches of at most 5,000.

    Other `answers` than the recorded ones tell the story without its shifts, to whose prompts they know no answers.
    """
    if days < 1:
        raise BadInput(f"days is {days}: expected 1 or more")
    return stretch(now, now - timedelta(days=days), now, seed=seed, answers=answers)


def stretch(
    now: datetime, start: datetime, end: datetime, *, seed: int = 7, answers: Answers | None = None
) -> Iterator[list[Event]]:
    """Events from `start` up to and without `end` of the story told at `now`; `end` may lie after that `now`."""
    if seed < 0:
        raise BadInput(f"seed is {seed}: expected 0 or more")
    story = tell(now, seed, answers or recorded_answers, None if answers else recorded_shift)
    return _batches(story, start.astimezone(UTC), end.astimezone(UTC))


def _batches(story: Story, start: datetime, end: datetime) -> Iterator[list[Event]]:
    first, last = text(start), text(end)
    waiting: list[Event] = []
    hour = anchor(start)
    while hour < end:
        waiting += [event for event in hour_events(story, hour) if first <= event["ts"] < last]
        while len(waiting) >= BATCH:
            yield waiting[:BATCH]
            waiting = waiting[BATCH:]
        hour += HOUR
    if waiting:
        yield waiting


def hour_events(story: Story, hour: datetime) -> list[Event]:
    """All events of an hour in order of time. An id names the story, the hour and the place in it."""
    events: list[Event] = []
    for profile in PROFILES:
        events += to_events(requests(story, profile, hour), dice(story, profile, hour, purpose=1))
    events.sort(key=lambda event: str(event["ts"]))
    name = f"demo-{story.seed}-{story.anchor:%y%m%d%H}-{int(hour.timestamp()) // 3600}"
    for index, event in enumerate(events):
        event["event_id"] = f"{name}-{index:05d}"
    return events
