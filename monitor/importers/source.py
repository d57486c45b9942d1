"""Looking at a file before it is imported, and reading its lines in bounded memory, gzip or not.

Every text importer reads through `lines`; nothing else in this folder opens a text file.
"""

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from monitor.errors import BadInput

MAX_ROW_BYTES = 16 * 1024 * 1024
HEAD_BYTES = 64 * 1024
BOM = b"\xef\xbb\xbf"
GZIP = b"\x1f\x8b"
PARQUET = b"PAR1"

NOT_TEXT = (
    (b"PK\x03\x04", "a zip archive or an Excel workbook", "unpack it, or save the sheet as CSV"),
    (b"SQLite format 3\x00", "an SQLite database", "export the table as CSV"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstandard", "unpack it with `zstd -d`"),
    (b"BZh", "compressed with bzip2", "unpack it with `bunzip2`"),
    (b"\xfd7zXZ\x00", "compressed with xz", "unpack it with `unxz`"),
    (b"\xff\xfe", "UTF-16 text", "convert it with `iconv -f UTF-16 -t UTF-8`"),
    (b"\xfe\xff", "UTF-16 text", "convert it with `iconv -f UTF-16 -t UTF-8`"),
)
"""First bytes that are recognised only to say what to do."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file that can be imported; `head` are its first bytes, unpacked, with at least the whole first line."""

    path: Path
    size: int
    gz: bool
    head: bytes


@dataclass(frozen=True, slots=True)
class Line:
    """One line with its end; `at` is the position in the file (packed bytes), `problem` says why `data` is empty."""

    number: int
    data: bytes
    at: int
    problem: str | None = None


def look(path: Path) -> Source:
    """The file with its first bytes. Raises BadInput when it is missing, empty, or holds no text and no Parquet."""
    try:
        size = path.stat().st_size
        if path.is_dir():
            raise BadInput(f"{path} is a folder; name one file of it")
        if not path.is_file():
            raise BadInput(f"{path} is not a regular file; write the log to a file first, it is read several times")
        with path.open("rb") as file:
            gz = file.read(2) == GZIP
        head = _head(path, gz)
    except FileNotFoundError:
        raise BadInput(f"{path} does not exist") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise BadInput(f"{path} begins like a gzip file, but cannot be unpacked: {error}") from None
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror or error}") from None
    if not head.removeprefix(BOM).strip():
        raise BadInput(f"{path} is empty; there is nothing to import")
    _refuse_binary(path, head)
    return Source(path, size, gz, head.removeprefix(BOM))


def _head(path: Path, gz: bool) -> bytes:
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if gz:  # by hand, because a file that is cut off early still has a head
        head = zlib.decompressobj(wbits=31).decompress(head, HEAD_BYTES)
    if b"\n" in head:
        return head
    with _opened(path, gz) as stream:
        return stream.readline(MAX_ROW_BYTES)


def _opened(path: Path, gz: bool) -> BinaryIO:
    return BufferedReader(gzip.open(path, "rb")) if gz else path.open("rb")


def _refuse_binary(path: Path, head: bytes) -> None:
    if head.startswith(PARQUET):
        return
    for magic, what, remedy in NOT_TEXT:
        if head.startswith(magic):
            raise BadInput(f"{path} is {what}; {remedy}, then import the result")
    if b"\x00" in head[:4096]:
        raise BadInput(f"{path} is not text: it begins with {head[:16].hex(' ')}; JSONL, CSV or Parquet is needed")


def lines(source: Source) -> Iterator[Line]:
    """Every line of a text file, without a byte order mark; a line that is too long, or lost, comes as a problem."""
    with source.path.open("rb") as raw:
        stream: BinaryIO = BufferedReader(gzip.GzipFile(fileobj=raw)) if source.gz else raw
        number = 0
        while True:
            number += 1
            try:
                data = stream.readline(MAX_ROW_BYTES + 1)
                too_long = len(data) > MAX_ROW_BYTES and not data.endswith(b"\n")
                if too_long:
                    _skip_line(stream)
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                yield Line(number, b"", raw.tell(), f"the gzip data is damaged from here on: {error}")
                return
            if not data:
                return
            if too_long:
                yield Line(number, b"", raw.tell(), f"the line is longer than {MAX_ROW_BYTES >> 20} MiB")
            else:
                yield Line(number, data.removeprefix(BOM) if number == 1 else data, raw.tell())


def _skip_line(stream: BinaryIO) -> None:
    while True:
        rest = stream.readline(MAX_ROW_BYTES)
        if not rest or rest.endswith(b"\n"):
            return
