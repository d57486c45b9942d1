"""What the runtime asks OpenAI-compatible servers, and how it reads answers with the quirks of real ones."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import Response

from monitor.chat import Generation, Image, Message, Piece, Reply, Token
from monitor.config import load_settings
from monitor.errors import TargetRefused
from monitor.runtimes import Calls, ask
from tests.calling import GOOD, HELLO, asked, run, streamed, target_at
from tests.model_servers import Server, chunk, says, serving, sse, usage


@pytest.fixture(scope="module")
def one_server() -> Iterator[Server]:
    with serving() as running:
        yield running


@pytest.fixture
def server(one_server: Server) -> Server:
    """A server that answers `Hello` until a test tells it something else."""
    one_server.answers(lambda _: sse(*GOOD))
    return one_server


def test_a_stream_becomes_pieces_and_one_reply_with_its_times_and_tokens(server: Server) -> None:
    server.answers(lambda _: sse(*GOOD, pause_s=0.02))
    *pieces, reply = streamed(server.url)
    assert [piece.text for piece in pieces] == ["Hel", "lo"]
    assert isinstance(reply, Reply)
    assert (reply.text, reply.finish_reason, reply.tokens_in, reply.tokens_out) == ("Hello", "stop", 5, 2)
    assert (reply.model, reply.notes, reply.confidence) == ("m", (), None)
    assert reply.timings.ttft_ms is not None
    assert 20 <= reply.timings.ttft_ms <= reply.timings.total_ms - 40
    assert (reply.timings.queue_ms, reply.timings.prefill_ms) == (None, None)


def test_the_request_spells_out_every_setting_and_carries_images_as_data_urls_in_their_order(server: Server) -> None:
    messages = (
        Message("system", ("Be short.",)),
        Message("user", (Image(b"one", "image/jpeg"), "or ", Image(b"two"), "?")),
    )
    settings = Generation(7, 0.5, 0.9, seed=3, stop=("END", "\n\n"), top_logprobs=2)
    server.answers(lambda _: sse(*GOOD))
    asked(server.url, settings, messages)
    (body,) = server.asked
    urls = [f"data:{mime};base64,{base64.b64encode(data).decode()}" for mime, data in
            (("image/jpeg", b"one"), ("image/png", b"two"))]  # fmt: skip
    assert body == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be short."},
            {
                "role": "user",
                "content": [
                    {"type": "image_url", "image_url": {"url": urls[0]}},
                    {"type": "text", "text": "or "},
                    {"type": "image_url", "image_url": {"url": urls[1]}},
                    {"type": "text", "text": "?"},
                ],
            },
        ],
        "max_tokens": 7,
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": 3,
        "stop": ["END", "\n\n"],
        "logprobs": True,
        "top_logprobs": 2,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert server.paths == ["/v1/chat/completions"]


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_reasoning_is_not_part_of_the_text_and_its_first_token_is_the_first_token(server: Server, field: str) -> None:
    def thinks(_: Any) -> Response:
        thought = chunk() | {"choices": [{"index": 0, "delta": {field: "They want a greeting."}}]}
        return sse(thought, *GOOD, pause_s=0.05)

    server.answers(thinks)
    reply = asked(server.url)
    assert reply.text == "Hello"
    assert reply.notes == ("21 characters of reasoning came before the answer and are not part of its text",)
    assert reply.timings.ttft_ms is not None
    assert reply.timings.ttft_ms < 50


def test_log_probabilities_come_with_their_tokens_best_alternative_first(server: Server) -> None:
    def token(text: str, logprob: float, *others: tuple[str, float]) -> dict[str, Any]:
        tops = [{"token": t, "logprob": v, "bytes": None} for t, v in ((text, logprob), *others)]
        return {"content": [{"token": text, "logprob": logprob, "bytes": [*text.encode()], "top_logprobs": tops}]}

    parts = (
        chunk("He", logprobs=token("He", -0.5, ("Hi", -0.25))),
        chunk("llo", "stop", logprobs=token("llo", -0.1)),
    )
    server.answers(lambda _: sse(*parts, usage(5, 2)))
    *pieces, reply = streamed(server.url, Generation(top_logprobs=1))
    first, second = Token("He", -0.5, (("Hi", -0.25), ("He", -0.5))), Token("llo", -0.1, (("llo", -0.1),))
    assert pieces == [Piece("He", (first,)), Piece("llo", (second,))]
    assert isinstance(reply, Reply)
    assert reply.tokens == (first, second)
    assert reply.confidence == pytest.approx(0.7408, abs=1e-4)


def test_log_probabilities_that_a_server_leaves_out_in_silence_are_noted(server: Server) -> None:
    server.answers(lambda _: sse(*GOOD))
    reply = asked(server.url, Generation(top_logprobs=0))
    assert server.asked[0]["logprobs"] is True
    assert "top_logprobs" not in server.asked[0]
    assert reply.notes == ("the server sent no log probabilities, though it was asked for them",)
    assert (reply.tokens, reply.confidence) == ((), None)


def test_llama_cpp_tells_its_own_times_and_tokens(server: Server) -> None:
    timings = {"cache_n": 4, "prompt_n": 11, "prompt_ms": 30.5, "predicted_n": 2, "predicted_ms": 12.25}
    server.answers(lambda _: sse(chunk("Hi"), chunk(None, "stop") | {"timings": timings}))
    reply = asked(server.url)
    assert (reply.timings.prefill_ms, reply.timings.decode_ms) == (30.5, 12.25)
    assert (reply.tokens_in, reply.tokens_out) == (15, 2)


def test_our_worker_tells_its_queue_its_batch_and_its_memory(server: Server) -> None:
    told = {
        "timings": {
            "queue_ms": 1.5,
            "preprocess_ms": 2,
            "prefill_ms": 3.5,
            "decode_ms": 4,
            "ttft_ms": 7,
            "total_ms": 11,
        },
        "batch_rows": 6,
        "peak_memory_bytes": 12345,
        "checkpoint": "step-900",
        "notes": ["the batch was halved"],
    }
    server.answers(lambda _: sse(chunk("Hi"), chunk("", "stop") | {"watchpoint": told}))
    reply = asked(server.url)
    times = reply.timings
    assert (times.queue_ms, times.preprocess_ms, times.prefill_ms, times.decode_ms) == (1.5, 2.0, 3.5, 4.0)
    assert (reply.batch_rows, reply.peak_memory_bytes, reply.notes) == (6, 12345, ("the batch was halved",))


def test_vila_sends_lists_of_parts_and_neither_usage_nor_finish_reason(server: Server) -> None:
    parts = [{"choices": [{"delta": {"content": [{"type": "text", "text": t}]}}]} for t in ("Hel", "lo")]
    server.answers(lambda _: sse(*parts))
    reply = asked(server.url, path="")
    assert server.paths == ["/chat/completions"]
    assert (reply.text, reply.finish_reason, reply.tokens_in, reply.tokens_out) == ("Hello", None, None, None)


def test_the_recorded_stream_of_transformers_serve_is_read_without_done(server: Server, shared: Path) -> None:
    recorded = (shared / "samples/transformers_serve/chat_stream.sse").read_text("utf-8")
    server.answers(lambda _: sse(recorded, done=False))
    reply = asked(server.url)
    assert (reply.text, reply.finish_reason) == ("\ufffd\ufffdRll", "length")
    assert (reply.tokens_in, reply.tokens_out, reply.model) == (19, 5, "/mnt/rf_tiny/m@main")


def test_a_server_that_does_not_stream_is_read_whole_and_has_no_time_to_first_token(
    server: Server, shared: Path
) -> None:
    recorded = json.loads((shared / "samples/transformers_serve/chat.json").read_text("utf-8"))
    server.answers(lambda _: says(recorded))
    reply = asked(server.url)
    assert (reply.text, reply.finish_reason, reply.tokens_out) == ("\ufffd\ufffdRlllll", "length", 8)
    assert reply.timings.ttft_ms is None
    assert reply.notes == ("the server does not stream: there is no time to first token",)


def refuses(*fields: str, say: str = "Unrecognized request argument supplied: {}") -> Any:
    """A server that complains about one field after the other."""

    def answer(body: dict[str, Any]) -> Response:
        found = next((name for name in fields if name in body), None)
        return says({"error": {"message": say.format(found)}}, 400) if found else sse(*GOOD)

    return answer


def test_fields_that_a_server_does_not_know_are_left_out_with_a_note_and_not_sent_to_it_again(server: Server) -> None:
    settings = Generation(seed=3, top_logprobs=2)

    async def twice(url: str) -> tuple[Reply, Reply]:
        async with Calls(load_settings({})) as calls:
            return (
                await ask(target_at(url), HELLO, settings, calls),
                await ask(target_at(url), HELLO, settings, calls),
            )

    server.answers(refuses("seed", "logprobs", "stream_options"))
    first, second = run(twice(server.url))
    assert len(server.asked) == 5  # three refusals and an answer, then an answer at once
    assert server.asked[3].keys() == {"model", "messages", "max_tokens", "temperature", "top_p", "stream"}
    assert server.asked[4] == server.asked[3]
    assert sorted(first.notes) == sorted(second.notes)
    assert [note.split(" (")[0] for note in sorted(second.notes)] == [
        "the server refused logprobs",
        "the server refused seed",
        "the server refused stream_options",
    ]
    assert "(Unrecognized request argument supplied: seed): a sampled answer is not repeatable" in first.notes[0]


# (what the server says when the field is there, the field, what is sent instead)
UNKNOWN = [
    ("Unexpected fields in the request: {{'{}'}}", "seed", None),
    ("Failed to deserialize: unknown field `{}`, expected one of `messages`, `stop`, `top_p`", "seed", None),
    ("litellm.UnsupportedParamsError: acme does not support parameters: ['{}'], for model=x", "logprobs", None),
    ("Unsupported value: '{}' does not support 0 with this model. Only the default (1) value is supported.",
     "temperature", None),
    ("Unsupported parameter: '{}' is not supported with this model. Use 'max_completion_tokens' instead.", "max_tokens",
     "max_completion_tokens"),
    ("`{}` must be > 0.0 and < 1.0", "top_p", None),
    ("{}: streaming is not supported", "stream", None),
]  # fmt: skip


def test_complaints_in_the_words_of_different_servers_are_understood(server: Server) -> None:
    for words, name, instead in UNKNOWN:
        server.answers(refuses(name, say=words))
        reply = asked(server.url, Generation(33, seed=1, stop=("x",), top_logprobs=0))
        assert len(server.asked) == 2, words
        missing = server.asked[0].keys() - server.asked[1].keys()
        assert name in missing
        assert "stop" not in missing
        assert any(f"the server refused {name}" in note for note in reply.notes)
        assert instead is None or server.asked[1][instead] == 33


def test_a_complaint_about_a_value_is_an_error_and_not_a_reason_to_leave_it_out(server: Server) -> None:
    server.answers(refuses("temperature", say="{} must be between 0 and 2"))
    with pytest.raises(TargetRefused, match="temperature must be between 0 and 2"):
        asked(server.url, Generation(temperature=5))
    assert len(server.asked) == 1
