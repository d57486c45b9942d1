"""Files that somebody chose for a batch probe, taken apart: pictures, zips of pictures, tables of questions.

What comes in is not trusted: an archive is read up to a bound, whatever its header says, and names in it are names,
never paths.
"""

import io
import posixpath
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

from monitor.errors import BadInput, TooLarge
from monitor.ui.probe import table
from monitor.ui.probe.table import Row

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")
MEBIBYTE = 1024 * 1024
TYPES = ["png", "jpg", "jpeg", "webp", "bmp", "gif", "tif", "tiff", "zip", "csv", "jsonl", "ndjson"]


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most that one batch may hold."""

    items: int
    image_bytes: int
    total_bytes: int = 1024 * MEBIBYTE


@dataclass(frozen=True, slots=True)
class Chosen:
    """Pictures by name, and the rows of the table if there was one."""

    pictures: dict[str, bytes]
    rows: tuple[Row, ...] | None = None


def take_apart(files: Iterable[tuple[str, bytes]], bounds: Bounds) -> Chosen:
    """All files together as pictures and at most one table. Raises BadInput, TooLarge."""
    pictures: dict[str, bytes] = {}
    tables: dict[str, tuple[Row, ...]] = {}
    room = bounds.total_bytes
    for path, data in files:
        name = _plain(path)
        room -= len(data)
        zipped = name.lower().endswith(".zip")
        inner = _unzip(name, data, bounds, room) if zipped else [(name, data)]
        for one, content in inner:
            if one.lower().endswith(table.ENDINGS):
                tables[one] = table.read_table(one, content, bounds.items)
            else:
                _add(pictures, one, content, bounds)
    if len(tables) > 1:
        raise BadInput(
            f"there are {len(tables)} tables ({', '.join(sorted(tables))}): a batch takes one CSV or JSONL file"
        )
    return Chosen(pictures, next(iter(tables.values()), None))


def _add(pictures: dict[str, bytes], name: str, content: bytes, bounds: Bounds) -> None:
    if not name.lower().endswith(PICTURES):
        raise BadInput(f"{name} is neither a picture ({' '.join(PICTURES)}) nor a table ({' '.join(table.ENDINGS)})")
    if name in pictures and pictures[name] != content:
        raise BadInput(f"two different pictures are called {name}: rename one, because a table names pictures by it")
    if len(content) > bounds.image_bytes:
        raise _too_large(name, bounds)
    pictures[name] = content
    if len(pictures) > bounds.items:
        raise TooLarge(f"more than {bounds.items} pictures; WATCHPOINT_PROBE_ITEMS is the limit of one batch")


def _unzip(archive: str, data: bytes, bounds: Bounds, room: int) -> list[tuple[str, bytes]]:
    """Pictures and tables of an archive, by their names without folders."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as opened:
            entries = [entry for entry in opened.infolist() if _wanted(entry)]
            if len(entries) > bounds.items + 1:  # one of them may be the table
                raise TooLarge(f"{archive} holds {len(entries)} files; the limit of one batch is {bounds.items}")
            found = []
            for entry in entries:
                content = _read(opened, entry, archive, bounds)
                room -= len(content)
                if room < 0:
                    raise TooLarge(f"{archive} unpacks to more than {bounds.total_bytes // MEBIBYTE} MiB: split it")
                found.append((_plain(entry.filename), content))
            return found
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError) as error:
        raise BadInput(f"{archive} cannot be unpacked: {error}") from None


def _wanted(entry: zipfile.ZipInfo) -> bool:
    """Pictures and tables; not the folders and hidden files that archivers add."""
    name = _plain(entry.filename)
    hidden = name.startswith(".") or entry.filename.startswith("__MACOSX/")
    return not entry.is_dir() and not hidden and name.lower().endswith((*PICTURES, *table.ENDINGS))


def _read(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, archive: str, bounds: Bounds) -> bytes:
    """One file, read no further than is allowed: its stated size may be a lie."""
    if entry.flag_bits & 0x1:
        raise BadInput(f"{archive} is encrypted: unpack it and choose the files")
    is_table = entry.filename.lower().endswith(table.ENDINGS)
    most = table.MOST_BYTES if is_table else bounds.image_bytes
    with opened.open(entry) as stream:
        content = stream.read(most + 1)
    if len(content) > most:
        raise _too_large(f"{_plain(entry.filename)} in {archive}", bounds)
    return content


def _too_large(name: str, bounds: Bounds) -> TooLarge:
    return TooLarge(
        f"{name} is larger than {bounds.image_bytes // MEBIBYTE} MiB, the limit of one image "
        "(WATCHPOINT_MAX_IMAGE_BYTES)"
    )


def _plain(path: str) -> str:
    """The last part of a path, whichever slash it was written with."""
    return posixpath.basename(path.replace("\\", "/"))
