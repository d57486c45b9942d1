"""Embeddings of the worker: the demo's trained checkpoints, over HTTP and against transformers itself."""

import base64
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np
import openai
import pytest
import torch

from monitor.chat import Image, Message
from monitor.demo.small import CHECKPOINTS
from monitor.errors import BadInput, OutOfMemory, TargetBusy, TargetError
from monitor.inference import vectors
from monitor.inference.checkpoint import Loaded, load_checkpoint
from monitor.inference.embeddings import PARAMETERS, parse
from monitor.inference.vectors import embed_images, embed_texts
from monitor.inference.wire import parameters_table
from monitor.inference.worker import Worker
from monitor.records import Checkpoint
from tests.checkpoints import LIMITS, png
from tests.conftest import ROOT
from tests.worker_here import EYES, WORDS, worker_here
from tests.workers import data_url, read_metric

PATH = "/v1/embeddings"
TEXTS = ("What colour is the circle?", "How many shapes are there?", "Count.", "Give a short summary of these pages.")


def go_on() -> None:
    """Somebody still waits."""


@pytest.fixture(scope="module", params=[EYES, WORDS])
def loaded(request: pytest.FixtureRequest) -> Loaded:
    return _load(request.param)


@pytest.fixture(scope="module")
def eyes() -> Loaded:
    return _load(EYES)


def _load(name: str) -> Loaded:
    torch.set_num_threads(1)
    return load_checkpoint(Checkpoint(name, "shapes"), CHECKPOINTS / name, "cpu")


def looked_at(*images: bytes) -> list[Message]:
    return [Message("user", tuple(Image(one) for one in images))]


def test_a_text_is_the_mean_of_its_last_hidden_states(loaded: Loaded) -> None:
    found = embed_texts(loaded, TEXTS, go_on)
    assert found.vectors.shape == (len(TEXTS), 96)
    assert np.allclose(np.linalg.norm(found.vectors, axis=1), 1.0, atol=1e-6)
    for text, vector in zip(TEXTS, found.vectors, strict=True):
        ids = torch.tensor([loaded.tokenizer(text)["input_ids"]])
        with torch.inference_mode():
            states = loaded.model(input_ids=ids, output_hidden_states=True).hidden_states[-1]
        mean = states[0].float().mean(dim=0)
        assert np.allclose(vector, mean / mean.norm(), atol=1e-5)
    assert found.tokens == sum(len(loaded.tokenizer(text)["input_ids"]) for text in TEXTS)


def test_texts_are_the_same_alone_and_among_longer_ones(loaded: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "MOST_TOKENS", 400)  # so that they need several passes
    texts = [*TEXTS, "Page 1. The red circle is in the top left. " * 12] * 8
    together = embed_texts(loaded, texts, go_on).vectors
    alone = np.concatenate([embed_texts(loaded, [text], go_on).vectors for text in texts[:5]])
    assert np.allclose(together, np.tile(alone, (8, 1)), atol=1e-5)


def test_prompts_that_ask_for_the_same_are_nearer_than_others(eyes: Loaded) -> None:
    asked = ["What colour is the circle?", "Which colour has the square?", "How many shapes are there?"]
    found = embed_texts(eyes, asked, go_on).vectors
    assert found[0] @ found[1] > found[0] @ found[2] + 0.2


