"""Accepting what a deployment answers now as its new baseline; for those who may run jobs, with a reason."""

import streamlit as st

from monitor.charts import words
from monitor.errors import WatchpointError
from monitor.ui import access, text
from monitor.ui.canaries.place import Place
from monitor.ui.jobs import asking

EXPLAINED = (
    "From now on what {} answers is what is expected of it: the next run asks every item several times to learn that "
    "anew, alarms about what changed before then end, and a change that is bad becomes normal too."
)


def draw_accept(at: Place) -> None:
    """The menu; nothing for those who may not."""
    if not access.may(asking.PERMISSION):
        return
    menu = st.popover("Accept as baseline", icon=":material/verified:", key="accept-menu", on_change="rerun")
    if not menu.open:
        return
    with menu:
        st.markdown(EXPLAINED.format(text.plain(at.deployment)))
        reason = st.text_area("Reason", key="accept-reason", max_chars=1000, placeholder="Such as: new system prompt")
        sure = st.checkbox(f"The change of {text.plain(at.name)} is meant", key="accept-sure")
        st.button(
            "Accept",
            type="primary",
            key="accept",
            disabled=not (sure and (reason or "").strip()),
            help="Kept with your name and the time",
            on_click=_accept,
            args=(at,),
        )


def draw_accepted(row: dict[str, object], utc: bool) -> None:
    """Who accepted the baseline that counts, when and why."""
    if words.known(row["accepted_at"]):
        why = f": {text.plain(row['accepted_reason'])}" if row["accepted_reason"] else ""
        st.caption(
            f":material/verified: Baseline accepted {text.moment(row['accepted_at'], utc)} by "  # type: ignore[arg-type]  # a time
            f"{text.plain(row['accepted_by'])}{why}"
        )


def _accept(at: Place) -> None:
    reason = str(st.session_state["accept-reason"]).strip()
    try:
        asking.jobs().accept(at.canary, at.deployment, access.visitor().name, reason)
    except WatchpointError as error:
        st.toast(text.plain(error), icon=":material/error:", duration="long")
        return
    for name in ("accept-reason", "accept-sure"):
        del st.session_state[name]
    st.session_state["accept-menu"] = False
    st.toast(f"Accepted. The next run of {text.plain(at.name)} learns anew.", icon=":material/verified:")
