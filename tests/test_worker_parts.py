"""The parts of the worker that need no model: requests as they are read, room for bodies, lines, memory, GPUs."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from monitor.chat import Generation, Image, Message
from monitor.errors import BadInput, ConfigError, Overloaded
from monitor.inference import memory
from monitor.inference.answers import error_body
from monitor.inference.gpu import Gpus
from monitor.inference.lines import read_lines
from monitor.inference.opening import arithmetic_threads
from monitor.inference.room import Room
from monitor.inference.wire import Asked, parameters_table, parse_request
from monitor.inference.worker import preparing_threads
from monitor.listen import check_listen

ROOT = Path(__file__).parent.parent
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII="
)


def asked(**fields: Any) -> Asked:
    body = {"model": "eyes", "messages": [{"role": "user", "content": "Hello"}]} | fields
    return parse_request(json.dumps(body).encode(), 10_000)


def said(**fields: Any) -> dict[str, Any]:
    """The error that a request is answered with."""
    with pytest.raises(BadInput) as caught:
        asked(**fields)
    return dict(error_body(caught.value)["error"])


def part(**fields: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [fields]}]


def image(url: object) -> list[dict[str, Any]]:
    return part(type="image_url", image_url={"url": url})


def test_a_request_becomes_our_own_words() -> None:
    request = asked(
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "Look: "}, *image(PIXEL)[0]["content"]]},
        ],
        max_completion_tokens=7,
        temperature=1,
        top_p=0.5,
        seed=3,
        stop=["a", "b"],
        logprobs=True,
        top_logprobs=2,
        deadline_s=9,
        n=1,
    )
    assert request.settings == Generation(7, 1.0, 0.5, 3, ("a", "b"), 2, 9.0)
    assert request.messages[0] == Message("system", ("Be brief.",))
    text, picture = request.messages[1].parts
    assert text == "Look: "
    assert isinstance(picture, Image)
    assert picture.mime == "image/png"
    assert picture.data.startswith(b"\x89PNG")


def test_what_is_left_out_or_null_has_the_defaults_of_generation() -> None:
    assert asked(stop=None, seed=None, stream=None, top_logprobs=None).settings == Generation()


def test_logprobs_without_top_are_those_of_the_chosen_tokens() -> None:
    assert asked(logprobs=True).settings.top_logprobs == 0
    assert asked(logprobs=False).settings.top_logprobs is None


@pytest.mark.parametrize(
    ("fields", "param", "code", "words"),
    [
        (
            {"frequency_penalty": 0},
            "frequency_penalty",
            "unknown_parameter",
            "is not a parameter of this worker: leave",
        ),
        ({"tools": [], "user": "me"}, "tools", "unknown_parameter", "(nor is user)"),
        ({"n": 2}, "n", "invalid_value", "n is 2: allowed is 1; ask again"),
        ({"temperature": 2.5}, "temperature", "invalid_value", "temperature is 2.5: allowed is a number from 0"),
        ({"top_p": 0}, "top_p", "invalid_value", "top_p is 0: allowed is a number above 0"),
        ({"max_tokens": 0}, "max_tokens", "invalid_value", "max_tokens is 0: allowed is a whole number from 1"),
        ({"max_tokens": True}, "max_tokens", "invalid_value", "max_tokens is true"),
        ({"max_tokens": 5, "max_completion_tokens": 6}, "max_completion_tokens", "invalid_value", "send one of them"),
        ({"seed": -1}, "seed", "invalid_value", "seed is -1"),
        ({"stop": ["a"] * 5}, "stop", "invalid_value", "up to 4 of them"),
        ({"stop": ""}, "stop", "invalid_value", 'stop is ""'),
        ({"top_logprobs": 5}, "top_logprobs", "invalid_value", "needs logprobs: true"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs", "invalid_value", "from 0 to 20"),
        ({"stream_options": {"include_usage": True}}, "stream_options", "invalid_value", "needs stream: true"),
        ({"stream": True, "stream_options": {"x": 1}}, "stream_options", "invalid_value", "include_usage"),
        ({"deadline_s": 0}, "deadline_s", "invalid_value", "seconds until the answer is given up"),
        ({"model": 7}, "model", "invalid_value", "the id of a checkpoint"),
        ({"model": None}, "model", "missing_parameter", "model is missing"),
        ({"messages": []}, "messages", "invalid_value", "at least one message"),
        (
            {"messages": [{"role": "tool", "content": "x"}]},
            "messages[0].role",
            "invalid_value",
            "system, user, assistant",
        ),
        ({"messages": [{"role": "user"}]}, "messages[0].content", "invalid_value", "content is missing"),
        (
            {"messages": [{"role": "user", "content": "x", "name": "me"}]},
            "messages[0].name",
            "unknown_parameter",
            "allowed in it are role, content",
        ),
        ({"messages": part(type="video")}, "messages[0].content[0].type", "invalid_value", "text and image_url"),
        ({"messages": part(type="text")}, "messages[0].content[0].text", "invalid_value", "must be a text"),
        (
            {"messages": part(type="image_url", image_url={"url": PIXEL, "detail": "low"})},
            "messages[0].content[0].image_url.detail",
            "invalid_value",
            "allowed is auto",
        ),
    ],
)
def test_each_mistake_is_told_by_the_name_of_its_parameter(
    fields: Mapping[str, Any], param: str, code: str, words: str
) -> None:
    error = said(**fields)
    assert (error["param"], error["code"], error["type"], error["status"]) == (
        param,
        code,
        "invalid_request_error",
        400,
    )
    assert words in error["message"]


@pytest.mark.parametrize(
    ("url", "code", "words"),
    [
        ("/etc/passwd", "image_not_inline", "is '/etc/passwd': this worker opens no files"),
        ("file:///etc/passwd", "image_not_inline", "opens no files"),
        ("http://127.0.0.1:1/a.png", "image_not_inline", "fetches nothing from the network"),
        ("HTTPS://example.org/a.png", "image_not_inline", "fetches nothing from the network"),
        ("data:text/html;base64,AAAA", "invalid_image", "begins with 'data:text/html;base64'"),
        ("data:image/png,AAAA", "invalid_image", "send the image itself as data:image/png;base64"),
        ("data:image/png;base64,", "invalid_image", "is empty behind its comma"),
        ("data:image/png;base64,??", "invalid_image", "is not base64 behind its comma"),
        (None, "invalid_image", "is missing"),
        (5, "invalid_image", "is not a text"),
    ],
)
def test_an_image_is_a_data_url_and_nothing_else(url: object, code: str, words: str) -> None:
    error = said(messages=image(url))
    assert (error["code"], error["param"]) == (code, "messages[0].content[0].image_url.url")
    assert words in error["message"]


def test_an_image_beyond_the_limit_is_refused_before_it_is_decoded() -> None:
    error = said(messages=image("data:image/png;base64," + "A" * 20_000))
    assert (error["status"], error["code"]) == (413, "image_too_large")
    assert "allowed are 10000" in error["message"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"\xff"', b"[" * 100_000, b'{"model": "a", "model"'])
def test_a_body_that_is_no_json_object_is_told_so(body: bytes) -> None:
    with pytest.raises(BadInput, match=r"is not JSON|must be a JSON object"):
        parse_request(body, 1000)


def test_the_docs_hold_the_table_of_parameters() -> None:
    assert parameters_table() in (ROOT / "docs" / "worker.md").read_text("utf-8")


def test_the_worker_listens_on_loopback_only() -> None:
    with pytest.raises(ConfigError, match="only loopback"):
        check_listen("0.0.0.0")
    check_listen("127.0.0.1")


def test_room_is_refused_when_it_is_taken_and_given_back_once() -> None:
    room = Room(100)
    first, second = room.hold(), room.hold()
    first.take(80)
    with pytest.raises(Overloaded, match="80 bytes of other requests"):
        second.take(30)
    first.release()
    first.release()
    second.take(100)
    assert room.taken == 100


def test_who_waits_for_room_gets_it_in_order() -> None:
    async def scenario() -> list[str]:
        room, order = Room(100), []
        first = room.hold()
        await first.wait(90)

        async def take(name: str, size: int) -> None:
            hold = room.hold()
            await hold.wait(size)
            order.append(name)
            hold.release()

        large = asyncio.create_task(take("large", 95))
        gone = asyncio.create_task(take("gone", 50))
        small = asyncio.create_task(take("small", 5))
        await asyncio.sleep(0)
        gone.cancel()
        first.release()
        await asyncio.gather(large, small, gone, return_exceptions=True)
        assert room.taken == 0
        return order

    assert asyncio.run(scenario()) == ["large", "small"]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_lines_are_read_whatever_the_pieces_they_come_in(size: int) -> None:
    body = b"one\n\n  \ntwo two\r\n" + b"x" * 30 + b"\nthree"

    async def scenario() -> list[tuple[int, bytes | None]]:
        pieces = [body[at : at + size] for at in range(0, len(body), size)]
        messages = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
        messages.append({"type": "http.request", "body": b"", "more_body": False})

        async def receive() -> Any:
            return messages.pop(0)

        return [line async for line in read_lines(receive, 20)]

    assert asyncio.run(scenario()) == [(1, b"one"), (4, b"two two\r"), (5, None), (6, b"three")]


def test_memory_needed_is_told_from_the_headers_of_the_files(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    save_file({"w": torch.zeros(10, 10, dtype=torch.float16), "i": torch.zeros(3, dtype=torch.int64)}, tmp_path / "a")
    assert memory.needed_bytes([tmp_path / "a"], half=False) == 400 + 24
    assert memory.needed_bytes([tmp_path / "a"], half=True) == 200 + 24


def test_memory_of_machine_and_process_are_read() -> None:
    assert memory.free_bytes() > 100 * 2**20
    assert 2**20 < memory.resident_bytes() < 2**40
    assert memory.budget(0, 1000) == 600
    assert memory.budget(5, 1000) == 5


def test_threads_follow_the_cores() -> None:
    assert [arithmetic_threads(0, cores) for cores in (1, 2, 4, 8, 16)] == [1, 1, 1, 2, 4]
    assert arithmetic_threads(3, 64) == 3
    assert [preparing_threads(cores) for cores in (1, 2, 8, 64)] == [2, 2, 4, 8]


class Nvml:
    """The answers of a driver with two cards, the second of which tells nothing but its name."""

    NVML_TEMPERATURE_GPU = 0

    class NVMLError(Exception): ...

    class NVMLError_LibraryNotFound(NVMLError): ...  # noqa: N801 (the library's own name)

    class NVMLError_DriverNotLoaded(NVMLError): ...  # noqa: N801

    def __getattr__(self, name: str) -> Any:
        answers = {
            "nvmlInit": lambda: None,
            "nvmlDeviceGetCount": lambda: 2,
            "nvmlDeviceGetHandleByIndex": lambda index: index,
            "nvmlDeviceGetName": lambda index: f"card {index}",
            "nvmlDeviceGetMemoryInfo": self._first(SimpleNamespace(used=5, total=10)),
            "nvmlDeviceGetUtilizationRates": self._first(SimpleNamespace(gpu=25)),
            "nvmlDeviceGetPowerUsage": self._first(70_000),
            "nvmlDeviceGetTemperature": self._first(40),
        }
        return answers[name]

    def _first(self, value: Any) -> Any:
        def answer(index: int, *_: object) -> Any:
            if index:
                raise self.NVMLError("not supported")
            return value

        return answer


def test_a_gpu_is_read_as_far_as_its_driver_tells() -> None:
    gpus = Gpus()
    gpus._nvml = Nvml()
    first, second = gpus.read()
    assert (first.name, first.use, first.memory_used_bytes, first.power_w) == ("card 0", 0.25, 5, 70.0)
    assert (second.name, second.use, second.memory_total_bytes, second.power_w) == ("card 1", None, None, None)


def test_a_machine_without_a_driver_has_no_gpus_and_no_error() -> None:
    gpus = Gpus()
    try:
        import pynvml

        pynvml.nvmlInit()
    except pynvml.NVMLError:
        assert gpus.read() == []
        assert gpus.read() == []
    else:
        assert gpus.read()
