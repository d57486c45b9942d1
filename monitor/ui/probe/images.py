"""The images of a question: thumbnails, and three ways to add one. Each goes to the media store at once, so that the
address can name it.
"""

from collections.abc import Iterable

import streamlit as st

from monitor.config import MIB, load_settings
from monitor.errors import WatchpointError
from monitor.ui import access, text
from monitor.ui.probe import examples, form, pictures
from monitor.ui.probe.service import prober

KINDS = ["png", "jpg", "jpeg", "webp", "bmp", "gif", "tif", "tiff"]
REFUSED, ROUND = "probe-refused", "probe-upload-round"


def draw_images() -> None:
    """The chosen images with a way to remove each, and the menu that adds more."""
    hashes = form.images()
    st.markdown(f"Images ({len(hashes)})" if hashes else "Images", help="In the order in which the model sees them.")
    if hashes:
        with st.grid("auto", min_column_width=120, gap="small"):
            for place, sha256 in enumerate(hashes):
                with st.container(key=f"image-{place}", gap="xsmall"):
                    _thumbnail(place, len(hashes), sha256)
    menu = st.popover("Add images", icon=":material/add_photo_alternate:", key="add-images", on_change="rerun")
    if menu.open:
        with menu:
            _add()
    for refused in st.session_state.pop(REFUSED, []):
        st.error(text.plain(refused), title="This image cannot be used", icon=":material/broken_image:")


def draw_gallery(hashes: Iterable[str], width: int = 160) -> None:
    """Images side by side, as they are elsewhere on the page."""
    with st.container(horizontal=True, gap="small"):
        for place, sha256 in enumerate(hashes):
            draw_image(sha256, f"Image {place + 1}", width)


def draw_image(sha256: str, name: str, width: int) -> bool:
    """One image, or the face that says that it is gone; whether it is there."""
    found = pictures.shown(sha256, max(width, pictures.SMALL))
    if found is None:
        st.markdown(f":material/hide_image: {text.plain(name)} `{sha256[:8]}` is not in the media store.")
        return False
    st.image(found, width=width, output_format="PNG", alt=f"{name} ({sha256[:8]})")
    return True


def missing(hashes: Iterable[str]) -> int:
    """How many of them the media store does not have."""
    return sum(pictures.shown(sha256, pictures.SMALL) is None for sha256 in hashes)


def _thumbnail(place: int, total: int, sha256: str) -> None:
    draw_image(sha256, f"Image {place + 1} of {total}", 120)
    st.button(
        "Remove",
        icon=":material/close:",
        type="tertiary",
        key=f"remove-image-{place}",
        on_click=_remove,
        args=(place,),
        help=f"Remove image {place + 1}",
    )


def _remove(place: int) -> None:
    form.set_images(one for at, one in enumerate(form.images()) if at != place)


def _add() -> None:
    round_ = int(st.session_state.get(ROUND, 0))
    key = f"upload-{round_}"
    st.file_uploader(
        "Choose files, or drop them here",
        type=KINDS,
        accept_multiple_files=True,
        key=key,
        on_change=_take_files,
        args=(key,),
        max_upload_size=max(1, load_settings().max_image_bytes // MIB),
    )
    st.chat_input(
        "Or paste here, then Enter",
        key="paste",
        accept_file="multiple",
        file_type=KINDS,
        on_submit=_take_pasted,
    )
    if access.may("read_text"):
        examples.draw_examples()


def _take_files(key: str) -> None:
    _keep(file.getvalue() for file in st.session_state[key] or [])
    st.session_state[ROUND] = int(st.session_state.get(ROUND, 0)) + 1  # an empty uploader: the files are taken


def _take_pasted() -> None:
    said = st.session_state["paste"]
    if said:
        _keep(file.getvalue() for file in said.files)
        if said.text:
            st.session_state["prompt"] = f"{st.session_state.get('prompt') or ''}\n{said.text}".strip()


def _keep(files: Iterable[bytes]) -> None:
    """Send files to the media store and choose them; what is refused is told on the next run of the page."""
    for file in files:
        try:
            form.set_images([*form.images(), prober().upload(file)["sha256"]])
        except WatchpointError as error:
            st.session_state.setdefault(REFUSED, []).append(str(error))
