"""Images inside a request, as data URLs. Nothing else is an image here: no path is opened, no address is fetched."""

import binascii
import re

from monitor.chat import Image
from monitor.inference.refused import BadParameter

HEAD = re.compile(r"data:(image/[a-z0-9.+-]{1,40})(;[a-z0-9=_-]{1,40})*;base64", re.IGNORECASE)

WANTED = "send the image itself as data:image/png;base64,... (or image/jpeg, image/webp)"

SHOWN = 80
"""Characters of a wrong value that a message repeats."""


def read_data_url(place: str, url: object, max_bytes: int) -> Image:
    """The encoded image in a data URL; `place` is where it stood. Raises BadParameter."""
    if not isinstance(url, str):
        raise BadParameter(place, f"is {'missing' if url is None else 'not a text'}: {WANTED}", "invalid_image")
    if not url[:5].lower().startswith("data:"):
        raise BadParameter(place, f"is {_cut(url)}: {_why(url)}; {WANTED}", "image_not_inline")
    head, comma, payload = url.partition(",")
    found = HEAD.fullmatch(head)
    if not comma or not found:
        raise BadParameter(place, f"begins with {_cut(head)}: {WANTED}", "invalid_image")
    if len(payload) // 4 * 3 > max_bytes + 3:
        raise BadParameter(
            place,
            f"holds about {len(payload) // 4 * 3} bytes; allowed are {max_bytes}; send a smaller image, "
            "or raise WATCHPOINT_MAX_IMAGE_BYTES",
            "image_too_large",
            status=413,
        )
    try:
        data = binascii.a2b_base64(payload, strict_mode=True)
    except ValueError as error:
        raise BadParameter(place, f"is not base64 behind its comma: {error}", "invalid_image") from None
    if not data:
        raise BadParameter(place, f"is empty behind its comma: {WANTED}", "invalid_image")
    return Image(data, found[1].lower())


def _why(url: str) -> str:
    if re.match(r"(?i)https?:", url):
        return "this worker fetches nothing from the network"
    return "this worker opens no files and follows no addresses"


def _cut(text: str) -> str:
    return repr(text if len(text) <= SHOWN else f"{text[:SHOWN]}...")
