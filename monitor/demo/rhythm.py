"""When requests come: a daily and a weekly rhythm, and more spread than a Poisson process has."""

from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from monitor.demo.deployments import Profile

SHARPNESS = 1.3
SPREAD = 6.0
"""Shape of the gamma noise on the rate of each minute: its count has a variance of rate * (1 + rate / SPREAD)."""

MINUTES = 60


def shape(profile: Profile, hours: NDArray[np.float64], weekend: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Traffic relative to the peak of a working day, at hours of the day (UTC)."""
    wave = (1 + np.cos(2 * np.pi * (hours - profile.peak_hour) / 24)) / 2
    level: NDArray[np.float64] = profile.trough + (1 - profile.trough) * wave**SHARPNESS
    return np.where(weekend, profile.weekend * level, level)


def load(profile: Profile, hour: datetime) -> NDArray[np.float64]:
    """Traffic relative to the mean of the week, for each minute of an hour."""
    week_hours = np.tile(np.arange(24.0), 7)
    week = shape(profile, week_hours, np.arange(7 * 24) >= 5 * 24)
    hours = hour.hour + (np.arange(MINUTES) + 0.5) / MINUTES
    level: NDArray[np.float64] = shape(profile, hours, np.full(MINUTES, hour.weekday() >= 5)) / week.mean()
    return level


def arrivals(
    profile: Profile, hour: datetime, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Starts of the requests of an hour in seconds after it, in order, and the load that each met."""
    level = load(profile, hour)
    per_minute = profile.per_day / timedelta(days=1).total_seconds() * 60
    counts = rng.poisson(per_minute * level * rng.gamma(SPREAD, 1 / SPREAD, MINUTES))
    minutes = np.repeat(np.arange(MINUTES), counts)
    seconds = np.sort(minutes * 60 + rng.random(minutes.size) * 60)
    return seconds, np.repeat(level, counts)
