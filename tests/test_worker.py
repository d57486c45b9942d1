"""The worker as its clients meet it: one real process with real (untrained) checkpoints, over HTTP."""

import asyncio
import json
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from tests.conftest import wait_until
from tests.workers import RunningWorker, chat, data_url, running_worker, save_checkpoints, sent_events, write_fleet

COMPLETIONS = "/v1/chat/completions"
ROWS, QUEUE = 4, 8
LONG: dict[str, Any] = {"max_tokens": 900, "deadline_s": 60}
"""An untrained model repeats its likeliest token for as long as it may."""


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningWorker]:
    """One worker for the tests of this file, with a small batch, a short queue and a small limit for bodies."""
    folder = tmp_path_factory.mktemp("worker")
    save_checkpoints(folder, eyes="vlm", words="lm", shards="vlm")
    break_shards(folder / "shards")
    fleet = write_fleet(folder, {"eyes": "eyes", "words": "words", "shards": "shards", "elsewhere": None})
    with running_worker(
        fleet,
        WATCHPOINT_WORKER_BATCH=str(ROWS),
        WATCHPOINT_WORKER_QUEUE=str(QUEUE),
        WATCHPOINT_MAX_BODY_BYTES="300000",
    ) as running:
        yield running


def break_shards(folder: Path) -> None:
    """Make the weights look as if they came in two files, one of which never arrived."""
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    weight_map = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))


@pytest.fixture(scope="module")
def http(worker: RunningWorker) -> Iterator[httpx.Client]:
    with worker.http() as client:
        yield client


def ask(http: httpx.Client, body: dict[str, Any]) -> dict[str, Any]:
    response = http.post(COMPLETIONS, json=body)
    assert response.status_code == 200, response.text
    return dict(response.json())


def refused(http: httpx.Client, body: dict[str, Any], status: int) -> dict[str, Any]:
    response = http.post(COMPLETIONS, json=body)
    assert response.status_code == status, response.text
    return dict(response.json()["error"])


def idle(worker: RunningWorker) -> bool:
    return worker.metric("watchpoint_worker_active_rows") + worker.metric("watchpoint_worker_queue_depth") == 0


def test_health_answers_at_once_while_a_checkpoint_is_loaded(worker: RunningWorker) -> None:
    with worker.http() as one, ThreadPoolExecutor(3) as pool:
        assert worker.state("eyes") == "cold"
        firsts = [pool.submit(one.post, COMPLETIONS, json=chat(deadline_s=200), timeout=200) for _ in range(3)]
        wait_until(lambda: worker.state("eyes") == "loading", 10)
        slowest, states = 0.0, set()
        while not all(first.done() for first in firsts):
            began = time.perf_counter()
            states.add(worker.state("eyes"))
            slowest = max(slowest, time.perf_counter() - began)
            time.sleep(0.02)
        answers = [first.result() for first in firsts]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert "loading" in states
    assert slowest < 5, "importing torch holds Python for up to 0.7 s on a calm machine, nothing else does"
    assert worker.metric("watchpoint_worker_checkpoint_loads_total", checkpoint="eyes") == 1
    assert "until the checkpoint was loaded" in answers[0].json()["watchpoint"]["notes"][0]


def test_a_chat_is_answered_with_usage_and_timings(http: httpx.Client) -> None:
    answer = ask(http, chat("Hello"))
    choice = answer["choices"][0]
    assert answer["object"] == "chat.completion"
    assert answer["model"] == "eyes"
    assert choice["message"]["role"] == "assistant"
    assert choice["finish_reason"] in ("stop", "length")
    assert answer["usage"]["total_tokens"] == answer["usage"]["prompt_tokens"] + answer["usage"]["completion_tokens"]
    about = answer["watchpoint"]
    assert about["checkpoint"] == "eyes"
    assert about["batch_rows"] >= 1
    assert about["peak_memory_bytes"] > 0
    assert about["notes"] == []
    timings = about["timings"]
    parts = sum(timings[name] for name in ("queue_ms", "preprocess_ms", "prefill_ms", "decode_ms"))
    assert 0 < timings["ttft_ms"] <= timings["total_ms"]
    assert parts <= timings["total_ms"] * 1.05 + 1


