"""What somebody imports, as files by relative path, whether it is a folder, one file or a zip, within bounds.

Every importer below `monitor/harnesses` reads through a `Tree` and opens nothing itself.
"""

import fnmatch
import hashlib
import io
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from monitor.errors import BadInput, TooLarge

MIB = 2**20
MAX_FILE_BYTES = 256 * MIB
MAX_FILES = 50_000
MAX_UNPACKED_BYTES = 2048 * MIB
MAX_RATIO = 200
RATIO_COUNTS_FROM_BYTES = 4 * MIB
MAX_VALUES = 40_000_000
UPLOADED_FILE_BYTES = 64 * MIB
UPLOADED_TIMES, UPLOADED_LEAST_BYTES, UPLOADED_MOST_BYTES = 8, 64 * MIB, 512 * MIB
"""What an upload may unpack to: so many times its size, within these bounds."""
UPLOADED_VALUES = 3_000_000
DIRECTORY_ENTRY = b"PK\x01\x02"
ADVICE = "Import the folder with `python -m monitor import-benchmarks`."
UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError)
"""All that `zipfile` raises over damaged, encrypted or unknown content."""


@dataclass(slots=True)
class Bounds:
    """What an import may take of the memory: bytes of one file, values of one table or document, and bytes that the
    files unpack to, zips and workbooks alike, where they are uploads, which come from anybody who reaches the api.
    """

    file: int
    values: int
    unpacked: int | None = None
    advice: str = ""
    _spent: dict[str, int] = field(default_factory=dict)

    def spend(self, path: str, size: int) -> None:
        """Count what a file unpacks to, once however often it is read. Raises TooLarge."""
        self._spent[path] = max(size, self._spent.get(path, 0))
        if self.unpacked is not None and sum(self._spent.values()) > self.unpacked:
            raise TooLarge(
                f"{path}: with it, more than {_mib(self.unpacked)} are unpacked, the most for an upload of this size. "
                f"{self.advice}"
            )

    def check_values(self, path: str, values: int) -> None:
        """Raises TooLarge where a table has more cells, or a document more values, than are held at once."""
        if values > self.values:
            raise TooLarge(
                f"{path}: has more than {self.values:,} values, the most that are read of a file. {self.advice}".strip()
            )


def own_bounds() -> Bounds:
    """Of files that somebody has on this machine."""
    return Bounds(MAX_FILE_BYTES, MAX_VALUES)


def bounds_of_upload(size: int) -> Bounds:
    """Of what somebody sent."""
    unpacked = min(max(UPLOADED_TIMES * size, UPLOADED_LEAST_BYTES), UPLOADED_MOST_BYTES)
    return Bounds(min(MAX_FILE_BYTES, UPLOADED_FILE_BYTES), UPLOADED_VALUES, unpacked, ADVICE)


class Tree:
    """Files by relative path. `parent` names the folder above, where there is one; `skipped` says what was left out."""

    def __init__(
        self,
        name: str,
        sizes: Mapping[str, int],
        read: Callable[[str], bytes],
        *,
        skipped: tuple[str, ...] = (),
        parent: str = "",
        bounds: Bounds | None = None,
    ) -> None:
        self.name = name
        self.parent = parent
        self.sizes: Mapping[str, int] = MappingProxyType(dict(sorted(sizes.items())))
        self.skipped = skipped
        self.bounds = bounds or own_bounds()
        self._read = read
        self._hashes: dict[str, str] = {}

    def read(self, path: str) -> bytes:
        """The bytes of one file; BadInput where it is too large, damaged or gone."""
        if path not in self.sizes:
            raise BadInput(f"{path}: there is no such file in {self.name}")
        most, advice = self.bounds.file, self.bounds.advice
        if self.sizes[path] > most:
            raise TooLarge(
                f"{path}: has {_mib(self.sizes[path])}, at most {_mib(most)} are read of one file. {advice}".rstrip()
            )
        content = self._read(path)
        if len(content) > most:
            raise TooLarge(f"{path}: has grown beyond {_mib(most)}, the most that is read of one file")
        return content

    def sha256(self, path: str) -> str:
        """The SHA-256 of a file in hex, computed once."""
        if path not in self._hashes:
            self._hashes[path] = hashlib.sha256(self.read(path)).hexdigest()
        return self._hashes[path]

    def matching(self, pattern: str) -> list[str]:
        """The paths that match as a whole; `*` matches slashes too."""
        return [path for path in self.sizes if fnmatch.fnmatchcase(path, pattern)]


