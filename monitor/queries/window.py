"""Windows: which resolution fits one, and which rollup answers it."""

from datetime import UTC, datetime, timedelta

from monitor.errors import BadInput

GRAINS_S = (60, 300, 3600, 86400)
MOST_BUCKETS = 1500
_FITS = ((timedelta(hours=3), 60), (timedelta(hours=26), 300), (timedelta(days=16), 3600))
_FINE_HISTOGRAMS_FOR = timedelta(days=7)


def resolution(start: datetime, end: datetime, asked: int = 0) -> int:
    """Seconds per bucket: as asked, or what gives some hundred points. Raises BadInput for one that does not exist."""
    if asked and asked not in GRAINS_S:
        raise BadInput(f"resolution_s is {asked}: allowed are 0 (fits the window), {', '.join(map(str, GRAINS_S))}")
    chosen = asked or next((seconds for span, seconds in _FITS if end - start <= span), 86400)
    if (end - start).total_seconds() / chosen > MOST_BUCKETS:
        raise BadInput(
            f"the window has more than {MOST_BUCKETS} buckets of {chosen} s; shorten it or raise resolution_s"
        )
    return chosen


def histogram_grain(start: datetime, end: datetime, now: datetime) -> int:
    """Seconds per histogram: the finest that is still kept and that does not read too much."""
    if now - start <= _FINE_HISTOGRAMS_FOR and end - start <= timedelta(hours=12):
        return 300
    return 3600 if end - start <= timedelta(days=45) else 86400


def floor(moment: datetime, seconds: int) -> datetime:
    """The start of the bucket that holds a moment."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return moment - timedelta(seconds=(moment - epoch).total_seconds() % seconds)


def ceil(moment: datetime, seconds: int) -> datetime:
    """The first bucket start at or after a moment."""
    below = floor(moment, seconds)
    return below if below == moment else below + timedelta(seconds=seconds)