def test_images_are_seen_and_eight_of_them_fit(http: httpx.Client) -> None:
    none = ask(http, chat())["usage"]["prompt_tokens"]
    one = ask(http, chat(images=[data_url("red")]))["usage"]["prompt_tokens"]
    eight = ask(http, chat(images=[data_url(colour) for colour in ("red", "blue") * 4]))["usage"]["prompt_tokens"]
    assert none < one < eight
    assert (eight - none) == 8 * (one - none)
    red = ask(http, chat(images=[data_url("red")], logprobs=True))
    blue = ask(http, chat(images=[data_url("blue", mime="JPEG")], logprobs=True))
    assert red["choices"][0]["logprobs"] != blue["choices"][0]["logprobs"]
    assert "nine" not in refused(http, chat(images=[data_url()] * 9), 400)["message"]


def test_a_text_model_refuses_images(http: httpx.Client) -> None:
    assert ask(http, chat(model="words"))["model"] == "words"
    assert "takes no images" in refused(http, chat(model="words", images=[data_url()]), 400)["message"]


def test_logprobs_come_in_the_shape_of_openai(http: httpx.Client) -> None:
    choice = ask(http, chat(logprobs=True, top_logprobs=3))["choices"][0]
    tokens = choice["logprobs"]["content"]
    assert "".join(token["token"] for token in tokens) == choice["message"]["content"]
    for token in tokens:
        assert token["logprob"] <= 0
        assert token["bytes"] == list(token["token"].encode())
        tops = [top["logprob"] for top in token["top_logprobs"]]
        assert len(tops) == 3
        assert tops == sorted(tops, reverse=True)
        assert token["logprob"] == tops[0], "greedy decoding takes the likeliest"
    assert ask(http, chat())["choices"][0]["logprobs"] is None


def test_a_stream_brings_the_same_text_in_pieces(http: httpx.Client) -> None:
    body = chat(images=[data_url()], max_tokens=12, logprobs=True)
    whole = ask(http, body)
    options: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}
    with http.stream("POST", COMPLETIONS, json=body | options) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        *chunks, usage, done = sent_events(response.iter_lines())
    assert done == "[DONE]"
    assert usage["choices"] == []
    assert usage["usage"] == whole["usage"]
    choices = [chunk["choices"][0] for chunk in chunks]
    assert choices[0]["delta"]["role"] == "assistant"
    assert (
        "".join(choice["delta"].get("content", "") for choice in choices) == whole["choices"][0]["message"]["content"]
    )
    assert [choice["finish_reason"] for choice in choices[:-1]] == [None] * (len(choices) - 1)
    assert choices[-1]["finish_reason"] == whole["choices"][0]["finish_reason"]
    assert chunks[-1]["watchpoint"]["timings"]["ttft_ms"] > 0
    streamed = [token for choice in choices if choice["logprobs"] for token in choice["logprobs"]["content"]]
    assert [token["token"] for token in streamed] == [
        token["token"] for token in whole["choices"][0]["logprobs"]["content"]
    ]
    assert len({chunk["id"] for chunk in chunks}) == 1


def test_what_is_sampled_is_repeated_by_its_seed(http: httpx.Client) -> None:
    hot: dict[str, Any] = {"temperature": 1.5, "max_tokens": 20}
    texts = [ask(http, chat(seed=seed, **hot))["choices"][0]["message"]["content"] for seed in (5, 5, 6)]
    assert texts[0] == texts[1] != texts[2]


def test_a_stop_text_ends_the_answer(http: httpx.Client) -> None:
    text = ask(http, chat(max_tokens=10))["choices"][0]["message"]["content"]
    stopped = ask(http, chat(max_tokens=10, stop=text[2:4]))["choices"][0]
    assert stopped["finish_reason"] == "stop"
    assert text[2:4] not in stopped["message"]["content"]


