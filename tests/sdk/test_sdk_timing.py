import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Generator, Iterator
from typing import Any

import pytest

from monitor.client import Client
from tests.sdk.receiver import Receiver


def test_track_times_a_block_and_takes_further_fields(receiver: Receiver, client: Client) -> None:
    with client.track("chat", session_id="s") as event:
        time.sleep(0.02)
        event.first_token()
        time.sleep(0.02)
        event["tokens_out"] = 5
    client.flush()
    [sent] = receiver.events
    assert (sent["session_id"], sent["tokens_out"]) == ("s", 5)
    assert 20 <= sent["ttft_ms"] <= sent["latency_ms"] - 19
    assert "error_type" not in sent


def test_nested_blocks_record_the_error_at_each_level(receiver: Receiver, client: Client) -> None:
    error = ValueError("bad prompt")
    with pytest.raises(KeyError) as raised, client.track("outer"):  # noqa: PT012
        with pytest.raises(ValueError) as inner, client.track("inner"):
            raise error
        assert inner.value is error
        raise KeyError("missing")
    assert raised.value.__cause__ is None
    client.flush()
    found = {event["deployment"]: (event["error_type"], event["error_message"]) for event in receiver.events}
    assert found == {"inner": ("ValueError", "bad prompt"), "outer": ("KeyError", "'missing'")}


def test_what_the_block_sets_itself_is_kept(receiver: Receiver, client: Client) -> None:
    with pytest.raises(RuntimeError), client.track("chat") as event:  # noqa: PT012
        event |= {"error_type": "OutOfMemory", "latency_ms": 7}
        raise RuntimeError
    client.flush()
    assert (receiver.events[0]["error_type"], receiver.events[0]["latency_ms"]) == ("OutOfMemory", 7)


def test_a_watched_function_keeps_its_name_result_and_arguments(receiver: Receiver, client: Client) -> None:
    @client.watch("chat", model="small", describe=lambda result: {"tokens_out": len(result)})
    def answer(prompt: str, *, times: int) -> list[str]:
        """Repeats."""
        return [prompt] * times

    assert answer("hi", times=3) == ["hi"] * 3
    assert (answer.__name__, answer.__doc__) == ("answer", "Repeats.")
    client.flush()
    [event] = receiver.events
    assert (event["model"], event["tokens_out"]) == ("small", 3)
    assert event["latency_ms"] >= 0


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3), ValueError("x" * 5000), StopIteration(4)])
def test_a_watched_function_raises_the_very_same_error(
    receiver: Receiver, client: Client, error: BaseException
) -> None:
    @client.watch("chat")
    def fail() -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        fail()
    assert raised.value is error
    client.flush()
    assert receiver.events[0]["error_type"] == type(error).__name__
    assert len(receiver.events[0]["error_message"]) <= 2048


def test_a_describe_that_fails_is_told_in_the_event(receiver: Receiver, client: Client) -> None:
    @client.watch("chat", attrs={"a": 1}, describe=lambda result: result["usage"])
    def answer() -> dict[str, Any]:
        return {}

    assert answer() == {}
    client.flush()
    assert receiver.events[0]["attrs"] == {"a": 1, "describe_error": "KeyError: 'usage'"}


def test_watch_without_a_deployment_leaves_the_function_working(client: Client) -> None:
    def double(number: int) -> int:
        return number * 2

    assert client.watch(double)(4) == 8  # type: ignore[type-var]  # wrong on purpose
    assert client.watch()(double)(4) == 8
    assert client.watch("chat")(None) is None  # type: ignore[type-var]  # wrong on purpose
    assert client.stats().dropped_by == {"misuse": 2}


def test_a_watched_method_works(receiver: Receiver, client: Client) -> None:
    class Model:
        @client.watch("chat")
        def answer(self, text: str) -> str:
            return text.upper()

    assert Model().answer("a") == "A"
    client.flush()
    assert len(receiver.events) == 1


