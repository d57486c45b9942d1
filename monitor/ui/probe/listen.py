"""A stream of the api, read beside the page: it stays able to stop while a target takes its time."""

import queue
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from typing import Any

from monitor.client.prober import Prober
from monitor.errors import WatchpointError

Event = Mapping[str, Any]
TICK_S = 0.1
_END = object()


def events(prober: Prober, body: Mapping[str, Any]) -> Generator[Event | None, None, None]:
    """The events of a probe, and None each tenth of a second without one. Raises what the stream raised.

    When the generator is closed before the end (the visitor pressed Stop, or left), the run is cancelled.
    """
    heard: queue.SimpleQueue[Any] = queue.SimpleQueue()
    gone = threading.Event()
    threading.Thread(target=_read, args=(prober, body, heard.put, gone), name="probe-stream", daemon=True).start()
    run, whole = None, False
    try:
        while True:
            try:
                event = heard.get(timeout=TICK_S)
            except queue.Empty:
                yield None
                continue
            if event is _END or isinstance(event, Exception):
                whole = True
                if isinstance(event, Exception):
                    raise event
                return
            run = run or (event["run"] if event["type"] == "run" else None)
            yield event
    finally:
        gone.set()
        if run and not whole:
            _cancel(prober, run)


def _read(prober: Prober, body: Mapping[str, Any], tell: Callable[[Any], None], gone: threading.Event) -> None:
    try:
        for event in prober.stream(dict(body)):
            tell(event)
            if gone.is_set():
                return
        tell(_END)
    except Exception as error:  # noqa: BLE001  whatever it is, the page has to hear of it: nobody sees this thread
        tell(error)


def _cancel(prober: Prober, run: str) -> None:
    def cancel() -> None:
        with suppress(WatchpointError):  # it was over already, or the api is away: nothing is left to stop
            prober.cancel(run)

    threading.Thread(target=cancel, name="probe-cancel", daemon=True).start()
