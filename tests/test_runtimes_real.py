"""One small checkpoint behind `transformers serve`, a Gradio app and our worker, each called through its runtime.

The weights are random, of a seed with which answers are letters and depend on the image: what matters here is that
every server gets the same messages, images and settings, and that its answer, its failures and its silence come back.
"""

import asyncio
import io
import os
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, TypeVar

import httpx
import PIL.Image
import pytest

from monitor.chat import Generation, Image, Message, Piece, Reply
from monitor.config import load_settings
from monitor.errors import TargetError, TargetRefused, TargetTimeout, TargetUnreachable
from monitor.fleet import load_fleet
from monitor.records import Checkpoint, Deployment
from monitor.runtimes import Calls, Health, Target, ask, health, stream, target
from tests.conftest import ROOT, answers, free_port, wait_until
from tests.model_servers import says, serving

T = TypeVar("T")

SEED = 8

FLEET = """\
[models.vision]
[checkpoints.step-9]
model = "vision"
weights = "vlm"
[deployments.ours]
checkpoint = "step-9"
runtime = "local"
"""

SHORT = Generation(max_tokens=4)


def picture(colour: str) -> Image:
    file = io.BytesIO()
    PIL.Image.new("RGB", (64, 64), colour).save(file, "PNG")
    return Image(file.getvalue())


RED, BLUE = picture("red"), picture("blue")


def user(*parts: str | Image) -> Message:
    return Message("user", parts)


def started(log: Path, command: Sequence[str], **variables: str) -> subprocess.Popen[bytes]:
    with log.open("wb") as out:
        environment = os.environ | {"OMP_NUM_THREADS": "1", **variables}
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=subprocess.STDOUT)


