"""A light client for chat completions: so many clients, each with a connection of its own and one request at a time."""

import base64
import http.client
import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from bench.inference_requests import Asked
from bench.inference_runs import quantile
from bench.inference_servers import Server
from monitor.chat import Image

ANSWER_WITHIN_S = 60.0
CELL_WITHIN_S = 300.0


@dataclass(slots=True)
class Load:
    """What came of one cell: `n` requests by so many clients at once."""

    clients: int
    seconds: float = 0.0
    latencies_s: list[float] = field(default_factory=list)
    texts: dict[int, str] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    @property
    def per_s(self) -> float:
        return len(self.texts) / self.seconds

    def ms(self, q: float) -> float:
        return 1000 * quantile(self.latencies_s, q)


def bodies(asked: Sequence[Asked], model: str) -> list[bytes]:
    """The requests as JSON, images as data URLs; greedy, not streamed."""
    return [
        orjson.dumps(
            {
                "model": model,
                "messages": [{"role": m.role, "content": [_part(part) for part in m.parts]} for m in one.messages],
                "max_tokens": one.settings.max_tokens,
                "temperature": 0,
            }
        )
        for one in asked
    ]


def _part(part: str | Image) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    url = f"data:{part.mime};base64,{base64.b64encode(part.data).decode()}"
    return {"type": "image_url", "image_url": {"url": url}}


def closed_loop(server: Server, requests: Sequence[bytes], clients: int) -> Load:
    """Every client takes the next request when its last is answered. Raises RuntimeError when that never ends."""
    load = Load(clients)
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for i in range(len(requests)):
        waiting.put(i)
    threads = [threading.Thread(target=_client, args=(server, requests, waiting, load)) for _ in range(clients)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, began + CELL_WITHIN_S - time.perf_counter()))
    load.seconds = time.perf_counter() - began
    if any(thread.is_alive() for thread in threads):
        raise RuntimeError(f"{server.name} did not answer {len(requests)} requests within {CELL_WITHIN_S:g} s")
    return load


def _client(server: Server, requests: Sequence[bytes], waiting: "queue.SimpleQueue[int]", load: Load) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=ANSWER_WITHIN_S)
    while True:
        try:
            i = waiting.get_nowait()
        except queue.Empty:
            break
        began = time.perf_counter()
        try:
            connection.request("POST", "/v1/chat/completions", requests[i], {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            load.failures.append(repr(error))
            connection.close()
            continue
        load.latencies_s.append(time.perf_counter() - began)
        if answer.status == 200:
            load.texts[i] = orjson.loads(text)["choices"][0]["message"]["content"]
        else:
            load.failures.append(f"{answer.status} {text[:200]!r}")
    connection.close()
