"""What bounds and protects a call to an OpenAI-compatible server: keys, proxies, redirects, deadlines, leaving."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.responses import RedirectResponse, Response

from monitor.chat import Generation, Piece
from monitor.config import load_settings
from monitor.errors import TargetError, TargetRefused, TargetTimeout
from monitor.runtimes import Calls, ask, stream
from tests.calling import GOOD, HELLO, asked, run, target_at
from tests.conftest import free_port
from tests.model_servers import Server, chunk, says, serving, sse


@pytest.fixture(scope="module")
def one_server() -> Iterator[Server]:
    with serving() as running:
        yield running


@pytest.fixture
def server(one_server: Server) -> Server:
    """A server that answers `Hello` until a test tells it something else."""
    one_server.answers(lambda _: sse(*GOOD))
    return one_server


def test_the_key_is_sent_as_bearer_and_shown_nowhere(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAT_KEY", "sk-4f9aK2-secret\n")
    refusal = {"error": {"message": "Incorrect API key provided: sk-4f9aK2-secret"}}
    server.answers(lambda _: says(refusal, 401))
    with pytest.raises(TargetRefused) as caught:
        asked(server.url, key_env="CHAT_KEY")
    assert server.headers[0]["authorization"] == "Bearer sk-4f9aK2-secret"
    assert "Incorrect API key provided: (key); check the key that key_env of the fleet file names" in str(caught.value)
    shown = repr(caught.value) + repr(caught.value.__cause__) + repr(caught.value.__context__)
    assert "4f9aK2" not in shown + repr(target_at(server.url, key_env="CHAT_KEY"))


@pytest.mark.parametrize(
    ("value", "said"), [(None, "is not set"), (" ", "is empty"), ("sk-1\r\nX-Evil: 1", "not shown")]
)
def test_a_key_that_cannot_be_sent_is_refused_by_the_name_of_its_variable(
    monkeypatch: pytest.MonkeyPatch, value: str | None, said: str
) -> None:
    monkeypatch.delenv("CHAT_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("CHAT_KEY", value)
    with (
        serving(lambda _: sse(*GOOD)) as server,
        pytest.raises(TargetRefused, match=f"variable CHAT_KEY .*{said}") as caught,
    ):
        asked(server.url, key_env="CHAT_KEY")
    assert server.asked == []
    assert "Evil" not in str(caught.value)


def test_redirects_are_not_followed(server: Server) -> None:
    with serving(lambda _: sse(*GOOD)) as other:
        server.answers(lambda _: RedirectResponse(f"{other.url}/v1/chat/completions"))
        with pytest.raises(TargetRefused, match=r"HTTP 307: a redirect to .*; redirects are not followed"):
            asked(server.url)
        assert other.paths == []


def test_proxies_of_the_environment_are_not_used(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    server.answers(lambda _: sse(*GOOD))
    assert asked(server.url).text == "Hello"


def test_a_query_of_the_address_is_kept_and_not_shown(server: Server) -> None:
    server.answers(lambda _: says({"error": "no"}, 400))
    with pytest.raises(TargetRefused) as caught:
        asked(server.url, path="/v1?api-version=2&code=hush")
    assert server.paths == ["/v1/chat/completions"]
    assert "hush" not in str(caught.value)


def test_the_deadline_is_for_the_whole_call_even_if_tokens_keep_coming(server: Server) -> None:
    server.answers(lambda _: sse(*[chunk("a") for _ in range(100)], pause_s=0.05))
    with pytest.raises(TargetTimeout, match=r"not finished within 0.4 s; the deadline passed after \d+ characters"):
        asked(server.url, Generation(deadline_s=0.4))


def test_a_server_that_says_nothing_runs_into_the_deadline(server: Server) -> None:
    async def silent(_: dict[str, Any]) -> Response:
        await asyncio.sleep(2)
        return sse(*GOOD)

    server.answers(silent)
    with pytest.raises(TargetTimeout, match="the deadline passed before the answer began"):
        asked(server.url, Generation(deadline_s=0.2))


def test_a_deadline_that_passes_while_the_caller_works_does_not_cancel_the_caller(server: Server) -> None:
    async def slowly(url: str) -> str:
        async with Calls(load_settings({})) as calls:
            try:
                async for _ in stream(target_at(url), HELLO, Generation(deadline_s=0.3), calls):
                    await asyncio.sleep(0.6)  # must not be interrupted
                    said = "the caller went on"
            except TargetTimeout:
                return said
        return "no timeout"

    server.answers(lambda _: sse(*[chunk("a") for _ in range(40)], pause_s=0.05))
    assert run(slowly(server.url)) == "the caller went on"


def test_a_caller_that_leaves_closes_the_connection(server: Server) -> None:
    async def leave(url: str) -> None:
        async with Calls(load_settings({})) as calls:
            answer = stream(target_at(url), HELLO, Generation(), calls)
            assert isinstance(await anext(answer), Piece)
            await answer.aclose()

    def endless(_: dict[str, Any]) -> Response:
        return sse(*[chunk("a") for _ in range(200)], pause_s=0.05)

    server.answers(endless)
    run(leave(server.url))
    assert server.left.wait(5)


def test_a_kept_connection_that_the_server_has_closed_is_no_failure() -> None:
    async def several(url: str) -> list[str]:
        async with Calls(load_settings({})) as calls:
            return [(await ask(target_at(url), HELLO, Generation(), calls)).text for _ in range(20)]

    with serving(lambda _: sse(*GOOD), closes=True) as server:
        assert run(several(server.url)) == ["Hello"] * 20


def test_an_answer_without_end_is_cut_off(server: Server) -> None:
    server.answers(lambda _: sse(*[chunk("a" * 2**20) for _ in range(40)]))
    with pytest.raises(TargetError, match="larger than 33554432 bytes"):
        asked(server.url)
