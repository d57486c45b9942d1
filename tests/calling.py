"""How the tests of the runtimes call an OpenAI-compatible server: once, with a connection of its own."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from monitor.chat import Generation, Message, Piece, Reply
from monitor.config import load_settings
from monitor.records import Checkpoint, Deployment
from monitor.runtimes import Calls, Target, ask, stream
from tests.model_servers import chunk, usage

T = TypeVar("T")

HELLO = (Message("user", ("Say hello.",)),)
GOOD = (chunk(""), chunk("Hel"), chunk("lo"), chunk("", "stop"), usage(5, 2))


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def target_at(url: str, key_env: str | None = None, engine: str | None = None, path: str = "/v1") -> Target:
    checkpoint = Checkpoint("step-900", "chat", engine=engine)
    deployment = Deployment("chat-prod", "step-900", "chat", url=url + path, key_env=key_env, served_model="m")
    return Target("chat-prod", deployment, checkpoint, "openai", url + path, key_env, "m")


def asked(url: str, settings: Generation | None = None, messages: Sequence[Message] = HELLO, **more: Any) -> Reply:
    async def one() -> Reply:
        async with Calls(load_settings({})) as calls:
            return await ask(target_at(url, **more), messages, settings or Generation(), calls)

    return run(one())


def streamed(url: str, settings: Generation | None = None) -> list[Piece | Reply]:
    async def all_() -> list[Piece | Reply]:
        async with Calls(load_settings({})) as calls:
            return [piece async for piece in stream(target_at(url), HELLO, settings or Generation(), calls)]

    return run(all_())
