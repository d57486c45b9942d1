"""Every error that Watchpoint raises on purpose.

WatchpointError
├── ConfigError            a setting or the fleet file is wrong; nothing has started yet
├── BadInput               a request, file or parameter is wrong; carries the HTTP status that says so
│   ├── TooLarge           413
│   ├── UnsupportedMedia   415
│   └── NotFound           404
├── Overloaded             429: a bound is reached, try again after `retry_after_s`
├── StorageFull            507: the disk of the spool is full; nothing of this request was kept
├── StoreError             the store cannot be opened or read
│   ├── StoreLocked        another process owns it
│   └── SchemaTooNew       the file was written by a newer version
├── CheckpointError        weights cannot be loaded: a missing file, an architecture that is not supported
├── OutOfMemory            507: a single request does not fit into the memory of the device
├── TargetError            502: a deployment that was called did not answer as it should
│   ├── TargetUnreachable  no connection, or it broke; may be tried again
│   ├── TargetTimeout      504: no answer before the deadline
│   ├── TargetBusy         503: it asked to come back later, or is still loading
│   └── TargetRefused      it refused this request, and would refuse it again
└── Unreachable            the api does not answer (monitor.client.reader)

A message says what happened, the value, what is allowed, and what to do.
"""


class WatchpointError(Exception):
    """Base of all of them; `str(error)` is fit to be shown to a user."""

    status = 500


class ConfigError(WatchpointError):
    """A setting or the fleet file is wrong."""


class BadInput(WatchpointError):
    """The caller sent something that cannot be used."""

    status = 400


class TooLarge(BadInput):
    status = 413


class UnsupportedMedia(BadInput):
    status = 415


class NotFound(BadInput):
    status = 404


class Overloaded(WatchpointError):
    """A bound of memory or spool is reached."""

    status = 429

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class StorageFull(WatchpointError):
    """The disk is full; nothing of this request was kept."""

    status = 507


class StoreError(WatchpointError):
    """The store cannot be opened or read."""

    status = 503


class StoreLocked(StoreError):
    """Another process owns the store."""


class SchemaTooNew(StoreError):
    """The file was written by a newer version of Watchpoint."""


class CheckpointError(WatchpointError):
    """Weights cannot be loaded as they are."""

    status = 503


class OutOfMemory(WatchpointError):
    """One request by itself does not fit into the memory of the device."""

    status = 507


class TargetError(WatchpointError):
    """A deployment that was called did not answer as it should."""

    status = 502


class TargetUnreachable(TargetError):
    """No connection, or it broke; the only kind that is worth an immediate retry."""


class TargetTimeout(TargetError):
    """No whole answer before the deadline."""

    status = 504


class TargetBusy(TargetError):
    """The target asked to come back later, or is still loading."""

    status = 503


class TargetRefused(TargetError):
    """The target refused this request, and would refuse it again."""
