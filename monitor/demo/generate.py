"""The demo's traffic as events for the door; `python -m monitor demo` loads them.

Every hour of a deployment has a generator of its own, seeded by seed, deployment and hour: the same `now`, `days` and
`seed` make the same events, and any stretch of the story can be made without what came before it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from monitor.demo.answers import Answers, Pool, sample
from monitor.demo.deployments import PROFILES, Profile, checkpoint_at
from monitor.demo.events import Requests, to_events
from monitor.demo.failures import failures
from monitor.demo.grammar import ANSWERS
from monitor.demo.incidents import Incident, anchor, incidents
from monitor.demo.rhythm import arrivals
from monitor.demo.timing import Times, times
from monitor.errors import BadInput

BATCH = 5_000
HOUR = timedelta(hours=1)
Event = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Story:
    """What all hours share: the planted incidents and the answers of each checkpoint."""

    seed: int
    anchor: datetime
    planted: tuple[Incident, ...]
    pools: Mapping[str, Pool]


def generate(now: datetime, *, days: int = 14, seed: int = 7, answers: Answers = ANSWERS) -> Iterator[list[Event]]:
    """The events of the `days` before `now` in order of time, in batches of at most 5,000."""
    return stretch(now, now - timedelta(days=days), now, seed=seed, answers=answers)


def stretch(
    now: datetime, start: datetime, end: datetime, *, seed: int = 7, answers: Answers = ANSWERS
) -> Iterator[list[Event]]:
    """Events from `start` up to and without `end` of the story told at `now`; `end` may lie after it."""
    if seed < 0:
        raise BadInput(f"seed is {seed}: expected 0 or more")
    story = tell(now, seed, answers)
    return _batches(story, start, end)


def tell(now: datetime, seed: int, answers: Answers) -> Story:
    """The story at `now`: asks `answers` for a sample of each checkpoint, which is all that it is ever asked."""
    planted = incidents(now, days=10_000)
    kinds = {profile.checkpoint: profile.kinds for profile in PROFILES}
    by_name = {profile.id: profile.kinds for profile in PROFILES}
    kinds |= {incident.checkpoint: by_name[incident.deployment] for incident in planted if incident.checkpoint}
    pools = {
        name: sample(answers, shares, name, np.random.default_rng([seed, crc32(name.encode())]))
        for name, shares in kinds.items()
    }
    return Story(seed, anchor(now), planted, pools)


def _batches(story: Story, start: datetime, end: datetime) -> Iterator[list[Event]]:
    waiting: list[Event] = []
    first, last = _text(start), _text(end)
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
    """All events of an hour in order of time; an id says the story, the hour and the place in it."""
    events = [event for profile in PROFILES for event in to_events(hour_requests(story, profile, hour))]
    events.sort(key=lambda event: event["ts"])
    name = f"demo-{story.seed}-{story.anchor:%y%m%d%H}-{int(hour.timestamp()) // 3600}"
    for index, event in enumerate(events):
        event["event_id"] = f"{name}-{index:05d}"
    return events


def hour_requests(story: Story, profile: Profile, hour: datetime) -> Requests:
    """The requests of a deployment in an hour, as columns, with every incident that touches it."""
    entropy = [story.seed, crc32(profile.id.encode()), int(hour.timestamp()) // 3600]
    rng = np.random.default_rng(entropy)
    seconds, load = arrivals(profile, hour, rng)
    checkpoint = checkpoint_at(profile, hour, story.planted)
    pool = story.pools[checkpoint]
    draws = rng.random((4, seconds.size))
    picks = pool.draw(draws[0])
    healthy = times(profile, pool.tokens_in[picks], pool.tokens_out[picks], load, rng)
    here = [i for i in story.planted if i.deployment == profile.id and i.start < hour + HOUR and i.end > hour]
    burst, rate = _error_rate(profile, here, hour, seconds)
    requests = Requests(
        profile=profile,
        hour=hour,
        seconds=seconds,
        checkpoint=checkpoint,
        pool=pool,
        picks=picks,
        times=_with_incidents(healthy, here, hour, seconds, load),
        failure=failures(draws[1], draws[2], rate, burst),
        extras=rng,
    )
    return requests.without(_inside_any(here, "quiet_outage", hour, seconds))