def test_images_are_the_mean_of_what_the_text_model_is_shown(eyes: Loaded) -> None:
    image = png(3)
    found = embed_images(eyes, looked_at(image), LIMITS, go_on)
    assert (found.space, found.tokens) == ("images", 19)
    from PIL import Image as Picture

    picture = Picture.fromarray(np.random.default_rng(3).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    made = eyes.processor(text=["<image>"], images=[[picture]], return_tensors="pt")
    with torch.inference_mode():
        out = eyes.model.model.get_image_features(made["pixel_values"], made["pixel_attention_mask"])
        mean = out.pooler_output[0].float().mean(dim=0)
    assert np.allclose(found.vectors[0], mean / mean.norm(), atol=1e-5)


def test_several_images_are_one_vector_between_theirs(eyes: Loaded) -> None:
    one, other = (embed_images(eyes, looked_at(png(seed)), LIMITS, go_on).vectors[0] for seed in (1, 2))
    both = embed_images(eyes, looked_at(png(1), png(2)), LIMITS, go_on).vectors[0]
    assert min(both @ one, both @ other) > one @ other


def test_a_language_model_takes_no_images() -> None:
    with pytest.raises(BadInput, match="takes no images"):
        embed_images(_load(WORDS), looked_at(png()), LIMITS, go_on)


def test_texts_that_cannot_be_read_are_named(eyes: Loaded) -> None:
    with pytest.raises(BadInput, match=r"input\[1\] is 1\d{3} tokens long; .* reads 1 to 1024 tokens: shorten it"):
        embed_texts(eyes, ["a", "red " * 1100], go_on)
    with pytest.raises(BadInput, match=r"input\[0\] holds <image>"):
        embed_texts(eyes, ["an <image>"], go_on)


def test_a_pass_that_does_not_fit_is_halved(eyes: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    right = embed_texts(eyes, TEXTS, go_on).vectors
    passes = _fail_above(monkeypatch, 2)
    assert np.allclose(embed_texts(eyes, TEXTS, go_on).vectors, right, atol=1e-5)
    assert passes == [4, 2, 2]


def test_a_text_that_does_not_fit_alone_is_told(eyes: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    _fail_above(monkeypatch, 0)
    with pytest.raises(OutOfMemory, match=r"a text of \d+ tokens does not fit into the memory of cpu"):
        embed_texts(eyes, TEXTS[:1], go_on)


def _fail_above(monkeypatch: pytest.MonkeyPatch, rows: int) -> list[int]:
    """Memory is enough for so many rows; the sizes of the passes that were tried."""
    tried: list[int] = []
    means = vectors._means

    def limited(loaded: Loaded, ids: list[tuple[int, ...]]) -> Any:
        tried.append(len(ids))
        if len(ids) > rows:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return means(loaded, ids)

    monkeypatch.setattr(vectors, "_means", limited)
    return tried


def test_nothing_is_computed_for_nobody(eyes: Loaded) -> None:
    def gone() -> None:
        raise TargetBusy("nobody waits")

    with pytest.raises(TargetBusy):
        embed_texts(eyes, TEXTS, gone)
    with pytest.raises(TargetBusy):
        embed_images(eyes, looked_at(png()), LIMITS, gone)


def test_a_model_that_computes_no_numbers_is_told(eyes: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "_means", lambda *_: np.full((1, 4), np.nan, np.float32))
    with pytest.raises(TargetError, match="NaN"):
        embed_texts(eyes, ["a"], go_on)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Worker]]:
    with worker_here(
        tmp_path_factory.mktemp("worker"), max_body_bytes=1_000_000, worker_queue=8, worker_batch=4
    ) as made:
        yield made


@pytest.fixture(scope="module")
def http(place: tuple[str, Worker]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=place[0], trust_env=False, timeout=60) as client:
        yield client


def test_texts_come_back_in_the_shape_of_openai(http: httpx.Client) -> None:
    found = http.post(PATH, json={"model": WORDS, "input": [*TEXTS]}).json()
    assert found["object"] == "list"
    assert found["model"] == WORDS
    assert [(row["object"], row["index"]) for row in found["data"]] == [("embedding", n) for n in range(4)]
    assert {len(row["embedding"]) for row in found["data"]} == {96}
    assert found["usage"]["prompt_tokens"] == found["usage"]["total_tokens"] > 10
    assert found["watchpoint"]["space"] == "text"
    one = http.post(PATH, json={"model": WORDS, "input": TEXTS[0]}).json()
    assert np.allclose(one["data"][0]["embedding"], found["data"][0]["embedding"], atol=1e-5)


def test_the_client_of_openai_reads_it(place: tuple[str, Worker]) -> None:
    """It asks for base64."""
    with openai.OpenAI(base_url=f"{place[0]}/v1", api_key="none") as client:
        found = client.embeddings.create(model=WORDS, input=[*TEXTS])
    assert [len(row.embedding) for row in found.data] == [96] * 4
    assert np.linalg.norm(found.data[2].embedding) == pytest.approx(1.0, abs=1e-5)


def test_base64_holds_the_same_numbers(http: httpx.Client) -> None:
    body = {"model": EYES, "input": TEXTS[1]}
    plain = http.post(PATH, json=body).json()["data"][0]["embedding"]
    packed = http.post(PATH, json=body | {"encoding_format": "base64"}).json()["data"][0]["embedding"]
    assert np.array_equal(np.frombuffer(base64.b64decode(packed), "<f4"), np.array(plain, np.float32))


def shown(*colours: str) -> list[dict[str, Any]]:
    parts = [{"type": "image_url", "image_url": {"url": data_url(colour)}} for colour in colours]
    return [{"role": "user", "content": parts}]


def test_images_come_as_messages(http: httpx.Client) -> None:
    def of(*colours: str) -> Any:
        found = http.post(PATH, json={"model": EYES, "messages": shown(*colours)}).json()
        assert found["watchpoint"]["space"] == "images"
        return np.array(found["data"][0]["embedding"])

    assert of("red") @ of("red") == pytest.approx(1.0, abs=1e-5)
    assert of("red") @ of("red", "blue") > of("red") @ of("blue")


def test_messages_of_text_are_one_text(http: httpx.Client) -> None:
    said = [{"role": "user", "content": TEXTS[0]}]
    found = http.post(PATH, json={"model": EYES, "messages": said}).json()
    same = http.post(PATH, json={"model": EYES, "input": TEXTS[0]}).json()
    assert found["data"] == same["data"]


@pytest.mark.parametrize(
    "body, status, words",
    [
        ({"input": "a"}, 400, "model is missing"),
        ({"model": WORDS}, 400, "input is missing, and so is messages"),
        ({"model": WORDS, "input": "a", "messages": shown("red")}, 400, "send one of them"),
        ({"model": WORDS, "input": ""}, 400, "a text that is not empty"),
        ({"model": WORDS, "input": []}, 400, "a list of 1 to 256"),
        ({"model": WORDS, "input": ["a", ""]}, 400, "a text that is not empty"),
        ({"model": WORDS, "input": [1, 2]}, 400, "a text that is not empty"),
        ({"model": WORDS, "input": ["a"] * 257}, 400, "a list of 1 to 256"),
        ({"model": WORDS, "input": "a", "dimensions": 8}, 400, "dimensions is not a parameter of this worker"),
        ({"model": WORDS, "input": "a", "encoding_format": "int8"}, 400, "float (the default), or base64"),
        ({"model": WORDS, "messages": [{"role": "user", "content": ""}]}, 400, "hold neither text nor image"),
        ({"model": EYES, "messages": [*shown("red"), {"role": "user", "content": "x"}]}, 400, "texts beside images"),
        ({"model": WORDS, "messages": shown("red")}, 400, "takes no images"),
        ({"model": "nobody", "input": "a"}, 404, "there is no checkpoint 'nobody'"),
        ({"model": WORDS, "input": "red " * 2000}, 400, "shorten it"),
        ({"model": WORDS, "input": "x" * 1_100_000}, 413, "the body has"),
    ],
)
def test_each_mistake_is_told(http: httpx.Client, body: dict[str, Any], status: int, words: str) -> None:
    response = http.post(PATH, json=body)
    assert response.status_code == status, response.text
    assert words in response.json()["error"]["message"]


def test_a_form_of_another_site_is_refused(http: httpx.Client) -> None:
    sent = http.post(PATH, content=b'{"model": "a", "input": "b"}', headers={"content-type": "text/plain"})
    assert sent.status_code == 415


def test_the_deadline_is_kept(http: httpx.Client) -> None:
    response = http.post(PATH, json={"model": WORDS, "input": ["red circle " * 200] * 200, "deadline_s": 0.05})
    assert response.status_code == 504, response.text
    assert "not ready within the deadline of 0.05 s" in response.json()["error"]["message"]
    assert http.post(PATH, json={"model": WORDS, "input": "a"}).status_code == 200


def test_more_than_the_queue_is_answered_with_429_and_chats_go_on(
    http: httpx.Client, place: tuple[str, Worker]
) -> None:
    body = {"model": WORDS, "input": ["red circle " * 20] * 50}
    chat = {"model": WORDS, "messages": [{"role": "user", "content": "Few or many objects? One."}], "max_tokens": 4}
    with ThreadPoolExecutor(24) as pool:
        sent = [pool.submit(http.post, PATH, json=body) for _ in range(24)]
        answered = http.post("/v1/chat/completions", json=chat)
        statuses = [one.result().status_code for one in sent]
    assert answered.status_code == 200
    assert {*statuses} == {200, 429}
    assert place[1].embedding_waits == 0


def test_a_client_that_leaves_frees_its_turn(http: httpx.Client, place: tuple[str, Worker]) -> None:
    body = {"model": WORDS, "input": ["red circle " * 200] * 200}
    with pytest.raises(httpx.ReadTimeout):
        http.post(PATH, json=body, timeout=0.3)
    began = time.perf_counter()
    assert http.post(PATH, json={"model": WORDS, "input": "a"}).status_code == 200
    assert time.perf_counter() - began < 10
    text = http.get("/metrics").text
    assert read_metric(text, "watchpoint_worker_requests_total", checkpoint=WORDS, outcome="cancelled") >= 1
    assert read_metric(text, "watchpoint_worker_requests_total", checkpoint=WORDS, outcome="embedded") >= 3
    assert read_metric(text, "watchpoint_worker_embedding") == 0


def test_the_docs_hold_the_table_of_parameters() -> None:
    assert parameters_table(PARAMETERS) in (ROOT / "docs" / "worker.md").read_text("utf-8")


def test_a_body_that_is_no_json_object_is_told_so() -> None:
    with pytest.raises(BadInput, match=r"is not JSON|must be a JSON object"):
        parse(b"[]", 1000)
