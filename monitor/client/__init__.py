"""What a model server imports to log its predictions: `from monitor.client import log, watch, track`.

Only the standard library is behind these names, so that importing them costs a model server nothing.
"""

from monitor.client.sdk import Client, configure, flush, log, stats, track, watch

__all__ = ["Client", "configure", "flush", "log", "stats", "track", "watch"]
