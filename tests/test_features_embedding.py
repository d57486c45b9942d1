"""Embeddings for drift: what is asked of a server and what is made of its answers, with a real worker and odd ones."""

import asyncio
import base64
import doctest
import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from starlette.responses import Response

from monitor.errors import TargetBusy, TargetError, TargetRefused, TargetUnreachable
from monitor.features import embedding
from monitor.features.embedding import embed_images, embed_texts, embedded_images, embedded_texts
from monitor.features.projections import project
from monitor.records import Endpoint
from monitor.runtimes import embeddings
from tests.checkpoints import png
from tests.conftest import free_port
from tests.model_servers import Server, serving
from tests.worker_here import EYES, WORDS, worker_here

Answer = Callable[[dict[str, Any]], Response]


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "PAUSES_S", (0.0, 0.0))


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with worker_here(tmp_path_factory.mktemp("worker")) as (url, _):
        yield f"{url}/v1"


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


def at(server: Server, **more: str) -> Endpoint:
    return Endpoint(f"{server.url}/v1", "embed", **more)


def said(vectors: list[list[float]], **more: Any) -> Response:
    data = [{"object": "embedding", "index": n, "embedding": one} for n, one in enumerate(vectors)]
    return Response(json.dumps({"object": "list", "model": "embed", "data": data} | more), 200)


def refused(words: str = "too long", status: int = 400) -> Response:
    return Response(json.dumps({"error": {"message": words}}), status)


def by_length(body: dict[str, Any]) -> Response:
    """A vector of the lengths of the texts."""
    return said([[float(len(text)), 1.0] for text in body["input"]])


def test_texts_are_embedded_by_a_real_checkpoint(worker: str) -> None:
    texts = ["What colour is the circle?", "How many shapes are there?", "What colour is the circle?", "", "  "]
    found = embed_texts(Endpoint(worker, EYES), texts)
    assert found.shape == (5, 96)
    assert np.array_equal(found[0], found[2])
    assert not np.allclose(found[0], found[1], atol=0.1)
    assert np.isnan(found[3:]).all()
    assert np.isfinite(project(found)[:3]).all()


def test_images_are_embedded_by_a_real_checkpoint(worker: str) -> None:
    found = embed_images(Endpoint(worker, EYES), [png(1), png(2), png(1), b"no image"])
    assert found.shape == (4, 96)
    assert np.array_equal(found[0], found[2])
    assert np.isnan(found[3]).all()
    assert np.isfinite(project(found)[:3]).all()


def test_the_worker_says_that_its_texts_and_images_lie_in_two_spaces(worker: str) -> None:
    place = Endpoint(worker, EYES)
    assert asyncio.run(embedded_texts(place, ["a red circle"])).space == "text"
    assert asyncio.run(embedded_images(place, [png()])).space == "images"


def test_a_checkpoint_that_takes_no_images_is_told(worker: str) -> None:
    with pytest.raises(TargetRefused, match="takes no images"):
        embed_images(Endpoint(worker, WORDS), [png(seed) for seed in range(9)])


def test_a_text_beyond_the_context_is_shortened_and_the_others_are_not(worker: str) -> None:
    long = "zebra-crossing xylophone " * 80  # letter by letter for this tokenizer: more than 1,024 tokens
    found = embed_texts(Endpoint(worker, EYES), ["What colour is it?", long])
    assert np.isfinite(found).all()
    assert np.allclose(found[0], embed_texts(Endpoint(worker, EYES), ["What colour is it?"])[0], atol=1e-5)


def test_many_texts_go_in_bounded_parts_and_come_back_in_order(server: Server) -> None:
    server.answers(by_length)
    texts = ["x" * (n % 150 + 1) for n in range(400)]
    found = embed_texts(at(server), texts)
    assert found[:, 0].tolist() == [float(len(text)) for text in texts]
    assert sorted(len(body["input"]) for body in server.asked) == [22, 64, 64]  # each distinct text once
    assert {(body["model"], body["encoding_format"]) for body in server.asked} == {("embed", "float")}
    assert {*server.paths} == {"/v1/embeddings"}


def test_long_texts_are_cut_and_go_in_smaller_parts(server: Server) -> None:
    server.answers(by_length)
    found = embed_texts(at(server), [f"{n:04}" * 2000 for n in range(120)])
    assert found[:, 0].tolist() == [2000.0] * 120
    assert max(sum(map(len, body["input"])) for body in server.asked) <= 100_000


def test_no_texts_need_no_call(server: Server) -> None:
    server.answers(by_length)
    assert embed_texts(at(server), []).shape == (0, 0)
    assert embed_texts(at(server), ["", " "]).shape == (2, 0)
    assert embed_images(at(server), []).shape == (0, 0)
    assert server.asked == []


