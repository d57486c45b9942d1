"""Server-sent events and chunks from strangers: however they are cut, and whatever stands in them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitor.chat import Piece
from monitor.errors import TargetError
from monitor.runtimes.answer import Answer
from monitor.runtimes.failures import Place, code_of, failure_in, words_of
from monitor.runtimes.sse import Event, events

PLACE = Place("chat", httpx.URL("http://h/v1"), "sk-1", "m")

STREAM = (
    b": a comment\r\n\r\ndata: first\r\n\r\nevent: named\ndata: two\ndata:lines\n\n"
    b"id: 7\ndata: caf\xc3\xa9\r\rerror: {}\ndata:\n\ndata: [DONE]\n\n"
)
READ = [
    Event("first"),
    Event("two\nlines", "named"),
    Event("caf\u00e9"),
    Event("{}", "error"),
    Event(""),
    Event("[DONE]"),
]


def read(*chunks: bytes) -> list[Event]:
    async def body() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    async def work() -> list[Event]:
        return [event async for event in events(body())]

    return asyncio.run(work())


def test_a_stream_is_read_alike_wherever_it_is_cut() -> None:
    assert read(STREAM) == READ
    assert read(*(bytes([byte]) for byte in STREAM)) == READ
    for cut in range(len(STREAM)):
        assert read(STREAM[:cut], STREAM[cut:]) == READ, cut


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_an_event_at_the_end_without_an_empty_line_is_read_as_unfinished(end: bytes) -> None:
    assert read(b"data: last" + end) == [Event("last", ended=False)]


def test_an_endless_line_is_cut_off() -> None:
    with pytest.raises(TargetError, match="larger than 33554432 bytes"):
        read(*[b"data: " + b"a" * 2**20] * 33)


NAMES = st.sampled_from(
    [
        "choices",
        "delta",
        "message",
        "content",
        "text",
        "finish_reason",
        "logprobs",
        "token",
        "logprob",
        "top_logprobs",
        "usage",
        "prompt_tokens",
        "timings",
        "completion_tokens",
        "prompt_ms",
        "prompt_n",
        "watchpoint",
        "notes",
        "batch_rows",
        "model",
        "error",
        "detail",
        "loc",
        "msg",
        "code",
        "status",
        "type",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=6),
    max_leaves=20,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(JSON, max_size=4))
@example([[{"loc": None, "msg": None}]])
def test_whatever_stands_in_a_chunk_becomes_a_piece_a_reply_or_a_failure(chunks: list[Any]) -> None:
    async def work() -> None:
        answer = Answer()
        answer.sent()
        for chunk in chunks:
            if failure := failure_in(chunk):
                assert isinstance(failure.error(PLACE, answer.progress), TargetError)
            elif piece := answer.add(chunk):
                assert isinstance(piece, Piece)
        if not answer.text and answer.finish_reason is None:
            with pytest.raises(TargetError, match="answered with nothing"):
                answer.reply("chat", asked_logprobs=True)
            return
        reply = answer.reply("chat", asked_logprobs=True)
        assert reply.timings.total_ms >= 0
        assert reply.confidence is None or reply.confidence >= 0

    asyncio.run(work())


@settings(max_examples=60, deadline=None)
@given(JSON)
def test_words_and_codes_are_found_in_bodies_of_any_shape(body: Any) -> None:
    assert isinstance(words_of(body) + code_of(body), str)


def test_the_words_of_a_server_are_short_on_one_line_and_without_the_key() -> None:
    said = PLACE.scrubbed("bad key\n sk-1 " + "a" * 1000)
    assert said.startswith("bad key (key) aaa")
    assert len(said) == 600
    assert "sk-1" not in repr(PLACE)