@contextmanager
def open_tree(path: Path | str) -> Iterator[Tree]:
    """A folder, a zip or one file of this machine; BadInput says why it cannot be imported."""
    path = Path(path)
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror or error}. Give a folder, a zip or a file with results.") from None
    if stat.S_ISDIR(mode):
        yield _folder(path)
    elif not stat.S_ISREG(mode):
        raise BadInput(f"{path}: is neither a folder nor a file. Give a folder, a zip or a file with results.")
    elif path.suffix.lower() == ".zip":
        try:
            archive = path.open("rb")
        except OSError as error:
            raise BadInput(f"{path}: cannot be opened: {error.strerror or error}") from None
        with archive, _zip(path.name, archive, own_bounds()) as tree:
            yield tree
    else:
        size = path.stat().st_size
        yield Tree(
            path.name, {path.name: size}, lambda _: _bytes_of(path, path.name), parent=path.absolute().parent.name
        )


@contextmanager
def tree_of_bytes(name: str, content: bytes) -> Iterator[Tree]:
    """What was uploaded: a zip by its name, or one file."""
    bounds = bounds_of_upload(len(content))
    name = PurePosixPath(name.replace("\\", "/")).name or "upload"
    if name.lower().endswith(".zip"):
        check_entries(name, content, MAX_FILES)
        with _zip(name, io.BytesIO(content), bounds) as tree:
            yield tree
    else:
        yield Tree(name, {name: len(content)}, lambda _: content, bounds=bounds)


def _folder(root: Path) -> Tree:
    sizes: dict[str, int] = {}
    skipped: list[str] = []

    def unreadable(error: OSError) -> None:
        skipped.append(f"{error.filename}: {error.strerror or error}")

    for folder, folders, files in os.walk(root, onerror=unreadable):
        for name in [*folders, *files]:
            whole = Path(folder, name)
            relative = whole.relative_to(root).as_posix()
            why, size = _look(whole)
            if why:
                skipped.append(f"{_shown(relative)}: {why}")
            elif size is not None:
                sizes[relative] = size
        if len(sizes) > MAX_FILES:
            raise TooLarge(
                f"{root}: has more than {MAX_FILES:,} files, the most that is imported at once. "
                "Give the folder of one model or of one run."
            )
    name = root.absolute().name if root.name in ("", "..") else root.name
    return Tree(
        name,
        sizes,
        lambda path: _bytes_of(root / path, path),
        skipped=tuple(sorted(skipped)),
        parent=root.absolute().parent.name,
    )


def _look(path: Path) -> tuple[str, int | None]:
    """Why a path is left out, or its size; neither for a folder."""
    try:
        str(path).encode()
        status = path.lstat()
    except UnicodeEncodeError:
        return "its name is not UTF-8", None
    except OSError as error:
        return error.strerror or str(error), None
    if stat.S_ISLNK(status.st_mode):
        return "is a link", None
    if stat.S_ISDIR(status.st_mode):
        return "", None
    if not stat.S_ISREG(status.st_mode):
        return "is neither a file nor a folder", None
    return "", status.st_size


def _bytes_of(path: Path, shown: str) -> bytes:
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            return file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise BadInput(f"{shown}: cannot be read: {error.strerror or error}") from None