def test_a_watched_generator_streams_and_notes_the_first_item(receiver: Receiver, client: Client) -> None:
    @client.watch("chat", describe=lambda last: {"finish_reason": last})
    def stream() -> Generator[str, None, str]:
        time.sleep(0.02)
        yield "a"
        time.sleep(0.02)
        yield "stop"
        return "done"

    def outer() -> Generator[str, None, None]:
        result = yield from stream()
        yield result

    assert inspect.isgeneratorfunction(stream)
    assert list(outer()) == ["a", "stop", "done"]
    client.flush()
    [event] = receiver.events
    assert 20 <= event["ttft_ms"] <= event["latency_ms"] - 19
    assert event["finish_reason"] == "stop"


def test_a_watched_generator_passes_send_throw_and_close(receiver: Receiver, client: Client) -> None:
    seen: list[Any] = []

    @client.watch("chat")
    def echo() -> Generator[Any, Any, None]:
        value = None
        try:
            while True:
                try:
                    value = yield value
                except KeyError as error:
                    value = error
        finally:
            seen.append("closed")

    stream = echo()
    error = KeyError("k")
    assert [next(stream), stream.send(5), stream.throw(error)] == [None, 5, error]
    stream.close()
    assert seen == ["closed"]
    client.flush()
    [event] = receiver.events
    assert event["finish_reason"] == "cancelled"
    assert "error_type" not in event


def test_an_error_in_the_middle_of_a_stream_is_recorded(receiver: Receiver, client: Client) -> None:
    error = RuntimeError("CUDA out of memory")

    @client.watch("chat")
    def stream() -> Iterator[int]:
        yield 1
        raise error

    with pytest.raises(RuntimeError) as raised:
        list(stream())
    assert raised.value is error
    client.flush()
    assert receiver.events[0]["error_type"] == "RuntimeError"
    assert "ttft_ms" in receiver.events[0]


def test_asyncio_functions_blocks_and_streams(receiver: Receiver, client: Client) -> None:
    error = ValueError("async")

    @client.watch("function", describe=lambda result: {"label": result})
    async def answer() -> str:
        await asyncio.sleep(0.02)
        return "yes"

    @client.watch("failing")
    async def fail() -> None:
        raise error

    @client.watch("stream")
    async def stream() -> AsyncIterator[int]:
        await asyncio.sleep(0.02)
        yield 1
        await asyncio.sleep(0.02)
        yield 2

    async def main() -> None:
        assert inspect.iscoroutinefunction(answer)
        assert list(await asyncio.gather(answer(), answer())) == ["yes", "yes"]
        with pytest.raises(ValueError) as raised:
            await fail()
        assert raised.value is error
        assert inspect.isasyncgenfunction(stream)
        assert [item async for item in stream()] == [1, 2]
        async with client.track("block") as event:
            event["tokens_in"] = 3

    asyncio.run(main())
    client.flush()
    found = {event["deployment"]: event for event in receiver.events}
    assert len(receiver.events) == 5
    assert found["function"]["label"] == "yes"
    assert found["function"]["latency_ms"] >= 19
    assert found["failing"]["error_type"] == "ValueError"
    assert 19 <= found["stream"]["ttft_ms"] <= found["stream"]["latency_ms"] - 18
    assert found["block"]["tokens_in"] == 3


def test_an_async_stream_passes_send_throw_close_and_cancel(receiver: Receiver, client: Client) -> None:
    closed: list[str] = []

    @client.watch("echo")
    async def echo() -> Any:
        value = None
        try:
            while True:
                try:
                    value = yield value
                except KeyError as error:
                    value = error
        finally:
            closed.append("echo")

    @client.watch("slow")
    async def slow() -> None:
        await asyncio.sleep(30)

    async def main() -> None:
        stream, error = echo(), KeyError("k")
        assert [await anext(stream), await stream.asend(5), await stream.athrow(error)] == [None, 5, error]
        await stream.aclose()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(slow(), 0.02)
        failing = echo()
        await anext(failing)
        with pytest.raises(RuntimeError, match="from outside"):
            await failing.athrow(RuntimeError("from outside"))

    asyncio.run(main())
    assert closed == ["echo", "echo"]
    client.flush()
    found = [(e["deployment"], e.get("finish_reason"), e.get("error_type")) for e in receiver.events]
    assert found == [("echo", "cancelled", None), ("slow", None, "CancelledError"), ("echo", None, "RuntimeError")]