@pytest.mark.parametrize(
    ("url", "words"),
    [("/etc/hostname", "opens no files"), ("http://127.0.0.1:9/a.png", "fetches nothing from the network")],
)
def test_paths_and_addresses_of_images_are_refused(http: httpx.Client, url: str, words: str) -> None:
    error = refused(http, chat(images=[url]), 400)
    assert error["code"] == "image_not_inline"
    assert error["param"] == "messages[0].content[0].image_url.url"
    assert words in error["message"]


def test_what_is_wrong_is_answered_in_the_shape_of_openai(http: httpx.Client) -> None:
    error = refused(http, chat(presence_penalty=1), 400)
    assert error["type"] == "invalid_request_error"
    assert (error["param"], error["code"]) == ("presence_penalty", "unknown_parameter")
    assert "allowed are model, messages, max_tokens" in error["message"]
    assert "no image" in refused(http, chat(images=["data:image/png;base64,AAAA"]), 415)["message"]
    assert "context of 1024 tokens" in refused(http, chat("red " * 1500), 400)["message"]
    large = refused(http, chat("x" * 310_000), 413)
    assert "WATCHPOINT_MAX_BODY_BYTES" in large["message"]
    form = http.post(COMPLETIONS, content=b"{}", headers={"Content-Type": "text/plain"})
    assert form.status_code == 415
    nowhere = http.get("/v1/completions")
    assert nowhere.status_code == 404
    assert COMPLETIONS in nowhere.json()["error"]["message"]
    assert http.get(COMPLETIONS).status_code == 405


def test_an_unknown_checkpoint_is_answered_with_those_that_are_known(http: httpx.Client) -> None:
    error = refused(http, chat(model="eye"), 404)
    assert error["code"] == "model_not_found"
    assert "eyes, words, shards" in error["message"]
    assert "has no `weights`" in refused(http, chat(model="elsewhere"), 404)["message"]


def test_a_missing_shard_is_named_and_the_worker_goes_on(worker: RunningWorker, http: httpx.Client) -> None:
    response = http.post(COMPLETIONS, json=chat(model="shards"))
    assert response.status_code == 503
    assert response.headers["retry-after"] == "10"
    assert "model-00002-of-00002.safetensors" in response.json()["error"]["message"]
    again = refused(http, chat(model="shards"), 503)
    assert "the next request after" in again["message"], "it is not tried again for each request"
    assert http.get("/health").status_code == 200
    assert worker.state("shards") == "failed"
    unready = http.get("/ready", params={"model": "shards"})
    assert unready.status_code == 503
    assert "model-00002-of-00002" in unready.json()["problem"]
    assert http.get("/ready").status_code == 200
    assert ask(http, chat())["model"] == "eyes"


def test_models_are_listed_with_their_state(http: httpx.Client) -> None:
    ask(http, chat())
    listed = {one["id"]: one for one in http.get("/v1/models").json()["data"]}
    assert list(listed) == ["eyes", "words", "shards"]
    assert (listed["eyes"]["state"], listed["eyes"]["takes_images"]) == ("ready", True)
    assert http.get("/v1/models/eyes").json()["id"] == "eyes"
    assert http.get("/v1/models/nobody").status_code == 404


def test_a_client_that_leaves_frees_its_row(worker: RunningWorker) -> None:
    before = worker.metric("watchpoint_worker_requests_total", outcome="cancelled")
    with worker.http() as http, http.stream("POST", COMPLETIONS, json=chat(stream=True, **LONG)) as response:
        lines = response.iter_lines()  # a generator that is thrown away closes the connection
        next(lines)
        assert worker.metric("watchpoint_worker_active_rows") == 1
    wait_until(lambda: idle(worker), 5)
    with worker.http() as http, pytest.raises(httpx.ReadTimeout):
        http.post(COMPLETIONS, json=chat(**LONG), timeout=0.3)
    wait_until(lambda: idle(worker), 5)
    wait_until(lambda: worker.metric("watchpoint_worker_requests_total", outcome="cancelled") == before + 2, 5)
    assert worker.metric("watchpoint_worker_checkpoint_users") == 0


