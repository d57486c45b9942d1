"""Image files by their content: data/media/<2 hex>/<SHA-256>. Each is kept once, however often it is sent.

Used by the api: its media routes, probes and retention. Nothing here decodes pixels: type and size are read from the
header. The modification time of a file is the day on which it was last used; retention goes by it.
"""

import hashlib
import io
import os
import threading
import time
import uuid
from collections import OrderedDict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from monitor.errors import BadInput, NotFound, StorageFull, TooLarge
from monitor.ingest.spool import sync_folder

FOLDER = "media"
PART = ".part"
MIMES = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",  # several pictures in one JPEG, as some cameras write them
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "BMP": "image/bmp",
    "TIFF": "image/tiff",
}
FORMATS = tuple(name for name in MIMES if name != "MPO")
USED_AGAIN_S = 3600.0
"""A file that was used within this time is not marked as used once more."""

UNFINISHED_S = 3600.0
KNOWN = 4096


@dataclass(frozen=True, slots=True)
class Media:
    """What the header of a file says."""

    sha256: str
    mime: str
    bytes: int
    width: int
    height: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class MediaStore:
    """The folder of one installation; its methods block on the disk and may be called from any thread."""

    def __init__(self, data: Path, max_bytes: int, max_pixels: int) -> None:
        self._folder = data / FOLDER
        self._max_bytes, self._max_pixels = max_bytes, max_pixels
        self._known: OrderedDict[str, Media] = OrderedDict()
        self._lock = threading.Lock()  # a file that is used just now is not removed just then

    def keep(self, content: bytes) -> Media:
        """Keep an image file durably. Raises BadInput for what is no image, TooLarge, and StorageFull."""
        media = self._inspect(content)
        path = self._path(media.sha256)
        try:
            if not self._use(path):
                _write(path, content)
        except OSError as error:
            raise StorageFull(
                f"the image could not be written: {error.strerror}; make space under {self._folder} and send again"
            ) from None
        self._remember(media)
        return media

    def read(self, sha256: str) -> tuple[Media, bytes]:
        """A file and what it is; counts as a use. Raises NotFound."""
        path = self._path(sha256)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            raise NotFound(missing([sha256])) from None
        self._use(path, USED_AGAIN_S)
        media = self._known.get(sha256) or _described(sha256, content)
        self._remember(media)
        return media, content

    def find(self, sha256: str) -> Media | None:
        """What a file is, None when it is not kept."""
        known = self._known.get(sha256)
        if known and self._path(sha256).exists():
            return known
        try:
            return self.read(sha256)[0]
        except NotFound:
            return None

    def expire(self, before: float) -> int:
        """Remove the files that were last used before this time (seconds since the epoch); returns how many."""
        gone = 0
        for path in self._folder.glob("??/*"):
            unfinished = path.name.endswith(PART)
            with self._lock:
                if _last_used(path) < (time.time() - UNFINISHED_S if unfinished else before):
                    path.unlink(missing_ok=True)
                    gone += not unfinished
        return gone

    def _use(self, path: Path, again_s: float = 0.0) -> bool:
        """Mark a file as used; False when it is not there."""
        with self._lock:
            try:
                if time.time() - path.stat().st_mtime > again_s:
                    os.utime(path)
            except FileNotFoundError:
                return False
            return True

    def _path(self, sha256: str) -> Path:
        if len(sha256) != 64 or set(sha256) - set("0123456789abcdef"):
            raise NotFound(f"{sha256[:80]!r} is no SHA-256 of an image: 64 hexadecimal digits, in small letters")
        return self._folder / sha256[:2] / sha256

    def _inspect(self, content: bytes) -> Media:
        if len(content) > self._max_bytes:
            raise TooLarge(
                f"the image is {len(content)} bytes; allowed are {self._max_bytes} (WATCHPOINT_MAX_IMAGE_BYTES): "
                "save it smaller"
            )
        media = _described(hashlib.sha256(content).hexdigest(), content)
        if media.width * media.height > self._max_pixels:
            raise TooLarge(
                f"the image is {media.width} x {media.height} pixels; allowed are {self._max_pixels} in all "
                "(WATCHPOINT_MAX_IMAGE_PIXELS): save it smaller"
            )
        return media

    def _remember(self, media: Media) -> None:
        self._known[media.sha256] = media
        while len(self._known) > KNOWN:
            self._known.popitem(last=False)


def missing(hashes: list[str]) -> str:
    """What to say when images are not kept."""
    named = ", ".join(hashes[:3]) + (f" and {len(hashes) - 3} more" if len(hashes) > 3 else "")
    which = f"the image {named} is" if len(hashes) == 1 else f"{len(hashes)} images are"
    those = "" if len(hashes) == 1 else f" ({named})"
    return f"{which} not in the media store{those}: send it to /api/v1/media first; unused images leave by age"


def _described(sha256: str, content: bytes) -> Media:
    """What the header says. Raises BadInput and TooLarge."""
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            kind, (width, height) = str(image.format), image.size
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooLarge(f"the image has too many pixels: {error}; save it smaller") from None
    except UnidentifiedImageError:
        raise BadInput(f"the file is no image; allowed are {', '.join(FORMATS)}") from None
    except Exception as error:  # noqa: BLE001 (a broken header raises whatever its reader trips over)
        raise BadInput(f"the header of the image is broken ({error}); save it again") from None
    return Media(sha256, MIMES[kind], len(content), width, height)


def _write(path: Path, content: bytes) -> None:
    """So that after a crash the file is whole or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sync_folder(path.parent.parent)
    part = path.with_name(f"{path.name}-{uuid.uuid4().hex[:8]}{PART}")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        part.rename(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def _last_used(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return time.time()