def test_only_the_text_that_is_too_long_is_halved(server: Server) -> None:
    server.answers(lambda body: refused() if max(map(len, body["input"])) > 300 else by_length(body))
    texts = ["a" * 10, "b" * 1000, "c" * 20, "d" * 290]
    assert embed_texts(at(server), texts)[:, 0].tolist() == [10.0, 250.0, 20.0, 290.0]


def test_what_is_refused_for_another_reason_is_not_tried_again_and_again(server: Server) -> None:
    server.answers(lambda _: refused("wrong key", 401))
    with pytest.raises(TargetRefused, match="wrong key"):
        embed_texts(at(server), ["short", *(f"{n}" * 500 for n in range(60))])
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    "content, mime",
    [
        (png(), "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"RIFF....WEBP", "image/webp"),
        (b"BM00", "image/bmp"),
    ],
)
def test_images_are_sent_as_messages_with_data_urls(server: Server, content: bytes, mime: str) -> None:
    server.answers(lambda _: said([[1.0, 0.0]]))
    embed_images(at(server), [content])
    (part,) = server.asked[0]["messages"][0]["content"]
    head, _, payload = part["image_url"]["url"].partition(",")
    assert (part["type"], head) == ("image_url", f"data:{mime};base64")
    assert base64.b64decode(payload) == content


def test_a_server_without_images_is_not_sent_all_of_them(server: Server) -> None:
    server.answers(lambda _: refused("messages is unknown"))
    with pytest.raises(TargetRefused, match="messages is unknown"):
        embed_images(at(server), [bytes([n]) for n in range(100)])
    assert len(server.asked) < 15


def failing(
    times: int, then: Callable[[dict[str, Any]], Response], status: int
) -> Callable[[dict[str, Any]], Response]:
    left = [times]

    def answer(body: dict[str, Any]) -> Response:
        left[0] -= 1
        return refused("later", status) if left[0] >= 0 else then(body)

    return answer


def test_a_busy_server_is_asked_again(server: Server) -> None:
    server.answers(failing(2, by_length, 503))
    assert embed_texts(at(server), ["abc"])[0, 0] == 3.0
    server.answers(failing(9, by_length, 429))
    with pytest.raises(TargetBusy, match="later"):
        embed_texts(at(server), ["abc"])
    assert len(server.asked) == 3


def test_nobody_there_is_told_with_the_address() -> None:
    with pytest.raises(TargetUnreachable, match="the embedding model cannot be reached at http://127"):
        embed_texts(Endpoint(f"http://127.0.0.1:{free_port()}/v1", "embed"), ["a"])


@pytest.mark.parametrize("content", ['{"data": null}', '{"data": [{"index": 0, "embedding": []}]}', "{}"])
def test_an_answer_that_is_no_vector_is_told(server: Server, content: str) -> None:
    server.answers(lambda _: Response(content, 200))
    with pytest.raises(TargetError, match="did not answer with 1 lists of numbers of one length"):
        embed_texts(at(server), ["a"])


def test_vectors_of_different_lengths_are_not_mixed(server: Server) -> None:
    server.answers(lambda body: said([[1.0] * (2 if len(body["input"]) == 64 else 3)] * len(body["input"])))
    with pytest.raises(TargetError, match=r"vectors of \[2, 3\] numbers"):
        embed_texts(at(server), [f"text {n}" for n in range(80)])


def test_another_model_than_the_pinned_one_is_refused(server: Server) -> None:
    server.answers(by_length)
    assert embed_texts(at(server, version="embed"), ["a"]).shape == (1, 2)
    with pytest.raises(TargetError, match="answered as 'embed'; its version in the fleet file is 'embed-2026'"):
        embed_texts(at(server, version="embed-2026"), ["a"])


def test_a_key_is_sent_and_a_missing_one_is_told(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.answers(by_length)
    with pytest.raises(TargetRefused, match="EMBED_KEY"):
        embed_texts(at(server, key_env="EMBED_KEY"), ["a"])
    monkeypatch.setenv("EMBED_KEY", "sesame")
    embed_texts(at(server, key_env="EMBED_KEY"), ["a"])
    assert server.headers[-1]["authorization"] == "Bearer sesame"


def test_an_address_that_ends_with_its_path_works_too(server: Server) -> None:
    server.answers(by_length)
    embed_texts(Endpoint(f"{server.url}/v1/embeddings", "embed"), ["a"])
    assert server.paths == ["/v1/embeddings"]


def test_every_example_in_a_docstring_is_right() -> None:
    assert doctest.testmod(embeddings).failed == 0
