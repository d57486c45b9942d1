"""Calls whatever answers for a checkpoint, through one interface: messages and images in, a reply out.

    async with Calls(load_settings()) as calls:
        reply = await ask(target(fleet, "chat-prod"), [Message("user", ("What is this?", image))], Generation(), calls)

`api` probes through it, and the canary job. To add a runtime: its module, a line in RUNTIMES, its name in
`monitor/records.py`.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from monitor.chat import Generation, Message, Piece, Reply
from monitor.errors import TargetError
from monitor.runtimes import gradio, local, openai
from monitor.runtimes import health as openai_health
from monitor.runtimes.calls import Calls, Health
from monitor.runtimes.targets import Target, target, targets

__all__ = ["RUNTIMES", "Calls", "Health", "Runtime", "Target", "ask", "health", "stream", "target", "targets"]


@dataclass(frozen=True, slots=True)
class Runtime:
    """A way to call a target."""

    name: str
    about: str
    stream: Callable[[Target, Sequence[Message], Generation, Calls], AsyncGenerator[Piece | Reply, None]]
    health: Callable[[Target, Calls], Awaitable[Health]]


RUNTIMES = {
    runtime.name: runtime
    for runtime in (
        Runtime("openai", "any OpenAI-compatible server", openai.stream, openai_health.health),
        Runtime("gradio", "an endpoint of a Gradio app", gradio.stream, gradio.health),
        Runtime("local", "our own worker", local.stream, local.health),
    )
}


def stream(
    target: Target, messages: Sequence[Message], settings: Generation, calls: Calls
) -> AsyncGenerator[Piece | Reply, None]:
    """Any number of Pieces, then one Reply, whose text is the whole; raises the kinds of TargetError.

    Who stops listening before the Reply closes it, with `contextlib.aclosing`: the target is then told to stop.
    """
    return RUNTIMES[target.runtime].stream(target, messages, settings, calls)


async def ask(target: Target, messages: Sequence[Message], settings: Generation, calls: Calls) -> Reply:
    """The Reply alone; it is streamed all the same, for the time to the first token."""
    async with aclosing(stream(target, messages, settings, calls)) as answer:
        async for piece in answer:
            if isinstance(piece, Reply):
                return piece
    raise TargetError(f"{target.id} gave no answer")


async def health(target: Target, calls: Calls) -> Health:
    """Whether the target would answer now. Cheap, at most some seconds, and never raises."""
    return await RUNTIMES[target.runtime].health(target, calls)
