"""Times of logs as UTC text; every importer's `ts` goes through `utc_text`."""

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from math import isfinite
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from monitor.errors import BadInput
from monitor.importers.words import did_you_mean

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST = 946_684_800  # the year 2000: smaller numbers are rows counted from the start of a trace, not a time
UNITS = ((1e11, 1_000_000, 1), (1e14, 1_000, 1), (1e17, 1, 1), (float("inf"), 1, 1_000))
"""Smaller than the first number, an epoch time times the second by the third is microseconds: s, ms, us, ns."""

_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE]\+?\d+)?")
_COMPACT_DAY = re.compile(r"(19|20)\d{6}")
_SLASHES = re.compile(r"(\d{4})/(\d\d)/(\d\d)")


def zone_of(name: str) -> tzinfo:
    """The time zone of that name (`UTC`, `Europe/Berlin`). Raises BadInput for an unknown one."""
    if name.upper() in ("UTC", "Z"):
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        hint = did_you_mean(name, available_timezones())
        raise BadInput(
            f"--timezone {name}: not a known time zone{hint}; use a name such as UTC or Europe/Berlin"
        ) from None


def utc_text(value: object, zone: tzinfo) -> str:
    """RFC 3339 in UTC with microseconds; a time without an offset is local to `zone`. Raises ValueError, saying why."""
    try:
        moment = _moment(value, zone).astimezone(UTC)
    except OverflowError:
        raise ValueError(f"ts is {value!r}: out of range") from None
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _moment(value: object, zone: tzinfo) -> datetime:
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=zone)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=zone)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _from_epoch(value)
    text = str(value).strip()
    if _NUMBER.fullmatch(text) and not _COMPACT_DAY.fullmatch(text):
        return _from_epoch(float(text) if re.search(r"[.eE]", text) else int(text))
    return _from_iso(text, zone)


def _from_epoch(number: int | float) -> datetime:
    if not isfinite(number):
        raise ValueError(f"ts is {number}: not a finite number")
    if number < EARLIEST:
        raise ValueError(
            f"ts is {number}: in seconds since 1970 this is before the year 2000, so it is not a time of day"
        )
    times, by = next((times, by) for limit, times, by in UNITS if number < limit)
    micros = number * times // by if isinstance(number, int) else round(number * times / by)
    return EPOCH + timedelta(microseconds=micros)


def _from_iso(text: str, zone: tzinfo) -> datetime:
    iso = _SLASHES.sub(r"\1-\2-\3", text)
    if iso.upper().endswith((" UTC", " GMT")):
        iso = iso[:-4] + "Z"
    try:
        moment = datetime.fromisoformat(iso)
    except ValueError:
        raise ValueError(
            f"ts is {text[:60]!r}: not a time; allowed are ISO 8601 (2026-11-20T13:14:47Z) "
            "and seconds, ms, us or ns since 1970"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)
