"""The three deployments of the demo: how much traffic each gets, what it is asked, and how fast it answers.

`fleet.toml` beside this file registers the same three with their SLOs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from monitor.demo.incidents import Incident

VISION_KINDS = {
    "colour": 0.14,
    "shape": 0.11,
    "count": 0.12,
    "exist": 0.12,
    "list": 0.12,
    "point": 0.11,
    "describe": 0.14,
    "compare": 0.08,
    "any": 0.04,
    "images": 0.02,
}
CLIENTS = {"web": 0.55, "mobile": 0.35, "batch": 0.1}
"""Who asks, with their shares of the requests of every deployment."""

TEXT_KINDS = {"caption": 0.30, "extract": 0.25, "classify": 0.15, "summary": 0.30}


@dataclass(frozen=True, slots=True)
class Profile:
    """A deployment of the demo. Times in milliseconds, hours in UTC, shares between 0 and 1."""

    id: str
    model: str
    checkpoint: str
    environment: str
    kinds: Mapping[str, float]  # share of the requests of each kind of prompt
    per_day: int  # requests of a mean day
    peak_hour: float
    trough: float  # traffic at night as a share of the peak
    weekend: float  # traffic of a Saturday or Sunday as a share of a working day
    users: int
    replicas: int
    queue_ms: float  # median at mean load
    slower: float  # than the machine on which the answers were measured
    errors: float  # share of requests that fail on a good day
    streamed: float  # share of requests whose first token has a time
    usd_in: float  # per million tokens
    usd_out: float


PROFILES = (
    Profile(
        id="vision-prod",
        model="shapes-vlm",
        checkpoint="shapes-vlm-step-00600",
        environment="production",
        kinds=VISION_KINDS,
        per_day=13_000,
        peak_hour=13.0,
        trough=0.16,
        weekend=0.55,
        users=600,
        replicas=3,
        queue_ms=1.5,
        slower=1.0,
        errors=0.0012,
        streamed=0.9,
        usd_in=0.20,
        usd_out=0.80,
    ),
    Profile(
        id="vision-edge",
        model="shapes-vlm",
        checkpoint="shapes-vlm-step-00450",
        environment="edge",
        kinds=VISION_KINDS,
        per_day=5_500,
        peak_hour=10.0,
        trough=0.35,
        weekend=0.75,
        users=80,
        replicas=1,
        queue_ms=4.0,
        slower=2.2,
        errors=0.0015,
        streamed=0.6,
        usd_in=0.05,
        usd_out=0.20,
    ),
    Profile(
        id="text-prod",
        model="shapes-lm",
        checkpoint="shapes-lm-step-00600",
        environment="production",
        kinds=TEXT_KINDS,
        per_day=8_500,
        peak_hour=16.0,
        trough=0.65,
        weekend=0.85,
        users=300,
        replicas=2,
        queue_ms=1.5,
        slower=1.0,
        errors=0.0006,
        streamed=1.0,
        usd_in=0.10,
        usd_out=0.40,
    ),
)


def checkpoint_at(profile: Profile, moment: datetime, planted: tuple[Incident, ...]) -> str:
    """The checkpoint that the deployment serves: its own, but where an incident is that it was switched."""
    for incident in planted:
        if incident.checkpoint and incident.deployment == profile.id and incident.start <= moment < incident.end:
            return incident.checkpoint
    return profile.checkpoint
