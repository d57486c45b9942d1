"""Server-sent events as servers of models really send them, read from the bytes of a response."""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass

from monitor.errors import TargetError

MAX_BYTES = 32 * 1024 * 1024
"""Of one whole answer; with twenty alternatives for each token, an answer of 8,000 tokens has about 10 MiB."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event; `name` is empty where the server gives none."""

    data: str
    name: str = ""
    ended: bool = True  # false: the stream stopped within it, or right behind it


async def events(chunks: AsyncIterator[bytes]) -> AsyncGenerator[Event, None]:
    """The events of a stream, an unfinished last one included. Raises TargetError past MAX_BYTES.

    Two departures from the standard: a last event needs no empty line behind it, and `error: {...}`, which older
    llama.cpp sends, is an event of that name.
    """
    name, data = "", list[str]()
    async for line in _lines(chunks):
        if not line:
            if data:
                yield Event("\n".join(data), name)
            name, data = "", []
            continue
        key, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if key == "data":
            data.append(value)
        elif key == "event":
            name = value
        elif key == "error":
            yield Event(value, "error")
    if data:
        yield Event("\n".join(data), name, ended=False)


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[str]:
    """Lines that end with LF, CRLF or CR; a character may be split between two chunks."""
    parts, total = list[bytes](), 0
    async for chunk in chunks:
        total += len(chunk)
        if total > MAX_BYTES:
            raise TargetError(f"the answer is larger than {MAX_BYTES} bytes; ask for fewer tokens or log probabilities")
        parts.append(chunk)
        if b"\n" not in chunk and b"\r" not in chunk:
            continue
        whole = b"".join(parts)
        held = b"\r" if whole.endswith(b"\r") else b""  # its LF may come with the next chunk
        *lines, rest = _one_ending(whole.removesuffix(held)).split(b"\n")
        parts = [rest + held]
        for line in lines:
            yield line.decode("utf-8", "replace")
    *lines, rest = _one_ending(b"".join(parts)).split(b"\n")
    for line in (*lines, rest) if rest else lines:
        yield line.decode("utf-8", "replace")


def _one_ending(text: bytes) -> bytes:
    return text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
