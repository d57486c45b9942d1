"""Where a question comes from, when it comes from the log: a request opened in the probe, or a run that was stored."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from monitor.errors import NotFound
from monitor.ui import access, data, text
from monitor.ui.data import ask
from monitor.ui.probe import form, images, reproduce, runs, targets
from monitor.ui.probe.draft import images_of, readable
from monitor.ui.probe.reproduce import Logged
from monitor.ui.probe.targets import Target

REQUESTS_FILE = "pages/ops/requests.py"


@dataclass(frozen=True, slots=True)
class Origin:
    """The request that is asked again, the run that is shown, and what keeps it from being the same."""

    logged: Logged | None = None
    at: str | None = None
    source_run: str | None = None
    run: Mapping[str, Any] | None = None
    gaps: tuple[str, ...] = ()  # what of the question could not be brought back
    limits: tuple[str, ...] = ()  # which checkpoints cannot be asked


def take_over(known: Mapping[str, Target]) -> Origin:
    """What the address points to; it fills the form the first time that it is seen."""
    source = form.source()
    run = runs.pointed_at("single")
    event = source.request or (str(run["from_request"]) if run and _known(run.get("from_request")) else None)
    logged = _request(event, source.at) if event else None
    picked, limits = targets.for_request(known, logged) if logged else ([], [])
    if not form.is_filled(source):
        if run:
            spec = spec_of(run)
            form.fill(readable(spec.get("messages")), spec.get("settings") or {}, _callable(run["targets"], known))
        elif logged:
            form.fill(logged.messages, logged.settings, picked)
        form.mark_filled(source)
    return Origin(logged, source.at, source.run, run, tuple(_gaps(logged)), tuple(limits))


def draw(origin: Origin) -> None:
    """Which request is asked again, what it answered, and what of it could not be brought back."""
    logged = origin.logged
    if logged is None:
        return
    with st.container(border=True, key="origin"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.page_link(
                REQUESTS_FILE,
                label=f"Request `{logged.event_id}`",
                icon=":material/history:",
                query_params={"event": logged.event_id} | ({"at": origin.at} if origin.at else {}),
                help="The request in the log",
            )
            said = "answered" if logged.answer is not None else "has no logged answer"
            about = text.plain(f"{logged.deployment} · {logged.checkpoint or 'checkpoint not logged'}")
            st.markdown(f"{about} {said}")
            st.button(
                "Start afresh", icon=":material/restart_alt:", type="tertiary", on_click=start_afresh, key="afresh"
            )
        if logged.answer is not None:
            st.code(logged.answer, language=None, wrap_lines=True)
        if origin.gaps:
            listed = "\n".join(f"- {text.plain(gap)}" for gap in origin.gaps)
            st.warning(listed, title="Not everything could be brought back", icon=":material/rule:")
        else:
            st.caption(":material/check: Messages, images and settings are those of the log.")
        for limit in origin.limits:
            st.caption(f":material/block: {text.plain(limit)}")


def start_afresh() -> None:
    """An empty form, without a request or a run."""
    for name in ("request", "at", "run"):
        if name in st.query_params:
            del st.query_params[name]
    form.fill([], {}, st.query_params.get_all(targets.ADDRESS))
    form.mark_filled(form.source())


def spec_of(run: Mapping[str, Any]) -> dict[str, Any]:
    """What a run was asked to do."""
    spec = run.get("spec")
    found = json.loads(spec) if isinstance(spec, str) else spec
    return dict(found) if isinstance(found, Mapping) else {}


def _request(event: str, at: str | None) -> Logged | None:
    """A request of the log, for those who may read its texts."""
    if not access.may("read_text"):
        st.warning("You may not read logged texts, so this request cannot be taken over.", title="Not allowed")
        return None
    try:
        rows = data.records(data.load(ask("request", event_id=event, ts=at)))
    except NotFound:
        rows = []
    if not rows:
        st.warning(
            f"There is no request {text.plain(event)} in the log. It may be older than raw requests are kept.",
            title="This request is not known",
            icon=":material/search_off:",
        )
    return reproduce.logged(rows[0]) if rows else None


def _gaps(logged: Logged | None) -> list[str]:
    """Everything about the question that is not as it was, images that are gone among it."""
    if logged is None:
        return []
    hashes = images_of(logged.messages)
    gone = images.missing(hashes)
    return [*([reproduce.missing_images(gone, len(hashes))] if gone else []), *logged.gaps]


def _callable(wanted: Any, known: Mapping[str, Target]) -> list[str]:
    return [str(one) for one in wanted if str(one) in known]


def _known(value: Any) -> bool:
    return isinstance(value, str) and bool(value)
