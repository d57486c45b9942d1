"""Every way in which OpenAI-compatible servers fail becomes a kind of error, with the words of the server."""

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.responses import Response

from monitor.errors import TargetBusy, TargetError, TargetRefused, TargetTimeout, TargetUnreachable
from tests.calling import GOOD, asked
from tests.conftest import free_port
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


# (status, body, kind of error, what it says)
FAILURES: list[tuple[int, Any, type[TargetError], str]] = [
    (400, {"error": {"message": "prompt too long", "type": "BadRequestError", "code": 400}}, TargetRefused,
     "answered HTTP 400: prompt too long"),
    (400, {"object": "error", "message": "bad image", "type": "BadRequest", "param": None, "code": 400}, TargetRefused,
     "HTTP 400: bad image"),  # SGLang
    (422, {"error": "Input validation error: `inputs` must be shorter", "error_type": "validation"}, TargetRefused,
     "HTTP 422: Input validation error: `inputs` must be shorter; validation"),  # TGI
    (429, {"error": "Model is overloaded", "error_type": "overloaded"}, TargetBusy, "HTTP 429: Model is overloaded"),
    (424, {"error": "Request failed during generation", "error_type": "generation"}, TargetRefused, "during gen"),
    (400, {"detail": "Server is pinned to 'a'; requested 'm'."}, TargetRefused, "HTTP 400: Server is pinned to 'a'"),
    (422, {"detail": [{"type": "int_type", "loc": ["body", "max_tokens"], "msg": "a valid integer"}]}, TargetRefused,
     "HTTP 422: body.max_tokens: a valid integer"),
    (503, {"error": {"code": 503, "message": "Loading model", "type": "unavailable"}}, TargetBusy, "Loading model"),
    (500, {"error": "CUDA error"}, TargetError, "HTTP 500: CUDA error"),  # VILA
    (500, "Internal Server Error", TargetError, "HTTP 500: Internal Server Error"),
    (502, "<html><head><style>a {}</style></head><body><h1>Bad Gateway</h1></body></html>", TargetUnreachable,
     "HTTP 502: Bad Gateway"),
    (504, "", TargetTimeout, "HTTP 504: Gateway Timeout"),
    (401, {"error": {"message": "no key"}}, TargetRefused, "HTTP 401: no key; it may need a key: see key_env"),
    (429, {"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}, TargetRefused, "quota"),
    (400, {"message": {"detail": [{"loc": ["body", "x"], "msg": "Extra inputs"}]}, "object": "error"}, TargetRefused,
     "HTTP 400: body.x: Extra inputs"),
    (507, {"error": {"message": "one image does not fit", "type": "OutOfMemory"}}, TargetRefused, "does not fit"),
]  # fmt: skip


def test_each_shape_of_error_becomes_its_kind_with_the_words_of_the_server(server: Server) -> None:
    now: list[tuple[int, Any]] = []
    server.answers(lambda _: says(now[-1][1], now[-1][0]))
    for status, body, kind, said in FAILURES:
        now.append((status, body))
        with pytest.raises(TargetError) as caught:
            asked(server.url)
        assert (type(caught.value), said in str(caught.value)) == (kind, True), f"{body}: {caught.value!r}"
        assert str(caught.value).startswith(f"chat-prod ({server.url}/v1) answered")


def test_a_busy_server_says_how_long_it_wants_to_be_left_alone() -> None:
    with (
        serving(lambda _: says({"error": "full"}, 429, **{"Retry-After": "7"})) as server,
        pytest.raises(TargetBusy) as e,
    ):
        asked(server.url)
    assert str(e.value).endswith("full; it asks to wait 7 s")


# (what a stream that began with 200 says instead of an answer, kind of error, words)
STREAM_FAILURES: list[tuple[str, type[TargetError], str]] = [
    (
        'data: {"error": {"message": "engine died", "type": "InternalServerError", "code": 500}}\n\n',
        TargetError,
        "engine d",
    ),
    (
        'data: {"object": "error", "message": "queue full", "code": 503}\n\n',
        TargetBusy,
        "answered HTTP 503: queue full",
    ),
    ('event: error\ndata: {"error": "overloaded", "error_type": "overloaded"}\n\n', TargetError, "overloaded"),
    ('data: {"error": "no attribute "shape" in tensor"}\n\n', TargetError, 'no attribute "shape" in tensor'),
    ('error: {"code": 400, "message": "context is full"}\n\n', TargetRefused, "context is full"),
    ("data: out of memory\n\n", TargetError, "out of memory"),
]


def test_an_error_inside_a_stream_that_began_with_200_is_a_failure(server: Server) -> None:
    now: list[str] = []
    server.answers(lambda _: sse(chunk(""), now[-1], done=False))
    for line, kind, said in STREAM_FAILURES:
        now.append(line)
        with pytest.raises(TargetError) as caught:
            asked(server.url)
        assert (type(caught.value), said in str(caught.value)) == (kind, True), f"{line}: {caught.value!r}"


def test_an_error_in_the_middle_says_how_much_had_come(server: Server) -> None:
    server.answers(lambda _: sse(chunk("Hello"), {"error": {"message": "engine died"}}))
    with pytest.raises(TargetError, match="an error after 5 characters of the answer: engine died"):
        asked(server.url)


@pytest.mark.parametrize(
    "answer", [(chunk(""),), (usage(5, 0),), ()], ids=["empty text", "usage only", "nothing but [DONE]"]
)
def test_an_empty_answer_without_finish_reason_is_a_failure(server: Server, answer: tuple[Any, ...]) -> None:
    server.answers(lambda _: sse(*answer))
    with pytest.raises(TargetError, match="answered with nothing: no text and no finish_reason"):
        asked(server.url)


def test_an_empty_answer_that_stopped_by_itself_is_an_answer(server: Server) -> None:
    server.answers(lambda _: sse(chunk(""), chunk(None, "stop")))
    assert asked(server.url).text == ""


def test_a_page_of_html_is_no_answer(server: Server) -> None:
    server.answers(lambda _: Response("<h1>Sign in</h1>", media_type="text/html"))
    with pytest.raises(TargetError, match="a page of HTML instead of a completion"):
        asked(server.url)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda: sse(chunk("Hello"), breaks=True), "broke the connection after 5 characters of the answer"),
        (
            lambda: sse(chunk("Hello"), done=False),
            "after 5 characters of the answer: the stream ended without a finish_rea",
        ),
        (lambda: sse(chunk("Hello"), 'data: {"choi', done=False), "the stream ended within a chunk"),
        (lambda: sse(breaks=True), "broke the connection before the answer began"),
    ],
)
def test_a_stream_that_breaks_is_unreachable_and_says_how_much_had_come(server: Server, answer: Any, said: str) -> None:
    server.answers(lambda _: answer())
    with pytest.raises(TargetUnreachable, match=said):
        asked(server.url)


def test_nobody_at_the_address_is_unreachable() -> None:
    port = free_port()
    with pytest.raises(TargetUnreachable, match=f"cannot be reached at http://127.0.0.1:{port}/v1: .*; is it running"):
        asked(f"http://127.0.0.1:{port}")
