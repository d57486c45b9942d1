"""One hour of one deployment as columns: arrivals, answers, times and failures, with what was planted in it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from monitor.demo.answers import Answers, ByKind, Ints, Pool, pool
from monitor.demo.deployments import CLIENTS, PROFILES, Profile, checkpoint_at
from monitor.demo.failures import duration, failures
from monitor.demo.incidents import Incident, anchor, incidents
from monitor.demo.rhythm import arrivals
from monitor.demo.shifts import SHIFTED, Shift, shifts
from monitor.demo.timing import Floats, times

HOUR = timedelta(hours=1)
WHOLE_STORY = 10_000  # days


@dataclass(frozen=True, slots=True, eq=False)
class Story:
    """What all hours share: the seed, what is planted, and the answers of each checkpoint."""

    seed: int
    anchor: datetime
    planted: tuple[Incident, ...]
    shifts: tuple[Shift, ...]
    pools: Mapping[str, Pool]


@dataclass(frozen=True, slots=True, eq=False)
class Requests:
    """The requests of a deployment in an hour in order of time, one value of each column per request."""

    profile: Profile
    hour: datetime
    checkpoint: str
    pool: Pool
    seconds: Floats  # after the hour
    clients: NDArray[np.str_]
    picks: Ints  # positions in the pool
    queue_ms: Floats
    ttft_ms: Floats
    latency_ms: Floats
    failure: Ints  # positions in FAILURES, OK for none
    streamed: NDArray[np.bool_]  # whether the first token has a time


def tell(now: datetime, seed: int, answers: Answers, shifted: Callable[[str], ByKind] | None) -> Story:
    """The story at `now`, with what each checkpoint in it answered, and what to the prompts of each shift.

    Without `shifted` requests stay what they are.
    """
    planted = incidents(now, WHOLE_STORY)
    served = {profile.checkpoint: profile.kinds for profile in PROFILES}
    profiles = {profile.id: profile for profile in PROFILES}
    served |= {i.checkpoint: profiles[i.deployment].kinds for i in planted if i.checkpoint}
    heard: dict[str, dict[str, ByKind]] = {checkpoint: {} for checkpoint in served}
    if shifted:
        for shift, deployment in SHIFTED.items():
            heard[profiles[deployment].checkpoint][shift] = shifted(shift)
    pools = {checkpoint: pool(answers, kinds, checkpoint, heard[checkpoint]) for checkpoint, kinds in served.items()}
    return Story(seed, anchor(now), planted, shifts(anchor(now)) if shifted else (), pools)


def dice(story: Story, profile: Profile, hour: datetime, purpose: int) -> np.random.Generator:
    """Random numbers for one hour of one deployment, so that any stretch can be made without what came before it."""
    return np.random.default_rng([story.seed, crc32(profile.id.encode()), int(hour.timestamp()) // 3600, purpose])


def requests(story: Story, profile: Profile, hour: datetime) -> Requests:
    """The hour with all that was planted in it."""
    rng = dice(story, profile, hour, purpose=0)
    seconds, load = arrivals(profile, hour, rng)
    checkpoint = checkpoint_at(profile, hour, story.planted)
    answered = story.pools[checkpoint]
    draws = rng.random((4, seconds.size))
    picks, clients = _asked(story, profile, hour, seconds, answered, draws[0])
    took = times(profile, answered.prefill_ms[picks], answered.decode_ms[picks], load, rng)
    error_rate, silent = np.full(seconds.size, profile.errors), np.zeros(seconds.size, dtype=bool)
    burst = silent.copy()
    for incident in story.planted:
        progress = _progress(incident, hour, seconds)
        inside = _during(progress)
        if incident.deployment != profile.id or not inside.any():
            continue
        if incident.kind == "latency_regression":
            # the p95 is to be so many times as high, whatever the other checkpoint takes by itself
            factor = incident.magnitude * story.pools[profile.checkpoint].p95_ms / answered.p95_ms
            took = took.slower(np.where(inside, factor, 1.0))
        elif incident.kind == "slow_leak":
            took = took.leaking(np.where(inside, progress, 0.0), profile.slower * answered.p95_ms)
        elif incident.kind == "error_burst":
            burst, error_rate = inside, np.where(inside, incident.magnitude, error_rate)
        else:
            silent = inside
    failure = failures(draws[1], draws[2], error_rate, burst, images=bool(answered.answers[0].media))
    latency, kept = duration(failure, took.latency), ~silent
    return Requests(
        profile=profile,
        hour=hour,
        checkpoint=checkpoint,
        pool=answered,
        seconds=seconds[kept],
        clients=clients[kept],
        picks=picks[kept],
        queue_ms=np.minimum(took.queue, latency)[kept],
        ttft_ms=took.ttft[kept],
        latency_ms=latency[kept],
        failure=failure[kept],
        streamed=draws[3][kept] < profile.streamed,
    )


def _asked(
    story: Story, profile: Profile, hour: datetime, seconds: Floats, answered: Pool, uniforms: Floats
) -> tuple[Ints, NDArray[np.str_]]:
    """What each request asks, as positions in the pool, and its client, with the shifts that touch the hour."""
    rng = dice(story, profile, hour, purpose=2)
    picks = answered.draw(uniforms)
    clients = rng.choice(list(CLIENTS), seconds.size, p=list(CLIENTS.values()))
    for shift in story.shifts:
        inside = _during(_progress(shift, hour, seconds))
        if shift.deployment != profile.id or not inside.any():
            continue
        struck, which = rng.random((2, seconds.size))
        inside &= struck < _chance(shift, clients)
        picks = np.where(inside, answered.shifted(shift.kind, picks, which), picks)
        if shift.client:
            clients = np.where(inside, shift.client, clients)
    return picks, clients


def _chance(shift: Shift, clients: NDArray[np.str_]) -> Floats:
    """For each request, how likely the shift takes it; a client that asks too little takes over requests of others."""
    if shift.client is None:
        return np.full(clients.size, shift.share)
    usual = CLIENTS[shift.client]
    others = max(0.0, (shift.share - usual) / (1 - usual))
    return np.where(clients == shift.client, min(1.0, shift.share / usual), others)


def _progress(planted: Incident | Shift, hour: datetime, seconds: Floats) -> Floats:
    """How much of it has passed at each request: 0 at its start, 1 at its end."""
    since: Floats = (hour - planted.start).total_seconds() + seconds
    return since / (planted.end - planted.start).total_seconds()


def _during(progress: Floats) -> NDArray[np.bool_]:
    return (progress >= 0) & (progress < 1)
