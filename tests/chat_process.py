"""The process of `tests/chat_server.py`: an OpenAI-compatible server that does what its questions say."""

import argparse
import asyncio
import json
import math
import os
import re
import signal
from collections.abc import AsyncIterator
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

LOGPROB = math.log(0.9)


def serve(port: int, answer: str, capacity: int) -> None:
    """Run until killed."""
    counts = {"started": 0, "finished": 0, "left": 0, "active": 0, "most": 0}
    places = asyncio.Semaphore(capacity)

    async def chat(request: Request) -> Response:
        body = await request.json()
        asked = _text(body["messages"][-1]["content"])
        counts["started"] += 1
        if status := _number(asked, "status"):
            return JSONResponse({"error": {"message": "it was told to fail"}}, int(status))
        if "die" in asked:
            os.kill(os.getpid(), signal.SIGKILL)
        return StreamingResponse(stream(body, asked), media_type="text/event-stream")

    async def stream(body: dict[str, Any], asked: str) -> AsyncIterator[str]:
        n, delay = int(_number(asked, "words") or 3), _number(asked, "delay") or 0.0
        breaks = _number(asked, "break")
        counts["active"] += 1
        counts["most"] = max(counts["most"], counts["active"])
        try:
            async with places:
                for number in range(n):
                    await asyncio.sleep(delay)
                    if breaks is not None and number >= breaks:
                        raise ConnectionError("it was told to break")
                    word = answer if number == 0 else f" {number}"
                    yield _chunk(f"{word}\u2028\x85" if "odd" in asked else word, body)
            yield _chunk(None, body, "stop")
            pictures = json.dumps(body).count("data:image/")
            counted = {"prompt_tokens": len(asked.split()) + 10 * pictures, "completion_tokens": n}
            yield f"data: {json.dumps({'object': 'chat.completion.chunk', 'choices': [], 'usage': counted})}\n\n"
            yield "data: [DONE]\n\n"
            counts["finished"] += 1
        except asyncio.CancelledError:
            counts["left"] += 1
            raise
        finally:
            counts["active"] -= 1

    async def models(_: Request) -> Response:
        return JSONResponse({"object": "list", "data": [{"id": "m", "object": "model"}]})

    async def counted(_: Request) -> Response:
        return JSONResponse(counts)

    routes = [
        Route("/v1/chat/completions", chat, methods=["POST"]),
        Route("/v1/models", models),
        Route("/v1/counts", counted),
    ]
    uvicorn.run(Starlette(routes=routes), port=port, log_level="critical", ws="none")


def _text(content: Any) -> str:
    return content if isinstance(content, str) else " ".join(part.get("text", "") for part in content)


def _number(text: str, name: str) -> float | None:
    found = re.search(rf"{name}=([\d.]+)", text)
    return float(found[1]) if found else None


def _chunk(text: str | None, body: dict[str, Any], finish_reason: str | None = None) -> str:
    choice: dict[str, Any] = {"index": 0, "delta": {} if text is None else {"content": text}}
    choice["finish_reason"] = finish_reason
    if body.get("logprobs") and text is not None:
        top = [{"token": text, "logprob": LOGPROB}, {"token": "other", "logprob": math.log(0.1)}]
        choice["logprobs"] = {"content": [{"token": text, "logprob": LOGPROB, "top_logprobs": top}]}
    return f"data: {json.dumps({'object': 'chat.completion.chunk', 'model': 'm', 'choices': [choice]})}\n\n"


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--port", type=int)
    options.add_argument("--answer")
    options.add_argument("--capacity", type=int)
    serve(**vars(options.parse_args()))
