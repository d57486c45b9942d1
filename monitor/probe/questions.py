"""Questions as runtimes take them, with the bytes of their images, and as they are logged, with the hashes."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from dataclasses import dataclass

import msgspec

from monitor.chat import Image, Message
from monitor.errors import NotFound, TooLarge
from monitor.probe.bodies import Picture, Text, Turn, hashes
from monitor.probe.limits import MIB, Memory
from monitor.store.media import Media, MediaStore, missing

ENCODED = 4
"""A question takes about so many times the bytes of its images: the file, base64, and the body with it, twice."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question: its messages, the images in them, the expected answer, and where it came from."""

    id: str
    turns: tuple[Turn, ...]
    images: tuple[Media, ...] = ()
    label: str | None = None
    from_request: str | None = None

    @property
    def text(self) -> str:
        """Texts of all messages; those of the user alone where it is one turn."""
        return "\n".join(part.text for turn in self.turns for part in turn.parts if isinstance(part, Text))

    @property
    def logged(self) -> list[dict[str, object]]:
        """The messages as plain values."""
        return [{"role": turn.role, "content": msgspec.to_builtins(turn.parts)} for turn in self.turns]


class Pictures:
    """The media store for tasks of the event loop: reads in threads, and within a bound of memory."""

    def __init__(self, store: MediaStore, threads: Executor, memory: Memory, question_bytes: int) -> None:
        self._store, self._threads, self._memory = store, threads, memory
        self._question_bytes = question_bytes

    async def find(self, wanted: Iterable[str]) -> dict[str, Media]:
        """The images that are kept, by hash."""

        def look(sha256s: set[str]) -> dict[str, Media]:
            return {media.sha256: media for sha256 in sha256s if (media := self._store.find(sha256)) is not None}

        return await asyncio.get_running_loop().run_in_executor(self._threads, look, set(wanted))

    async def questions(self, asked: Sequence[tuple[str, Sequence[Turn], str | None]]) -> tuple[Question, ...]:
        """Questions of (id, messages, label). Raises NotFound for images that are not kept, and TooLarge."""
        kept = await self.find(sha256 for _, turns, _ in asked for sha256 in hashes(turns))
        gone = {sha256: None for _, turns, _ in asked for sha256 in hashes(turns) if sha256 not in kept}
        if gone:
            raise NotFound(missing(list(gone)))
        return tuple(self.made(id_, turns, kept, label) for id_, turns, label in asked)

    def made(
        self,
        id_: str,
        turns: Sequence[Turn],
        kept: dict[str, Media],
        label: str | None,
        from_request: str | None = None,
    ) -> Question:
        """A question whose images are all in `kept`. Raises TooLarge."""
        images = tuple(kept[sha256] for sha256 in hashes(turns))
        size = sum(image.bytes for image in images)
        if size > self._question_bytes:
            raise TooLarge(
                f"the images of {id_} are {size // MIB} MiB together; one question may have "
                f"{self._question_bytes // MIB} MiB: save them smaller, or ask about fewer"
            )
        return Question(id_, tuple(turns), images, label, from_request)

    @asynccontextmanager
    async def messages(self, question: Question) -> AsyncIterator[list[Message]]:
        """The messages with the bytes of their images, which are let go at the end. Raises NotFound."""
        size = ENCODED * sum(image.bytes for image in question.images)
        async with self._memory.hold(size):
            if not question.images:
                yield _messages(question, {})
                return
            read = asyncio.get_running_loop().run_in_executor(self._threads, self._read, question.images)
            yield _messages(question, await read)

    def _read(self, images: Sequence[Media]) -> dict[str, Image]:
        found = {}
        for image in {image.sha256: image for image in images}.values():
            media, content = self._store.read(image.sha256)
            found[image.sha256] = Image(content, media.mime)
        return found


def _messages(question: Question, images: dict[str, Image]) -> list[Message]:
    return [
        Message(
            turn.role,
            tuple(images[part.sha256] if isinstance(part, Picture) else part.text for part in turn.parts),
        )
        for turn in question.turns
    ]
