"""The text of an answer as it grows token by token: whole characters only, and never a stop string.

The pieces that it gives out, one after the other, are the text; so are the texts of the tokens.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from monitor.chat import Piece, Token

Decode = Callable[[Sequence[int]], str]

BROKEN = "\ufffd"
LONGEST_CHARACTER = 8
"""Tokens that wait for the rest of a character; more of them are broken text and are given out as such."""


class Transcript:
    """The answer of one request. Call `add` for each token, then `finish` once."""

    def __init__(self, decode: Decode, stop: tuple[str, ...] = (), keep_tokens: bool = False) -> None:
        self.text = ""  # what was given out
        self.tokens: list[Token] = []  # likewise; empty unless `keep_tokens`
        self.stopped = False  # a stop string was met: nothing follows
        self._decode, self._stop, self._keep = decode, stop, keep_tokens
        self._ids: list[int] = []
        self._context = self._read = 0  # decode from `context`; up to `read` it is known as `_before`
        self._before = ""
        self._held = ""  # decoded, and perhaps the beginning of a stop string
        self._late: list[Token] = []  # tokens whose text is not wholly given out
        self._ahead = 0  # characters of the first late token that are

    def add(self, token: int, logprob: float | None = None, top: tuple[tuple[str, float], ...] = ()) -> Piece:
        """Take the next token; returns what may be shown now, often nothing."""
        self._ids.append(token)
        new = self._readable(self._decode(self._ids[self._context :]))
        self._held += new
        if self._keep:
            self._late.append(Token(new, logprob, top))
        if not self._stop or not self._held:
            return self._give(len(self._held))
        at = min((place for text in self._stop if (place := self._held.find(text)) >= 0), default=-1)
        if at < 0:
            return self._give(len(self._held) - _overhang(self._held, self._stop))
        self.stopped = True
        return self._cut(at)

    def finish(self) -> Piece:
        """What was held back, at the end of an answer; half a character comes out as U+FFFD."""
        if self.stopped:
            return Piece("")
        rest = self._decode(self._ids[self._context :])[len(self._before) :]
        self._held += rest
        self._read = len(self._ids)
        if self._late and rest:
            self._late[-1] = replace(self._late[-1], text=self._late[-1].text + rest)
        at = min((place for text in self._stop if (place := self._held.find(text)) >= 0), default=-1)
        return self._cut(len(self._held) if at < 0 else at)

    def _readable(self, now: str) -> str:
        """The new characters of the text from `context` on, none while the last one is incomplete."""
        late = len(self._ids) - self._read
        if (len(now) <= len(self._before) or now.endswith(BROKEN)) and late < LONGEST_CHARACTER:
            return ""
        new = now[len(self._before) :]
        self._context, self._read = self._read, len(self._ids)
        self._before = self._decode(self._ids[self._context :])
        return new

    def _give(self, count: int) -> Piece:
        """Give out so many of the held characters, and the tokens that are complete with them.

        Tokens of which nothing can be read yet wait for the one that completes their character.
        """
        text, self._held = self._held[:count], self._held[count:]
        self.text += text
        if not self._late:
            return Piece(text)
        self._ahead += count
        whole = 0
        for token in self._late[: len(self._late) - (len(self._ids) - self._read)]:
            if len(token.text) > self._ahead:
                break
            self._ahead -= len(token.text)
            whole += 1
        tokens, self._late = tuple(self._late[:whole]), self._late[whole:]
        self.tokens += tokens
        return Piece(text, tokens)

    def _cut(self, count: int) -> Piece:
        """Give out so many of the held characters and drop the rest; the token at the cut loses its end."""
        piece = self._give(count)
        self._held = ""
        if not self._late or not self._ahead:
            self._late = []
            return piece
        last = replace(self._late[0], text=self._late[0].text[: self._ahead])
        self._late = []
        self.tokens.append(last)
        return Piece(piece.text, (*piece.tokens, last))


def _overhang(text: str, stop: tuple[str, ...]) -> int:
    """Characters at the end of a text with which a stop string begins.

    >>> _overhang("red\\nEn", ("\\nEnd", "green"))
    3
    """
    longest = min(len(text), max(len(one) for one in stop) - 1)
    return next((size for size in range(longest, 0, -1) if any(one.startswith(text[-size:]) for one in stop)), 0)