def test_a_missed_deadline_is_answered_504(http: httpx.Client) -> None:
    error = refused(http, chat(**LONG | {"deadline_s": 0.2}), 504)
    assert (error["type"], error["code"]) == ("timeout_error", "deadline_exceeded")
    assert "deadline_s" in error["message"]
    with http.stream("POST", COMPLETIONS, json=chat(stream=True, **LONG | {"deadline_s": 0.2})) as response:
        *chunks, last = sent_events(response.iter_lines())
    assert len(chunks) > 1
    assert last["error"]["status"] == 504


def test_a_full_queue_is_answered_429_with_a_time_to_come_back(worker: RunningWorker) -> None:
    async def crowd() -> list[httpx.Response]:
        async with httpx.AsyncClient(base_url=worker.url, trust_env=False, timeout=60) as http:
            body = chat(**LONG | {"max_tokens": 60})
            return await asyncio.gather(*(http.post(COMPLETIONS, json=body) for _ in range(ROWS + QUEUE + 20)))

    answers = asyncio.run(crowd())
    full = [answer for answer in answers if answer.status_code == 429]
    assert len(full) >= 10
    assert {answer.status_code for answer in answers} == {200, 429}
    assert full[0].headers["retry-after"] == "1"
    assert full[0].json()["error"]["code"] == "queue_full"
    assert max(answer.json()["watchpoint"]["batch_rows"] for answer in answers if answer.status_code == 200) == ROWS


def test_a_batch_is_answered_in_order_of_completion_with_its_progress(http: httpx.Client) -> None:
    lines: list[dict[str, Any]] = [
        {"id": f"item-{i}", "body": chat(f"Count to {i}", max_tokens=1 + i % 30)} for i in range(60)
    ]
    lines[7]["body"]["colour"] = "red"
    lines[8]["body"]["stream"] = True
    lines[9]["body"]["model"] = "nobody"
    content = "\n".join(map(json.dumps, lines)) + '\nnonsense\n{"id": 1}\n'
    found = send_batch(http, content.encode())
    answers = {one["id"]: one["response"] for one in found if "response" in one}
    errors = {one["line"]: one for one in found if "error" in one}
    progress = [one["progress"] for one in found if "progress" in one]
    assert answers.keys() == {line["id"] for line in lines} - {"item-7", "item-8", "item-9"}
    assert answers["item-3"]["usage"]["completion_tokens"] <= 4
    assert errors[8]["id"] == "item-7"
    assert "colour is not a parameter" in errors[8]["error"]["message"]
    assert "no meaning in a batch" in errors[9]["error"]["message"]
    assert errors[10]["error"]["status"] == 404
    assert "line 61" in errors[61]["error"]["message"]
    assert "body" in errors[62]["error"]["message"]
    assert progress[-1]["done"] == progress[-1]["total"] == 62
    assert progress[-1]["failed"] == 5
    assert progress[-1]["eta_s"] == 0
    assert max(answer["watchpoint"]["batch_rows"] for answer in answers.values()) == ROWS


def send_batch(http: httpx.Client, content: bytes) -> list[dict[str, Any]]:
    response = http.post("/v1/batch", content=content, headers={"Content-Type": "application/x-ndjson"})
    assert response.status_code == 200, response.text
    return [json.loads(line) for line in response.text.splitlines()]


def test_a_long_batch_tells_its_progress_each_second_and_ends_when_the_client_leaves(worker: RunningWorker) -> None:
    lines = [json.dumps({"id": i, "body": chat(f"Tell {i}", **LONG | {"max_tokens": 100})}) for i in range(1000)]
    headers = {"Content-Type": "application/x-ndjson"}
    with (
        worker.http() as http,
        http.stream(
            "POST", "/v1/batch", params={"total": 1000}, content="\n".join(lines).encode(), headers=headers
        ) as response,
    ):
        told = (json.loads(line)["progress"] for line in response.iter_lines() if line.startswith('{"progress"'))
        first = next(progress for progress in told if progress["done"])
        began = time.monotonic()
        second = next(told)
        assert 0.5 < time.monotonic() - began < 3
    assert first["total"] == second["total"] == 1000
    assert first["done"] <= second["done"] < 1000
    assert second["eta_s"] > 0
    wait_until(lambda: idle(worker), 5)
    assert worker.metric("watchpoint_worker_checkpoint_users") == 0
    assert worker.metric("watchpoint_worker_body_bytes") == 0


