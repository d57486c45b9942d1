"""The SDK: logs predictions from a model's own process without ever blocking it or raising into it.

Model servers call it through `monitor.client`. Standard library only, and no environment is read before the first use.
"""

import atexit
import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Unpack, cast

from monitor.client.event import Fields, complete, described, encode
from monitor.client.options import default_spool, read_options
from monitor.client.outbox import Outbox
from monitor.client.sender import Sender
from monitor.client.tally import Stats, Tally
from monitor.client.timing import Describe, Function, Track, watching


class Client:
    """A queue to one server; most programs use the functions below, which share a default client.

    The options are the fields of `options.Options`; what is missing comes from the environment.
    """

    def __init__(self, **options: Any) -> None:
        self._tally = Tally()
        self._options = read_options(options, os.environ, lambda problem: self._tally.say(problem, "%s", problem))
        self._begin()
        _register(self)

    def _begin(self) -> None:
        private = None if self._options.spool else default_spool()
        self._outbox = Outbox(self._options.folder, self._options.spool_bytes, private)
        self._sender = Sender(self._options, self._outbox, self._tally, _finish_with_multiprocessing)

    def log(self, deployment: str | None = None, *misuse: object, **fields: Unpack[Fields]) -> None:
        """Records one prediction; returns at once, whatever it was given."""
        self._record({"deployment": deployment, **fields}, misuse)

    def watch(
        self, deployment: Any = None, *misuse: object, describe: Describe | None = None, **fields: Unpack[Fields]
    ) -> Callable[[Function], Function]:
        """A decorator that records each call of a function, coroutine or generator."""
        return _watch(self._record, deployment, misuse, describe, fields)

    def track(self, deployment: str | None = None, *misuse: object, **fields: Unpack[Fields]) -> Track:
        """A context manager that records its block; its target is a dict for further fields."""
        return Track(lambda event: self._record(event, misuse), {"deployment": deployment, **fields})

    def flush(self, timeout: float = 5.0) -> bool:
        """Waits until all that was logged is answered by the server; False when the time was not enough."""
        return self._sender.flush(timeout)

    def stats(self) -> Stats:
        counts, dropped_by = dict(self._tally.counts), dict(self._tally.dropped_by)
        return Stats(
            spooled=self._outbox.events(),
            pending=self._sender.pending(),
            dropped=sum(dropped_by.values()),
            dropped_by=dropped_by,
            **counts,
        )

    def start(self) -> None:
        """Starts sending, also what an earlier process left in the spool; the first event does so by itself."""
        self._sender.start()

    def close(self, timeout: float | None = None) -> None:
        """Sends what it can within the time and spools the rest; events logged later are dropped."""
        self._sender.close(self._options.exit_s if timeout is None else timeout)
        _clients.discard(self)

    def _record(self, fields: dict[str, Any], misuse: tuple[object, ...] = ()) -> None:
        try:
            self._tally.add("logged")
            deployment = fields.get("deployment")
            if misuse or not isinstance(deployment, str) or not deployment:
                got = f"deployment={described(deployment)[:100]}" + (
                    f" and {len(misuse)} positional values" if misuse else ""
                )
                self._tally.drop("misuse", 1, f"{got}; an event needs log(deployment='name', field=value, ...)")
                return
            line, cleaned = encode(complete(fields, time.time()))
            if cleaned:
                self._tally.clean(cleaned)
            self._sender.add(line)
        except Exception as error:  # the promise to the model's code: never raise
            with contextlib.suppress(Exception):
                self._tally.drop("failed", 1, f"{type(error).__name__} while recording an event")

    def _after_fork(self) -> None:
        """The child starts empty, with locks and a thread of its own; what waits belongs to the parent."""
        self._sender.forget()
        self._tally = Tally()
        self._begin()

    def _farewell(self) -> None:
        self._tally.farewell(self._outbox.events(), self._outbox.folder)


_clients: set[Client] = set()  # open ones, to be finished at exit
_default: Client | None = None
_lock = threading.RLock()
_hooked = False


def _register(client: Client) -> None:
    global _hooked
    with _lock:
        _clients.add(client)
        if not _hooked:
            _hooked = True
            atexit.register(_at_exit)
            if hasattr(os, "register_at_fork"):
                os.register_at_fork(after_in_child=_after_fork)


def _after_fork() -> None:
    global _lock
    _lock = threading.RLock()
    for client in list(_clients):
        client._after_fork()


def _at_exit() -> None:
    for client in list(_clients):
        client.close()
        client._farewell()


def _finish_with_multiprocessing() -> None:
    """Children of multiprocessing skip atexit; they have a list of their own."""
    process, util = sys.modules.get("multiprocessing.process"), sys.modules.get("multiprocessing.util")
    if process is not None and util is not None and process.parent_process() is not None:
        util.Finalize(None, _at_exit, exitpriority=10)


def _client() -> Client:
    """The default client, made from the environment at the first use."""
    global _default
    with _lock:
        if _default is None:
            _default = Client()
        return _default


def configure(**options: Any) -> Client:
    """Makes the default client anew: url, token, spool and the bounds of `options.Options`; starts sending."""
    global _default
    client = Client(**options)
    with _lock:
        before, _default = _default, client
    if before is not None:
        threading.Thread(target=before.close, name="watchpoint-sdk-close", daemon=True).start()
    client.start()
    return client


def _record(fields: dict[str, Any], misuse: tuple[object, ...] = ()) -> None:
    with contextlib.suppress(Exception):  # the promise to the model's code holds for the first use as well
        _client()._record(fields, misuse)


def _watch(
    record: Callable[..., None], deployment: Any, misuse: tuple[object, ...], describe: Describe | None, fields: Any
) -> Callable[[Function], Function]:
    if callable(deployment):  # `@watch` without a deployment: the function must go on working
        return cast(Callable[[Function], Function], watching(record, {}, None)(deployment))
    return watching(lambda event: record(event, misuse), {"deployment": deployment, **fields}, describe)


def log(deployment: str | None = None, *misuse: object, **fields: Unpack[Fields]) -> None:
    """Records one prediction with the default client; returns at once, whatever it was given."""
    _record({"deployment": deployment, **fields}, misuse)


def watch(
    deployment: Any = None, *misuse: object, describe: Describe | None = None, **fields: Unpack[Fields]
) -> Callable[[Function], Function]:
    """A decorator that records each call of a function, coroutine or generator with the default client.

    `describe` gets the result (of a generator: its last item) and answers further fields.
    """
    return _watch(_record, deployment, misuse, describe, fields)


def track(deployment: str | None = None, *misuse: object, **fields: Unpack[Fields]) -> Track:
    """A context manager that records its block with the default client; its target is a dict for further fields."""
    return Track(lambda event: _record(event, misuse), {"deployment": deployment, **fields})


def flush(timeout: float = 5.0) -> bool:
    """Waits until all that was logged is answered by the server; False when the time was not enough."""
    return _client().flush(timeout)


def stats() -> Stats:
    """Counts of what became of the events of the default client."""
    return _client().stats()
