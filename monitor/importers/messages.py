"""Chat messages as one text, and pictures or sounds in them as hashes; the bytes themselves are dropped.

Called for every text column, so that a base64 picture never reaches the store, whatever log it hides in.
"""

import base64
import binascii
import hashlib
import re
from io import BytesIO
from typing import Any

import msgspec
from PIL import Image

MAX_MEDIA = 32
TEXT_PARTS = ("text", "input_text", "output_text", "refusal")

_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)(?:;[\w.+-]+=[\w.+-]+)*;base64,([A-Za-z0-9+/=_-]+)")
_CUT = re.compile(r"\s*(\.\.\.|\u2026|\[truncated|\(litellm_truncated)")

Media = list[dict[str, Any]]


def flatten(content: object) -> tuple[str | None, Media]:
    """Text and media of a message list, a list of parts, a plain string or any other JSON value."""
    if content is None or content == "" or content == []:
        return None, []
    return without_bytes(_text(content))


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, dict):
        is_message = "role" in content or ("content" in content and "type" not in content)
        return _message(content) if is_message else _part(content)
    if isinstance(content, list):
        if len(content) > 1 and all(isinstance(item, dict) and "role" in item for item in content):
            return "\n".join(f"{item['role']}: {_message(item)}" for item in content)
        return "\n".join(_text(item) for item in content)
    return _json(content)


def _message(message: dict[str, Any]) -> str:
    pieces = [_text(message[key]) for key in ("content", "images", "tool_calls", "function_call") if message.get(key)]
    return "\n".join(pieces)


def _part(part: dict[str, Any]) -> str:
    text = part.get("text", part.get("refusal"))
    if part.get("type") in TEXT_PARTS and isinstance(text, str):
        return text
    return _media_url(part) or _json(part)


def _media_url(part: dict[str, Any]) -> str | None:
    """The URL of a picture, sound or file part, in the spellings of OpenAI (chat and responses) and Anthropic."""
    image, audio, source, file = (part.get(key) for key in ("image_url", "input_audio", "source", "file"))
    url = image.get("url") if isinstance(image, dict) else image
    if isinstance(url, str):
        return url if url.startswith("data:") else f"[image {url}]"
    if isinstance(audio, dict):
        return f"data:audio/{audio.get('format', 'wav')};base64,{audio.get('data', '')}"
    if isinstance(source, dict) and source.get("type") == "base64":
        return f"data:{source.get('media_type', 'image/png')};base64,{source.get('data', '')}"
    if isinstance(file, dict) and isinstance(file.get("file_data"), str):
        return str(file["file_data"])
    return None


def _json(value: object) -> str:
    return msgspec.json.encode(value, enc_hook=str).decode()


def without_bytes(text: str) -> tuple[str, Media]:
    """The text with every base64 data URL replaced by its type in brackets, and what was taken out."""
    if ";base64," not in text:
        return text, []
    media: Media = []

    def replace(match: re.Match[str]) -> str:
        mime, packed = match.groups()
        data = None if _CUT.match(text, match.end()) else _decoded(packed)
        if data is None:
            return f"[{mime}, not complete in the log]"
        media.append(describe(data, mime))
        return f"[{mime}]"

    return _DATA_URL.sub(replace, text), media


def _decoded(packed: str) -> bytes | None:
    packed = packed.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True)
    except binascii.Error:
        return None


def describe(data: bytes, mime: str) -> dict[str, Any]:
    """Hash, type and size of a file as the event's `media` wants them, and the dimensions of a picture."""
    size = _dimensions(data) if mime.startswith("image/") else None
    known = {"width": size[0], "height": size[1]} if size else {}
    return {"sha256": hashlib.sha256(data).hexdigest(), "mime": mime, "bytes": len(data), **known}


def _dimensions(data: bytes) -> tuple[int, int] | None:
    try:
        with Image.open(BytesIO(data)) as image:  # reads the header only
            return image.size
    except Exception:  # noqa: BLE001  # a damaged picture raises whatever its decoder likes: no dimensions
        return None


def add_media(event: dict[str, Any], media: Media) -> None:
    """Append to the event's media; what is over the door's bound is counted, not sent."""
    if not media:
        return
    both = [*event.get("media", ()), *media]
    event["media"] = both[:MAX_MEDIA]
    if len(both) > MAX_MEDIA:
        event.setdefault("attrs", {})["media_left_out"] = len(both) - MAX_MEDIA
