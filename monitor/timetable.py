"""When a schedule is due: cron lines of five fields in UTC, and intervals counted from 1970.

The fleet file is checked with it, the scheduler waits for `next_slot`, and a job started by cron or by hand takes
`last_slot`: the same moment has the same slot wherever it is asked, so that a job can be claimed once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

from monitor.records import Schedule

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_LONGEST = 366 * 8
"""Days after which a cron line has been due: the 29th of February comes at least every eight years."""


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day", 1, 31),
    _Field("month", 1, 12, ("", *_MONTHS)),
    _Field("weekday", 0, 7, _DAYS),
)


@dataclass(frozen=True, slots=True)
class Cron:
    """The values of each field. As everywhere, a day is due by its number or its weekday where both are given."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]  # 0 is Sunday
    either: bool

    def on(self, day: datetime) -> bool:
        by_day, by_weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return day.month in self.months and (by_day or by_weekday if self.either else by_day and by_weekday)


def cron_problem(line: str) -> str | None:
    """What is wrong with a cron line, None when it can be due."""
    try:
        parse_cron(line)
    except ValueError as error:
        return str(error)
    return None


@cache
def parse_cron(line: str) -> Cron:
    """Raises ValueError with the field, its text and what is allowed."""
    parts = line.split()
    if len(parts) != len(_FIELDS):
        raise ValueError(f"has {len(parts)} fields; it needs five: minute hour day month weekday")
    minutes, hours, days, months, weekdays = (_values(one, text) for one, text in zip(_FIELDS, parts, strict=True))
    either = parts[2][0] != "*" and parts[4][0] != "*"
    cron = Cron(
        tuple(sorted(minutes)),
        tuple(sorted(hours)),
        frozenset(days),
        frozenset(months),
        frozenset(day % 7 for day in weekdays),
        either,
    )
    start = datetime(2024, 1, 1, tzinfo=UTC)
    if not any(cron.on(start + timedelta(days=n)) for n in range(_LONGEST)):
        raise ValueError("names a day that no month has; it would never be due")
    return cron


def _values(field: _Field, text: str) -> set[int]:
    return {value for part in text.lower().split(",") for value in _part(field, part, text)}


def _part(field: _Field, part: str, text: str) -> range:
    span, slash, step = part.partition("/")
    low, dash, high = span.partition("-")
    try:
        first = field.low if span == "*" else _number(field, low)
        last = field.high if span == "*" or (slash and not dash) else _number(field, high) if dash else first
        width = int(step) if slash else 1
        if not (field.low <= first <= last <= field.high and width >= 1):
            raise ValueError
    except ValueError:
        raise ValueError(
            f"{field.name} is {text!r}; allowed are {field.low} to {field.high}, *, lists 1,2, ranges 1-5 and steps */5"
        ) from None
    return range(first, last + 1, width)


def _number(field: _Field, text: str) -> int:
    return field.names.index(text) if text and text in field.names else int(text)


def last_slot(schedule: Schedule, now: datetime) -> datetime:
    """The latest moment up to `now` (aware) at which the schedule was due, in UTC."""
    if schedule.every_s:
        seconds = int(now.timestamp())
        return datetime.fromtimestamp(seconds - seconds % schedule.every_s, UTC)
    return next(moment for moment in _moments(schedule, now, forward=False) if moment <= now)


def next_slot(schedule: Schedule, now: datetime) -> datetime:
    """The first moment after `now` (aware) at which the schedule is due, in UTC."""
    if schedule.every_s:
        return last_slot(schedule, now) + timedelta(seconds=schedule.every_s)
    return next(moment for moment in _moments(schedule, now, forward=True) if moment > now)


def _moments(schedule: Schedule, now: datetime, *, forward: bool) -> Iterator[datetime]:
    """The moments of a cron line day by day, from today on or back."""
    assert schedule.cron is not None, "a schedule has cron or every_s"
    cron, way = parse_cron(schedule.cron), 1 if forward else -1
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for n in range(_LONGEST):
        day = today + timedelta(days=n * way)
        if cron.on(day):
            for hour in cron.hours[::way]:
                for minute in cron.minutes[::way]:
                    yield day.replace(hour=hour, minute=minute)


def words_of(schedule: Schedule) -> str:
    """Such as `every 15m` or `cron 7 * * * * (UTC)`."""
    if not schedule.every_s:
        return f"cron {schedule.cron} (UTC)"
    unit = next(unit for unit in ("d", "h", "m", "s") if schedule.every_s % UNITS_S[unit] == 0)
    return f"every {schedule.every_s // UNITS_S[unit]}{unit}"


UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