def test_a_batch_is_refused_with_its_mistake(http: httpx.Client) -> None:
    wrong = http.post("/v1/batch", content=b"{}", headers={"Content-Type": "application/json"})
    assert wrong.status_code == 415
    assert "application/x-ndjson" in wrong.json()["error"]["message"]
    unknown = http.post("/v1/batch?size=3", content=b"", headers={"Content-Type": "application/x-ndjson"})
    assert unknown.json()["error"]["param"] == "size"
    (empty,) = send_batch(http, b"")
    assert empty["progress"] == {"done": 0, "failed": 0, "total": 0, "per_s": 0.0, "eta_s": None}


def test_metrics_tell_what_happened(worker: RunningWorker, http: httpx.Client) -> None:
    ask(http, chat(images=[data_url()]))
    text = http.get("/metrics").text
    for name in (
        "queue_depth",
        "active_rows",
        "batch_cap",
        "padding_waste",
        "generated_tokens_total",
        "tokens_total",
        "tokens_per_second",
        "out_of_memory_total",
        "resident_bytes",
        "weights_budget_bytes",
        "ttft_seconds_bucket",
        "request_seconds_bucket",
        "batch_rows_bucket",
        "requests_total",
    ):
        assert f"watchpoint_worker_{name}" in text, name
    assert worker.metric("watchpoint_worker_checkpoint_state", checkpoint="eyes", state="ready") == 1
    assert worker.metric("watchpoint_worker_images_total", checkpoint="eyes") >= 1
    assert worker.metric("watchpoint_worker_tokens_per_second") > 0
    assert worker.metric("watchpoint_worker_batch_cap", checkpoint="eyes") == ROWS
    assert 'checkpoint="nobody"' not in text, "a name that does not exist makes no series"


def test_the_openai_client_works_against_it(worker: RunningWorker) -> None:
    client = openai.OpenAI(base_url=f"{worker.url}/v1", api_key="none", max_retries=0)
    body = chat(images=[data_url()], max_tokens=5)
    answer = client.chat.completions.create(**body, logprobs=True, top_logprobs=2)
    choice = answer.choices[0]
    assert choice.logprobs is not None
    assert choice.logprobs.content is not None
    assert len(choice.logprobs.content[0].top_logprobs) == 2
    chunks = list(client.chat.completions.create(**body, stream=True, stream_options={"include_usage": True}))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == choice.message.content
    assert chunks[-1].usage == answer.usage
    assert [model.id for model in client.models.list()] == ["eyes", "words", "shards"]
    with pytest.raises(openai.BadRequestError, match="presence_penalty is not a parameter"):
        client.chat.completions.create(**body, presence_penalty=1)
    with pytest.raises(openai.NotFoundError, match="there is no checkpoint 'nobody'"):
        client.chat.completions.create(**body | {"model": "nobody"})
    client.close()


def test_asked_to_end_it_lets_finish_what_runs_and_takes_nothing_more(worker: RunningWorker) -> None:
    """Last in the file: what happened above must have left no traceback in the log either."""
    with (
        worker.http() as http,
        worker.http() as late,
        http.stream("POST", COMPLETIONS, json=chat(stream=True, max_tokens=150)) as response,
    ):
        assert late.get("/ready").status_code == 200  # its connection stays open
        lines = response.iter_lines()
        next(lines)
        worker.process.terminate()
        *_, last, done = sent_events(lines)
        assert done == "[DONE]"
        assert last["choices"][0]["finish_reason"] == "length"
        with pytest.raises(httpx.TransportError):
            late.post(COMPLETIONS, json=chat()).raise_for_status()
    assert worker.process.wait(15) == -signal.SIGTERM
    text = worker.log.read_text()
    assert "worker stopped" in text
    assert "Traceback" not in text
    assert "Warning" not in text
    assert all(line.startswith("{") for line in text.splitlines()), text
