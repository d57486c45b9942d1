"""What a batch probe is made from: files of one's own, or requests of the log."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from monitor.charts import words
from monitor.client.prober import Prober
from monitor.config import load_settings
from monitor.errors import WatchpointError
from monitor.ui import data, filters, text
from monitor.ui.data import ask
from monitor.ui.probe.files import TYPES, Bounds, Chosen, take_apart
from monitor.ui.probe.items import items_of
from monitor.ui.probe.service import prober
from monitor.ui.window import pick_window

AT_ONCE = 4
STATUSES = {"": "All", "ok": "OK", "error": "Failed"}
TAKEN = "probe-files"

HELP = """Pictures, a zip of them, and at most one table (CSV with a header, or one JSON object a line). Its columns are
`prompt`, `image` (file names, several with `;` between them), `label` (the expected answer) and `id`; `prompt` or
`image` must be there. Without a table each picture is asked the prompt below."""


def bounds() -> Bounds:
    """What one batch may hold; the api checks it again."""
    settings = load_settings()
    return Bounds(settings.probe_items, settings.max_image_bytes)


def pick_files() -> Chosen | None:
    """The chosen files taken apart; what is wrong with them is told at once."""
    whole = st.toggle("A whole folder", key="folder", persist_state="page")
    files = st.file_uploader(
        "Pictures, a zip, or a table",
        type=None if whole else TYPES,
        accept_multiple_files="directory" if whole else True,
        key=f"batch-files-{whole}",
        help=HELP,
    )
    if not files:
        return None
    try:
        chosen = _taken(files, whole)
    except WatchpointError as error:
        st.error(text.plain(error), title="These files cannot be used", icon=":material/folder_off:")
        return None
    st.caption(_in_words(chosen))
    return chosen


def _taken(files: Sequence[Any], whole: bool) -> Chosen:
    """Taken apart once, and not again with every key that is pressed on the page."""
    names = tuple(file.file_id for file in files)
    kept: tuple[tuple[str, ...], Chosen] | None = st.session_state.get(TAKEN)
    if kept is None or kept[0] != names:
        wanted = [file for file in files if not whole or file.name.lower().endswith(tuple(f".{one}" for one in TYPES))]
        kept = names, take_apart(((file.name, file.getvalue()) for file in wanted), bounds())
        st.session_state[TAKEN] = kept
    return kept[1]


def send(chosen: Chosen, prompt: str, system: str) -> list[dict[str, Any]]:
    """The items of a batch, its pictures sent to the media store before. Raises BadInput and what the api raises."""
    known = dict.fromkeys(chosen.pictures, "")
    items_of(chosen, prompt, system, known)  # what is wrong with the table is told before anything is sent
    bar = st.progress(0.0, "Sending pictures")
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="upload") as pool:
        sent = pool.map(partial(_sent, prober()), chosen.pictures.items())
        for n, (name, sha256) in enumerate(sent, 1):
            known[name] = sha256
            bar.progress(n / len(known), f"Sending pictures: {words.count(n)} of {words.count(len(known))}")
    bar.empty()
    return items_of(chosen, prompt, system, known)


def _sent(to: Prober, picture: tuple[str, bytes]) -> tuple[str, str]:
    name, content = picture
    try:
        return name, str(to.upload(content)["sha256"])
    except WatchpointError as error:
        error.args = (f"{name}: {error}",)
        raise


def pick_sample() -> dict[str, Any]:
    """Which logged requests to ask again, as the body of a run has it."""
    window = pick_window()
    known = data.load(ask("deployments"))
    left, right = st.columns([1, 3], vertical_alignment="bottom")
    with left:
        source = filters.pick_source(known)
    with right:
        scope = filters.pick_scope(known, source)
    first, second, third = st.columns([3, 2, 2], vertical_alignment="bottom")
    with first:
        checkpoints = st.multiselect("Checkpoints", _checkpoints(known, source), key="of", placeholder="All")
    status = second.segmented_control(
        "Status", list(STATUSES), format_func=STATUSES.__getitem__, default="", required=True, key="sample-status"
    )
    with third.container(horizontal=True, vertical_alignment="bottom"):
        n = st.number_input("Requests", 1, bounds().items, min(200, bounds().items), key="sample-n", width=120)
        seed = st.number_input("Seed of the draw", 0, 2**31, 0, key="sample-seed", width=140)
    st.caption("Drawn at random from those that match, each as likely as any other; the same seed draws the same ones.")
    return {
        "start": window.start,
        "end": window.end,
        "source": source,
        "deployments": list(scope.deployments),
        "checkpoints": checkpoints,
        "status": status or "",
        "n": int(n),
        "seed": int(seed),
    }


def _checkpoints(known: pd.DataFrame, source: str) -> list[str]:
    return sorted(str(one) for one in known.loc[known["source"] == source, "checkpoint"].dropna().unique() if one)


def _in_words(chosen: Chosen) -> str:
    pictures = f"{words.count(len(chosen.pictures))} pictures"
    if chosen.rows is None:
        return f"{pictures}, each asked the prompt below."
    labelled = sum(row.label is not None for row in chosen.rows)
    told = f"a table of {words.count(len(chosen.rows))} rows, {words.count(labelled)} of them with an expected answer"
    return f"{pictures}, {told}."
