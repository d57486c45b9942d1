"""Times a call and records its error: `track` for a block, `watch` for functions and generators, sync and async.

Both hand a finished event to `record`, which never raises; an exception of the model's code passes through unchanged.
"""

import functools
import inspect
import time
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from types import TracebackType
from typing import Any, TypeVar, cast

from monitor.client.event import rfc3339

Record = Callable[[dict[str, Any]], None]
Describe = Callable[[Any], Mapping[str, Any]]
Function = TypeVar("Function", bound=Callable[..., Any])
MESSAGE_CHARS = 2048


class Event(dict[str, Any]):
    """The event of a running call: a dict to which the block adds what it knows."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        super().__init__(fields)
        self._started = time.perf_counter()
        self.setdefault("ts", rfc3339(time.time()))

    def first_token(self) -> None:
        """Call it when the first token is there; later calls change nothing."""
        if "ttft_ms" not in self:
            self["ttft_ms"] = self.elapsed_ms()

    def elapsed_ms(self) -> float:
        return round((time.perf_counter() - self._started) * 1000, 3)

    def finish(self, error: BaseException | None) -> None:
        """Adds the latency and the error, unless the block has set its own."""
        self.setdefault("latency_ms", self.elapsed_ms())
        if isinstance(error, GeneratorExit):  # whoever read the stream went away: not an error of the model
            self.setdefault("finish_reason", "cancelled")
        elif error is not None:
            self.setdefault("error_type", type(error).__name__)
            self.setdefault("error_message", _message(error))

    def describe(self, describe: Describe | None, result: Any) -> None:
        """Adds what the caller's function reads from a result; its failure is told in the event itself."""
        if describe is None:
            return
        self.setdefault("latency_ms", self.elapsed_ms())  # describing is not part of the call
        try:
            self.update(describe(result))
        except Exception as error:
            attrs = self.get("attrs")
            told = {"describe_error": f"{type(error).__name__}: {_message(error)}"}
            self["attrs"] = {**attrs, **told} if isinstance(attrs, dict) else told


class Track:
    """A context manager, sync and async, that records the block as one event."""

    def __init__(self, record: Record, fields: Mapping[str, Any]) -> None:
        self._record = record
        self._fields = fields
        self._open: list[Event] = []

    def __enter__(self) -> Event:
        event = Event(self._fields)
        self._open.append(event)
        return event

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._open:
            event = self._open.pop()
            event.finish(error)
            self._record(event)

    async def __aenter__(self) -> Event:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)


def watching(record: Record, fields: Mapping[str, Any], describe: Describe | None) -> Callable[[Function], Function]:
    """A decorator that records each call; the kind of the function decides how."""

    def decorate(function: Function) -> Function:
        if not callable(function):  # say, a classmethod object: wrong order of decorators
            return function
        for applies, wrap in _WRAPPERS:
            if applies(function):
                return cast(Function, wrap(function, lambda: Track(record, fields), describe))
        return function

    return decorate


NewTrack = Callable[[], Track]
Wrap = Callable[[Callable[..., Any], NewTrack, Describe | None], Callable[..., Any]]


def _plain_call(function: Callable[..., Any], track: NewTrack, describe: Describe | None) -> Callable[..., Any]:
    @functools.wraps(function)
    def watched(*args: Any, **kwargs: Any) -> Any:
        with track() as event:
            result = function(*args, **kwargs)
            event.describe(describe, result)
            return result

    return watched


def _coroutine(function: Callable[..., Any], track: NewTrack, describe: Describe | None) -> Callable[..., Any]:
    @functools.wraps(function)
    async def watched(*args: Any, **kwargs: Any) -> Any:
        with track() as event:
            result = await function(*args, **kwargs)
            event.describe(describe, result)
            return result

    return watched


def _generator(function: Callable[..., Any], track: NewTrack, describe: Describe | None) -> Callable[..., Any]:
    @functools.wraps(function)
    def watched(*args: Any, **kwargs: Any) -> Any:
        with track() as event:
            items = _Items(function(*args, **kwargs), event)
            try:
                return (yield from items)
            finally:
                if items.seen:
                    event.describe(describe, items.last)

    return watched


class _Items(Generator[Any, Any, Any]):
    """A generator that notes its first and its last item, and otherwise is the one inside."""

    def __init__(self, inner: Generator[Any, Any, Any], event: Event) -> None:
        self._inner = inner
        self._event = event
        self.seen = False
        self.last: Any = None

    def _note(self, item: Any) -> Any:
        if not self.seen:
            self._event.first_token()
        self.seen, self.last = True, item
        return item

    def send(self, value: Any) -> Any:
        return self._note(self._inner.send(value))

    def throw(self, *error: Any) -> Any:
        return self._note(self._inner.throw(*error))

    def close(self) -> None:
        self._inner.close()


def _async_generator(function: Callable[..., Any], track: NewTrack, describe: Describe | None) -> Callable[..., Any]:
    @functools.wraps(function)
    async def watched(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        with track() as event:
            inner = function(*args, **kwargs)
            seen, item = False, None
            step = inner.asend(None)
            try:
                while True:
                    try:
                        item = await step
                    except StopAsyncIteration:
                        return
                    seen = True
                    event.first_token()
                    try:
                        sent = yield item
                    except GeneratorExit:
                        await inner.aclose()
                        raise
                    except BaseException as error:
                        step = inner.athrow(error)
                    else:
                        step = inner.asend(sent)
            finally:
                if seen:
                    event.describe(describe, item)

    return watched


_WRAPPERS: tuple[tuple[Callable[[Any], bool], Wrap], ...] = (
    (inspect.iscoroutinefunction, _coroutine),
    (inspect.isasyncgenfunction, _async_generator),
    (inspect.isgeneratorfunction, _generator),
    (callable, _plain_call),
)


def _message(error: BaseException) -> str:
    try:
        return str(error)[:MESSAGE_CHARS]
    except Exception:  # an exception whose own __str__ raises
        return ""