def wait_until_up(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    wait_until(lambda: process.poll() is not None or answers(url), 200)
    assert process.poll() is None, log.read_text()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from monitor.demo.small import save_untrained

    folder = tmp_path_factory.mktemp("served") / "vlm"
    save_untrained(folder, "vlm", SEED)
    return folder


@pytest.fixture(scope="module")
def servers(checkpoint: Path) -> Iterator[dict[str, str]]:
    """The addresses of the servers, which start side by side."""
    home, ports = checkpoint.parent, {name: free_port() for name in ("serve", "gradio", "worker")}
    (home / "hf" / "hub").mkdir(parents=True)
    (home / "watchpoint.toml").write_text(FLEET)
    commands = {
        "serve": (str(Path(sys.executable).parent / "transformers"), "serve", str(checkpoint), "--device", "cpu",
                  "--port", str(ports["serve"])),
        "gradio": (sys.executable, "-m", "tests.gradio_app", str(checkpoint), str(ports["gradio"])),
        "worker": (sys.executable, "-m", "monitor", "worker"),
    }  # fmt: skip
    variables = {
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(home / "hf"),
        "WATCHPOINT_FLEET_FILE": str(home / "watchpoint.toml"),
        "WATCHPOINT_DATA_DIR": str(home / "data"),
        "WATCHPOINT_WORKER_PORT": str(ports["worker"]),
        "WATCHPOINT_WORKER_DEVICE": "cpu",
    }
    processes = {name: started(home / f"{name}.log", command, **variables) for name, command in commands.items()}
    try:
        for name, path in (("worker", "/health"), ("serve", "/health"), ("gradio", "/one/config")):
            url = f"http://127.0.0.1:{ports[name]}{path}"
            wait_until_up(processes[name], url, home / f"{name}.log")
        yield {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    finally:
        for process in processes.values():
            process.terminate()
        for process in processes.values():
            process.wait(20)


@pytest.fixture
def serve(servers: dict[str, str], checkpoint: Path) -> Target:
    one = Checkpoint("step-9", "vision", engine="transformers")
    url = f"{servers['serve']}/v1"
    deployment = Deployment("served", "step-9", "vision", url=url, served_model=str(checkpoint))
    return Target("served", deployment, one, "openai", url, None, str(checkpoint))


@pytest.fixture
def app(servers: dict[str, str]) -> Callable[..., Target]:
    """A target for an endpoint of the Gradio app."""
    return lambda api_name=None, path="/many": gradio_at(servers["gradio"] + path, api_name)


def gradio_at(url: str, api_name: str | None = None, key_env: str | None = None) -> Target:
    deployment = Deployment("app", "step-9", "vision", runtime="gradio", url=url, key_env=key_env, api_name=api_name)
    return Target("app", deployment, Checkpoint("step-9", "vision"), "gradio", url, key_env, None, api_name)


@pytest.fixture
def ours(servers: dict[str, str], checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> Target:
    """The checkpoint in the worker, as the fleet file says."""
    monkeypatch.setenv("WATCHPOINT_WORKER_URL", servers["worker"])
    return target(load_fleet(checkpoint.parent / "watchpoint.toml"), "ours")


def calling(work: Callable[[Calls], Awaitable[T]]) -> T:
    async def within() -> T:
        async with Calls(load_settings()) as calls:
            return await work(calls)

    return asyncio.run(within())


def asked(one: Target, *messages: Message, settings: Generation = SHORT) -> Reply:
    return calling(lambda calls: ask(one, messages, settings, calls))


def streamed(one: Target, *messages: Message, settings: Generation = SHORT) -> list[Piece | Reply]:
    async def work(calls: Calls) -> list[Piece | Reply]:
        return [piece async for piece in stream(one, messages, settings, calls)]

    return calling(work)


def test_all_runtimes_show_the_same_image_to_the_same_weights_and_get_the_same_answer(
    serve: Target, app: Callable[..., Target], ours: Target
) -> None:
    seen = {}
    for name, image in (("red", RED), ("blue", BLUE)):
        texts = {asked(one, user(image, "What colour is it?")).text for one in (serve, app("/ask"), ours)}
        assert len(texts) == 1, texts
        seen[name] = texts.pop()
    assert seen["red"] != seen["blue"]


def test_the_worker_tells_its_times_its_batch_its_memory_and_its_log_probabilities(ours: Target) -> None:
    *pieces, reply = streamed(ours, user(RED, "What colour is it?"), settings=Generation(max_tokens=6, top_logprobs=2))
    assert isinstance(reply, Reply)
    assert "".join(piece.text for piece in pieces) == reply.text == "".join(token.text for token in reply.tokens)
    assert (reply.finish_reason, reply.tokens_out, reply.model, reply.batch_rows) == ("length", 6, "step-9", 1)
    assert [len(token.top) for token in reply.tokens] == [2] * 6
    assert reply.confidence is not None
    assert 0 < reply.confidence < 1
    times = reply.timings
    parts = (times.queue_ms, times.preprocess_ms, times.prefill_ms, times.decode_ms)
    known = [part for part in parts if part is not None]
    assert len(known) == 4
    assert 0 < sum(known) <= times.total_ms
    assert times.ttft_ms is not None
    assert times.ttft_ms < times.total_ms
    assert reply.peak_memory_bytes is not None
    assert reply.peak_memory_bytes > 1_000_000


def test_the_worker_honours_every_setting_without_a_note(ours: Target) -> None:
    settings = Generation(5, temperature=0.8, top_p=0.9, seed=3, stop=("zzz",))
    asked(ours, user(RED, "What?"))  # whoever comes first is told how long the checkpoint took to load
    first, second = (asked(ours, user(RED, "What?"), settings=settings) for _ in range(2))
    assert (first.text, first.notes, second.notes) == (second.text, (), ())


def test_what_the_worker_refuses_comes_back_in_its_words(ours: Target, servers: dict[str, str]) -> None:
    with pytest.raises(TargetRefused, match=r"HTTP 4\d\d: .*image"):
        asked(ours, user(Image(b"no image"), "What?"))
    with pytest.raises(TargetRefused, match=r"HTTP 400: .* tokens"):
        asked(ours, user("What? " * 2000))
    unknown = Target("worker/step-1", None, Checkpoint("step-1", "vision"), "local")
    with pytest.raises(TargetRefused, match=r"HTTP 404: .*step-1"):
        asked(unknown, user("What?"))
    assert calling(lambda calls: health(unknown, calls)).reason.startswith("the worker does not know step-1")


def test_a_caller_that_leaves_ends_the_work_of_the_worker(ours: Target, servers: dict[str, str]) -> None:
    async def leave(calls: Calls) -> None:
        async with aclosing(stream(ours, [user("Go on.")], Generation(max_tokens=900), calls)) as answer:
            assert isinstance(await anext(answer), Piece)

    calling(leave)
    wait_until(lambda: 'outcome="cancelled"' in httpx.get(f"{servers['worker']}/metrics", trust_env=False).text, 5)


def test_transformers_serve_streams_and_counts_tokens(serve: Target, checkpoint: Path) -> None:
    *pieces, reply = streamed(serve, user(RED, "What colour is it?"), settings=Generation(max_tokens=6))
    assert isinstance(reply, Reply)
    assert "".join(piece.text for piece in pieces) == reply.text
    assert len(pieces) > 1
    assert (reply.finish_reason, reply.tokens_out, reply.model) == ("length", 6, f"{checkpoint}@main")
    assert reply.tokens_in is not None
    assert reply.tokens_in > 16  # an image alone is sixteen
    assert reply.timings.ttft_ms is not None
    assert 0 < reply.timings.ttft_ms < reply.timings.total_ms
    assert (reply.timings.prefill_ms, reply.batch_rows, reply.notes) == (None, None, ())


def test_transformers_serve_takes_several_images_and_turns(serve: Target) -> None:
    one = asked(serve, user(RED, "What colour is it?"))
    more = asked(serve, user(RED, BLUE, "Same?"), Message("assistant", ("no",)), user("What colour is it?"))
    assert one.tokens_in is not None
    assert more.tokens_in is not None
    assert more.tokens_in > one.tokens_in + 16


def test_what_transformers_serve_ignores_or_fails_on_becomes_a_note(serve: Target) -> None:
    reply = asked(serve, user(RED, "What?"), settings=Generation(max_tokens=4, stop=("zzz",), top_logprobs=1))
    assert reply.text
    first, second = reply.notes
    assert first.startswith("the server refused stop ('Idefics3Processor' object has no attribute 'get_vocab')")
    assert second == "the server sent no log probabilities, though it was asked for them"


def test_what_transformers_serve_refuses_comes_back_in_its_words(serve: Target, checkpoint: Path) -> None:
    wrong = Target("served", serve.deployment, serve.checkpoint, "openai", serve.url, None, "another")
    with pytest.raises(TargetRefused, match=r"HTTP 400: Server is pinned to '.*'; requested 'another'"):
        asked(wrong, user("Hi"))
    with pytest.raises(TargetError, match="HTTP 500: Internal Server Error"):
        asked(serve, user(Image(b"no image"), "What?"))
    assert asked(serve, user("Hi")).text, "it goes on after a failure"


def test_all_servers_are_ready(serve: Target, app: Callable[..., Target], ours: Target) -> None:
    assert asked(ours, user("Hi")).text
    assert calling(lambda calls: health(ours, calls)) == Health(True, "ready")
    assert calling(lambda calls: health(serve, calls)) == Health(
        True, f"{str(serve.url).removesuffix('/v1')}/health answered HTTP 200"
    )
    assert calling(lambda calls: health(app("/ask"), calls)) == Health(True, "Gradio 6.31.0")
    assert "it has /ask, /write" in calling(lambda calls: health(app("/no"), calls)).reason


def test_gradio_takes_what_it_has_parameters_for_and_notes_the_rest(app: Callable[..., Target]) -> None:
    short, long = (asked(app("/ask"), user(RED, "What?"), settings=Generation(max_tokens=n)) for n in (2, 12))
    assert len(short.text) < len(long.text)
    assert short.notes == ("the app decides by itself, and was not told: temperature, top_p",)
    assert (short.finish_reason, short.tokens_out, short.model, short.timings.ttft_ms) == (None, None, None, None)


def test_an_answer_that_gradio_writes_bit_by_bit_comes_in_pieces(app: Callable[..., Target]) -> None:
    *pieces, reply = streamed(app("/write"), user("Hi"))
    assert isinstance(reply, Reply)
    assert "".join(piece.text for piece in pieces) == reply.text
    assert len(pieces) == 3
    assert reply.timings.ttft_ms is not None
    assert reply.timings.ttft_ms < reply.timings.total_ms - 500  # the app rests 0.3 s behind each bit


def test_an_error_that_gradio_sends_with_status_200_is_a_failure(app: Callable[..., Target]) -> None:
    with pytest.raises(TargetError, match=r"app .* failed before the answer began: the weights are on fire: Q"):
        asked(app("/fail"), user("Q"))
    with pytest.raises(TargetError, match="no answer to Q"):
        asked(app("/refuse"), user("Q"))
    with pytest.raises(TargetError, match="cannot identify image file"):
        asked(app("/ask"), user(Image(b"no image"), "Q"))


def test_earlier_turns_go_into_the_history_of_a_gradio_chat(app: Callable[..., Target]) -> None:
    reply = asked(app("/chat"), user("a"), Message("assistant", ("b",)), user("c"))
    assert reply.text == "a/b|c"


def test_a_gradio_app_with_one_endpoint_needs_no_api_name(app: Callable[..., Target]) -> None:
    assert asked(app(path="/one"), user(RED, BLUE, "Same?")).text == "Same? [(64, 64), (64, 64)]"


def test_a_gradio_app_with_several_endpoints_needs_an_api_name(app: Callable[..., Target]) -> None:
    with pytest.raises(
        TargetRefused, match=r"app .*: 7 endpoints of the app could answer, so api_name .* /ask\(image: "
    ):
        asked(app(), user("Q"))


def test_past_the_deadline_a_gradio_job_is_stopped_in_the_app(app: Callable[..., Target]) -> None:
    with pytest.raises(TargetTimeout, match="has not finished within 1 s"):
        asked(app("/wait"), user("Q"), settings=Generation(deadline_s=1.0))
    wait_until(lambda: asked(app("/waiting"), user("Q")).text == "nobody", 10)


def test_a_caller_that_leaves_stops_the_gradio_job_in_the_app(app: Callable[..., Target]) -> None:
    async def leave(calls: Calls) -> str:
        async with aclosing(stream(app("/wait"), [user("left alone")], Generation(), calls)) as answer:
            assert isinstance(await anext(answer), Piece)
            return (await ask(app("/waiting"), [user("Q")], SHORT, calls)).text

    assert calling(leave) == "left alone"
    wait_until(lambda: asked(app("/waiting"), user("Q")).text == "nobody", 10)


def test_connections_to_gradio_are_used_again_and_leave_no_thread_behind(app: Callable[..., Target]) -> None:
    before = threading.active_count()

    async def several(calls: Calls) -> tuple[list[str], int]:
        first = await ask(app("/ask"), [user(RED, "What?")], SHORT, calls)
        others = [ask(app("/ask"), [user(RED, "What?")], SHORT, calls) for _ in range(4)]
        texts = [first.text, *(one.text for one in await asyncio.gather(*others))]
        again = await ask(app("/ask"), [user(RED, "What?")], SHORT, calls)
        return [*texts, again.text], len([*calls.apps])

    texts, kept = calling(several)
    assert (len({*texts}), kept) == (1, 4)
    wait_until(lambda: threading.active_count() <= before, 10)


def test_the_token_of_the_user_and_the_proxies_of_the_shell_stay_out_of_calls_to_gradio(
    app: Callable[..., Target], monkeypatch: pytest.MonkeyPatch
) -> None:
    import gradio_client.client

    told: list[Any] = []
    monkeypatch.setattr(gradio_client.client, "send_telemetry", lambda **what: told.append(what))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("HF_TOKEN", "hf_hunter2")
    monkeypatch.setenv("APP_KEY", "sk-1")
    assert asked(app("/ask"), user(RED, "What?")).text
    with serving(pages={"/config": says({"version": "6.31.0", "dependencies": [], "components": []})}) as server:
        with pytest.raises(TargetError, match="is no Gradio app"):
            asked(gradio_at(server.url, key_env="APP_KEY"), user("Q"))
        assert {one["authorization"] for one in server.headers} == {"Bearer sk-1"}
        assert "hunter2" not in str(server.headers)
    assert told == []


def test_what_is_no_gradio_app_is_told_apart_from_nobody(servers: dict[str, str]) -> None:
    with pytest.raises(TargetRefused, match="HTTP 404: Not Found"):
        asked(gradio_at(servers["gradio"] + "/none"), user("Q"))
    with pytest.raises(TargetUnreachable, match="cannot be reached at"):
        asked(gradio_at(f"http://127.0.0.1:{free_port()}"), user("Q"))
