"""Event ids for rows that bring none: the same row of the same log always gets the same id.

So an import can be repeated, also after the file has grown, without counting anything twice, while rows that the log
really holds several times stay several events.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

REMEMBERED = 500_000


class Identities:
    """Counts equal rows of one import in bounded memory.

    Equal rows carry the same time, so in a log they are near each other: the counts of the last rows are enough. Two
    generations of a dictionary keep between `remembered` and twice as many digests, depending only on the rows before.
    """

    def __init__(self, importer: str, remembered: int = REMEMBERED) -> None:
        self._encode = msgspec.json.Encoder(enc_hook=str, order="sorted").encode
        self._importer = importer
        self._remembered = remembered
        self._young: dict[bytes, int] = {}
        self._old: dict[bytes, int] = {}

    def next_id(self, deployment: str, record: Mapping[str, Any]) -> str:
        """The id of this row: a hash of importer, deployment, row, and the number of equal rows before it."""
        digest = hashlib.sha256(self._encode([self._importer, deployment, record]))
        key = digest.digest()[:8]
        seen = self._young.get(key, self._old.get(key, -1)) + 1
        self._young[key] = seen
        if len(self._young) >= self._remembered:
            self._old, self._young = self._young, {}
        digest.update(seen.to_bytes(8, "big"))
        return digest.hexdigest()[:32]