@contextmanager
def _zip(name: str, file: io.BufferedIOBase, bounds: Bounds) -> Iterator[Tree]:
    try:
        archive = zipfile.ZipFile(file)
    except UNREADABLE as error:
        raise BadInput(f"{name}: is not a zip that can be read: {error}") from None
    with archive:
        members, skipped = _members(name, archive)
        bounds.spend(name, sum(info.file_size for info in members.values()))

        def read(path: str) -> bytes:
            try:
                with archive.open(members[path]) as member:
                    return member.read(MAX_FILE_BYTES + 1)
            except UNREADABLE as error:
                raise BadInput(f"{path}: cannot be read from {name}, the zip is damaged there: {error}") from None

        sizes = {path: info.file_size for path, info in members.items()}
        yield Tree(name, sizes, read, skipped=skipped, bounds=bounds)


def _members(name: str, archive: zipfile.ZipFile) -> tuple[dict[str, zipfile.ZipInfo], tuple[str, ...]]:
    """The files of a zip by their path, once none of them is out of bounds, and what was left out."""
    entries = archive.infolist()
    check_bounds(name, entries, MAX_UNPACKED_BYTES)
    members: dict[str, zipfile.ZipInfo] = {}
    skipped = []
    for entry in entries:
        path = _inside(name, entry)
        if entry.flag_bits & 1:
            raise BadInput(f"{name}: {_shown(path)} is encrypted. Pack it again without a password.")
        if stat.S_ISLNK(entry.external_attr >> 16):
            skipped.append(f"{path}: is a link")
        elif path.startswith("__MACOSX/"):
            skipped.append(f"{path}: holds what macOS notes about a file")
        elif path in members:
            raise BadInput(f"{name}: holds {_shown(path)} twice; nobody can tell which one is meant. Pack it again.")
        elif not entry.is_dir():
            members[path] = entry
    return members, tuple(sorted(skipped))


def check_entries(name: str, content: bytes, most: int) -> None:
    """Refuse a zip with too many files before they are listed; a zip inside counts with its own."""
    if content.count(DIRECTORY_ENTRY) > 4 * most:
        raise TooLarge(f"{name}: has more than {most:,} files, the most that are read of a zip")


def check_bounds(name: str, entries: list[zipfile.ZipInfo], most: int) -> None:
    """Refuse a zip, or an xlsx, which is one, that would unpack to more than it should."""
    unpacked = sum(entry.file_size for entry in entries)
    packed = sum(entry.compress_size for entry in entries)
    if len(entries) > MAX_FILES:
        raise TooLarge(f"{name}: has {len(entries):,} files, at most {MAX_FILES:,} are imported at once")
    if unpacked > most:
        raise TooLarge(f"{name}: would unpack to {_mib(unpacked)}, at most {_mib(most)} are read")
    if unpacked > RATIO_COUNTS_FROM_BYTES and unpacked > MAX_RATIO * packed:
        raise TooLarge(
            f"{name}: would unpack to {_mib(unpacked)}, more than {MAX_RATIO} times its size, as a zip bomb does. "
            "If it is none, give the unpacked folder instead."
        )


def _inside(name: str, entry: zipfile.ZipInfo) -> str:
    """The path of a member, once it is sure that it stays below the root of the zip."""
    path = entry.orig_filename
    if (
        path.startswith("/")
        or "\\" in path
        or "\0" in path
        or re.match(r"[A-Za-z]:", path)
        or ".." in path.split("/")
        or not PurePosixPath(path).name
    ):
        raise BadInput(f"{name}: holds {_shown(path)}, a name that leaves the folder. Nothing of it was read.")
    try:
        path.encode()
    except UnicodeEncodeError:
        raise BadInput(f"{name}: holds {_shown(path)}, a name that is not UTF-8") from None
    return PurePosixPath(path).as_posix()


def _shown(path: str) -> str:
    """A name from outside, in a message: with quotes, escaped and cut."""
    return ascii(path[:200])


def _mib(size: int) -> str:
    return f"{size / MIB:,.0f} MiB"
