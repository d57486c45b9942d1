"""Pictures of the media store, made small enough for a page."""

import base64
import io

import streamlit as st
from PIL import Image, ImageOps, UnidentifiedImageError

from monitor.errors import NotFound
from monitor.ui.probe.service import prober

SHOWN, SMALL, TINY = 720, 240, 96
CRISP = 256
"""A picture smaller than this is enlarged by whole pixels, so that what the model saw can be seen."""


@st.cache_data(max_entries=512, show_spinner=False)
def picture(sha256: str, longest: int = SHOWN) -> bytes:
    """A PNG of at most that many pixels a side. Raises NotFound, which is not kept: it may be sent later."""
    with Image.open(io.BytesIO(prober().media(sha256))) as opened:
        upright = ImageOps.exif_transpose(opened).convert("RGB")
    side = max(upright.size)
    if side > longest:
        upright.thumbnail((longest, longest))
    elif side < CRISP:
        factor = min(longest, CRISP) // side
        upright = upright.resize(
            (upright.width * max(1, factor), upright.height * max(1, factor)), Image.Resampling.NEAREST
        )
    out = io.BytesIO()
    upright.save(out, "PNG", optimize=True)
    return out.getvalue()


def shown(sha256: str, longest: int = SHOWN) -> bytes | None:
    """The same, or None where the store has no such picture, or none that can be drawn."""
    try:
        return picture(sha256, longest)
    except (NotFound, UnidentifiedImageError, OSError, ValueError):
        return None


def data_url(sha256: str) -> str | None:
    """A picture for a cell of a table."""
    found = shown(sha256, TINY)
    return None if found is None else f"data:image/png;base64,{base64.b64encode(found).decode()}"
